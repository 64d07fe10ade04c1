"""Over random histories of keys: what revert, purge and undo promise, held against an independent model."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbooks.consents import Consents
from tests.recovery_world import BUCKET, MS, World, cell, reached

DAY = cell("dt=2026-11-1")
INSIDE = "clean/orders/dt=2026-11-1/"
NAMES = ("a", "b c", "d+e", "f%2Fg", "h&i", "é", "日本", "😀", "sub/x", "_SUCCESS", "")
OUTSIDE = (
    "clean/orders/dt=2026-11-10/a",
    "clean/orders/dt=2026-11-1",
    "clean/orders/dt=2026-11-1 /a",
    "clean/orders_2/dt=2026-11-1/a",
    "xclean/orders/dt=2026-11-1/a",
)
KEYS = (*(INSIDE + name for name in NAMES), *OUTSIDE)
Step = tuple[str, bytes | None]
STEPS = st.lists(st.tuples(st.sampled_from(KEYS), st.one_of(st.none(), st.sampled_from([b"1", b"22", b"333", b""]))), max_size=40)
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMED = Consents(include=(str(DAY),))


def play(world: World, steps: list[Step]) -> list[int]:
    """Do the steps, a few milliseconds apart; the time of each."""
    times = []
    for key, data in steps:
        times.append(world.store.tick(7 * MS))
        if data is None:
            world.store.delete(BUCKET, key)
        else:
            world.store.put(BUCKET, key, data)
    world.store.tick()
    return times


def before(steps: list[Step], count: int) -> dict[str, bytes]:
    """The independent model: what was current after the first ``count`` steps."""
    state: dict[str, bytes] = {}
    for key, data in steps[:count]:
        if data is None:
            state.pop(key, None)
        else:
            state[key] = data
    return state


@QUICK
@given(steps=STEPS)
def test_a_purge_leaves_no_current_object_keeps_every_version_and_an_undo_restores_the_listing(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        play(world, steps)
        listing = world.listing()
        plan = world.purge(reached(DAY), consents=NAMED)
        world.store.tick()
        assert world.apply(plan).exit_code == 0
        assert world.contents(INSIDE) == {}
        after = world.listing()
        for key, versions in listing.items():
            assert after[key][-len(versions) :] == versions
            assert key.startswith(INSIDE) or after[key] == versions
        world.store.tick()
        undo = world.undo(plan)
        assert not undo.refused
        assert world.apply(undo).exit_code == 0
        assert world.listing() == listing


@QUICK
@given(steps=STEPS, data=st.data())
def test_a_revert_is_the_state_just_before_t_and_an_undo_restores_the_listing(steps: list[Step], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(steps)))
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        times = play(world, steps)
        since = times[count] - 3 * MS if count < len(times) else world.store.now
        listing, contents = world.listing(), world.contents()
        plan = world.revert(reached(DAY, since=since, serving=True), consents=NAMED)
        assert not plan.refused
        world.store.tick()
        assert world.apply(plan).exit_code == 0
        good = before(steps, count)
        expected = {key: value for key, value in good.items() if key.startswith(INSIDE)}
        assert world.contents(INSIDE) == expected
        assert plan.cells[0].leaves == ("data" if expected else "nothing")
        after = world.listing()
        for key, versions in listing.items():
            kept = [version for version in after[key] if version in versions]
            objects = [version for version in versions if not version.is_marker]
            assert [version for version in kept if not version.is_marker] == objects
            assert key.startswith(INSIDE) or after[key] == versions
        again = world.revert(reached(DAY, since=since, serving=True), consents=NAMED)
        assert again.actions == ()
        world.store.tick()
        undo = world.undo(plan)
        assert not undo.refused
        assert world.apply(undo).exit_code == 0
        assert world.contents() == contents
        for key, versions in world.listing().items():
            # A removed marker cannot come back as itself: another one stands for it.
            assert [one for one in versions if not one.is_marker] == [one for one in listing[key] if not one.is_marker]


@QUICK
@given(steps=STEPS, later=STEPS, data=st.data())
def test_an_undo_never_hides_or_removes_what_was_written_since(steps: list[Step], later: list[Step], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        play(world, steps)
        listing = world.listing()
        if data.draw(st.booleans()):
            plan = world.purge(reached(DAY), consents=NAMED)
        else:
            plan = world.revert(
                reached(DAY, since=world.store.now - data.draw(st.integers(1, 200)) * MS, serving=True), consents=NAMED
            )
        world.apply(plan)
        play(world, later)
        middle, current = world.listing(), world.contents()
        undo = world.undo(plan, NAMED)
        world.apply(undo)
        touched = {action.key for action in undo.actions}  # type: ignore[union-attr]
        written = {key for key, _ in later}
        assert not touched & written
        after = world.contents()
        assert {key: after.get(key) for key in written} == {key: current.get(key) for key in written}
        for key in written:
            assert world.listing().get(key) == middle.get(key)
        for key, versions in listing.items():
            assert {one for one in versions if not one.is_marker} <= set(world.listing()[key])
