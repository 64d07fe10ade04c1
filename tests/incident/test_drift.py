"""An object written after the plan is never lost, nor hidden once the apply ends; it is reported as drift."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from incident.claim import Claim
from incident.effects import effects
from incident.errors import ConfigError, Drift, IncidentError, InputNeeded, StorageUnreachable
from incident.executor import Execution, apply, interrupted, resume
from incident.storage.port import Marked, Told
from runbooks.plan import CopyVersion, Plan, PutMarker, RemoveMarkers
from runbooks.survey import BucketState, Expiry, ObjectVersion
from tests.recovery_world import BUCKET, MS, Broken, Crash, Deaf, Interfere, Mute, Plans, World, cell, reached

DAY = cell("dt=2026-11-1")
KEY = "clean/orders/dt=2026-11-1/a"
OTHER = "clean/orders/dt=2026-11-1/b"


class Dying(Interfere):
    """The process ends right after its request."""

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        super().put_markers(bucket, etags)
        raise Crash

    def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None, told: Told | None = None) -> str:
        super().copy_version(source, bucket, over=over, told=told)
        raise Crash


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
    again = resume(world.execution(plan, None))
    assert (again.done, again.unknown, again.exit_code) == (2, 0, 0)


@pytest.mark.parametrize("ahead", [-3_600_000, 3_600_000])
@pytest.mark.parametrize("make", [purge, revert])
def test_what_is_ours_is_told_without_any_clock(world: World, make: Callable[[World], Plan], ahead: int) -> None:
    """Our own clock is an hour off the storage's, and the process ends before it hears what it made."""
    plan, contents = make(world), world.contents()

    def clock() -> int:
        return world.store.now + ahead * MS

    dying = world.performer(plan, Dying(world.store, lambda: None))
    with pytest.raises(Crash):
        apply(Execution(world, plan, dying, clock=clock, actor={}))
    applied = resume(Execution(world, plan, world.performer(plan, None), clock=clock, actor={}))
    assert (applied.done, applied.drifted, applied.unknown) == (2, 0, 0)
    assert world.apply(world.undo(plan)).exit_code == 0
    assert world.contents() == contents


@pytest.mark.parametrize("make", [purge, revert])
@pytest.mark.parametrize("during", [False, True])
def test_what_is_written_under_another_name_since_the_plan_keeps_the_cell_from_counting_as_done(
    world: World, make: Callable[[World], Plan], during: bool
) -> None:
    stray = "clean/orders/dt=2026-11-1/part-of-somebody-else"

    def write() -> str:
        return world.store.put(BUCKET, stray, b"late")

    plan = make(world)
    if not during:
        write()
    applied = world.apply(plan, Interfere(world.store, write if during else lambda: None))
    assert (applied.done, applied.strays, applied.exit_code) == (2, 1, 5)
    assert applied.notes[0][0] == str(DAY)
    assert world.store.read(BUCKET, stray) == b"late"
    assert [one.complete for one in effects(Plans(world, plan))] == [False]


@pytest.mark.parametrize("make", [purge, revert])
def test_an_undo_never_mixes_what_a_job_made_since_under_names_of_its_own_with_what_was_taken_away(
    world: World, make: Callable[[World], Plan]
) -> None:
    plan = make(world)
    world.apply(plan)
    world.store.put(BUCKET, "clean/orders/dt=2026-11-1/part-0-fresh", b"made again")
    contents = world.contents()
    undo = world.undo(plan)
    assert ([one.code for one in undo.refused], undo.actions) == (["rewritten"], ())
    assert world.contents() == contents


def test_what_was_begun_is_settled_even_where_nothing_may_be_begun_any_more(world: World) -> None:
    """We hid somebody's write and died; meanwhile versioning was suspended. It must come to light all the same."""
    plan = purge(world)
    with pytest.raises(Crash):
        world.apply(plan, Dying(world.store, lambda: world.store.put(BUCKET, KEY, b"bad!")))
    world.store.buckets[BUCKET] = BucketState(BUCKET, "Suspended")
    applied = world.go_on(plan)
    assert (applied.done, applied.drifted) == (1, 1)
    assert world.store.read(BUCKET, KEY) == b"bad!"
    assert OTHER not in world.contents()


@pytest.mark.parametrize(
    "changed",
    [
        BucketState(BUCKET, "Enabled", server="https://elsewhere.example"),
        BucketState(BUCKET, "Enabled", (Expiry("", 1),)),
        BucketState(BUCKET, "Enabled", mfa_delete=True),
    ],
)
def test_a_bucket_that_is_not_as_planned_is_left_alone(world: World, changed: BucketState) -> None:
    """Another server's bucket of that name, a new lifecycle rule, MFA delete."""
    plan, listing = purge(world), world.listing()
    world.store.buckets[BUCKET] = changed
    assert world.performer(plan, None).moved()
    applied = world.apply(plan)
    assert (applied.done, applied.drifted) == (0, 2)
    assert {why for _, why in applied.notes} == {world.performer(plan, None).moved()}
    assert world.listing() == listing


