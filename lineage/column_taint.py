"""Taint by columns: the fixpoints of ``lineage.taint`` with, for each write, the set of columns that the fault reached.

The rules of time and partition decide what an attempt saw, exactly as without columns; column lineage then decides where it went.
So a fault narrowed to columns never reaches more than the same fault without them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lineage.attempts import MERGED, Attempt, Mode, Read, Write
from lineage.column_flow import Carried, ColumnFlow
from lineage.columns import ALL, NONE, Columns, fold, meets, united
from lineage.errors import FaultError
from lineage.fault import Seeds
from lineage.sweep import ReadEntry, Sweep
from lineage.taint import Cause, Taint, WriteAt, read_while_absent

_SHOWN = 30
_UNTOLD = "does not say which columns it read"


@dataclass(slots=True)
class Starts:
    """The faulty columns of the writes where taint begins, perhaps and certainly."""

    may: dict[WriteAt, Columns] = field(default_factory=dict)
    must: dict[WriteAt, Columns] = field(default_factory=dict)
    widened: set[tuple[int, str]] = field(default_factory=set)

    def add(self, at: WriteAt, columns: Columns, *, certain: bool) -> None:
        for starts in (self.may, self.must) if certain else (self.may,):
            if columns is ALL or columns:
                starts[at] = united(starts.get(at, NONE), columns)


def narrow(sweep: Sweep, seeds: Seeds, names: tuple[str, ...], flow: ColumnFlow) -> tuple[Seeds, Starts]:
    """The seeds that wrote a named column, or may have, with the columns they begin with.

    Raises FaultError when all that the fault chose certainly lacks the columns.
    """
    named = frozenset(map(fold, names))
    starts = Starts()
    doubts: dict[int, str] = {}
    if seeds.datasets:
        if seeds.count and not any(_has(flow.columns_of(dataset), named) for dataset in seeds.datasets):
            raise _no_such_column(names, {column for dataset in seeds.datasets for column in flow.columns_of(dataset)}, flow)
        doubts = _begin_at_cells(sweep, seeds, named, flow, starts)
    else:
        for index in sorted(seeds.must | seeds.may.keys()):
            _begin_at_attempt(sweep.attempts[index], index, named, flow, starts, certain=index in seeds.must)
    began = {at[0] for at in starts.may} | {index for index in seeds.must | seeds.may.keys() if not sweep.attempts[index].writes}
    found = replace(
        seeds,
        must=(seeds.must & began) - doubts.keys(),
        may={index: reason for index, reason in (doubts | seeds.may).items() if index in began},
        writes={at: certain for at, certain in seeds.writes.items() if at in starts.may},
    )
    if seeds.count and not found.count:
        there = {
            column for one in _chosen(sweep, seeds) for write in one.writes for column in flow.written(one, write.cell.dataset)
        }
        raise _no_such_column(names, there, flow)
    if dropped := seeds.count - found.count:
        found = replace(found, words=f"{found.words}; {dropped} of them have no such column, or do not use it")
    return found, starts


def _begin_at_attempt(one: Attempt, index: int, named: frozenset[str], flow: ColumnFlow, starts: Starts, *, certain: bool) -> None:
    alone = len({write.cell.dataset for write in one.writes}) == 1
    for number, write in enumerate(one.writes):
        there = flow.written(one, write.cell.dataset)
        # Where the output's columns are not known, they are those named; certainly so only if they can be nowhere else.
        starts.add((index, number), _among(named, there), certain=certain and (alone or bool(there)))


def _begin_at_cells(sweep: Sweep, seeds: Seeds, named: frozenset[str], flow: ColumnFlow, starts: Starts) -> dict[int, str]:
    """Adds the writes of the cells, and of those who read them; the result says of which of these it is not certain, and why."""
    for (index, number), certain in seeds.writes.items():
        one = sweep.attempts[index]
        starts.add((index, number), _among(named, flow.written(one, one.writes[number].cell.dataset)), certain=certain)
    doubts: dict[int, str] = {}
    for index in sorted(seeds.must | seeds.may.keys()):
        one, why, certain = sweep.attempts[index], _UNTOLD, False
        for dataset in sorted({read.cell.dataset for read in one.reads} & set(seeds.datasets)):
            for number, write in enumerate(one.writes):
                carried = flow.carry(one, write.cell.dataset, dataset, _among(named, flow.columns_of(dataset)))
                why = carried.why or why
                starts.add((index, number), carried.possible, certain=False)
                if index in seeds.must and carried.certain:
                    certain = True
                    starts.add((index, number), carried.certain, certain=True)
                if carried.possible:
                    starts.widened |= {(index, gap) for gap in carried.gaps}
        if not certain:
            doubts[index] = why
    return doubts


def _among(named: frozenset[str], there: frozenset[str]) -> frozenset[str]:
    return frozenset(one for one in named if _has(there, {one}))


def _has(there: frozenset[str], named: frozenset[str] | set[str]) -> bool:
    return not there or any(meets(one, other) for one in named for other in there)


def _chosen(sweep: Sweep, seeds: Seeds) -> list[Attempt]:
    return [sweep.attempts[index] for index in seeds.must | seeds.may.keys() | {at[0] for at in seeds.writes}]


def _no_such_column(names: tuple[str, ...], there: set[str], flow: ColumnFlow) -> FaultError:
    shown = sorted(map(flow.spelled, there))
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return FaultError(
        f"nothing that the fault chose has a column {' or '.join(names)}",
        f"the columns there are: {', '.join(shown[:_SHOWN])}{more}" if shown else "leave --column out",
    )


def spread_by_columns(sweep: Sweep, seeds: Seeds, starts: Starts, flow: ColumnFlow) -> Taint:
    """Both least fixpoints from the seeds, whose writes begin with the columns of ``starts``."""
    taint = Taint(origins=frozenset(starts.may), widened=starts.widened)
    absent = read_while_absent(sweep)
    may = dict(starts.may)
    for index in absent:  # what was not there was read in no column
        may.update({(index, number): ALL for number in range(len(sweep.attempts[index].writes))})
    taint.reasons.update({index: reason for index, reason in (absent | seeds.may).items() if index not in seeds.must})
    taint.may |= seeds.must | seeds.may.keys() | absent.keys()
    taint.distances.update(dict.fromkeys(sorted(taint.may | {at[0] for at in may}), 0))
    reached = _Fixpoint(sweep, flow, taint, certain=False).run(may)
    taint.must |= seeds.must
    convicted = _Fixpoint(sweep, flow, taint, certain=True).run(starts.must)
    taint.may_writes, taint.must_writes = set(reached), set(convicted)
    taint.columns = {at: None if columns is ALL else frozenset(map(flow.spelled, columns)) for at, columns in reached.items()}
    return taint


class _Fixpoint:
    """One of the two: the sets only grow, and who sees a write is looked at again when its set has grown."""

    def __init__(self, sweep: Sweep, flow: ColumnFlow, taint: Taint, *, certain: bool) -> None:
        self.sweep, self.flow, self.taint, self.certain = sweep, flow, taint, certain
        self.attempts = taint.must if certain else taint.may
        self.columns: dict[WriteAt, Columns] = {}
        self._queue: deque[WriteAt] = deque()
        self._queued: set[WriteAt] = set()
        self._readers: dict[WriteAt, list[ReadEntry]] = {}

    def run(self, starts: dict[WriteAt, Columns]) -> dict[WriteAt, Columns]:
        for at in sorted(starts):
            self._grow(at, starts[at])
        while self._queue:
            at = self._queue.popleft()
            self._queued.discard(at)
            columns = self.columns[at]
            if at not in self._readers:
                self._readers[at] = list(self._seeing(at))
            for reader in self._readers[at]:
                self._arrive(at, reader, columns)
        return self.columns

    def _grow(self, at: WriteAt, columns: Columns) -> bool:
        before = self.columns.get(at, NONE)
        after = united(before, columns)
        if after == before:
            return False
        self.columns[at] = after
        if at not in self._queued:
            self._queued.add(at)
            self._queue.append(at)
        return True

    def _seeing(self, at: WriteAt) -> Iterator[ReadEntry]:
        writer, write = self.sweep.attempts[at[0]], self.sweep.attempts[at[0]].writes[at[1]]
        moment = writer.end if self.certain else writer.start - self.sweep.skew
        sees = self.sweep.must_see if self.certain else self.sweep.may_see
        return (reader for reader in self.sweep.readers_after(write.cell, moment) if sees(at[0], write, reader))

    def _arrive(self, at: WriteAt, reader: ReadEntry, columns: Columns) -> None:
        one, cause = self.sweep.attempts[reader.attempt], Cause(at, reader.read)
        if not one.writes and (columns is ALL or not self.certain):  # it read the data; nobody told which columns
            self._reach(reader.attempt, cause, _UNTOLD)
            if not self.certain:
                self.taint.widened.add((reader.attempt, _UNTOLD))
        for number, write in enumerate(one.writes):
            carried = through(self.flow, one, reader.read, write, columns)
            if not self.certain:
                self.taint.widened |= {(reader.attempt, gap) for gap in carried.gaps}
            new = (reader.attempt, number) not in self.columns
            if self._grow((reader.attempt, number), carried.certain if self.certain else carried.possible) and new:
                self._because((reader.attempt, number), cause, carried.why)

    def _because(self, at: WriteAt, cause: Cause, why: str) -> None:
        (self.taint.write_convictions if self.certain else self.taint.write_causes)[at] = cause
        if why and not self.certain:
            self.taint.write_notes[at] = why
        self._reach(at[0], cause, why)

    def _reach(self, index: int, cause: Cause, why: str) -> None:
        if index in self.attempts:
            return
        self.attempts.add(index)
        if self.certain:
            self.taint.convictions[index] = cause
            return
        self.taint.causes[index] = cause
        self.taint.distances.setdefault(index, self.taint.distances[cause.write[0]] + 1)
        if why:
            self.taint.notes[index] = why


def through(flow: ColumnFlow, one: Attempt, read: Read, write: Write, columns: Columns) -> Carried:
    """The columns that a read takes to one write of its attempt."""
    if one.kind != "run" or (read.reason == MERGED and write.mode is Mode.MERGE and read.cell == write.cell):
        return Carried(columns, columns)  # what was there before stays in the columns it was in
    return flow.carry(one, write.cell.dataset, read.cell.dataset, columns)
