"""One step of a plan's life over a synthetic lake, in a process of its own.

``python -m tests.bench.plan_steps STEP FOLDER N CELLS``. Steps: ``floor`` (all keys sorted in memory), ``survey``, ``purge``,
``revert``, ``show``, ``apply``, ``effects``, ``verify`` and ``undo``, those behind ``purge`` on what it left in FOLDER. Prints
the seconds of what is measured as JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from incident.home import Home, IncidentFolder
from incident.journal import read_journal
from incident.kept_actions import ActionSpool
from incident.key_spool import KeySpool
from incident.storage.port import Current, Marked, ObjectReader, ObjectStore
from incident.surveys import Surveyor
from lineage.timestamps import SECOND
from runbooks.consents import Consents
from runbooks.facts import Facts
from runbooks.plan import Plan
from runbooks.survey import BucketState, KeyHistory, ObjectVersion
from tests.recovery_world import BUCKET, RULES, cell, radius, reached

T = 1_700_000_000 * SECOND
_CAPS = Consents(max_objects=10**9, max_bytes=1 << 60)


class Lake:
    """Cells of made-up objects with ids and ETags that do not compress; what is read is made, so that it costs no memory.

    ``versions``: of each key, the newest first. ``covered``: with our delete marker on top, as after a purge.
    """

    def __init__(self, keys: int, versions: int = 1, *, covered: bool = False) -> None:
        self._keys, self._versions = keys, versions
        self._covered: dict[str, bytearray] = defaultdict(lambda: bytearray([covered]) * keys)

    def state(self, bucket: str, *, brief: bool = False) -> BucketState:
        del brief
        return BucketState(bucket, "Enabled")

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        del bucket, prefix
        return iter(())

    def histories(
        self, bucket: str, prefix: str, after: str | None = None, upto: tuple[str, str] | None = None
    ) -> Iterator[KeyHistory]:
        del bucket, upto
        folder = prefix[: prefix.rindex("/") + 1]
        name = partial(_key, folder)
        start = bisect_left(range(self._keys), prefix, key=name)
        if after is not None:
            start = max(start, bisect_right(range(self._keys), after, key=name))
        covered = self._covered[folder]
        for number in range(start, self._keys):
            found = self._history(folder, number, covered=bool(covered[number]))
            if not found.key.startswith(prefix):
                return
            yield found

    def history(self, bucket: str, key: str) -> KeyHistory | None:
        return next((one for one in self.histories(bucket, key) if one.key == key), None)

    def currents(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[Current]:
        for found in self.histories(bucket, prefix, after):
            if (now := found.current) is not None:
                yield Current(now.key, now.etag, now.size, now.last_modified)

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> list[Marked]:
        del bucket
        marked = []
        for key in etags:
            folder = key[: key.rindex("/") + 1]
            number = bisect_left(range(self._keys), key, key=partial(_key, folder))
            self._covered[folder][number] = 1
            marked.append(Marked(key, _marker(_digest(folder, number)[:32])))
        return marked

    def _history(self, folder: str, number: int, *, covered: bool) -> KeyHistory:
        digest, key = _digest(folder, number), _key(folder, number)
        times = [T - at * 3600 * SECOND + number for at in range(self._versions)]
        versions = [
            ObjectVersion(key, digest[at : at + 32], f'"{digest[at + 8 : at + 40]}"', 1_000 + number, moment)
            for at, moment in enumerate(times)
        ]
        if covered:
            versions.insert(0, ObjectVersion(key, _marker(digest[:32]), "", 0, T + 7200 * SECOND, is_marker=True))
        return KeyHistory(key, tuple(versions))


def _key(folder: str, number: int) -> str:
    """In the order of the numbers."""
    return f"{folder}part-{number:07d}-{_digest(folder, number)[:8]}-c000.snappy.parquet" if number else f"{folder}_SUCCESS"


def _digest(folder: str, number: int) -> str:
    return hashlib.sha256(f"{folder}{number}".encode()).hexdigest()


def _marker(version_id: str) -> str:
    return version_id[::-1]


def _reader(lake: Lake) -> ObjectReader:
    return cast("ObjectReader", lake)


def _facts(folder: IncidentFolder, size: int, cells: int, versions: int, *, serving: bool) -> Facts:
    found = [reached(cell(f"dt={at}"), since=T - SECOND * 1800, serving=serving) for at in range(cells)]
    lake = _reader(Lake(size // cells, versions))
    surveys = Surveyor(lambda _bucket, _prefix: lake, RULES, spool=KeySpool(folder.room)).survey(
        [one.cell for one in found], lambda: None
    )
    return Facts(folder.id, radius(*found), surveys, lambda _: True, keep=ActionSpool(folder.room))


def floor(_: IncidentFolder, size: int, cells: int) -> None:
    lake = Lake(size // cells)
    held = [tuple(sorted(lake.histories(BUCKET, f"{at}/"), key=lambda one: one.key.encode())) for at in range(cells)]
    assert sum(map(len, held)) == size // cells * cells


def survey(folder: IncidentFolder, size: int, cells: int) -> None:
    _facts(folder, size, cells, 1, serving=False)


def purge(folder: IncidentFolder, size: int, cells: int) -> None:
    from runbooks.purge import plan_purge

    folder.save_plan(plan_purge(_facts(folder, size, cells, 1, serving=False), _CAPS), T)


def revert(folder: IncidentFolder, size: int, cells: int) -> None:
    from runbooks.revert import plan_revert

    plan = plan_revert(_facts(folder, size, cells, 2, serving=True), _CAPS)
    assert len(plan.actions) == size // cells * cells, plan.refused
    folder.save_plan(plan, T)


def show(folder: IncidentFolder, _: int, __: int) -> None:
    from rich.console import Console

    from incident.plan_report import plan_data, show_plan

    plan = _plan(folder)
    json.dumps(plan_data(plan, T))
    text = show_plan(folder, plan, _CAPS, T, "incident purge").text
    with Path("/dev/null").open("w") as nowhere:
        Console(file=nowhere).print(text() if callable(text) else text)


def apply(folder: IncidentFolder, size: int, cells: int) -> None:
    from incident.executor import Execution
    from incident.executor import apply as perform
    from incident.object_actions import KINDS, ObjectActions
    from incident.plan_actions import PlanActions

    plan, lake = _plan(folder), cast("ObjectStore", Lake(size // cells))
    objects = ObjectActions(plan, lambda _bucket, _prefix: lake, lambda: T)
    performer = PlanActions(plan, dict.fromkeys(KINDS, objects), lambda: T)
    done = perform(Execution(folder, plan, performer, lambda: T, {"name": "bench"}))
    assert (done.done, done.strays) == (len(plan.actions), 0), done.notes[:1]


def effects(folder: IncidentFolder, _: int, cells: int) -> None:
    from incident.effects import effects as ours

    assert sum(one.complete for one in ours(folder)) == cells


class _Nothing:
    """A history that knows no events."""

    attempts: tuple[Any, ...] = ()
    declarations = RULES

    @property
    def identities(self) -> _Nothing:
        return self

    def find(self, dataset: Any) -> Any:
        return dataset


def verify(folder: IncidentFolder, size: int, cells: int) -> None:
    from incident.losses import losses
    from incident.outputs import Outputs
    from incident.radius import Fresh
    from incident.verification import Evidence, verification

    fresh = Fresh(radius(), cast("Any", _Nothing()))
    lake = _reader(Lake(size // cells, covered=True))
    found = losses(folder, fresh)
    assert sum(1 for _ in found.bad) == size // cells * cells
    list(verification(Evidence(folder, fresh.radius, found, Outputs(lambda _bucket, _prefix: lake))))


def undo(folder: IncidentFolder, size: int, cells: int) -> None:
    from incident.journal_state import Made
    from incident.outputs import place
    from runbooks.undo import plan_undo

    plan, spool, lake = _plan(folder), KeySpool(folder.room), Lake(size // cells, covered=True)
    done: Mapping[int, str | None] = Made(read_journal(folder.journal_dir, plan.id).outcomes)
    current = {str(one): spool.gather(lake.histories(*place(one.url))) for one in plan.cells}
    states = [lake.state(BUCKET)]
    found = plan_undo(plan, done, current, states, consents=_CAPS, previous=plan.id, keep=ActionSpool(folder.room))
    assert len(found.actions) == len(plan.actions), found.warnings
    folder.save_plan(found, T)


def _plan(folder: IncidentFolder) -> Plan:
    return folder.load_plan(next(one for one in folder.plans() if one.startswith("purge")))


def main(arguments: list[str]) -> None:
    name, where, size, cells = arguments
    home = Home(where)
    folder = (home.incidents() or [home.create("bench", 0)])[0]
    step = {one.__name__: one for one in (floor, survey, purge, revert, show, apply, effects, verify, undo)}[name]
    began = time.perf_counter()
    step(folder, int(size), int(cells))
    sys.stdout.write(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main(sys.argv[1:])
