"""How often a job runs and when next, from its last attempts; and which jobs will read what a fault reached. Pure.

The interval is the median between runs for new nominal times, so that re-runs and backfills do not count. Where runs followed each
other faster than the times they ran for (a catch-up), the nominal times tell the interval.

A job more than three intervals overdue is probably retired. Overdue is measured at the latest moment that the lineage knows, not
now: where no events arrive at all, nobody can be missed. Such jobs stay listed and are marked: leaving one out that does run
again would let the error spread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from lineage.datasets import DatasetId, JobId
from lineage.timestamps import AFTER, BEFORE, SECOND, render, to_datetime

if TYPE_CHECKING:
    from lineage.attempts import Attempt
    from lineage.blast_radius import BlastRadius
    from lineage.history import History

_OVERDUE = 3
_FEWEST = 3
"""Runs before there is a cadence."""

RECENT = 50
"""How many of a job's last attempts tell its cadence: jobs change theirs, and nobody need read a year to know it."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """``every``: nanoseconds between runs; ``last``: the last start; ``next``: about when next. None where it is not known."""

    every: int | None = None
    last: int | None = None
    next: int | None = None
    retired: bool = False

    def __str__(self) -> str:
        seen = None if self.last is None else f"last ran {_minute(self.last)}"
        if self.every is None or self.next is None:
            return f"no cadence is known, {seen or 'no run of it was reported'}"
        often = f"about every {_span(self.every)}"
        return f"probably retired: {often} until it {seen}" if self.retired else f"{often}, next about {_minute(self.next)}"


@dataclass(frozen=True, slots=True)
class NextReader:
    """A job that reads what the fault reached. ``reached``: runs of it already were, and its next will be again."""

    job: JobId
    reads: tuple[DatasetId, ...]
    reached: bool
    cadence: Cadence

    def to_json(self) -> dict[str, object]:
        cadence = self.cadence
        return {
            "job": str(self.job),
            "reads": [str(one) for one in self.reads],
            "reached": self.reached,
            "every": None if cadence.every is None else cadence.every / SECOND,
            "last": None if cadence.last is None else render(cadence.last),
            "next": None if cadence.next is None else render(cadence.next),
            "retired": cadence.retired,
            "words": str(cadence),
        }


class Begun(NamedTuple):
    """An attempt as its job's cadence sees it: when it began, and for which nominal time, or of which run if it tells none."""

    start: int
    nominal: int | None
    run_id: str | None


@dataclass(frozen=True, slots=True)
class Past:
    """The last attempts of a job whose start is known, and the latest moment and nominal time that the lineage knows at all."""

    begun: Callable[[JobId], Sequence[Begun]]
    latest: int
    nominal: int


def past(history: History, jobs: Collection[JobId]) -> Past:
    """The past of some jobs, as all attempts tell it."""
    if history.past is not None:
        return history.past(jobs)
    told: dict[JobId, list[Attempt]] = defaultdict(list)
    moments: list[int] = []
    for one in history.attempts:
        moments += (moment for moment in (one.start, one.end) if BEFORE < moment < AFTER)
        if one.kind == "run" and one.start > BEFORE:
            for job in {one.job, *one.aliases} & set(jobs):
                told[job].append(one)

    def begun(job: JobId) -> list[Begun]:
        last = sorted(told.get(job, ()), key=lambda one: (one.start, one.run_id, one.number))[-RECENT:]
        return [
            Begun(one.start, None, one.run_id) if one.nominal is None else Begun(one.start, one.nominal[0], None) for one in last
        ]

    nominal = max((one.nominal[0] for one in history.attempts if one.nominal is not None), default=0)
    return Past(begun, max(moments, default=0), nominal)


def next_readers(history: History, radius: BlastRadius, now: int) -> tuple[NextReader, ...]:
    """Every job that reads a dataset with cells that are TAINTED or SUSPECT: not reached yet first, then by when they run next."""
    from lineage.graph import DependencyGraph  # and networkx, which whoever only counts on cadences does without

    reads: dict[JobId, set[DatasetId]] = defaultdict(set)
    graph = DependencyGraph(history)
    for dataset in radius.overview.dirty:
        for job in graph.readers(dataset):
            reads[job].add(dataset)
    told = past(history, frozenset(reads))
    unreached = set(radius.at_risk)
    found = [
        NextReader(job, tuple(sorted(datasets)), job not in unreached, _cadence(told, told.begun(job), now))
        for job, datasets in reads.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.reached, one.cadence.retired, one.cadence.next or AFTER, one.job)))


def _cadence(told: Past, begun: Sequence[Begun], now: int) -> Cadence:
    """Of one job's attempts."""
    first: dict[object, int] = {}
    for start, named, run_id in begun:
        what: object = named if named is not None else run_id
        if start < first.get(what, AFTER):
            first[what] = start
    starts = sorted(first.values())
    last = max((one.start for one in begun), default=None)
    if last is None or len(starts) < _FEWEST:
        return Cadence(last=last)
    every = _between(starts)
    retired = told.latest - last > _OVERDUE * every
    nominal = sorted({one.nominal for one in begun if one.nominal is not None})
    if len(nominal) >= _FEWEST:
        between = _between(nominal)
        if every < between // 2:
            every, retired = between, told.nominal - nominal[-1] > _OVERDUE * between
    if every <= 0:
        return Cadence(last=last)
    due = last + every
    if due < now and not retired:
        due += -(-(now - due) // every) * every
    return Cadence(every, last, due, retired)


def _between(moments: Sequence[int]) -> int:
    """The median of the times between neighbours, of at least two; ``statistics`` loads fractions and decimals for it."""
    times = sorted(later - earlier for earlier, later in pairwise(moments))
    return (times[(len(times) - 1) // 2] + times[len(times) // 2]) // 2


def _span(nanoseconds: int) -> str:
    """``24 h``, ``7 d``, ``15 min``."""
    seconds = nanoseconds / SECOND
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return (
                f"{seconds / size:.3g} {unit}" if seconds / size < 10 and round(seconds) % size else f"{seconds / size:.0f} {unit}"
            )
    return f"{seconds:.0f} s"


def _minute(nanoseconds: int) -> str:
    return f"{to_datetime(nanoseconds):%Y-%m-%d %H:%M} UTC"
