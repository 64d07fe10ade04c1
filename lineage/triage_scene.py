"""What triage looks at: attempts with what is told of them, their earlier and later peers, and who wrote what they read."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lineage.attempts import Attempt, Cell, Write
from lineage.datasets import DatasetId, JobId
from lineage.facets import Assertion, Told
from lineage.history import History
from lineage.partition_index import PartitionIndex
from lineage.partitions import overlap
from lineage.timestamps import BEFORE, from_datetime, render

PointsTo = Literal["code", "data", "format", "nothing"]
"""Which hypothesis an observation supports; ``nothing`` for what the fault itself shows, and for mere circumstances."""

_MOST_WRITERS = 40


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation: who, when, what it was before and after, and where that is told. ``strength`` from 0 to 1.

    ``hops``: 0 for the first bad attempt, 1 for those whose writes it read, and so on. ``carried``: every attempt on the way from
    here to there shows a signal too.
    """

    points_to: PointsTo
    kind: str
    strength: float
    words: str
    attempt: Attempt
    before: str = ""
    after: str = ""
    source: str = ""
    dataset: DatasetId | None = None
    hops: int = 0
    carried: bool = True
    details: tuple[str, ...] = ()
    when: int | None = None
    """When it was observed, where that is not the attempt's start."""

    @property
    def moment(self) -> int:
        return moment(self.attempt) if self.when is None else self.when

    def to_json(self) -> dict[str, Any]:
        return {
            "points_to": self.points_to,
            "kind": self.kind,
            "strength": round(self.strength, 2),
            "words": self.words,
            "who": who(self.attempt),
            "when": render(self.moment),
            "before": self.before,
            "after": self.after,
            "source": self.source,
            "dataset": None if self.dataset is None else str(self.dataset),
            "hops": self.hops,
            "details": list(self.details),
        }


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was looked at without finding anything, or that could not be looked at, and why."""

    name: str
    status: Literal["nothing", "not told", "too little history"]
    words: str

    def to_json(self) -> dict[str, str]:
        return {"name": self.name, "status": self.status, "words": self.words}


def who(attempt: Attempt) -> dict[str, Any]:
    return {"job": attempt.job._asdict(), "run_id": attempt.run_id, "attempt": attempt.number}


def moment(attempt: Attempt) -> int:
    """When an attempt ran: its start, or its end where nobody reported the start."""
    return attempt.start if attempt.start > BEFORE else attempt.end


def about(attempt: Attempt) -> int:
    """The moment that an attempt's figures are about: its nominal time, the period it wrote, else when it ran."""
    if attempt.nominal is not None:
        return attempt.nominal[0]
    periods = [write.cell.partition.period for write in attempt.writes]
    return next((from_datetime(period.start) for period in periods if period is not None), moment(attempt))


@dataclass(frozen=True, slots=True)
class Written:
    """A write of a cell, and the index of its attempt."""

    start: int
    index: int
    write: Write


@dataclass(frozen=True, slots=True)
class Outcome:
    """An assertion's outcome, and the index of the attempt that reported it."""

    moment: int
    index: int
    assertion: Assertion


