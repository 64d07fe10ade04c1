"""An object written after the plan is never lost, nor hidden once the apply ends; it is reported as drift."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from incident.errors import Drift, InputNeeded, StorageUnreachable
from incident.executor import interrupted, resume
from incident.storage.port import Marked
from runbooks.plan import CopyVersion, Plan, PutMarker, RemoveMarkers
from runbooks.survey import BucketState, ObjectVersion
from tests.recovery_world import BUCKET, MS, Broken, Crash, Deaf, Interfere, Mute, World, cell, reached

DAY = cell("dt=2026-11-1")
KEY = "clean/orders/dt=2026-11-1/a"
OTHER = "clean/orders/dt=2026-11-1/b"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    for key in (KEY, OTHER):
        made.store.put(BUCKET, key, b"good")
    made.store.tick()
    for key in (KEY, OTHER):
        made.store.put(BUCKET, key, b"bad!")
    made.store.tick()
    return made


def purge(world: World) -> Plan:
    return world.purge(reached(DAY))


def revert(world: World) -> Plan:
    return world.revert(reached(DAY, since=world.store.now - 1_000 * MS, serving=True))


def top(world: World, key: str = KEY) -> str:
    return world.listing(key)[key][0].version_id


@pytest.mark.parametrize("make", [purge, revert])
@pytest.mark.parametrize("data", [b"new", b"bad!", b"good"])
def test_an_object_rewritten_between_plan_and_apply_is_left_alone(world: World, make: Callable[[World], Plan], data: bytes) -> None:
    plan = make(world)
    written = world.store.put(BUCKET, KEY, data)
    listing = world.listing(KEY)
    applied = world.apply(plan)
    assert (applied.done, applied.drifted, applied.exit_code) == (1, 1, 5)
    assert applied.notes == ((f"s3://{BUCKET}/{KEY}", "written again since the plan"),)
    assert world.listing(KEY) == listing
    assert top(world) == written


@pytest.mark.parametrize("make", [purge, revert])
@pytest.mark.parametrize("data", [b"new", b"bad!"])
@pytest.mark.parametrize("honours", [True, False])
def test_an_object_rewritten_during_apply_is_current_afterwards(
    world: World, make: Callable[[World], Plan], data: bytes, honours: bool
) -> None:
    plan = make(world)
    written: list[str] = []
    store = Interfere(world.store, lambda: written.append(world.store.put(BUCKET, KEY, data)), honours=honours)
    applied = world.apply(plan, store)
    assert (applied.done, applied.drifted, applied.unknown, applied.failed) == (1, 1, 0, 0)
    assert world.store.read(BUCKET, KEY) == data
    assert top(world) == written[0]
    assert len(world.listing(KEY)[KEY]) == 3


@pytest.mark.parametrize("make", [purge, revert])
def test_what_is_written_right_after_ours_stays_on_top(world: World, make: Callable[[World], Plan]) -> None:
    plan = make(world)
    store = Interfere(world.store, lambda: world.store.put(BUCKET, KEY, b"newest"), after=True)
    assert world.apply(plan, store).exit_code == 0
    assert world.store.read(BUCKET, KEY) == b"newest"
    world.store.tick()
    undo = world.undo(plan)
    assert [one.code for one in undo.refused] == ["rewritten"]


def test_a_lost_answer_is_looked_up_and_adopted(world: World) -> None:
    plan = purge(world)
    applied = world.apply(plan, Deaf(world.store, lambda: None))
    assert (applied.done, applied.unknown, applied.exit_code) == (2, 0, 0)
    world.store.tick()
    world.apply(world.undo(plan))
    assert world.store.read(BUCKET, KEY) == b"bad!"


def test_a_request_that_never_arrived_is_unknown_and_resume_sends_it_again(world: World) -> None:
    plan = purge(world)
    applied = world.apply(plan, Mute(world.store, lambda: None))
    assert (applied.done, applied.unknown, applied.exit_code) == (0, 2, 1)
    assert world.apply(plan).already
    world.store.tick()
    again = resume(world, plan, world.performer(plan, None), clock=lambda: world.store.now, actor={})
    assert (again.done, again.unknown, again.exit_code) == (2, 0, 0)


def test_somebody_else_s_older_marker_is_never_taken_for_ours(world: World) -> None:
    plan = purge(world)
    old = world.store.now
    world.store.tick(5_000 * MS)

    def backdated() -> None:
        world.store.now, kept = old, world.store.now
        world.store.delete(BUCKET, KEY)
        world.store.now = kept

    applied = world.apply(plan, Mute(world.store, backdated))
    assert (applied.drifted, applied.unknown) == (1, 1)


def test_versioning_that_is_no_longer_enabled_stops_everything_on_the_bucket(world: World) -> None:
    plan = purge(world)
    listing = world.listing()
    world.store.buckets[BUCKET] = BucketState(BUCKET, "Suspended")
    applied = world.apply(plan)
    assert (applied.done, applied.drifted, applied.exit_code) == (0, 2, 5)
    assert world.listing() == listing


def test_an_undo_leaves_alone_what_was_written_while_it_ran(world: World) -> None:
    for make in (purge, revert):
        plan = make(world)
        world.apply(plan)
        world.store.tick()
        undo = world.undo(plan)
        world.apply(undo, Interfere(world.store, lambda: world.store.put(BUCKET, KEY, b"fresh")))
        assert world.store.read(BUCKET, KEY) == b"fresh"
        world.store.tick()


def test_markers_above_a_good_version_are_removed_and_undo_puts_one_back(world: World) -> None:
    world.store.delete(BUCKET, KEY)
    world.store.delete(BUCKET, KEY)
    world.store.tick()
    plan = world.revert(reached(DAY, since=world.store.now - 500 * MS - 1_000 * MS, serving=True))
    kinds = {action.key: type(action) for action in plan.actions}  # type: ignore[union-attr]
    assert kinds == {KEY: RemoveMarkers}
    assert world.apply(plan).exit_code == 0
    assert world.store.read(BUCKET, KEY) == b"bad!"
    undo = world.undo(plan)
    assert [type(action) for action in undo.actions] == [PutMarker]
    world.apply(undo)
    assert KEY not in world.contents()


def test_a_revert_copies_the_good_version_over_the_bad_one(world: World) -> None:
    plan = revert(world)
    assert {type(action) for action in plan.actions} == {CopyVersion}
    world.apply(plan)
    assert world.contents() == {KEY: b"good", OTHER: b"good"}


def test_applying_twice_does_nothing_the_second_time(world: World) -> None:
    plan = purge(world)
    world.apply(plan)
    listing = world.listing()
    applied = world.apply(plan)
    assert (applied.already, applied.done, applied.exit_code) == (True, 0, 0)
    assert applied.to_json()["already_applied"] is True
    assert world.listing() == listing


def test_a_plan_is_stale_once_another_was_applied(world: World) -> None:
    first, second = purge(world), revert(world)
    world.apply(second)
    with pytest.raises(Drift, match="stale"):
        world.apply(first)


def test_purge_undo_purge_is_a_new_plan(world: World) -> None:
    plan = purge(world)
    world.apply(plan)
    world.apply(world.undo(plan))
    again = purge(world)
    assert again.id != plan.id
    assert world.apply(again).done == 2
    assert interrupted(world) == []


def test_nothing_else_is_applied_while_a_plan_is_half_done(world: World) -> None:
    plan, other = purge(world), revert(world)

    with pytest.raises(StorageUnreachable) as caught:
        world.apply(plan, Broken(world.store, lambda: None))
    assert "incident resume" in caught.value.hint
    assert caught.value.data["done"] == 0
    for one in (plan, other):
        with pytest.raises(InputNeeded):
            world.apply(one)
    assert world.go_on(plan).done == 2


@pytest.mark.parametrize("make", [purge, revert])
def test_a_write_that_ours_hid_when_the_process_ended_is_uncovered_by_resume(world: World, make: Callable[[World], Plan]) -> None:
    """The worst moment: somebody writes just before our request, which the server lets pass, and then we are gone."""

    class Dying(Interfere):
        def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
            super().put_markers(bucket, etags)
            raise Crash

        def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None) -> str:
            super().copy_version(source, bucket, over=over)
            raise Crash

    plan = make(world)
    written: list[str] = []
    with pytest.raises(Crash):
        world.apply(plan, Dying(world.store, lambda: written.append(world.store.put(BUCKET, KEY, b"bad!")), honours=False))
    assert top(world) != written[0]
    world.store.tick()
    applied = world.go_on(plan)
    assert (applied.done, applied.drifted) == (1, 1)
    assert top(world) == written[0]


def test_an_undo_never_removes_the_last_copy_of_good_bytes(world: World) -> None:
    """A lifecycle rule took the version that revert copied from: our copy is all that is left of it."""
    plan = revert(world)
    world.apply(plan)
    world.store.tick()
    planned = world.undo(plan)
    expired = world.listing(KEY)[KEY][-1]
    world.store.remove_version(BUCKET, KEY, expired.version_id)
    assert [one.code for one in world.undo(plan).refused] == ["rewritten"]
    applied = world.apply(planned)
    assert (applied.done, applied.drifted) == (1, 1)
    assert world.store.read(BUCKET, KEY) == b"good"