def test_nothing_is_concluded_about_one_server_from_another(world: World) -> None:
    plan = purge(world)
    with pytest.raises(Crash):
        world.apply(plan, Dying(world.store, lambda: None))
    kept = world.store.buckets[BUCKET]
    world.store.buckets[BUCKET] = BucketState(BUCKET, "Enabled", server="https://elsewhere.example")
    with pytest.raises(ConfigError, match="elsewhere"):
        world.go_on(plan)
    world.store.buckets[BUCKET] = kept
    assert world.go_on(plan).done == 2


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
    plan = make(world)
    written: list[str] = []
    with pytest.raises(Crash):
        world.apply(plan, Dying(world.store, lambda: written.append(world.store.put(BUCKET, KEY, b"bad!")), honours=False))
    assert top(world) != written[0]
    world.store.tick()
    applied = world.go_on(plan)
    assert (applied.done, applied.drifted) == (1, 1)
    assert top(world) == written[0]


def test_a_marker_of_somebody_else_beneath_is_not_called_ours_while_ours_hides_what_they_wrote_since(world: World) -> None:
    """Deleted, written again with the same bytes, covered by us, and the answer lost: what they wrote comes to light."""
    plan = purge(world)
    written: list[str] = []

    def rewrite() -> None:
        world.store.delete(BUCKET, KEY)
        written.append(world.store.put(BUCKET, KEY, b"bad!"))

    with pytest.raises(Crash):
        world.apply(plan, Dying(world.store, rewrite))
    assert [one.is_marker for one in world.listing(KEY)[KEY][:3]] == [True, False, True]
    applied = world.go_on(plan)
    assert (applied.done, applied.drifted, applied.unknown, applied.exit_code) == (1, 1, 0, 5)
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


def test_whoever_was_overtaken_between_look_and_claim_does_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes at once: the other applies, all of it, just before we get the claim."""
    mine, theirs = purge(world), revert(world)
    take = Claim.take

    def late(self: Claim, *, take_over: bool) -> None:
        monkeypatch.setattr(Claim, "take", take)
        world.apply(theirs)
        listing.update(world.listing())
        take(self, take_over=take_over)

    listing: dict[str, object] = {}
    monkeypatch.setattr(Claim, "take", late)
    with pytest.raises(Drift, match="stale"):
        world.apply(mine)
    assert world.listing() == listing
    again = purge(world)
    theirs = again
    monkeypatch.setattr(Claim, "take", late)
    assert world.apply(again).already
    assert [one.evidence["plan_id"] for one in world.timeline.kept if one.kind == "applied"].count(again.id) == 1


def test_nothing_goes_on_after_a_journal_was_lost(world: World) -> None:
    """Without it nobody knows what was done: neither as if nothing were, nor as if all were."""
    plan = purge(world)
    with pytest.raises(Crash):
        world.apply(plan, Dying(world.store, lambda: None))
    (world.folder / f"{plan.id}.ndjson").unlink()
    for act in (lambda: world.apply(plan), lambda: interrupted(world), lambda: effects(Plans(world, plan))):
        with pytest.raises(IncidentError, match="gone"):
            act()


SUCCESS = "clean/orders/dt=2026-11-1/_SUCCESS"


def deal_completion(world: World) -> None:
    """A completion marker beside the rest, written when they were."""
    for data in (b"good 2", b"bad! 2"):
        world.store.put(BUCKET, SUCCESS, data)
    times = [one.last_modified for one in world.listing(KEY)[KEY]]
    versions = world.store._versions[BUCKET, SUCCESS]
    versions[:] = [replace(one, last_modified=at) for one, at in zip(versions, times, strict=True)]


def requests(world: World, plan: Plan) -> list[list[str]]:
    """The keys of each request to come."""
    performer = world.performer(plan, None)
    return [[getattr(plan.actions[index], "key", "") for index in chunk] for chunk in performer.chunks(range(len(plan.actions)))]


@pytest.mark.parametrize("make", [purge, revert])
def test_a_completion_marker_goes_before_the_rest_and_comes_back_after_it(world: World, make: Callable[[World], Plan]) -> None:
    """Within one request a server keeps no order, so it is one of its own."""
    deal_completion(world)
    plan = make(world)
    first, last = requests(world, plan)
    assert (first if make is purge else last) == [SUCCESS]
    world.apply(plan)
    first, last = requests(world, world.undo(plan))
    assert (last if make is purge else first) == [SUCCESS]


@pytest.mark.parametrize("make", [purge, revert])
def test_half_a_cell_is_never_called_complete(world: World, make: Callable[[World], Plan]) -> None:
    """One object changed: the others go back, and the word that all are there does not."""
    deal_completion(world)
    plan = make(world)
    if make is purge:
        world.apply(plan)
        plan = world.undo(plan)
    world.store.put(BUCKET, KEY, b"new")
    applied = world.apply(plan)
    assert (applied.done, applied.drifted, applied.failed) == (1, 2, 0)
    assert world.contents().get(SUCCESS) == (None if make is purge else b"bad! 2")