class Scene:
    """A history with what is told of its attempts, and which of them are the fault's (``bad``, by index)."""

    def __init__(self, history: History, told: Mapping[tuple[str, int], Told], bad: Collection[int]) -> None:
        self.attempts = history.attempts
        self.bad = frozenset(bad)
        self._told = told
        self._of_job: dict[JobId, list[int]] = defaultdict(list)
        self._writes: dict[DatasetId, PartitionIndex[list[Written]]] = defaultdict(PartitionIndex)
        self._writers: dict[DatasetId, list[int]] = defaultdict(list)
        self._outcomes: dict[DatasetId, list[Outcome]] = defaultdict(list)
        self._baselines: dict[int, tuple[list[int], str]] = {}
        for index, one in enumerate(self.attempts):
            if one.kind != "run":
                continue
            for job in (one.job, *one.aliases):
                self._of_job[job].append(index)
            for write in one.writes:
                found = self._writes[write.cell.dataset].at(write.cell.partition, list)
                found.append(Written(one.start, index, write))
            for dataset in {write.cell.dataset for write in one.writes if write.how != "inferred"}:
                self._writers[dataset].append(index)
            for dataset, outcomes in self.told(index).assertions.items():
                self._outcomes[dataset] += (Outcome(moment(one), index, each) for each in outcomes.values())
        for indexes in (*self._of_job.values(), *self._writers.values()):
            indexes.sort(key=self.moment)
        for found_outcomes in self._outcomes.values():
            found_outcomes.sort(key=lambda each: (each.moment, each.index))

    def told(self, index: int) -> Told:
        """What events tell of an attempt; nothing, where they tell nothing."""
        return self._told.get(self.attempts[index].key) or Told()

    def moment(self, index: int) -> int:
        return moment(self.attempts[index])

    def baseline(self, index: int) -> tuple[list[int], str]:
        """Earlier attempts to compare with, in their order, and in words whose they are.

        Those of the same job that are not the fault's and did not fail; where it has none, those that wrote the same data under
        another job's name (a model that is sometimes run and sometimes built).
        """
        if index not in self._baselines:
            self._baselines[index] = self._compared(index)
        return self._baselines[index]

    def _compared(self, index: int) -> tuple[list[int], str]:
        one = self.attempts[index]
        if earlier := self._good(self._of_job[one.job], index):
            return earlier, ""
        others = [other for write in one.writes if write.how != "inferred" for other in self._writers[write.cell.dataset]]
        earlier = sorted(set(self._good(others, index)), key=lambda other: (self.moment(other), other))
        jobs = sorted({str(self.attempts[other].job) for other in earlier})
        return earlier, f"compared with {', '.join(jobs)}, which wrote the same data" if earlier else ""

    def _good(self, indexes: list[int], index: int) -> list[int]:
        until = self.moment(index)
        return [
            other
            for other in indexes
            if other not in self.bad
            and other != index
            and self.moment(other) < until
            and self.attempts[other].state in {"COMPLETE", "OPEN"}
        ]

    def peers(self, index: int) -> list[int]:
        """The fault's other attempts of the same job."""
        return [other for other in self._of_job[self.attempts[index].job] if other in self.bad and other != index]

    def later(self, index: int) -> list[int]:
        """Attempts of the same job after it that are not the fault's and did not fail."""
        since = self.moment(index)
        return [
            other
            for other in self._of_job[self.attempts[index].job]
            if other not in self.bad and self.moment(other) > since and self.attempts[other].state in {"COMPLETE", "OPEN"}
        ]

    def next_start(self, index: int) -> int | None:
        """When the next attempt of the same job began."""
        job = self._of_job[self.attempts[index].job]
        at = bisect_right(job, self.moment(index), key=self.moment)
        return self.moment(job[at]) if at < len(job) else None

    def previous_start(self, index: int) -> int:
        """When the last attempt of the same job before it began."""
        job = self._of_job[self.attempts[index].job]
        at = bisect_left(job, self.moment(index), key=self.moment) - 1
        return self.moment(job[at]) if at >= 0 else BEFORE

    def writes(self, cell: Cell, index: int, until: int) -> list[Written]:
        """The latest writes that overlap a cell, by others than one attempt, that began by a moment; in order of their starts."""
        found: list[Written] = []
        for _, writes in self._writes[cell.dataset].overlapping(cell.partition):
            last = bisect_right(writes, until, key=lambda one: one.start)
            found += (one for one in writes[max(0, last - _MOST_WRITERS) : last] if one.index != index)
        return sorted(found, key=lambda one: (one.start, one.index))[-_MOST_WRITERS:]

    def upstream(self, index: int) -> list[tuple[DatasetId, int]]:
        """Whose write an attempt read last, by dataset: for each cell the last that had ended, and those that had not."""
        one, found = self.attempts[index], dict[tuple[DatasetId, int], None]()
        for read in one.reads:
            writes = [each for each in self.writes(read.cell, index, one.end) if each.write.how != "inferred"]
            ended = [each for each in writes if self.attempts[each.index].end <= one.start]
            running = [each for each in writes if self.attempts[each.index].end > one.start]
            complete = [each for each in ended if self.attempts[each.index].state == "COMPLETE"]
            for each in (*(complete or ended)[-1:], *running[-3:]):
                found[read.cell.dataset, each.index] = None
        return list(found)

    def outcomes(self, dataset: DatasetId, cell: Cell | None = None) -> list[Outcome]:
        """Outcomes of a dataset's assertions, in order; of a cell only those whose attempt read or wrote something overlapping."""
        found = self._outcomes.get(dataset, [])
        if cell is None or not cell.known:
            return found
        return [one for one in found if self._touches(one.index, cell)]

    def _touches(self, index: int, cell: Cell) -> bool:
        one = self.attempts[index]
        named = [*(read.cell for read in one.reads), *(write.cell for write in one.writes)]
        cells = [each for each in named if each.dataset == cell.dataset]
        return not cells or any(overlap(each.partition, cell.partition) for each in cells)
