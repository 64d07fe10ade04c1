"""Surveys and plans that lie on disk are those that would have been made in memory, whatever the server's order and the frames."""

from __future__ import annotations

import gc
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident.effects import effects
from incident.home import Home
from incident.journal import read_journal
from incident.journal_state import Made
from incident.kept_actions import ActionSpool, FramedActions
from incident.key_spool import Keys, KeySpool
from incident.outputs import place
from incident.storage.port import ObjectReader
from incident.surveys import Surveyor
from lineage.blast_radius import ReachedCell
from runbooks.consents import Consents
from runbooks.contents import contents_of
from runbooks.facts import Facts
from runbooks.plan import Plan
from runbooks.purge import plan_purge
from runbooks.revert import plan_revert
from runbooks.survey import CellSurvey, KeyHistory, ObjectVersion, Rest, finder, rest
from runbooks.undo import plan_undo
from tests.recovery_world import BUCKET, MS, Plans, World, cell, radius, reached

NAMES = st.text(alphabet="ab/é\U0001f642 +%", min_size=1, max_size=4)
KEYS = st.lists(NAMES, unique=True, max_size=40)


def history(key: str, count: int = 1) -> KeyHistory:
    return KeyHistory(key, tuple(ObjectVersion(key, f"v{at}", f"e{key}", at + 1, at) for at in range(count)))


class Disorderly:
    """Lists keys in any order, as servers that are not S3 may."""

    def __init__(self, store: Any, seed: int) -> None:
        self._store, self._seed = store, seed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def histories(
        self, bucket: str, prefix: str, after: str | None = None, upto: tuple[str, str] | None = None
    ) -> Iterator[KeyHistory]:
        found = list(self._store.histories(bucket, prefix, after, upto))
        random.Random(self._seed).shuffle(found)
        return iter(found)


@given(keys=KEYS, run=st.integers(1, 7), sizes=st.data())
@settings(deadline=None)
def test_keys_come_back_in_the_order_of_their_bytes_and_each_is_found(keys: list[str], run: int, sizes: st.DataObject) -> None:
    listing = [history(key, sizes.draw(st.integers(1, 3))) for key in keys]
    found = KeySpool(room=0, run=run).gather(iter(listing))
    assert list(found) == sorted(listing, key=lambda one: one.key.encode())
    assert len(found) == len(listing)
    if isinstance(found, Keys):
        assert [found.find(one.key) for one in listing] == listing
        assert all(found.find(f"{key}~") is None for key in keys)
        assert found.find("") is None


def test_few_keys_stay_in_memory_and_cells_share_the_room() -> None:
    spool = KeySpool(room=5)
    kinds = [
        type(spool.gather(iter([history(f"{cell}{at}") for at in range(count)]))) for cell, count in (("a", 4), ("b", 2), ("c", 1))
    ]
    assert kinds == [tuple, Keys, tuple]


def test_however_many_cells_are_looked_at_only_few_of_their_keys_are_in_memory() -> None:
    spool = KeySpool(room=0)
    cells = [spool.gather(replace(history(f"{at}-{key}"), ordered=False) for key in range(321)) for at in range(40)]
    found = [finder(keys)(f"{at}-7") for at, keys in enumerate(cells)]
    assert [one.key for one in found if one is not None] == [f"{at}-7" for at in range(40)]
    alive = sum(isinstance(one, KeyHistory) and not one.ordered for one in gc.get_objects())
    assert alive < 10_000 < sum(map(len, cells))


def test_keys_that_are_no_unicode_are_kept(tmp_path: Path) -> None:
    listing = [history("b\udcff"), history("a")]
    assert list(KeySpool(tmp_path, room=0, run=2).gather(iter(listing))) == listing[::-1]
    assert list(tmp_path.iterdir()) == [], "the file has no name"


@given(keys=KEYS, data=st.data())
def test_a_fingerprint_knows_no_order_and_gives_back_what_is_taken_away(keys: list[str], data: st.DataObject) -> None:
    listing = [history(key) for key in keys]
    assert rest(data.draw(st.permutations(listing))) == rest(listing)
    gone = data.draw(st.sets(st.sampled_from(listing))) if listing else set()
    found = Rest()
    for one in listing:
        found.add(one)
    for one in gone:
        found.remove(one)
    assert str(found) == rest(one for one in listing if one not in gone)
    if listing:
        other = replace(listing[0], versions=(replace(listing[0].top, version_id="other"),))
        swapped = Rest()
        swapped.add(listing[0])
        swapped.remove(other)
        assert str(swapped), "as many as nothing, and yet not nothing"


# --- plans ---------------------------------------------------------------------------------------------------------------


