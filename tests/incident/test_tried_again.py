"""What the storage throttles or fails by itself goes again where that is safe, and everything else is told key by key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from incident.errors import PreconditionFailed, StorageError, StorageUnreachable
from incident.executor import Applied, apply
from incident.object_actions import KINDS, ObjectActions
from incident.object_workers import PAUSES, Workers
from incident.plan_actions import PlanActions
from incident.storage.port import Marked, Removed, Told
from runbooks.guarantees import Guarantees
from runbooks.plan import Plan
from runbooks.survey import BucketState, ObjectVersion
from tests.recovery_world import BUCKET, Interfere, World, cell, reached

DAY = cell("dt=2026-11-1")
ROOT = "clean/orders/dt=2026-11-1/"
KEYS = [f"{ROOT}{name}" for name in "abcdef"]
SLOW, FAULT, ODD = "SlowDown: slower", "Unanswered: InternalError oops", "AccessDenied: no"


class Moody(Interfere):
    """Answers some keys with an error, so many times each; ``late``: the effect of a failed request happens all the same."""

    def __init__(self, world: World, errors: Mapping[str, list[str]], *, late: Sequence[str] = (), told: bool = False) -> None:
        super().__init__(world.store, lambda: None)
        self.world, self.errors, self.late, self.told = world, {key: list(found) for key, found in errors.items()}, late, told
        self.asked: list[list[str]] = []
        self.pauses: list[float] = []
        self.honoured: Guarantees | None = None

    def state(self, bucket: str, *, brief: bool = False) -> BucketState:
        found = self._inner.state(bucket, brief=brief)
        found = found if self.honoured is None else replace(found, guarantees=self.honoured)
        return replace(found, told=self.world.store.now) if self.told else found

    def _error(self, key: str) -> str | None:
        return self.errors[key].pop(0) if self.errors.get(key) else None

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        self.asked.append([key.removeprefix(ROOT) for key in etags])
        found = []
        for key, etag in etags.items():
            error = self._error(key)
            if error is None or key in self.late:
                made = self._inner.put_markers(bucket, {key: etag})[0]
            found.append(made if error is None else Marked(key, None, error))
        return found

    def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None, told: Told | None = None) -> str:
        error = self._error(source.key)
        self.asked.append([source.key.removeprefix(ROOT)])
        if error is None or source.key in self.late:
            made = self._inner.copy_version(source, bucket, over=over, told=told)
        if error == SLOW:
            raise StorageError("slower", "wait", code="slow-down")
        if error is not None:
            raise StorageUnreachable(error)
        return made

    def remove_versions(self, bucket: str, versions: Sequence[tuple[str, str]]) -> Sequence[Removed]:
        self.asked.append([key.removeprefix(ROOT) for key, _ in versions])
        found = []
        for key, version_id in versions:
            error = self._error(key)
            if error is None or key in self.late:
                self._inner.remove_version(bucket, key, version_id)
            found.append(Removed(key, version_id, error))
        return found

    def applied(self, plan: Plan) -> Applied:
        run = self.world.execution(plan, self)
        objects = ObjectActions(plan, lambda _b, _p: self, lambda: self.world.store.now, workers=1, pause=self.pauses.append)
        return apply(replace(run, performer=PlanActions(plan, dict.fromkeys(KINDS, objects), lambda: self.world.store.now)))


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    for data in (b"good", b"bad!"):
        for key in KEYS:
            made.store.put(BUCKET, key, data)
        made.store.tick()
    return made


def purge(world: World) -> Plan:
    return world.purge(reached(DAY))


def revert(world: World) -> Plan:
    return world.revert(reached(DAY, since=world.store.now - 1_000_000_000, serving=True))


def undo(world: World) -> Plan:
    plan = purge(world)
    world.apply(plan)
    world.store.tick()
    return world.undo(plan)


Make = Callable[[World], Plan]
MADE: dict[Make, tuple[int, int]] = {purge: (0, 3), revert: (6, 3), undo: (6, 2)}
"""How many objects are there afterwards, and how many versions each key has."""


def as_planned(world: World, make: Make) -> bool:
    currents, versions = MADE[make]
    return len(world.contents()) == currents and {len(found) for found in world.listing().values()} == {versions}


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("make", [purge, revert, undo])
def test_what_was_throttled_goes_again_alone_and_later(world: World, make: Make, told: bool) -> None:
    plan = make(world)
    store = Moody(world, {KEYS[1]: [SLOW, SLOW], KEYS[4]: [SLOW]}, told=told)
    assert store.applied(plan).done == 6
    assert as_planned(world, make)
    if make is not revert:
        assert [sorted(one) for one in store.asked] == [list("abcdef"), ["b", "e"], ["b"]]
    assert store.pauses == list(PAUSES[:2])


@pytest.mark.parametrize("make", [purge, revert, undo])
def test_what_is_throttled_for_ever_failed_and_resume_tries_it_again(world: World, make: Make) -> None:
    plan = make(world)
    store = Moody(world, {KEYS[1]: [SLOW] * 99})
    found = store.applied(plan)
    assert (found.done, found.failed, found.exit_code) == (5, 1, 1)
    assert found.notes[0][0].endswith("/b")
    assert store.pauses == list(PAUSES)
    store.errors.clear()
    assert world.go_on(plan).already
    from incident.executor import resume

    assert resume(world.execution(plan, None)).done == 6
    assert as_planned(world, make)


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("make", [purge, undo])
def test_where_the_storage_failed_we_look_and_try_again(world: World, make: Make, late: bool, told: bool) -> None:
    """Whether or not the failed request had its effect, the key ends as planned, under one version of ours."""
    plan = make(world)
    store = Moody(world, {KEYS[1]: [FAULT], KEYS[4]: [FAULT, FAULT]}, late=[KEYS[1]] if late else [], told=told)
    assert store.applied(plan).done == 6
    assert as_planned(world, make)
    assert [sorted(one) for one in store.asked] == [list("abcdef"), ["e"] if late else ["b", "e"], ["e"]]
    if make is purge:
        assert world.apply(world.undo(plan)).done == 6


def test_a_late_effect_of_the_first_try_is_not_taken_for_somebody_else_s(world: World) -> None:
    """It happens after our look and before the second try, which the condition then refuses: that marker is ours."""
    plan = purge(world)

    class Late(Moody):
        def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
            if self.asked and KEYS[1] in etags:
                self._inner.put_markers(bucket, {KEYS[1]: etags[KEYS[1]]})
            return super().put_markers(bucket, etags)

    assert Late(world, {KEYS[1]: [FAULT]}).applied(plan).done == 6
    assert as_planned(world, purge)
    assert world.apply(world.undo(plan)).done == 6
    assert len(world.contents()) == 6


@pytest.mark.parametrize("told", [False, True])
def test_where_conditions_are_not_known_to_be_honoured_nothing_that_makes_a_version_goes_twice(world: World, told: bool) -> None:
    plan = purge(world)
    store = Moody(world, {KEYS[1]: [FAULT]}, told=told)
    store.honoured = Guarantees()
    found = store.applied(plan)
    assert (found.done, found.unknown) == (5, 1)
    assert store.asked == [list("abcdef")]


def test_everything_else_is_told_key_by_key(world: World) -> None:
    plan = purge(world)
    store = Moody(world, {KEYS[0]: [ODD], KEYS[1]: ["PreconditionFailed"], KEYS[2]: ["Unanswered: nothing"]}, told=True)
    found = store.applied(plan)
    assert (found.done, found.failed, found.drifted, found.unknown) == (3, 1, 1, 1)
    assert [note for _, note in found.notes] == [ODD, "it changed while the plan was applied", "Unanswered: nothing"]
    assert store.asked == [list("abcdef")]
    assert store.pauses == []


def test_a_write_between_two_tries_stays_and_stays_current(world: World) -> None:
    plan = purge(world)
    store = Moody(world, {KEYS[1]: [FAULT]}, told=True)
    written: list[str] = []
    pause = store.pauses.append

    def writing(seconds: float) -> None:
        pause(seconds)
        written.append(world.store.put(BUCKET, KEYS[1], b"bad!"))

    store.pauses = type("Pauses", (list,), {"append": staticmethod(writing)})()
    found = store.applied(plan)
    assert (found.done, found.drifted) == (5, 1)
    assert world.listing(KEYS[1])[KEYS[1]][0].version_id == written[0]


def test_fewer_are_sent_at_once_after_throttling_and_more_again_with_every_success() -> None:
    workers = Workers(16)
    assert workers.limit == 16
    for expected in (8, 4, 2, 1, 1):
        workers.answered(throttled=True)
        assert workers.limit == expected
    for _ in range(200):
        workers.answered(throttled=False)
    assert workers.limit == 16


def test_never_more_are_in_flight_than_the_limit() -> None:
    import threading

    workers = Workers(8)
    for _ in range(2):
        workers.answered(throttled=True)
    flying, most, lock = 0, 0, threading.Lock()

    def act(_number: int) -> None:
        nonlocal flying, most
        with workers.request():
            with lock:
                flying += 1
                most = max(most, flying)
            threading.Event().wait(0.001)
            with lock:
                flying -= 1

    workers.each(act, range(40))
    assert most <= 2


def test_errors_of_the_port_stay_errors(world: World) -> None:
    """A copy's condition that fails is drift, at the first try and at the last."""
    plan = revert(world)

    class Refusing(Moody):
        def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None, told: Told | None = None) -> str:
            if source.key == KEYS[0]:
                raise PreconditionFailed("changed")
            return super().copy_version(source, bucket, over=over, told=told)

    found = Refusing(world, {KEYS[1]: [SLOW]}).applied(plan)
    assert (found.done, found.drifted) == (5, 1)


@pytest.mark.parametrize("make", [purge, revert, undo])
def test_where_all_is_throttled_for_ever_the_apply_stops_and_can_be_resumed(world: World, make: Make) -> None:
    """What the other chunks would have to wait for is not waited for in each of them."""
    plan = make(world)
    store = Moody(world, {key: [SLOW] * 99 for key in KEYS})
    with pytest.raises(StorageError) as error:
        store.applied(plan)
    assert error.value.code == "slow-down"
    assert "incident resume" in error.value.hint
    assert error.value.data["failed"] == len(plan.actions)
    from incident.executor import resume

    assert resume(world.execution(plan, None)).done == len(plan.actions)
    assert as_planned(world, make)
