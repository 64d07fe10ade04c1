"""Swaps of pointers: killed at every call, raced by other writers, over servers that ignore conditions or lose answers."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from incident import files
from incident.errors import PreconditionFailed, StorageUnreachable
from incident.journal import Journal, Outcome, read_journal
from incident.pointer_actions import PointerActions
from incident.pointers import local_file
from incident.pointers.exchange import exchange
from incident.pointers.objects import ObjectPointer
from incident.pointers.port import Pointer
from incident.storage.memory import MemoryStore
from incident.storage.port import Described, Made
from runbooks.plan import Plan, PlannedCell, SwapPointer
from runbooks.survey import BucketState
from tests.pointer_world import CODECS, FakeCatalog, Somebody, document, in_bucket, in_catalog, in_file, table
from tests.recovery_world import Crash, FailAfter, FailingStore, Moment

ACTOR = {"name": "t"}
KINDS = ("json", "text", "symlink", "success")
PLACES = (
    *("json-versioned", "success-versioned", "text-unversioned", "success-unversioned", "symlink-local", "success-local"),
    "glue-fake",
)


@dataclass
class World:
    """A pointer, a folder to journal in, and who opens the pointer."""

    place: Somebody
    folder: Path
    store: MemoryStore | None = None
    catalog: FakeCatalog | None = None

    def begin_anew(self) -> None:
        """Another incident: a place without versions may be in the very state that it was planned in before."""
        self.folder = self.folder.with_name(f"{self.folder.name}+")
        self.folder.mkdir()

    def plan(self, new: str | None) -> Plan:
        action = self.place.action(new)
        cell = PlannedCell("a", "b", "*", True, "pointer")
        state = self.place.open().bucket()
        action = SwapPointer(
            action.kind, action.pointer, action.requires, action.old, action.new, str(cell), writers_stopped=action.writers_stopped
        )
        return Plan("INC-1", "revert", "r1", (action,), (cell,), buckets=() if state is None else (state.terms,))

    def apply(self, plan: Plan, opened: Callable[[], Pointer] | None = None) -> Outcome:
        """What an apply or a resume does with the action, and what the journal says of it in the end."""
        family = PointerActions(plan, lambda _kind, _url: (opened or self.place.open)(), lambda: 1)
        with Journal(self.folder, plan.id, ACTOR, take_over=True) as journal:
            if journal.state.begun is None:
                journal.begin(1, 1)
            if journal.state.unfinished(1):
                family.perform([0], journal)
        found = read_journal(self.folder, plan.id).outcomes[0]
        assert found is not None
        return found


def world(name: str, folder: Path) -> World:
    kind, _, where = name.partition("-")
    journals = folder / "journal"
    journals.mkdir()
    if where == "local":
        return World(in_file(kind, folder / "lake"), journals)
    if where == "fake":
        catalog = FakeCatalog()
        return World(in_catalog(catalog, lambda value: catalog.put("shop", table(value))), journals, catalog=catalog)
    store = MemoryStore()
    store.create("lake", None if where == "versioned" else BucketState("lake", "Off", guarantees=store.honours))

    def put(key: str, data: bytes) -> None:
        store.tick()
        store.put("lake", key, data)

    place = in_bucket(kind, lambda: store, "lake", put, lambda key: store.delete("lake", key), keeps=where == "versioned")
    return World(place, journals, store)


@pytest.fixture(params=PLACES)
def pointed(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    found = world(request.param, tmp_path)
    found.place.write(found.place.values[0])
    return found


def crashing(found: World, fail: FailAfter, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Pointer]:
    """The pointer with every call beneath it, and every record of the journal, passing through ``fail``."""

    def through(owner: Any, name: str) -> None:
        real = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args, **more: fail.around(lambda: real(*args, **more), lambda: None))

    through(Journal, "_append")
    if found.store is not None:
        key, codec = CODECS[found.place.kind]
        store = FailingStore(found.store, fail)
        return lambda: ObjectPointer(store, "lake", key, codec, found.place.url)
    if found.catalog is not None:
        for name in ("table", "versions", "update_table"):
            through(found.catalog, name)
        return found.place.open
    for owner, name in ((local_file, "exchange"), (os, "link"), (files, "sync")):
        through(owner, name)
    for name in ("rename", "unlink", "replace"):
        through(Path, name)
    return found.place.open


@pytest.mark.parametrize("removal", [False, True])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_for_every_crash_a_resume_ends_where_an_uninterrupted_run_ends(
    pointed: World, moment: Moment, removal: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if removal and pointed.place.remove is None:
        pytest.skip("a table of a catalogue is never removed")
    bad, good, _ = pointed.place.values
    new = None if removal else good
    points = 0
    for at in itertools.count():
        pointed.begin_anew()
        pointed.place.write(bad)
        plan = pointed.plan(new)
        with monkeypatch.context() as patch:
            fail = FailAfter(at, moment)
            opened = crashing(pointed, fail, patch)
            with suppress(Crash):
                pointed.apply(plan, opened)
        if fail.calls <= at:
            break
        points += 1
        assert pointed.apply(plan).status == "done", f"killed {moment} call {at}"
        assert pointed.place.open().now().value == new
        left = [path.name for path in (tmp_path / "lake").rglob(".*")] if (tmp_path / "lake").exists() else []
        assert left == [], f"killed {moment} call {at}"
    assert points >= 4


@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_somebody_writes_after_a_crash_stays(pointed: World, moment: Moment, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good, other = pointed.place.values
    for at in itertools.count():
        pointed.begin_anew()
        pointed.place.write(bad)
        plan = pointed.plan(good)
        with monkeypatch.context() as patch:
            fail = FailAfter(at, moment)
            opened = crashing(pointed, fail, patch)
            with suppress(Crash):
                pointed.apply(plan, opened)
        if fail.calls <= at:
            break
        pointed.place.write(other)
        pointed.apply(plan)
        assert pointed.place.open().now().value == other, f"killed {moment} call {at}"


# --- other writers ------------------------------------------------------------------------------------------------------------


class Raced:
    """A store beside which somebody writes just before (or after) the put. ``honours`` false: it ignores the put's condition."""

    def __init__(self, store: MemoryStore, act: Callable[[], object], *, after: bool, honours: bool) -> None:
        self.inner, self.act, self.after, self.honours = store, act, after, honours

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def put_object(self, bucket: str, key: str, data: bytes, *, over: str | None, like: Described | None = None) -> Made:
        if not self.after:
            self.act()
        if not self.honours:
            history = self.inner.history(bucket, key)
            over = history.current.etag if history is not None and history.current is not None else None
        made = self.inner.put_object(bucket, key, data, over=over, like=like)
        if self.after:
            self.act()
        return made


