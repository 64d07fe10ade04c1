"""``fix`` says from where on runs are good, ``verify`` asks storage and lineage, ``close`` refuses until it passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from incident.context import Context
from incident.journal import Journal
from lineage.timestamps import SECOND
from tests.small_lake import Terminal, incident_on

DAY = "dt=2026-11-17"


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda until: incident_on(tmp_path, monkeypatch, capsys, until=until)


def statuses(data: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["status"] for one in data["checks"]}


def wrong(terminal: Terminal) -> dict[str, str]:
    """What verify finds, less what is fine."""
    code, envelope = terminal("verify")
    found = {name: status for name, status in statuses(envelope["data"]).items() if status != "ok"}
    assert (code == 6) == ("fail" in found.values())
    return found


# --- fix -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--code-version", "v2", "--good-from", "2026-11-20T00:00:00Z")])
def test_a_fix_is_either_a_version_or_a_moment(at: Any, arguments: tuple[str, ...]) -> None:
    code, envelope = at("declared")("fix", *arguments)
    assert code == 2
    assert "--good-from T" in envelope["problems"][0]["hint"]


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", ""])
def test_a_moment_must_be_a_time(at: Any, moment: str) -> None:
    assert at("declared")("fix", "--good-from", moment)[0] == 2


def test_a_fix_is_recorded_with_its_evidence(at: Any) -> None:
    terminal = at("declared")
    data = terminal.ok("fix", "prices divided", "--good-from", "2026-11-20T09:00:00+01:00")
    assert data["good_from"] == "2026-11-20T08:00:00Z"
    (record,) = [one for one in terminal.ok("timeline")["events"] if one["kind"] == "fixed"]
    assert (record["text"], record["evidence"]) == ("prices divided", {"good_from": "2026-11-20T08:00:00Z"})


@pytest.mark.parametrize("arguments", [("--code-version", "v1-bad"), ("--good-from", "2026-11-01")])
def test_a_fix_that_would_clear_the_whole_fault_is_refused(at: Any, arguments: tuple[str, ...]) -> None:
    terminal = at("declared")
    code, envelope = terminal("fix", *arguments)
    assert (code, envelope["problems"][0]["code"]) == (2, "fix-clears-fault")
    assert terminal("backfill")[0] == 3, "nothing was recorded"


# --- verify --------------------------------------------------------------------------------------------------------------


def test_all_is_well_after_a_backfill(at: Any) -> None:
    terminal = at("backfilled")
    data = terminal.ok("verify")
    assert data["ok"]
    assert set(statuses(data).values()) == {"ok"}
    record = terminal.ok("timeline")["events"][-1]
    assert (record["kind"], record["evidence"]["ok"]) == ("verified", True)


def test_before_the_purge_something_is_tainted(at: Any) -> None:
    assert wrong(at("fixed")) == {"nothing is tainted": "fail", "reverted cells are made again": "warn"}


def test_what_is_purged_and_not_back_fails(at: Any) -> None:
    terminal = at("purged")
    assert wrong(terminal) == {"purged cells are back": "fail", "reverted cells are made again": "warn"}
    _, envelope = terminal("verify")
    detail = envelope["data"]["checks"][0]["detail"]
    assert f"s3://lake/clean/orders@{DAY} has no objects" in detail
    assert "backfill" in envelope["problems"][0]["hint"]


@pytest.mark.parametrize("hours", [-1, 1])
def test_whether_data_is_back_is_told_by_the_storage_and_not_by_our_clock(
    at: Any, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    terminal: Terminal = at("fixed")
    lake, day = terminal.lake, f"clean/orders/{DAY}/part-0.txt"
    monkeypatch.setattr(Context, "now", lambda _self: lake.tick() + hours * 3_600 * SECOND)
    terminal.plan_and_apply("purge")
    (marker,) = [one for one in lake.store.listing("lake", day)[day] if one.is_marker]
    lake.store.remove_version("lake", day, marker.version_id)
    _, envelope = terminal("verify")
    assert f"{DAY} has only objects from before the purge" in envelope["data"]["checks"][0]["detail"]
    lake.store.delete("lake", day)
    lake.lying = {f"shop/orders {DAY}"}
    plan_id = terminal.ok("backfill")["plan"]["id"]
    assert terminal("backfill", "--apply", plan_id)[0] == 1, "a run that makes nothing is found out"
    lake.lying.clear()
    assert terminal.ok("resume")["done"] == 3
    _, envelope = terminal("verify")
    assert statuses(envelope["data"])["purged cells are back"] == "ok"


def test_a_bad_version_that_is_current_again_fails(at: Any) -> None:
    terminal = at("backfilled")
    key = f"clean/orders/{DAY}/part-0.txt"
    history = terminal.lake.store.history("lake", key)
    for version in history.versions[:2]:  # what the backfill made, and our marker
        terminal.lake.store.remove_version("lake", key, version.version_id)
    assert wrong(terminal) == {"no bad version is current": "fail", "purged cells are back": "fail"}


def test_the_very_bytes_of_the_bad_version_are_worth_a_look(at: Any) -> None:
    terminal = at("backfilled")
    terminal.lake.store.put("lake", f"clean/orders/{DAY}/part-0.txt", b"v1-bad 2026-11-17")
    assert wrong(terminal) == {"no object is as it was": "warn"}


def test_a_folders_placeholder_is_no_data(at: Any) -> None:
    terminal = at("purged")
    for place in ("clean/orders", "daily/totals"):
        terminal.lake.store.put("lake", f"{place}/{DAY}/", b"")
    assert wrong(terminal)["purged cells are back"] == "fail"


def test_a_job_that_runs_the_bad_version_again_taints_again(at: Any) -> None:
    terminal = at("purged")
    terminal.lake.version = "v1-bad"
    terminal.plan_and_apply("backfill")
    assert wrong(terminal)["nothing is tainted"] == "fail"


def test_rightly_empty_cells_need_a_reason_and_are_remembered(at: Any) -> None:
    terminal = at("purged")
    cells = [f"s3://lake/clean/orders@{DAY}", f"daily/totals@{DAY}"]
    flags = [flag for cell in cells for flag in ("--expect-empty", cell)]
    assert terminal("verify", *flags)[0] == 2
    assert terminal("verify", "--expect-empty", "clean/orders@dt=2026-11-18", "--reason", "r")[0] == 2
    terminal.ok("verify", *flags, "--reason", "the shop was closed")
    assert wrong(terminal) == {"reverted cells are made again": "warn"}
    noted = [one for one in terminal.ok("timeline")["events"] if one["evidence"].get("expect_empty")]
    assert noted[0]["evidence"]["reason"] == "the shop was closed"
    assert [one["job"] for one in terminal.ok("backfill")["plan"]["sample"]] == ["shop/board"]


def test_an_unfinished_apply_fails(at: Any) -> None:
    terminal = at("purged")
    plan_id = terminal.ok("backfill")["plan"]["id"]
    (folder,) = (terminal.lake.folder / "home").glob("INC-*")
    with Journal(folder / "journal", plan_id, {"name": "t"}) as journal:
        journal.begin(3, terminal.lake.tick())
        journal.intent([0], terminal.lake.tick())
    assert wrong(terminal)["every apply is finished"] == "fail"


def test_a_changed_timeline_fails(at: Any) -> None:
    terminal = at("backfilled")
    (folder,) = (terminal.lake.folder / "home").glob("INC-*")
    record = folder / "events" / "00000003.json"
    record.write_bytes(record.read_bytes().replace(b"Applying", b"applying"))
    assert wrong(terminal) == {"the timeline is whole": "fail"}


# --- close ---------------------------------------------------------------------------------------------------------------


def test_close_refuses_until_verify_passes(at: Any) -> None:
    terminal = at("purged")
    code, envelope = terminal("close")
    assert (code, envelope["problems"][0]["code"]) == (6, "verification")
    assert terminal.ok("status")["state"] == "open"
    terminal.plan_and_apply("backfill")
    assert terminal.ok("close")["verified"]


def test_close_unverified_needs_and_keeps_a_reason(at: Any) -> None:
    terminal = at("declared")
    assert terminal("close", "--unverified", " ")[0] == 2
    terminal.ok("close", "--unverified", "the lake is retired")
    identifier = terminal.ok("list")["incidents"][0]["id"]
    last = terminal.ok("timeline", "--incident", identifier)["events"][-1]
    assert (last["kind"], last["evidence"]) == ("closed", {"unverified": "the lake is retired"})


def test_an_incident_whose_fault_is_not_known_cannot_be_verified(at: Any) -> None:
    terminal = at("nothing")
    terminal.ok("declare", "something is odd")
    assert terminal("close")[0] == 6


def test_nothing_changes_a_closed_incident(at: Any) -> None:
    terminal = at("backfilled")
    identifier = terminal.ok("close")["id"]
    for command in (
        ("fix", "--code-version", "v3"),
        ("backfill",),
        ("purge",),
        ("revert",),
        ("close",),
        ("scope", "--job", "shop/totals"),
        ("run", "batch-error"),
    ):
        code, envelope = terminal(*command, "--incident", identifier)
        assert code == 2, command
        assert "closed" in envelope["problems"][0]["message"]
    before = terminal.ok("timeline", "--incident", identifier)["head"]
    terminal.ok("verify", "--incident", identifier)
    assert terminal.ok("timeline", "--incident", identifier)["head"] == before
