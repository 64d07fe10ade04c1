"""Two chunks in flight: wherever the process ends, and in whatever order the two went on, resume ends where a whole run ends.

Threads take turns: each call of store or journal waits until every chunk in flight waits, and a seed chooses who goes on. So a
schedule is a matter of the seed, and the n-th call is the same call each time.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from incident import journal as journal_module
from incident.executor import apply
from incident.journal import Journal, read_journal
from incident.object_actions import KINDS, ObjectActions
from incident.plan_actions import PlanActions
from incident.steps import Step
from runbooks.plan import Plan
from runbooks.survey import BucketState
from tests.incident.test_crash_points import MAKERS, finish, lake
from tests.recovery_world import BUCKET, MS, Crash, FailAfter, FailingStore, Moment, World, shape

SEEDS = 3
AT_ONCE = 2
T = TypeVar("T")


@dataclass
class Turns:
    """Lets one of the chunks in flight go on at a time."""

    chance: random.Random
    left: int
    fail: FailAfter
    taken: list[int] = field(default_factory=list)
    """Which chunk went on at each turn, by its first action."""
    dead: bool = False
    _inside: dict[int, int] = field(default_factory=dict)
    _waiting: set[int] = field(default_factory=set)
    _chosen: int | None = None
    _room: threading.Condition = field(default_factory=threading.Condition)

    def enter(self, chunk: int) -> None:
        with self._room:
            self._inside[threading.get_ident()] = chunk

    def leave(self) -> None:
        with self._room:
            self._inside.pop(threading.get_ident())
            self.left -= 1
            self._choose()

    def _choose(self) -> None:
        """Only when everybody who can be in flight is, and waits: then nothing depends on how fast a thread is."""
        expected = len(self._inside) if self.dead else min(AT_ONCE, self.left)
        if self._chosen is None and len(self._waiting) == expected and self._waiting:
            self._chosen = self.chance.choice(sorted(self._waiting))
            self._room.notify_all()

    def take(self, act: Callable[[], T]) -> T:
        me = self._inside.get(threading.get_ident())
        if me is None:
            return self._alive(act)
        with self._room:
            self._waiting.add(me)
            self._choose()
            assert self._room.wait_for(lambda: self._chosen == me, timeout=20)
            self._waiting.discard(me)
            self._chosen = None
            self.taken.append(me)
            return self._alive(act)

    def _alive(self, act: Callable[[], T]) -> T:
        if self.dead:
            raise Crash
        try:
            return act()
        except Crash:
            self.dead = True
            raise


class Interleaved(FailingStore):
    """Every call by turns. ``told``: the server tells its time."""

    def __init__(self, world: World, turns: Turns, *, told: bool) -> None:
        super().__init__(world.store, turns.fail)
        self._turns, self._told = turns, told

    def state(self, bucket: str, *, brief: bool = False) -> BucketState:
        found = self._turns.take(lambda: super(Interleaved, self).state(bucket, brief=brief))
        return replace(found, told=self.inner.now) if self._told else found

    def histories(self, *arguments: Any) -> Any:
        return self._turns.take(lambda: super(Interleaved, self).histories(*arguments))

    def currents(self, *arguments: Any) -> Any:
        return self._turns.take(lambda: super(Interleaved, self).currents(*arguments))

    def history(self, *arguments: Any) -> Any:
        return self._turns.take(lambda: super(Interleaved, self).history(*arguments))

    def put_markers(self, *arguments: Any) -> Any:
        return self._turns.take(lambda: super(Interleaved, self).put_markers(*arguments))

    def copy_version(self, *arguments: Any, **more: Any) -> Any:
        return self._turns.take(lambda: super(Interleaved, self).copy_version(*arguments, **more))

    def remove_version(self, *arguments: Any) -> Any:
        return self._turns.take(lambda: super(Interleaved, self).remove_version(*arguments))

    def remove_versions(self, *arguments: Any) -> Any:
        return self._turns.take(lambda: super(Interleaved, self).remove_versions(*arguments))


class TurningActions(ObjectActions):
    """Tells the turns which chunks are in flight."""

    turns: Turns

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        self.turns.enter(chunk[0])
        try:
            super().perform(chunk, journal)
        finally:
            self.turns.leave()


def apply_in_flight(world: World, plan: Plan, turns: Turns, monkeypatch: pytest.MonkeyPatch, *, told: bool) -> None:
    append = Journal._append

    def by_turns(self: Journal, record: dict[str, Any]) -> None:
        turns.take(lambda: turns.fail.around(lambda: append(self, record), lambda: None))

    store = Interleaved(world, turns, told=told)
    objects = TurningActions(plan, lambda _bucket, _prefix: store, lambda: world.store.now, workers=1)
    objects.turns = turns
    turns.left = sum(1 for _ in ObjectActions(plan, lambda _b, _p: world.store, lambda: 0).chunks(range(len(plan.actions))))
    performer = PlanActions(plan, dict.fromkeys(KINDS, objects), lambda: world.store.now, at_once=AT_ONCE)
    with monkeypatch.context() as patch:
        patch.setattr(journal_module.Journal, "_append", by_turns)
        apply(replace(world.execution(plan, None), performer=performer))


def turns_of(seed: int, fail: FailAfter) -> Turns:
    return Turns(random.Random(seed), 0, fail)


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("name", MAKERS)
def test_for_every_crash_point_and_order_resume_ends_where_an_uninterrupted_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: bool
) -> None:
    interleaved = 0
    for seed in range(SEEDS):
        moment: Moment = ("before", "half", "after")[seed % 3]
        whole, since = lake(tmp_path / f"whole-{seed}")
        plan = MAKERS[name](whole, since)
        turns = turns_of(seed, FailAfter(-1, moment))
        apply_in_flight(whole, plan, turns, monkeypatch, told=told)
        ended, statuses = shape(whole.listing()), read_journal(whole.folder, plan.id).outcomes
        assert statuses.count("done") == len(plan.actions)
        interleaved += sum(one != two for one, two in zip(turns.taken, turns.taken[1:], strict=False))
        for point in range(turns.fail.calls):
            world, since = lake(tmp_path / f"{seed}-{point}")
            again = MAKERS[name](world, since)
            assert again.id == plan.id
            with pytest.raises(Crash):
                apply_in_flight(world, again, turns_of(seed, FailAfter(point, moment)), monkeypatch, told=told)
            finish(world, again)
            assert shape(world.listing()) == ended, (seed, point)
            outcomes = read_journal(world.folder, plan.id).outcomes
            assert outcomes.count("done") == len(plan.actions), (seed, point)
            if plan.phase != "undo":
                world.store.tick()
                undo = world.undo(again)
                assert not undo.refused
                assert world.apply(undo).exit_code == 0, (seed, point)
    assert interleaved >= 10, "they did not take turns"


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("name", ["purge", "revert"])
def test_a_write_between_crash_and_resume_is_neither_lost_nor_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: bool
) -> None:
    """Somebody writes every key again (the same bytes, which an ETag condition lets pass) after each crash point."""
    whole, since = lake(tmp_path / "whole")
    count = turns_of(0, FailAfter(-1, "after"))
    apply_in_flight(whole, MAKERS[name](whole, since), count, monkeypatch, told=told)
    for point in range(count.fail.calls):
        world, since = lake(tmp_path / f"{point}")
        plan = MAKERS[name](world, since)
        with pytest.raises(Crash):
            apply_in_flight(world, plan, turns_of(0, FailAfter(point, "after")), monkeypatch, told=told)
        world.store.tick(50 * MS)
        written = {}
        for action in plan.actions:
            key = action.key  # type: ignore[union-attr]
            objects = [one for one in world.listing(key)[key] if not one.is_marker]
            written[key] = world.store.put(BUCKET, key, world.store.read(BUCKET, key, objects[0].version_id))
        finish(world, plan)
        for key, version_id in written.items():
            assert world.listing(key)[key][0].version_id == version_id, (point, key)


def test_a_schedule_is_a_matter_of_its_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    for number in range(2):
        world, since = lake(tmp_path / f"{number}")
        turns = turns_of(7, FailAfter(-1, "after"))
        apply_in_flight(world, MAKERS["revert"](world, since), turns, monkeypatch, told=True)
        taken.append(turns.taken)
    assert taken[0] == taken[1]
    assert len(set(taken[0])) >= 4


def test_completion_markers_are_steps_of_their_own_in_the_lane_of_their_cell(tmp_path: Path) -> None:
    world, _ = lake(tmp_path / "lake")
    plan = purge_with_completion(world)
    performer = world.performer(plan, None)
    steps = [step for step in performer.chunks(range(len(plan.actions))) if isinstance(step, Step)]
    assert [(len(step), step.alone) for step in steps] == [(1, True), (6, False)] * 2
    assert steps[1].after(steps[0])
    assert not steps[2].after(steps[1]), "another cell waits for nobody"


def purge_with_completion(world: World) -> Plan:
    from tests.incident.test_crash_points import DAY, NEXT, ROOT
    from tests.recovery_world import reached

    for day in ("dt=2026-11-1/", "dt=2026-11-2/"):
        world.store.put(BUCKET, f"{ROOT}{day}_SUCCESS", b"")
    world.store.tick()
    return world.purge(reached(DAY), reached(NEXT))