@pytest.fixture(params=KINDS)
def versioned(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    found = world(f"{request.param}-versioned", tmp_path)
    found.place.write(found.place.values[0])
    return found


def raced(found: World, act: Callable[[], object], *, after: bool = False, honours: bool = True) -> Callable[[], Pointer]:
    assert found.store is not None
    key, codec = CODECS[found.place.kind]
    store: Any = Raced(found.store, act, after=after, honours=honours)
    return lambda: ObjectPointer(store, "lake", key, codec, found.place.url)


@pytest.mark.parametrize("honours", [True, False])
@pytest.mark.parametrize("same", [True, False])
def test_a_write_that_slips_in_before_ours_is_never_hidden(versioned: World, same: bool, honours: bool) -> None:
    """Also one of identical bytes, which passes an ETag condition, and on a server that ignores conditions."""
    bad, good, other = versioned.place.values
    plan = versioned.plan(good)
    theirs = bad if same else other
    outcome = versioned.apply(plan, raced(versioned, lambda: versioned.place.write(theirs), honours=honours))
    assert outcome.status == "drifted"
    assert versioned.place.open().now().value == theirs
    assert versioned.store is not None
    key = CODECS[versioned.place.kind][0]
    kept = [versioned.store.read("lake", key, one.version_id) for one in versioned.store.listing("lake")[key]]
    assert document(versioned.place.kind, good) not in kept


def test_a_write_that_follows_ours_stays_on_top(versioned: World) -> None:
    good, other = versioned.place.values[1:]
    plan = versioned.plan(good)
    versioned.apply(plan, raced(versioned, lambda: versioned.place.write(other), after=True))
    assert versioned.place.open().now().value == other
    family = PointerActions(plan, lambda _kind, _url: versioned.place.open(), lambda: 1)
    assert list(family.strays()) == ["a/b@*"]


def test_a_server_that_keeps_nothing_and_ignores_conditions_is_refused(tmp_path: Path) -> None:
    found = world("text-unversioned", tmp_path)
    assert found.store is not None
    found.store.buckets["lake"] = BucketState("lake", "Off")
    found.place.write("42")
    outcome = found.apply(found.plan("41"))
    assert (outcome.status, "--writers-stopped" in outcome.note or "not certain" in outcome.note) == ("failed", True)
    assert found.place.open().now().value == "42"


@pytest.mark.parametrize("arrives", [True, False])
def test_where_the_answer_is_lost_the_pointer_is_looked_at(versioned: World, arrives: bool) -> None:
    good = versioned.place.values[1]

    class Deaf(Raced):
        def put_object(self, bucket: str, key: str, data: bytes, *, over: str | None, like: Described | None = None) -> Made:
            if arrives:
                self.inner.put_object(bucket, key, data, over=over, like=like)
            raise StorageUnreachable("no answer")

    assert versioned.store is not None
    key, codec = CODECS[versioned.place.kind]
    store: Any = Deaf(versioned.store, lambda: None, after=False, honours=True)
    plan = versioned.plan(good)
    outcome = versioned.apply(plan, lambda: ObjectPointer(store, "lake", key, codec, versioned.place.url))
    assert outcome.status == ("done" if arrives else "unknown")
    assert versioned.apply(plan).status == "done"
    assert versioned.place.open().now().value == good


@pytest.mark.parametrize("step", ["exchange", "sync"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("same", [True, False])
def test_a_file_that_somebody_puts_in_place_meanwhile_is_never_lost(
    step: str, when: str, same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = world("json-local", tmp_path)
    bad, good, other = found.place.values
    found.place.write(bad)
    plan = found.plan(good)
    theirs = bad if same else other
    owner: Any = local_file if step == "exchange" else files
    real, times = getattr(owner, step), itertools.count()

    def meddled(*args: Any) -> None:
        first = next(times) == 0
        if first and when == "before":
            found.place.write(theirs)
        real(*args)
        if first and when == "after":
            found.place.write(theirs)

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, meddled)
        found.apply(plan)
    assert found.place.open().now().value == theirs
    assert [path.name for path in (tmp_path / "lake").rglob(".*")] == []


def test_of_two_who_put_files_in_place_meanwhile_the_last_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One just before our exchange, and one just before we put the first one's file back."""
    found = world("json-local", tmp_path)
    bad, good, other = found.place.values
    found.place.write(bad)
    plan = found.plan(good)
    real, times = exchange, itertools.count()

    def meddled(one: Path, another: Path) -> None:
        number = next(times)
        if number < 2:
            found.place.write((other, '"44"')[number])
        real(one, another)

    with monkeypatch.context() as patch:
        patch.setattr(local_file, "exchange", meddled)
        assert found.apply(plan).status == "drifted"
    assert next(times) == 3
    assert found.place.open().now().value == '"44"'
    assert [path.name for path in (tmp_path / "lake").rglob(".*")] == []


def test_a_catalogue_that_ignores_the_version_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = world("glue-fake", tmp_path)
    assert found.catalog is not None
    bad, good, other = found.place.values
    found.place.write(bad)
    plan = found.plan(good)
    found.catalog.honours = False
    real, times = found.catalog.update_table, itertools.count()

    def raced_update(database: str, table: Any, version_id: str) -> None:
        if next(times) == 0:
            found.place.write(other)
        real(database, table, version_id)

    monkeypatch.setattr(found.catalog, "update_table", raced_update)
    assert found.apply(plan).status == "drifted"
    assert found.place.open().now().value == other


def test_a_condition_that_does_not_hold_is_drift(versioned: World) -> None:
    class Strict(Raced):
        def put_object(self, bucket: str, key: str, data: bytes, *, over: str | None, like: Described | None = None) -> Made:
            raise PreconditionFailed(f"{bucket}/{key} {len(data)} {over} {like}")

    key, codec = CODECS[versioned.place.kind]
    assert versioned.store is not None
    store: Any = Strict(versioned.store, lambda: None, after=False, honours=True)
    outcome = versioned.apply(versioned.plan(versioned.place.values[1]), lambda: ObjectPointer(store, "lake", key, codec, "url"))
    assert outcome.status == "drifted"
