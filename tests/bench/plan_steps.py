"""One step of a plan's life over a synthetic lake, in a process of its own.

``python -m tests.bench.plan_steps STEP FOLDER N CELLS``. Steps: ``floor`` (all keys sorted in memory), ``survey``, ``purge``,
``revert``, ``show``, ``journal``, ``effects``, ``verify`` and ``undo``, those behind ``purge`` on what it left in FOLDER. Prints
the seconds of what is measured as JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from incident.home import Home, IncidentFolder
from incident.journal import Journal, Outcome, read_journal
from incident.kept_actions import ActionSpool
from incident.key_spool import KeySpool
from incident.storage.port import ObjectReader
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

    ``versions``: of each key, the newest first. ``covered``: with our delete marker on top.
    """

    def __init__(self, keys: int, versions: int = 1, *, covered: bool = False) -> None:
        self._keys, self._versions, self._covered = keys, versions, covered

    def state(self, bucket: str, *, brief: bool = False) -> BucketState:
        del brief
        return BucketState(bucket, "Enabled")

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        del bucket, prefix
        return iter(())

    def histories(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[KeyHistory]:
        del bucket, after
        for number in range(self._keys):
            name = f"part-{number:07d}" if number < self._keys - 1 else "_SUCCESS"
            digest = hashlib.sha256(f"{prefix}{number}".encode()).hexdigest()
            key = f"{prefix}{name}" if name == "_SUCCESS" else f"{prefix}{name}-{digest[:8]}-c000.snappy.parquet"
            versions = [
                ObjectVersion(
                    key, digest[at : at + 32], f'"{digest[at + 8 : at + 40]}"', 1_000 + number, T - at * 3600 * SECOND + number
                )
                for at in range(self._versions)
            ]
            if self._covered:
                versions.insert(0, ObjectVersion(key, _marker(digest[:32]), "", 0, T + 7200 * SECOND, is_marker=True))
            yield KeyHistory(key, tuple(versions))


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


def journal(folder: IncidentFolder, _: int, __: int) -> None:
    plan = _plan(folder)
    folder.timeline.append("apply-started", "applying", evidence={"plan_id": plan.id})
    with Journal(folder.journal_dir, plan.id, {"name": "bench"}) as written:
        written.begin(len(plan.actions), T)
        for start in range(0, len(plan.actions), 1_000):
            chunk = range(start, min(start + 1_000, len(plan.actions)))
            made = {at: _marker(getattr(plan.actions[at], "requires").version_id) for at in chunk}  # noqa: B009
            written.intent(chunk, T + 7100 * SECOND)
            written.made(made, T + 7200 * SECOND)
            written.outcome({at: Outcome("done", made[at]) for at in chunk}, T + 7201 * SECOND)
        written.end(T + 7300 * SECOND)
    folder.timeline.append("applied", "applied", evidence={"plan_id": plan.id})


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
    step = {one.__name__: one for one in (floor, survey, purge, revert, show, journal, effects, verify, undo)}[name]
    began = time.perf_counter()
    step(folder, int(size), int(cells))
    sys.stdout.write(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main(sys.argv[1:])
