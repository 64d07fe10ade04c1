"""A plan that was undone is not in force: to apply it again is no "already done", but a plan of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_lake import incident_on


def test_an_undone_plan_is_not_taken_for_one_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = incident_on(tmp_path, monkeypatch, capsys, until="fixed")
    plan = terminal.plan_and_apply("purge")["plan_id"]
    assert terminal.ok("purge", "--apply", plan)["already_applied"]
    undo = terminal.ok("undo", plan)["plan"]["id"]
    terminal.ok("undo", "--apply", undo)
    before = terminal.lake.contents()
    code, envelope = terminal("purge", "--apply", plan)
    assert (code, envelope["problems"][0]["code"]) == (5, "stale")
    assert undo in envelope["problems"][0]["message"]
    assert envelope["next"] == ["incident purge"]
    assert terminal.ok("undo", "--apply", undo)["already_applied"]
    assert terminal.lake.contents() == before
    again = terminal.plan_and_apply("purge")["plan_id"]
    assert again != plan
