"""``approve``: where the policy asks for it, nobody acts without the consent of somebody else to exactly that plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from incident.storage.port import Marked
from tests.small_lake import CONFIG, Terminal, TickingStore, incident_on


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    made = incident_on(tmp_path, monkeypatch, capsys, until="fixed")
    (tmp_path / "incident.toml").write_text(CONFIG + "\n[policy]\napprovals = 1\n")
    monkeypatch.setenv("INCIDENT_ACTOR", "ada")
    return made


def problem(envelope: dict[str, Any]) -> str:
    code: str = envelope["problems"][0]["code"]
    return code


def test_nothing_is_done_until_somebody_else_agrees(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = terminal.ok("purge")["plan"]["id"]
    listing = terminal.lake.store.listing("lake")
    code, envelope = terminal("purge", "--apply", plan)
    assert (code, problem(envelope)) == (3, "approval")
    assert envelope["data"] == {"plan_id": plan, "approvals_needed": 1, "approved_by": []}
    assert envelope["next"] == [f"incident approve {plan}"]
    assert terminal.lake.store.listing("lake") == listing
    for own in ("ada", "ADA", " Ada "):
        monkeypatch.setenv("INCIDENT_ACTOR", own)
        terminal.ok("approve", plan)
    monkeypatch.setenv("INCIDENT_ACTOR", "ada")
    assert terminal("purge", "--apply", plan)[0] == 3, "one's own consent, however spelled, is nobody else's"
    assert terminal.lake.store.listing("lake") == listing
    monkeypatch.setenv("INCIDENT_ACTOR", "grace")
    assert terminal.ok("approve", plan) == {"plan_id": plan, "approved_by": ["ada", "grace"], "approvals_needed": 1}
    monkeypatch.setenv("INCIDENT_ACTOR", "ada")
    assert terminal.ok("purge", "--apply", plan)["failed"] == 0
    assert terminal.lake.store.listing("lake") != listing


def test_a_consent_is_to_one_plan_and_recorded_once(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = terminal.ok("purge")["plan"]["id"]
    monkeypatch.setenv("INCIDENT_ACTOR", "grace")
    terminal.ok("approve", plan)
    terminal.ok("approve", plan)
    events = terminal.ok("timeline")["events"]
    assert [(one["actor"]["name"], one["evidence"]["plan_id"]) for one in events if one["kind"] == "approved"] == [("grace", plan)]
    key = "clean/orders/dt=2026-11-17/late.txt"
    terminal.lake.store.put("lake", key, b"late")
    again = terminal.ok("purge", "--skip-refused")["plan"]["id"]
    monkeypatch.setenv("INCIDENT_ACTOR", "ada")
    assert again != plan
    assert problem(terminal("purge", "--apply", again)[1]) == "approval"


def test_what_is_applied_or_stale_or_unknown_cannot_be_approved(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, other = terminal.ok("purge")["plan"]["id"], terminal.ok("revert", "--skip-refused")["plan"]["id"]
    monkeypatch.setenv("INCIDENT_ACTOR", "grace")
    assert problem(terminal("approve", "purge-000000000000")[1]) == "no-plan"
    terminal.ok("approve", plan)
    monkeypatch.setenv("INCIDENT_ACTOR", "ada")
    terminal.ok("purge", "--apply", plan)
    assert problem(terminal("approve", plan)[1]) == "stale"
    if other != plan:
        assert problem(terminal("approve", other)[1]) in {"stale", "no-plan"}


def test_an_approver_may_finish_what_was_begun_and_a_third_person_may_not(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = terminal.ok("purge")["plan"]["id"]
    monkeypatch.setenv("INCIDENT_ACTOR", "grace")
    terminal.ok("approve", plan)
    monkeypatch.setenv("INCIDENT_ACTOR", "ada")
    whole = TickingStore.put_markers

    def denied(*_arguments: Any) -> list[Marked]:
        raise PermissionError("no")

    monkeypatch.setattr(TickingStore, "put_markers", denied)
    assert terminal("purge", "--apply", plan)[0] == 1
    monkeypatch.setattr(TickingStore, "put_markers", whole)
    (terminal.lake.folder / "incident.toml").write_text(CONFIG + "\n[policy]\napprovals = 2\n")
    monkeypatch.setenv("INCIDENT_ACTOR", "grace")
    assert problem(terminal("resume")[1]) == "approval", "ada and grace are two, and one of them resumes"
    monkeypatch.setenv("INCIDENT_ACTOR", "mary")
    assert terminal.ok("resume")["failed"] == 0, "ada began it, grace approved it"


def test_runs_need_the_same_consent(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = terminal.ok("purge")["plan"]["id"]
    monkeypatch.setenv("INCIDENT_ACTOR", "grace")
    terminal.ok("approve", plan)
    terminal.ok("approve", plan)
    monkeypatch.setenv("INCIDENT_ACTOR", "ada")
    terminal.ok("purge", "--apply", plan)
    runs = terminal.ok("backfill")["plan"]["id"]
    terminal.lake.runs.clear()
    assert problem(terminal("backfill", "--apply", runs)[1]) == "approval"
    assert terminal.lake.runs == []
    monkeypatch.setenv("INCIDENT_ACTOR", "grace")
    terminal.ok("approve", runs)
    monkeypatch.setenv("INCIDENT_ACTOR", "ada")
    terminal.ok("backfill", "--apply", runs)
    assert terminal.lake.runs
