"""Writers at work beside us at random moments: nothing of theirs is lost, nothing of theirs is hidden once we are through."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from incident.errors import IncidentError, StorageUnreachable
from incident.executor import interrupted, resume
from incident.object_actions import KINDS
from incident.storage.memory import MemoryStore
from incident.storage.port import Current, Described, Made, Marked, Removed, Told, Upload
from runbooks.consents import Consents
from runbooks.guarantees import Guarantees
from runbooks.plan import Plan
from runbooks.survey import BucketState, KeyHistory, ObjectVersion
from tests.recovery_world import BUCKET, MS, Crash, World, cell, reached

DAY = cell("dt=2026-11-1")
ROOT = "clean/orders/dt=2026-11-1/"
NAMES = tuple("abcdef")
SCHEDULES = int(os.environ.get("WRITER_SCHEDULES", "240"))
T = TypeVar("T")


class Busy:
    """A store beside which writers act before and after every call; answers get lost, and our process ends now and then.

    ``honours`` false: a server that ignores the condition on a copy's destination. ``told``: the server tells its time.
    """

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.inner, self.chance = world, world.store, chance
        self.honours = chance.random() < 0.7
        self.told = chance.random() < 0.5
        self.rate, self.trouble = chance.choice([0.05, 0.2, 0.5]), chance.choice([0.0, 0.05, 0.15])
        self.written: dict[str, str] = {}
        """The version that a writer made last, by key."""

    def writers(self) -> None:
        while self.chance.random() < self.rate:
            self.inner.tick(self.chance.choice([0, 1, 1_000]) * MS)
            key = ROOT + self.chance.choice([*NAMES, "stray"])
            data = self.chance.choice([b"good", b"bad!", b"new", None])
            made = self.inner.delete(BUCKET, key) if data is None else self.inner.put(BUCKET, key, data)
            self.written[key] = made

    def _call(self, act: Callable[[], T], *, effect: bool = False) -> T:
        self.writers()
        if effect and self.chance.random() < self.trouble:
            raise StorageUnreachable("it never arrived")
        found = act()
        self.writers()
        if effect and self.chance.random() < self.trouble:
            raise self.chance.choice([StorageUnreachable("the answer was lost"), Crash()])
        return found

    def state(self, bucket: str, *, brief: bool = False) -> BucketState:
        found = self._call(lambda: self.inner.state(bucket, brief=brief))
        return replace(found, told=self.inner.now) if self.told else found

    def probe(self, state: BucketState, prefix: str, asked: int) -> Guarantees:
        return self.inner.probe(state, prefix, asked)

    def remember(self, bucket: str, guarantees: Guarantees) -> None:
        self.inner.remember(bucket, guarantees)

    def histories(
        self, bucket: str, prefix: str, after: str | None = None, upto: tuple[str, str] | None = None
    ) -> Iterator[KeyHistory]:
        return self._call(lambda: iter(list(self.inner.histories(bucket, prefix, after, upto))))

    def currents(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[Current]:
        return self._call(lambda: iter(list(self.inner.currents(bucket, prefix, after))))

    def history(self, bucket: str, key: str) -> KeyHistory | None:
        return self._call(lambda: self.inner.history(bucket, key))

    def read(self, bucket: str, key: str, version_id: str | None = None) -> bytes:
        return self.inner.read(bucket, key, version_id)

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        return self.inner.list_keys(bucket, prefix)

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        return self._call(lambda: self.inner.put_markers(bucket, etags), effect=True)

    def blocks(self, bucket: str, key: str, version_id: str | None = None) -> Iterator[bytes]:
        return self.inner.blocks(bucket, key, version_id)

    def describe(self, bucket: str, key: str, version_id: str | None = None) -> Described:
        return self._call(lambda: self.inner.describe(bucket, key, version_id))

    def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None, told: Told | None = None) -> str:
        return self._call(
            lambda: self.inner.copy_version(source, bucket, over=self._over(bucket, source.key, over), told=told), effect=True
        )

    def copy_object(self, source: Described, bucket: str, key: str, *, over: str | None, told: Told | None = None) -> Made:
        return self._call(
            lambda: self.inner.copy_object(source, bucket, key, over=self._over(bucket, key, over), told=told), effect=True
        )

    def _over(self, bucket: str, key: str, over: str | None) -> str | None:
        """The condition on a copy's destination, as this server takes it."""
        found = self.inner.history(bucket, key)
        return over if self.honours else found.current.etag if found and found.current else None

    def put_object(self, bucket: str, key: str, data: bytes, *, over: str | None, like: Described | None = None) -> Made:
        return self._call(lambda: self.inner.put_object(bucket, key, data, over=over, like=like), effect=True)

    def delete_object(self, bucket: str, key: str, *, if_match: str) -> str | None:
        return self._call(lambda: self.inner.delete_object(bucket, key, if_match=if_match), effect=True)

    def abort_upload(self, upload: Upload) -> bool:
        return self._call(lambda: self.inner.abort_upload(upload), effect=True)

    def remove_version(self, bucket: str, key: str, version_id: str) -> None:
        self._call(lambda: self.inner.remove_version(bucket, key, version_id), effect=True)

    def remove_versions(self, bucket: str, versions: Sequence[tuple[str, str]]) -> Sequence[Removed]:
        return self._call(lambda: self.inner.remove_versions(bucket, versions), effect=True)


