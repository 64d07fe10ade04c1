"""note, timeline, export, status, list, init and doctor: the record, and what it tells."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from incident.cli.main import run
from incident.errors import BucketMissing, CredentialsMissing, IncidentError
from incident.home import Home, IncidentFolder
from incident.post_mortem import code, escape
from incident.storage.memory import MemoryStore
from lineage import timestamps
from lineage.timestamps import SECOND
from runbooks.guarantees import EVERYTHING
from runbooks.survey import BucketState, Expiry

START = timestamps.parse("2026-11-18T02:00:00Z")
NOW = timestamps.parse("2026-11-20T10:00:00Z")


def _cell(day: int, state: str, until: str | None, *, serving: bool = False) -> dict[str, Any]:
    return {
        "dataset": {"namespace": "s3://lake", "name": "serving|orders" if serving else "clean/orders"},
        "partition": f"dt=2026-11-{day}",
        "state": state,
        "since": f"2026-11-{day}T02:00:00Z",
        "exposure": [{"from": f"2026-11-{day}T02:00:00Z", "until": until}],
        "serving": serving,
        "owners": ["team_pricing"] if serving else [],
    }


RADIUS = {
    "fault": {"words": "attempts of spark/orders for 2026-11-18 to 2026-11-19, both included: 2 matched"},
    "cells": [
        _cell(18, "TAINTED", "2026-11-20T11:00:00Z"),
        _cell(19, "TAINTED", "2026-11-20T11:00:00Z"),
        _cell(19, "SUSPECT", "2026-11-19T08:00:00Z", serving=True),
    ],
    "attempts": [{}, {}, {}],
    "summary": {"datasets": 2, "cells": {"may": 3, "must": 2, "cleaned": 0}, "attempts": {"may": 3, "must": 2}},
}


def _applied(plan_id: str, objects: int, size: int, **more: Any) -> dict[str, Any]:
    counts = {"done": objects, "failed": 0, "drifted": 0, "unknown": 0, "objects": objects, "bytes": size, "seconds": 2}
    return {"plan_id": plan_id, "phase": plan_id.partition("-")[0], **counts, **more}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IncidentFolder:
    """An incident on which much has happened, an hour apart."""
    for name in ("INCIDENT_ID", "INCIDENT_CONFIG", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INCIDENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.chdir(tmp_path)
    hours = iter(range(100))
    home = Home(tmp_path / "home", clock=lambda: NOW + next(hours) * 3600 * SECOND, actor={"name": "ada", "role": "on-call"})
    folder = home.create("Orders priced in cents | *again*", NOW)
    folder.save_revision(RADIUS)
    tell = folder.timeline.append
    tell("declared", "Declared: orders priced in cents", evidence={"revision": "r1"})
    tell("note", "a chart looked odd", evidence={"kind": "observation"}, occurred_at=NOW - 3600 * SECOND)
    tell("apply-started", "Reverting", evidence={"plan_id": "revert-1"})
    tell("applied", "Reverted 3 objects", evidence=_applied("revert-1", 3, 300))
    tell("applied", "Purged 5 objects", evidence=_applied("purge-1", 5, 500))
    tell("undone", "Took purge-1 back", evidence=_applied("undo-1", 5, 500, target="purge-1"))
    tell("fixed", "Prices are read as <units>", evidence={"code_version": "2"})
    tell("applied", "Purged 7 objects", evidence=_applied("purge-2", 7, 2048))
    tell("note", "check [this](http://x)", evidence={"kind": "follow-up"})
    return folder


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run([*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["data"]
    return found


# --- note and timeline ---------------------------------------------------------------------------------------------------


def test_a_note_has_a_kind_and_two_clocks(folder: IncidentFolder, capsys: pytest.CaptureFixture[str]) -> None:
    noted = _json(capsys, "note", "p95 is up", "--kind", "hypothesis", "--at", "2026-11-18T09:00:00+01:00")
    events = _json(capsys, "timeline")["events"]
    mine = next(event for event in events if event["seq"] == noted["seq"])
    assert (mine["kind"], mine["evidence"], mine["text"]) == ("note", {"kind": "hypothesis"}, "p95 is up")
    assert mine["occurred_at"] == "2026-11-18T08:00:00Z"
    assert mine["recorded_at"] > mine["occurred_at"]
    assert events[0] == mine  # shown by when it happened
    assert _json(capsys, "timeline")["head"] == noted["head"] == mine["hash"]


@pytest.mark.parametrize("arguments", [["  "], ["x", "--at", "yesterday"], ["x", "--at", "2999-01-01"]])
def test_a_note_that_says_nothing_or_is_of_no_time_is_refused(folder: IncidentFolder, arguments: list[str]) -> None:
    before = len(folder.timeline.records())
    assert run(["note", *arguments, "--quiet"]) == 2
    assert len(folder.timeline.records()) == before


def test_the_timeline_shows_roles_and_marks_what_was_recorded_later(
    folder: IncidentFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["timeline"]) == 0
    out = capsys.readouterr().out
    assert "on-call" in out
    assert "ada" not in out
    assert "a chart looked odd (recorded 2026-11-20 11:00:00)" in out
    assert out.index("a chart looked odd") < out.index("Declared:")


def test_a_narrow_terminal_gets_paragraphs_and_every_word(
    folder: IncidentFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "s3://lake/" + "deep/" * 30 + "part-0.parquet"
    folder.timeline.append("note", f"see {path}")
    for columns in ("20", "79", "80", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        assert run(["timeline"]) == 0
        out = "".join(capsys.readouterr().out.split())
        assert path in out if int(columns) < 80 else "part-0.parquet" in out
        assert "…" not in out


def test_control_characters_reach_no_terminal(folder: IncidentFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.timeline.append("note", "red \x1b[31m alarm\x07")
    assert run(["timeline"]) == 0
    out = capsys.readouterr().out
    assert "red \\x1b[31m alarm\\x07" in out
    assert "\x1b" not in out


def test_timeline_verify_finds_tampering_and_exits_6(folder: IncidentFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert _json(capsys, "timeline", "verify")["ok"] is True
    head = folder.timeline.head
    assert run(["timeline", "verify", "--head", head]) == 0
    path = folder.path / "events" / "00000004.json"
    path.write_bytes(path.read_bytes().replace(b"3 objects", b"4 objects"))
    capsys.readouterr()
    assert run(["timeline", "verify", "--json"]) == 6
    found = json.loads(capsys.readouterr().out)
    assert found["data"]["ok"] is False
    assert "record 5 does not follow record 4" in found["problems"][0]["message"]


# --- export --------------------------------------------------------------------------------------------------------------


def test_the_post_mortem_has_its_figures_from_the_record(folder: IncidentFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# Orders priced in cents \\| \\*again\\*\n")
    assert "| Datasets reached | 2 (1 of them serving) |" in text
    assert "| Partitions reached | 3 |" in text
    assert "| Longest exposure of a partition | 2 d 9 h |" in text
    assert "| Restored by revert | 3 objects, 300 B |" in text
    assert "| Purged, recoverably | 7 objects, 2.0 KiB |" in text  # purge-1 was taken back
    assert "| `purge-1` | 2026-11-20 14:00:00 | 5 done, taken back since |" in text
    assert "| detected | 2026-11-20 09:00:00 | 2 d 7 h after bad data since |" in text
    assert "| declared | 2026-11-20 10:00:00 | 1 h after detected |" in text
    assert "| reverted | 2026-11-20 13:00:00 | 3 h after declared |" in text
    assert "| purged | 2026-11-20 17:00:00 | 1 h after fixed |" in text
    assert "| closed | — |  |" in text
    assert "- [ ] check \\[this\\](http\\://x)" in text
    assert "| `s3://lake/serving\\|orders` | yes | 1 |" in text
    assert "Prices are read as \\<units\\>" in text
    assert not re.search(r"\bada\b", text)
    assert "Next:" not in text


def test_a_partition_that_is_exposed_twice_over_is_one_partition(
    folder: IncidentFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = _cell(18, "TAINTED", None)
    twice["exposure"] *= 2
    folder.save_revision({**RADIUS, "cells": [twice, _cell(19, "TAINTED", "2026-11-20T11:00:00Z")]})
    assert run(["export"]) == 0
    assert "| Partitions still exposed | 1 |" in capsys.readouterr().out


def test_every_table_row_of_the_post_mortem_has_its_columns(folder: IncidentFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.timeline.append("note", "a | b\n| c |\r\n# not a heading `|`")
    assert run(["export"]) == 0
    width = 0
    for line in capsys.readouterr().out.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line))
        if not line.startswith("|"):
            width = 0
            continue
        width = width or cells
        assert cells == width, line


def test_words_are_never_markdown() -> None:
    assert escape("*a* _b_ `c` <d> [e](f) |g| ~h~ &amp; #i \\") == (
        "\\*a\\* \\_b\\_ \\`c\\` \\<d\\> \\[e\\](f) \\|g\\| \\~h\\~ \\&amp; \\#i \\\\"
    )
    assert [escape(text) for text in ("- a", "1. a", "12) a", "+ a", "=== a", "a\n- b")] == [
        "\\- a",
        "1\\. a",
        "12\\) a",
        "\\+ a",
        "\\=== a",
        "a - b",
    ]
    assert [code("a`b"), code("`a"), code("a|b")] == ["``a`b``", "`` `a ``", "`a\\|b`"]


def test_the_json_export_keeps_names_and_hashes(folder: IncidentFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = _json(capsys, "export", "--format", "json", "-o", "out.json")
    assert found == {"format": "json", "path": str(tmp_path / "out.json"), "bytes": (tmp_path / "out.json").stat().st_size}
    body = json.loads((tmp_path / "out.json").read_text())
    assert body["schema"] == "incident/export/v1"
    assert body["events"][0]["actor"] == {"name": "ada", "role": "on-call"}
    assert body["milestones"]["purged"] == "2026-11-20T17:00:00Z"
    assert body["impact"]["purged_bytes"] == 2048
    assert body["impact"]["longest_exposure_seconds"] == 57 * 3600
    assert body["head"] == body["events"][-1]["hash"]
    exported = folder.timeline.last("exported")
    assert exported is not None
    assert exported.evidence["file"] == "out.json"


def test_ndjson_and_csv_are_a_line_a_record(folder: IncidentFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.timeline.append("note", "=HYPERLINK(1)\nsecond line")
    assert run(["export", "--format", "ndjson"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 11))
    assert run(["export", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["kind"] for row in rows[:2]] == ["declared", "note"]
    assert rows[-1]["text"] == "'=HYPERLINK(1)\nsecond line"
    assert json.loads(rows[0]["evidence"]) == {"revision": "r1"}


def test_an_export_replaces_a_file_whole_or_leaves_it(
    folder: IncidentFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "post-mortem.md"
    target.write_text("old")
    assert run(["export", "-o", str(target)]) == 0
    assert target.read_text().startswith("# Orders")
    target.write_text("old")

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    assert run(["export", "-o", str(target)]) == 1
    assert target.read_text() == "old"
    assert not list(tmp_path.glob(".post-mortem*"))


def test_an_export_to_where_nothing_can_be_written_is_said(folder: IncidentFolder, tmp_path: Path) -> None:
    assert run(["export", "-o", str(tmp_path)]) == 1
    assert run(["export", "-o", str(tmp_path / "no" / "such" / "folder.md")]) == 1


# --- status and list -----------------------------------------------------------------------------------------------------


def test_status_tells_fault_radius_plans_and_the_next_command(folder: IncidentFolder, capsys: pytest.CaptureFixture[str]) -> None:
    found = _json(capsys, "status")
    assert (found["state"], found["revision"], found["unfinished"]) == ("open", "r1", None)
    assert found["fault"]["words"].startswith("attempts of spark/orders")
    assert [(plan["id"], plan["state"]) for plan in found["plans"]] == [
        ("revert-1", "applied"),
        ("purge-1", "undone"),
        ("undo-1", "applied"),
        ("purge-2", "applied"),
    ]
    assert run(["status"]) == 0
    assert capsys.readouterr().out.endswith("\nNext: incident backfill\n")


@pytest.mark.parametrize(
    ("kind", "evidence", "following"),
    [
        ("apply-started", {"plan_id": "backfill-1"}, "incident resume"),
        ("applied", _applied("backfill-1", 0, 0, failed=1), "incident resume"),
        ("applied", _applied("backfill-1", 0, 0), "incident verify"),
        ("undone", _applied("undo-2", 7, 2048, target="purge-2"), "incident purge"),
        ("undone", _applied("undo-2", 7, 2048, target="undo-1"), "incident backfill"),
        ("closed", {}, "incident export --format md -o post-mortem.md"),
    ],
)
def test_the_next_command_follows_from_the_record(
    folder: IncidentFolder, capsys: pytest.CaptureFixture[str], kind: str, evidence: dict[str, Any], following: str
) -> None:
    folder.timeline.append(kind, "x", evidence=evidence)
    assert run(["status", "--incident", folder.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["next"] == [f"{following} --incident {folder.id}"]


def test_an_undo_that_was_taken_back_takes_nothing_back(folder: IncidentFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.timeline.append("undone", "x", evidence=_applied("undo-2", 5, 500, target="undo-1"))
    states = {plan["id"]: plan["state"] for plan in _json(capsys, "status")["plans"]}
    assert (states["purge-1"], states["undo-1"], states["undo-2"]) == ("applied", "undone", "applied")


def test_an_incident_without_a_fault_says_to_scope_it(
    folder: IncidentFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Home(tmp_path / "home").create("new", NOW)
    assert run(["status", "--incident", other.id]) == 0
    out = capsys.readouterr().out
    assert "not known yet" in out
    assert "Next: incident scope" in out


def test_list_shows_open_ones_first_and_the_damaged_too(
    folder: IncidentFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path / "home")
    closed, damaged = home.create("aaa", NOW), home.create("zzz", NOW)
    closed.timeline.append("closed", "closed")
    damaged.timeline.append("note", "x")
    (damaged.path / "events" / "00000001.json").write_text("{")
    assert run(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["id"], one["state"]) for one in found["data"]["incidents"]] == [
        (folder.id, "open"),
        (damaged.id, "damaged"),
        (closed.id, "closed"),
    ]
    assert found["problems"][0]["code"] == "timeline-damaged"


# --- init and doctor -----------------------------------------------------------------------------------------------------


def test_init_writes_once(folder: IncidentFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _json(capsys, "init") == {"path": str(tmp_path / "incident.toml")}
    (tmp_path / "incident.toml").write_text("# mine\n")
    assert run(["init"]) == 2
    assert (tmp_path / "incident.toml").read_text() == "# mine\n"
    assert run(["init", "--config", str(tmp_path / "no" / "x.toml")]) == 1


def _checks(capsys: pytest.CaptureFixture[str], expected: int) -> dict[str, tuple[str, str]]:
    assert run(["doctor", "--json"]) == expected
    found = json.loads(capsys.readouterr().out)["data"]["checks"]
    return {check["name"]: (check["status"], check["detail"]) for check in found}


def test_doctor_says_what_is_wrong_with_each_thing(
    folder: IncidentFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events.ndjson").write_text("not an event\n")
    (tmp_path / "incident.toml").write_text(
        '[lineage]\nsources = ["events.ndjson", "nowhere/*.json", "s3://uncovered/x/"]\n'
        '[[orchestrator]]\njobs = "a"\nkind = "command"\ncommand = ["no-such-command-here"]\n'
        '[[orchestrator]]\njobs = "b"\nkind = "command"\ncommand = ["sh", "-c"]\n'
        '[[orchestrator]]\njobs = "c"\nkind = "luigi"\n'
    )
    (folder.path / "events" / "00000003.json").unlink()
    found = _checks(capsys, 1)
    statuses = {name: status for name, (status, _) in found.items()}
    assert statuses == {
        "configuration": "ok",
        f"lineage {tmp_path}/events.ndjson": "warn",
        f"lineage {tmp_path}/nowhere/*.json": "fail",
        "lineage s3://uncovered/x/": "fail",
        "storage": "warn",
        "orchestrator a": "fail",
        "orchestrator b": "ok",
        "orchestrator c": "fail",
        "home": "ok",
        f"timeline {folder.id}": "fail",
    }


@pytest.mark.parametrize(
    ("state", "status", "detail"),
    [
        (BucketState("lake", "Enabled"), "ok", "reachable, versioned"),
        (BucketState("lake", "Enabled", (Expiry("old/", 90),)), "ok", "reachable, versioned"),
        (BucketState("lake", "Enabled", (Expiry("", 7),)), "warn", "everything after 7 days"),
        (BucketState("lake", "Suspended"), "warn", "versioning is suspended"),
        (BucketState("lake", "Off"), "warn", "versioning is off"),
        (BucketMissing("no such bucket: lake", "create it"), "fail", "no such bucket"),
        (CredentialsMissing("refused", "aws sso login"), "fail", "refused"),
    ],
)
def test_doctor_tells_whether_a_bucket_keeps_what_a_purge_covers(
    *,
    folder: IncidentFolder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    state: BucketState | IncidentError,
    status: str,
    detail: str,
) -> None:
    class Store(MemoryStore):
        def state(self, bucket: str, *, brief: bool = False) -> BucketState:
            if isinstance(state, IncidentError):
                raise state
            return super().state(bucket, brief=brief)

    store = Store(honours=replace(EVERYTHING, honoured=EVERYTHING.honoured[1:], ignored=EVERYTHING.honoured[:1]))
    store.buckets["lake"] = state if isinstance(state, BucketState) else BucketState("lake", "Enabled")
    monkeypatch.setattr("incident.storage._store", lambda *_: store)
    (tmp_path / "incident.toml").write_text('[[storage]]\nurl = "s3://lake/clean"\n')
    found = _checks(capsys, state.exit_code if isinstance(state, IncidentError) else 0)
    assert found["storage s3://lake/clean"][0] == status
    assert detail in found["storage s3://lake/clean"][1]
    if status != "fail":
        conditions = found["conditions s3://lake/clean"]
        assert conditions[0] == "warn"
        assert "conditional-delete is ignored: a deletion takes away whatever is there" in conditions[1]


def test_doctor_leaves_nothing_behind(folder: IncidentFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(tmp_path.rglob("*"))
    _checks(capsys, 0)
    assert sorted(tmp_path.rglob("*")) == before


def test_doctor_says_a_broken_configuration_as_a_check(
    folder: IncidentFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "incident.toml").write_text("[lineage\n")
    found = _checks(capsys, 1)
    assert found["configuration"][0] == "fail"
    assert "line 1" in found["configuration"][1]
