"""For every crash point, resume ends where an uninterrupted run ends, and the undo of it is whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incident import journal as journal_module
from incident.executor import interrupted
from incident.journal import Journal, read_journal
from incident.storage.memory import MemoryStore
from runbooks.consents import Consents
from runbooks.plan import Plan
from tests.recovery_world import BUCKET, MS, Crash, FailAfter, FailingStore, Moment, World, cell, reached, shape

DAY, NEXT = cell("dt=2026-11-1"), cell("dt=2026-11-2")
ROOT = "clean/orders/"
BOTH = Consents(include=(str(DAY), str(NEXT)))


def lake(folder: Path) -> tuple[World, int]:
    """Two cells with keys in every state that revert knows; the time at which the bad writes began."""
    folder.mkdir(parents=True, exist_ok=True)
    world = World(folder)
    store = world.store
    for day in ("dt=2026-11-1/", "dt=2026-11-2/"):
        for name in ("changed", "changed2", "deleted", "deleted-twice", "dropped-then-rewritten", "same"):
            store.put(BUCKET, f"{ROOT}{day}{name}", f"good {name}".encode())
    store.put(BUCKET, f"{ROOT}dt=2026-11-10/trap", b"clean")
    since = store.tick(100 * MS)
    store.tick(100 * MS)
    for day in ("dt=2026-11-1/", "dt=2026-11-2/"):
        for name in ("changed", "changed2", "added", "added2"):
            store.put(BUCKET, f"{ROOT}{day}{name}", f"bad {name}".encode())
        for name in ("deleted", "deleted-twice", "deleted-twice", "dropped-then-rewritten"):
            store.delete(BUCKET, f"{ROOT}{day}{name}")
        store.put(BUCKET, f"{ROOT}{day}dropped-then-rewritten", b"bad")
    store.tick()
    return world, since


def purge_plan(world: World, since: int) -> Plan:
    return world.purge(reached(DAY, since=since), reached(NEXT, since=since))


def revert_plan(world: World, since: int) -> Plan:
    return world.revert(reached(DAY, since=since, serving=True), reached(NEXT, since=since, serving=True))


def undo_plan(world: World, since: int) -> Plan:
    plan = revert_plan(world, since)
    world.apply(plan)
    world.store.tick()
    return world.undo(plan, BOTH)


def undo_purge_plan(world: World, since: int) -> Plan:
    plan = purge_plan(world, since)
    world.apply(plan)
    world.store.tick()
    return world.undo(plan, BOTH)


Make = Callable[[World, int], Plan]
MAKERS = {"purge": purge_plan, "revert": revert_plan, "undo-revert": undo_plan, "undo-purge": undo_purge_plan}


def crash(world: World, plan: Plan, fail: FailAfter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply, ending the process at one boundary of store, journal or timeline."""
    append, tell = Journal._append, world.timeline.append

    def failing_append(self: Journal, record: dict[str, Any]) -> None:
        def torn() -> None:
            assert self._file is not None
            os.write(self._file, b'{"type":"outcome","at":"2026-')

        fail.around(lambda: append(self, record), torn)

    with monkeypatch.context() as patch:
        patch.setattr(journal_module.Journal, "_append", failing_append)
        patch.setattr(world.timeline, "append", lambda *a, **k: fail.around(lambda: tell(*a, **k), lambda: None))
        world.apply(plan, FailingStore(world.store, fail))


def finish(world: World, plan: Plan) -> None:
    for _ in range(3):
        world.store.tick(300 * MS)
        if world.go_on(plan).already:
            return
    raise AssertionError("it never ends")


@pytest.mark.parametrize("moment", ["before", "half", "after"])
@pytest.mark.parametrize("name", list(MAKERS))
def test_journal_for_every_crash_point_resume_ends_where_an_uninterrupted_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, moment: Moment
) -> None:
    make: Make = MAKERS[name]
    whole, since = lake(tmp_path / "whole")
    plan = make(whole, since)
    start = whole.listing()
    count = FailAfter(-1, moment)
    crash(whole, plan, count, monkeypatch)
    ended, statuses = shape(whole.listing()), read_journal(whole.folder, plan.id).outcomes
    assert count.calls >= 16
    assert all(outcome.status == "done" for outcome in statuses.values())
    assert len(statuses) == len(plan.actions)
    for point in range(count.calls):
        world, since = lake(tmp_path / f"{point}")
        again = make(world, since)
        assert again.id == plan.id
        assert world.listing() == start
        with pytest.raises(Crash):
            crash(world, again, FailAfter(point, moment), monkeypatch)
        finish(world, again)
        assert shape(world.listing()) == ended, point
        outcomes = read_journal(world.folder, plan.id).outcomes
        assert {index: one.status for index, one in outcomes.items()} == {index: one.status for index, one in statuses.items()}, (
            point
        )
        assert interrupted(world) == []
        if again.phase != "undo":
            before = shape(start)
            world.store.tick()
            undo = world.undo(again)
            assert not undo.refused
            assert world.apply(undo).exit_code == 0
            assert {key: [one for one in found if not one[0]] for key, found in shape(world.listing()).items()} == {
                key: [one for one in found if not one[0]] for key, found in before.items()
            }, point
            assert {key: found[0] for key, found in shape(world.listing()).items()} == {
                key: found[0] for key, found in before.items()
            }, point


def test_a_write_between_crash_and_resume_is_neither_lost_nor_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes every key again (the same bytes, which an ETag condition lets pass) after each crash point."""
    for name in ("purge", "revert"):
        for moment in ("before", "half", "after"):
            whole, since = lake(tmp_path / name / moment / "whole")
            count = FailAfter(-1, "after")
            crash(whole, MAKERS[name](whole, since), count, monkeypatch)
            for point in range(count.calls):
                world, since = lake(tmp_path / name / moment / f"{point}")
                plan = MAKERS[name](world, since)
                with pytest.raises(Crash):
                    crash(world, plan, FailAfter(point, moment), monkeypatch)
                world.store.tick(50 * MS)
                written = {}
                for action in plan.actions:
                    key = action.key  # type: ignore[union-attr]
                    objects = [one for one in world.listing(key)[key] if not one.is_marker]
                    data = world.store.read(BUCKET, key, objects[0].version_id)
                    written[key] = world.store.put(BUCKET, key, data)
                finish(world, plan)
                for key, version_id in written.items():
                    current = world.listing(key)[key][0]
                    assert current.version_id == version_id, (name, moment, point, key)


def test_the_store_used_here_is_the_plain_one(tmp_path: Path) -> None:
    assert isinstance(lake(tmp_path)[0].store, MemoryStore)