class OnDisk:
    """Makes a world's plans through temporary files of the smallest frames, over a server without any order."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.reader = world, cast("ObjectReader", Disorderly(world.store, seed))

    def facts(self, *cells: ReachedCell, deleting: bool) -> Facts:
        spool = KeySpool(room=0, run=3)
        surveyor = Surveyor(lambda _bucket, _prefix: self.reader, self.world.rules, deleting, spool=spool)
        found = replace(self.world.facts(*cells, deleting=deleting), keep=ActionSpool(lines=2))
        return replace(found, surveys=surveyor.survey([one.cell for one in cells], lambda: None))

    def undo(self, target: Plan, consents: Consents) -> Plan:
        made = Made(read_journal(self.world.folder, target.id).outcomes)
        spool = KeySpool(room=0, run=3)
        current = {str(one): spool.gather(self.reader.histories(*place(one.url))) for one in target.cells}
        states = [self.world.store.state(BUCKET)]
        previous = self.world.undo(target).previous
        return plan_undo(target, made, current, states, consents=consents, previous=previous, keep=ActionSpool(lines=2))


FILES = st.sampled_from(["a", "b", "c", "d", "_SUCCESS", "x/_SUCCESS", "x/e", "é", "f g"])
STEPS = st.lists(st.tuples(st.sampled_from(["dt=1", "dt=2"]), FILES, st.one_of(st.none(), st.binary(max_size=2))), max_size=30)


def play(world: World, steps: list[tuple[str, str, bytes | None]]) -> None:
    for day, name, data in steps:
        key = f"clean/orders/{day}/{name}"
        if data is not None:
            world.store.put(BUCKET, key, data)
        elif (BUCKET, key) in world.store._versions:
            world.store.delete(BUCKET, key)
        world.store.tick(10 * MS)


@given(good=STEPS, bad=STEPS, later=STEPS, seed=st.integers(0, 99), purging=st.booleans())
@settings(deadline=None, max_examples=60)
def test_plans_and_undos_from_disk_are_those_from_memory(
    good: list[Any], bad: list[Any], later: list[Any], seed: int, purging: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        play(world, good)
        since = world.store.now
        world.store.tick(10 * MS)
        play(world, bad)
        cells = [reached(cell(day), since=since, serving=True) for day in ("dt=1", "dt=2")]
        consents = Consents(include=tuple(str(one.cell) for one in cells))
        disk = OnDisk(world, seed)
        if purging:
            plan, other = world.purge(*cells, consents=consents), plan_purge(disk.facts(*cells, deleting=True), consents)
        else:
            plan = world.revert(*cells, consents=consents)
            other = plan_revert(disk.facts(*cells, deleting=False), consents)
        assert (other.sha256, other.refused, other.warnings) == (plan.sha256, plan.refused, plan.warnings)
        assert other == plan
        assert isinstance(other.actions, FramedActions if len(plan.actions) > 2 else tuple)
        world.store.tick()
        assert world.apply(other).exit_code == 0
        assert {one.complete for one in effects(Plans(world, other))} <= {True}
        assert effects(Plans(world, other)) == effects(Plans(world, plan))
        world.store.tick()
        play(world, later)
        undo, again = world.undo(plan, consents), disk.undo(other, consents)
        assert (again.sha256, again.refused, again.warnings) == (undo.sha256, undo.refused, undo.warnings)


def test_a_survey_tells_of_all_its_keys_without_going_through_them(tmp_path: Path) -> None:
    world = World(tmp_path)
    for name in ("a", "b/_SUCCESS", "c"):
        world.store.put(BUCKET, f"clean/orders/dt=1/{name}", b"1")
    world.store.delete(BUCKET, "clean/orders/dt=1/c")
    one = cell("dt=1")
    survey = OnDisk(world, 1).facts(reached(one), deleting=True).surveys[one]
    assert isinstance(survey, CellSurvey)
    assert survey.contents == contents_of(replace(survey, contents=None))
    assert (contents_of(survey).objects, contents_of(survey).completions, contents_of(survey).nulls) == (2, True, False)
    assert (len(survey.objects), bool(survey.objects), [one.key[-1] for one in survey.objects]) == (2, True, ["a", "S"])


@pytest.mark.parametrize("count", [3, 2_500])
def test_a_plan_of_any_size_is_saved_read_and_applied_as_it_was_planned(tmp_path: Path, count: int) -> None:
    """From the survey to the undo through the home's files, with frames of their real size."""
    world = World(tmp_path / "journal")
    world.folder.mkdir()
    for at in range(count):
        world.store.put(BUCKET, f"clean/orders/dt=1/part-{at:05}", b"%d" % at)
    world.store.put(BUCKET, "clean/orders/dt=1/_SUCCESS", b"")
    before = world.listing()
    folder = Home(tmp_path / "home").create("x", 0)
    world.id = folder.id
    one = reached(cell("dt=1"))
    surveyor = Surveyor(lambda _bucket, _prefix: world.store, world.rules, spool=KeySpool(folder.room, room=10, run=400))
    surveys = surveyor.survey([one.cell], lambda: None)
    facts = Facts(folder.id, radius(one), surveys, lambda _: True, keep=ActionSpool(folder.room))
    plan = plan_purge(facts, Consents())
    folder.save_plan(plan, 0)
    loaded = folder.load_plan(plan.id, "purge")
    assert loaded.actions[0].key.endswith("_SUCCESS")  # type: ignore[union-attr]
    assert loaded == plan == plan_purge(replace(facts, keep=tuple), Consents())
    world.store.tick()
    assert world.apply(loaded).done == count + 1
    assert world.contents() == {}
    undo = world.undo(loaded)
    folder.save_plan(undo, 0)
    world.store.tick()
    assert world.apply(folder.load_plan(undo.id)).done == count + 1
    assert world.listing() == before
