"""Our own effects as lineage: complete only when every action on the cell is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from incident.effects import effects
from incident.errors import Interrupted, TimelineUnwritable
from incident.executor import Performer
from incident.journal import Journal
from lineage.timestamps import AFTER
from runbooks.consents import Consents
from tests.recovery_world import BUCKET, MS, Crash, FailAfter, FailingStore, Interfere, Plans, World, cell, reached

DAY, NEXT = cell("dt=2026-11-1"), cell("dt=2026-11-2")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    for day in ("1", "2"):
        made.store.put(BUCKET, f"clean/orders/dt=2026-11-{day}/a", b"bad")
    made.store.tick()
    return made


def test_a_purge_and_its_undo_are_effects_on_each_cell(world: World) -> None:
    plan = world.purge(reached(DAY), reached(NEXT))
    assert effects(Plans(world, plan)) == ()
    began = world.store.now
    world.apply(plan)
    found = effects(Plans(world, plan))
    assert {(one.kind, str(one.cell), one.complete, one.leaves) for one in found} == {
        ("purge", str(DAY), True, "nothing"),
        ("purge", str(NEXT), True, "nothing"),
    }
    assert all(one.start == one.end == began for one in found)
    world.store.tick()
    undo = world.undo(plan)
    world.apply(undo)
    last = effects(Plans(world, plan, undo))[2:]
    assert {(one.kind, one.undoes, one.leaves, one.complete) for one in last} == {("undo", plan.id, "data", True)}


def test_an_undo_comes_after_what_it_undoes_also_by_a_clock_that_is_behind(world: World) -> None:
    plan = world.purge(reached(DAY))
    world.store.now += 3_600_000 * MS
    world.apply(plan)
    world.store.now -= 3_600_000 * MS
    undo = world.undo(plan)
    world.apply(undo)
    first, second = effects(Plans(world, undo, plan))
    assert (first.kind, second.kind) == ("purge", "undo")
    assert first.end < second.start <= second.end


def test_a_cell_that_drifted_is_not_cleansed(world: World) -> None:
    plan = world.purge(reached(DAY), reached(NEXT))
    world.store.put(BUCKET, "clean/orders/dt=2026-11-1/a", b"newer")
    world.apply(plan)
    assert [(str(one.cell), one.complete) for one in effects(Plans(world, plan))] == [(str(NEXT), True)]


def test_a_cell_in_doubt_has_no_end(world: World) -> None:
    plan = world.purge(reached(DAY))
    with pytest.raises(Crash):
        world.apply(plan, FailingStore(world.store, FailAfter(2, "after")))
    [effect] = effects(Plans(world, plan))
    assert (effect.end, effect.complete) == (AFTER, False)


def test_a_cell_with_nothing_to_do_counts_once_its_plan_is_finished(world: World) -> None:
    for history in world.listing().values():
        world.store.delete(BUCKET, history[0].key)
    world.store.tick()
    plan = world.purge(reached(DAY))
    assert plan.actions == ()
    world.apply(plan)
    [effect] = effects(Plans(world, plan))
    assert (effect.complete, effect.leaves) == (True, "nothing")


def test_a_partial_undo_does_not_count_as_whole(world: World) -> None:
    world.store.put(BUCKET, "clean/orders/dt=2026-11-1/b", b"bad")
    plan = world.purge(reached(DAY))
    world.apply(plan)
    world.store.put(BUCKET, "clean/orders/dt=2026-11-1/b", b"made again")
    assert [one.code for one in world.undo(plan).refused] == ["rewritten"]
    undo = world.undo(plan, Consents(include=(str(DAY),)))
    world.apply(undo)
    assert [(one.kind, one.complete) for one in effects(Plans(world, plan, undo))] == [("purge", True), ("undo", False)]


def test_if_the_timeline_cannot_be_written_nothing_happens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any, **_options: Any) -> None:
        raise TimelineUnwritable("disk full")

    monkeypatch.setattr(world.timeline, "append", full)
    listing, plan = world.listing(), world.purge(reached(DAY))
    with pytest.raises(TimelineUnwritable):
        world.apply(plan)
    assert world.listing() == listing
    assert effects(Plans(world, plan)) == ()


def test_if_the_intent_cannot_be_written_nothing_happens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any, **_more: Any) -> None:
        raise TimelineUnwritable("disk full")

    monkeypatch.setattr(Journal, "intent", full)
    listing, plan = world.listing(), world.purge(reached(DAY))
    with pytest.raises(TimelineUnwritable) as caught:
        world.apply(plan)
    assert caught.value.exit_code == 7
    assert "incident resume" in caught.value.hint
    assert world.listing() == listing


def test_ctrl_c_finishes_the_chunk_in_hand_and_says_how_to_go_on(world: World) -> None:
    plan = world.purge(reached(DAY), reached(NEXT))
    import signal

    store = Interfere(world.store, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted) as caught:
        world.apply(plan, store)
    assert caught.value.exit_code == 130
    assert "incident resume" in caught.value.hint
    assert caught.value.data["done"] == 1
    assert len(world.contents()) == 1
    world.store.tick(10 * MS)
    assert world.go_on(plan).done == 2
    assert world.contents() == {}


def test_a_performer_is_anything_that_does_chunks(world: World) -> None:
    performer: Performer = world.performer(world.purge(reached(DAY)), None)
    assert [list(chunk) for chunk in performer.chunks([0])] == [[0]]
