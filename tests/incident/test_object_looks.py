"""Looks at objects ask no more than they need to know, and what they do not show is never taken for unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from incident.cell_sweep import Sweep
from incident.executor import resume
from incident.journal import read_journal
from incident.object_requests import look, unchanged
from incident.object_workers import Workers
from incident.storage.memory import MemoryStore
from incident.storage.port import Current, Marked
from incident.storage.s3 import S3Store
from lineage.timestamps import render
from runbooks.plan import CopyVersion, PutMarker, Requirement
from runbooks.survey import KeyHistory
from tests.recovery_world import BUCKET, Deaf, Mute, World, cell, reached
from tests.s3_server import LiveBucket

DAY = cell("dt=1")
ROOT = "clean/orders/dt=1/"


class Counting(MemoryStore):
    """Shares another store's contents, and notes what is asked of it."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store.buckets, store.now, store._versions, store._bytes, store._made)
        self.asked: list[str] = []
        self._inner = store

    def histories(
        self, bucket: str, prefix: str, after: str | None = None, upto: tuple[str, str] | None = None
    ) -> Iterator[KeyHistory]:
        self.asked.append("versions")
        return super().histories(bucket, prefix, after, upto)

    def currents(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[Current]:
        self.asked.append("current")
        return self._inner.currents(bucket, prefix, after)

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        self.asked += sorted(etags)
        return super().put_markers(bucket, etags)


def lake(folder: Path) -> World:
    world = World(folder)
    for name in "abc":
        world.store.put(BUCKET, ROOT + name, b"bad!")
    world.store.tick()
    return world


def test_what_is_as_planned_costs_one_listing_before_and_one_after(tmp_path: Path) -> None:
    world = lake(tmp_path)
    plan = world.purge(reached(DAY))
    store = Counting(world.store)
    assert world.apply(plan, store).done == 3
    assert store.asked == ["current", *(ROOT + name for name in "abc"), "versions"]


def test_the_same_bytes_written_again_are_seen_before_anything_is_sent(tmp_path: Path) -> None:
    world = lake(tmp_path)
    plan = world.purge(reached(DAY))
    written = world.store.put(BUCKET, ROOT + "b", b"bad!")
    store = Counting(world.store)
    applied = world.apply(plan, store)
    assert (applied.done, applied.drifted) == (2, 1)
    assert ROOT + "b" not in store.asked
    assert world.listing()[ROOT + "b"][0].version_id == written


@pytest.mark.parametrize("lost", [Mute, Deaf])
def test_somebody_elses_deletion_of_something_else_is_not_taken_for_ours(tmp_path: Path, lost: type[Mute | Deaf]) -> None:
    """Between our look and our request they write, and delete again; and our answer is lost."""
    world = lake(tmp_path)
    plan = world.purge(reached(DAY))
    theirs: list[str] = []

    def write_and_delete() -> None:
        world.store.put(BUCKET, ROOT + "b", b"something else")
        theirs.append(world.store.delete(BUCKET, ROOT + "b"))

    world.apply(plan, lost(world.store, write_and_delete))
    resume(world.execution(plan, None))
    assert world.listing()[ROOT + "b"][0].version_id == theirs[0]
    outcomes = read_journal(world.folder, plan.id).outcomes
    assert outcomes.count("done") == 2
    assert outcomes.count("drifted") == 1


# --- on a server ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []

    def noted(name: str, what: str) -> None:
        ask = getattr(S3Store, name)

        def page(*said: Any) -> Any:
            asked.append(what)
            return ask(*said)

        monkeypatch.setattr(S3Store, name, page)

    noted("_version_page", "versions")
    noted("_current_page", "current")
    return asked


def test_no_page_is_asked_for_that_shows_nothing_wanted(bucket: LiveBucket, pages: list[str]) -> None:
    keys = [f"p/{number:02}" for number in range(12)]
    good = {key: bucket.put(key, b"good") for key in keys}
    tops = {key: bucket.listing(key)[key][0] for key in keys if bucket.put(key, b"bad!")}
    required = {key: Requirement(top.version_id, top.etag) for key, top in tops.items()}
    markers = {
        at: PutMarker(bucket.name, key, required[key], 4, "c", render(tops[key].last_modified) or "") for at, key in enumerate(keys)
    }
    copies = {at: CopyVersion(bucket.name, key, required[key], good[key], "", 4, "c") for at, key in enumerate(keys)}
    store, part = S3Store(bucket.endpoint, page=4), range(4, 8)
    for actions in (markers, copies):
        pages.clear()
        span = Sweep("p/").span(keys[4:8], keys[3], to_end=False)
        assert set(look(store, bucket.name, [actions[at] for at in part], Workers(1), span)) == set(keys[4:8])
        assert pages == ["versions"] * 2, "eight versions are on two pages of four"
    pages.clear()
    assert unchanged(store, bucket.name, {at: markers[at] for at in part}, keys[3]) == set(part)
    assert pages == ["current"]
