"""Places without versions: for every crash point, resume ends where an uninterrupted run ends, and the undo of it is whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incident import journal as journal_module
from incident.executor import interrupted
from incident.journal import Journal, read_journal
from runbooks.plan import Plan
from tests.aside_world import KINDS_OF_PLACE, AsideWorld, Kind, around, around_files, failing, kept_copy
from tests.recovery_world import Crash, FailAfter, Moment

BEFORE = {"a": b"bad", "b": b"same", "_SUCCESS": b""}
COPY = {"a": b"good", "b": b"same", "new": b"also"}


def lake(folder: Path, kind: Kind) -> AsideWorld:
    folder.mkdir(parents=True, exist_ok=True)
    world = AsideWorld(folder, kind=kind)
    world.lay(BEFORE)
    return world


def purge_plan(world: AsideWorld) -> Plan:
    return world.purge(world.reached)


def undo_purge_plan(world: AsideWorld) -> Plan:
    plan = purge_plan(world)
    world.apply(plan)
    world.store.tick()
    return world.undo(plan)


def revert_plan(world: AsideWorld) -> Plan:
    return world.revert_to(kept_copy(world, COPY))


def undo_revert_plan(world: AsideWorld) -> Plan:
    plan = revert_plan(world)
    world.apply(plan)
    world.store.tick()
    return world.undo(plan)


MAKERS: dict[str, Callable[[AsideWorld], Plan]] = {
    "purge": purge_plan,
    "undo-purge": undo_purge_plan,
    "revert": revert_plan,
    "undo-revert": undo_revert_plan,
}
ENDS = {"purge": {}, "undo-purge": BEFORE, "revert": COPY, "undo-revert": BEFORE}
CASES = [
    (kind, name) for kind in KINDS_OF_PLACE for name in MAKERS if not (kind == "nulls" and "revert" in name)
]  # a bucket with versioning enabled reverts by its versions


def crash(world: AsideWorld, plan: Plan, fail: FailAfter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply, ending the process at one boundary of storage, files, journal or timeline."""
    append, tell = Journal._append, world.timeline.append

    def failing_append(self: Journal, record: dict[str, Any]) -> None:
        def torn() -> None:
            assert self._file is not None
            os.write(self._file, b'{"type":"outcome","at":"2026-')

        fail.around(lambda: append(self, record), torn)

    with monkeypatch.context() as patch:
        patch.setattr(journal_module.Journal, "_append", failing_append)
        patch.setattr(world.timeline, "append", lambda *a, **k: fail.around(lambda: tell(*a, **k), lambda: None))
        for where, name, by in around_files(failing(fail)):
            patch.setattr(where, name, by)
        world.apply(plan, around(world.store, failing(fail)))


def finish(world: AsideWorld, plan: Plan) -> None:
    for _ in range(3):
        world.store.tick()
        if world.go_on(plan).already:
            return
    raise AssertionError("it never ends")


@pytest.mark.parametrize("moment", ["before", "half", "after"])
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_for_every_crash_point_resume_ends_where_an_uninterrupted_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, name: str, moment: Moment
) -> None:
    whole = lake(tmp_path / "whole", kind)
    plan = MAKERS[name](whole)
    assert not plan.refused
    count = FailAfter(-1, moment)
    crash(whole, plan, count, monkeypatch)
    assert whole.lying() == ENDS[name]
    assert count.calls >= 12
    for point in range(count.calls):
        world = lake(tmp_path / f"{point}", kind)
        again = MAKERS[name](world)
        with pytest.raises(Crash):
            crash(world, again, FailAfter(point, moment), monkeypatch)
        everything = world.everything()
        assert set(BEFORE.values()) <= everything | world.taken(), (point, "at no time is anything gone")
        finish(world, again)
        assert world.lying() == ENDS[name], point
        assert sorted(world.kept()) == sorted(whole.kept()), point
        outcomes = read_journal(world.journal_dir, again.id).outcomes
        assert {one.status for one in outcomes.values()} == {"done"}, (point, dict(outcomes))
        assert len(outcomes) == len(again.actions)
        assert interrupted(world) == []
        assert world.taken() == set(), (point, "nothing is left half way")
        if again.phase != "undo":
            world.store.tick()
            undo = world.undo(again)
            assert not undo.refused, point
            assert world.apply(undo).exit_code == 0
            assert world.lying() == BEFORE, point