def lake(folder: Path, chance: random.Random) -> tuple[World, int]:
    folder.mkdir()
    world = World(folder)
    for name in NAMES:
        for _ in range(chance.randint(1, 2)):
            world.store.put(BUCKET, ROOT + name, b"good")
        if chance.random() < 0.2:
            world.store.delete(BUCKET, ROOT + name)
    since = world.store.tick(2_000 * MS)
    world.store.tick(1_000 * MS)
    for name in NAMES:
        for _ in range(chance.randint(0, 2)):
            if chance.random() < 0.3:
                world.store.delete(BUCKET, ROOT + name)
            else:
                world.store.put(BUCKET, ROOT + name, b"bad!")
    world.store.tick()
    return world, since


def planned(world: World, since: int, kind: str) -> Plan:
    one = reached(DAY, since=since, serving=True)
    plan = world.revert(one) if kind.endswith("revert") else world.purge(one)
    if kind.startswith("undo"):
        world.apply(plan)
        world.store.tick()
        plan = world.undo(plan, Consents(include=(str(DAY),)))
    return plan


def through(world: World, plan: Plan, busy: Busy) -> bool:
    """Apply, and resume until it is settled; at the end in peace. Whether nothing is left in doubt."""
    for attempt in range(12):
        if attempt == 9:
            busy.trouble = busy.rate = 0.0
        try:
            if plan.id in interrupted(world) or attempt > 0:
                applied = resume(world.execution(plan, busy))
            else:
                applied = world.apply(plan, busy)
        except (IncidentError, Crash):
            continue
        assert applied.done + applied.failed + applied.drifted + applied.unknown == len(plan.actions)
        if not applied.failed and not applied.unknown:
            return True
    return False


@pytest.mark.parametrize("kind", ["purge", "revert", "undo-purge", "undo-revert"])
def test_nothing_written_after_the_plan_is_lost_or_hidden(tmp_path: Path, kind: str) -> None:
    for seed in range(SCHEDULES // 4):
        chance = random.Random(f"{kind} {seed}")
        world, since = lake(tmp_path / str(seed), chance)
        start = objects(world.store)
        plan = planned(world, since, kind)
        kept = objects(world.store)
        busy = Busy(world, chance)
        busy.writers()
        assert through(world, plan, busy), (kind, seed)
        now = world.listing()
        removed = {action.requires.version_id for action in plan.actions if isinstance(action, KINDS)}
        for key, made in busy.written.items():
            assert now[key][0].version_id == made, (kind, seed, key, "hidden")
        left = objects(world.store)
        assert start <= left, (kind, seed, "lost")
        if not kind.startswith("undo"):
            assert kept <= left, (kind, seed, "lost")
        else:
            assert {one for one in kept if one[1] not in removed} <= left, (kind, seed, "lost")


def objects(store: MemoryStore) -> set[tuple[str, str]]:
    return {(key, one.version_id) for key, versions in store.listing(BUCKET).items() for one in versions if not one.is_marker}
