"""``note --run ID --ended T`` bounds an attempt that never reported its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from incident.cli.main import run

BAD = {
    "eventType": "START",
    "eventTime": "2026-11-15T02:00:00Z",
    "run": {"runId": "r-open", "facets": {"nominalTime": {"nominalStartTime": "2026-11-15T00:00:00Z"}}},
    "job": {"namespace": "n", "name": "j"},
    "inputs": [],
    "outputs": [{"namespace": "s3://lake", "name": "clean/orders/dt=2026-11-15"}],
}


def blast_end(capsys: pytest.CaptureFixture[str]) -> str | None:
    assert run(["blast", "--json"]) == 0
    found: str | None = json.loads(capsys.readouterr().out)["data"]["attempts"][0]["end"]
    return found


def test_a_note_bounds_a_run_that_never_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    events = tmp_path / "events.ndjson"
    events.write_text(json.dumps(BAD))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INCIDENT_HOME", str(tmp_path / "home"))
    assert run(["declare", "t", "--job", "n/j", "--lineage", str(events), "--json"]) == 0
    capsys.readouterr()
    assert blast_end(capsys) is None
    assert run(["note", "the cluster was gone by then", "--run", "r-open", "--ended", "2026-11-15T04:00:00Z", "--json"]) == 0
    capsys.readouterr()
    assert blast_end(capsys) == "2026-11-15T04:00:00Z"


@pytest.mark.parametrize("half", [["--run", "r-open"], ["--ended", "2026-11-15T04:00:00Z"]])
def test_half_a_bound_is_refused(tmp_path: Path, half: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["note", "x", *half, "--home", str(tmp_path), "--json"]) == 2
    assert "go together" in json.loads(capsys.readouterr().out)["problems"][0]["message"]


def test_a_bound_that_would_bound_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    events = tmp_path / "events.ndjson"
    ended = {**BAD, "eventType": "COMPLETE", "run": {"runId": "r-ended"}}
    events.write_text(f"{json.dumps(BAD)}\n{json.dumps(ended)}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INCIDENT_HOME", str(tmp_path / "home"))
    assert run(["declare", "t", "--job", "n/j", "--lineage", str(events)]) == 0
    capsys.readouterr()
    for name, why in (("r-opem", "no run 'r-opem'"), ("r-ended", "told its end: COMPLETE")):
        assert run(["note", "it is gone", "--run", name, "--ended", "2026-11-15T04:00:00Z", "--json"]) == 2
        assert why in json.loads(capsys.readouterr().out)["problems"][0]["message"]
    events.unlink()
    assert run(["note", "it is gone", "--run", "r-open", "--ended", "2026-11-15T04:00:00Z", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"][0]["code"] == "unchecked"


def test_a_run_that_tells_nothing_for_long_counts_as_ended_where_that_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    events, config = tmp_path / "events.ndjson", tmp_path / "incident.toml"
    running = {**BAD, "eventType": "RUNNING", "eventTime": "2026-11-15T05:00:00Z"}
    later = {**BAD, "eventType": "COMPLETE", "eventTime": "2026-11-15T07:00:00Z", "run": {"runId": "r-other"}}
    events.write_text("\n".join(map(json.dumps, (BAD, running, later))))
    monkeypatch.chdir(tmp_path)

    def ends(said: str) -> object:
        config.write_text(said)
        assert run(["blast", "--run", "r-open", "--lineage", str(events), "--json"]) == 0
        return json.loads(capsys.readouterr().out)["data"]["attempts"][0]["end"]

    assert ends("") is None
    assert ends("[lineage]\nlost_after = 3600\n") == "2026-11-15T06:00:00Z", "after its last event"
    assert ends("[lineage]\nlost_after = 7200\n") is None, "nothing that is known is later: it may still run"
