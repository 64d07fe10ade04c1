"""incident triage: with an incident and without, on a screen and as JSON, read-only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from incident.cli.main import run
from tests.lineage.triage_histories import BAD, DAYS, day, enrich, ingest, usual
from tests.small_lake import FAULT, Terminal, incident_on

CHOICE = ("--job", "test/enrich", "--nominal", str(BAD))


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and in it the events of a month to which a test adds the bad day."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("INCIDENT_HOME", str(tmp_path / "home"))
    path = tmp_path / "events.ndjson"
    tell(path, usual())
    return path


def tell(path: Path, events: Iterable[dict[str, Any]]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(one) + "\n" for one in events)


def judged(path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    code = run(["triage", *CHOICE, "--lineage", str(path), "--json", *more])
    envelope: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert envelope["exit_code"] == code
    return code, envelope


def screen(path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert run(["--quiet", "triage", *CHOICE, "--lineage", str(path), *more]) == 0
    return capsys.readouterr().out


def test_the_contract_without_an_incident(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell(events, [*ingest(BAD), *enrich(BAD, code="1.4.1")])
    code, envelope = judged(events, capsys)
    assert (code, envelope["ok"], envelope["incident"]) == (0, True, None)
    data = envelope["data"]
    assert data["verdict"] == "code"
    (evidence,) = data["evidence"]
    assert evidence["who"] == {"job": {"namespace": "test", "name": "enrich"}, "run_id": f"enrich-{BAD}", "attempt": 0}
    assert (evidence["when"], evidence["before"], evidence["after"]) == (f"{BAD + timedelta(days=1)}T03:00:00Z", "1.4.0", "1.4.1")
    assert (evidence["hypothesis"], evidence["source"], evidence["hops"]) == ("code", "sourceCodeLocation.version", 0)
    assert data["first_bad"]["nominal"] == f"{BAD}T00:00:00Z"
    assert {one["name"] for one in data["checks"]} >= {"input schema", "input volume and quality"}
    assert not (events.parent / "home").exists()


def test_the_screen_says_it_in_a_sentence_with_evidence_and_what_was_not_found(
    events: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(events, [*ingest(BAD, rows=100), *enrich(BAD, rows=100)])
    shown = screen(events, capsys)
    assert shown.startswith("The evidence points to the data, strongly: input rowCount of s3://lake/raw 1,026 (usual) → 100")
    assert f"The signal appears first 1 hop upstream: test/ingest run ingest-{BAD}" in shown
    assert "1. data: strong" in shown
    assert "robust z-score" in shown
    assert "against 4 earlier Wednesdays" in shown
    assert "Looked at\n  code: nothing found; code version as in the 30 attempts before" in shown
    assert len(shown.splitlines()) <= 40
    run(["triage", *CHOICE, "--lineage", str(events)])
    assert f"Next: incident triage --job test/ingest --run ingest-{BAD}" in capsys.readouterr().out


def test_two_at_once_are_unclear_on_the_screen_too(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell(events, [*ingest(BAD, rows=100), *enrich(BAD, rows=100, code="1.4.1")])
    shown = screen(events, capsys)
    assert shown.startswith("Unclear: both the ")
    assert "code version 1.4.0 → 1.4.1" in shown
    assert "root cause" not in shown.lower()


def test_control_characters_in_a_facet_do_not_reach_the_terminal(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell(events, [*ingest(BAD), *enrich(BAD, code="1.4.1\x1b[2J")])
    assert "\x1b[2J" not in screen(events, capsys)


def test_counters_from_a_file(events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell(events, [*ingest(BAD), *enrich(BAD)])
    rows = [f"enrich-{day(number)},records read,{1000 + number % 5}" for number in range(DAYS)]
    path = tmp_path / "counters.csv"
    path.write_text("\n".join(["run_id,counter,value", *rows, f"enrich-{BAD},records read,2"]))
    code, envelope = judged(events, capsys, "--counters", str(path))
    assert (code, envelope["data"]["verdict"]) == (0, "data")
    assert envelope["data"]["evidence"][0]["source"] == f"{path}:{DAYS + 2}"
    path.write_text("run_id,counter,value\nr1,x,lots\n")
    code, envelope = judged(events, capsys, "--counters", str(path))
    assert code == 2
    assert f"{path}:2: value 'lots' is not a number" in envelope["problems"][0]["message"]


def test_a_fault_that_matches_nothing_exits_2(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["triage", "--job", "test/enrich", "--nominal", "2031-01-01", "--lineage", str(events), "--json"])
    envelope = json.loads(capsys.readouterr().out)
    assert (code, envelope["ok"]) == (2, False)
    assert "no attempt matches" in envelope["problems"][0]["message"]


def test_lines_that_could_not_be_used_are_told(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell(events, [*ingest(BAD), *enrich(BAD)])
    with events.open("a") as file:
        file.write("not an event\n")
    _, envelope = judged(events, capsys)
    assert [one["code"] for one in envelope["problems"]] == ["skipped"]


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return incident_on(tmp_path, monkeypatch, capsys, until="declared")


def test_an_incident_is_triaged_by_its_fault_and_nothing_is_recorded(terminal: Terminal) -> None:
    before = terminal.ok("timeline")
    data = terminal.ok("triage")
    assert (data["verdict"], data["first_bad"]["job"]["name"]) == ("code", "orders")
    assert [(one["before"], one["after"]) for one in data["evidence"]] == [("v1", "v1-bad")]
    assert terminal.ok("timeline") == before


def test_an_incident_is_triaged_after_its_recovery_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = incident_on(tmp_path, monkeypatch, capsys, until="backfilled")
    data = terminal.ok("triage")
    assert (data["verdict"], data["attempts"]) == ("code", 1)
    assert terminal.ok("triage", *FAULT)["verdict"] in {"code", "unclear"}


def test_an_incident_without_a_fault_asks_for_one(terminal: Terminal) -> None:
    opened = terminal.ok("declare", "something else")
    code, envelope = terminal("triage", "--incident", opened["id"])
    assert (code, envelope["problems"][0]["code"]) == (3, "no-fault")
