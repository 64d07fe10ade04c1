"""Taint: which attempts may and which must have been reached, by least fixpoint over the rules of the design (§5).

All times are nanoseconds UTC; ε is the declared clock skew. Both fixpoints walk forward from the seeds through an index by dataset
and partition, so that their cost grows with what was reached and not with the history.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from lineage.attempts import Attempt, Cell, Mode, Read, Write
from lineage.datasets import DatasetId
from lineage.fault import Seeds
from lineage.history import History
from lineage.partition_index import PartitionIndex
from lineage.partitions import covers, same

WriteAt = tuple[int, int]
"""A write: index of the attempt, index of the write in it."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an attempt was reached: the write it saw, through which of its reads."""

    write: WriteAt
    read: Read


@dataclass(slots=True)
class Taint:
    """What the fault reached. ``causes`` and ``distances`` explain may-tainted attempts; seeds have no cause."""

    may: set[int] = field(default_factory=set)
    must: set[int] = field(default_factory=set)
    may_writes: set[WriteAt] = field(default_factory=set)
    must_writes: set[WriteAt] = field(default_factory=set)
    causes: dict[int, Cause] = field(default_factory=dict)
    distances: dict[int, int] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    origins: frozenset[WriteAt] = frozenset()
    """Writes that are faulty themselves, whatever their attempts read."""


@dataclass(frozen=True, slots=True)
class _ReadAt:
    end: int
    start: int
    attempt: int
    read: Read


@dataclass(frozen=True, slots=True)
class _WriteAt:
    start: int
    end: int
    attempt: int
    write: Write


def _start(entry: _WriteAt) -> int:
    return entry.start


def _end(entry: _ReadAt) -> int:
    return entry.end


class Sweep:
    """The index of a history's reads and writes, and the questions that taint asks of it."""

    def __init__(self, history: History) -> None:
        self.attempts = history.attempts
        self.skew = history.declarations.skew
        self.reads: dict[DatasetId, PartitionIndex[list[_ReadAt]]] = defaultdict(PartitionIndex)
        self.writes: dict[DatasetId, PartitionIndex[list[_WriteAt]]] = defaultdict(PartitionIndex)
        self.cleansing: dict[DatasetId, PartitionIndex[list[_WriteAt]]] = defaultdict(PartitionIndex)
        self._ends: dict[int, list[int]] = {}
        for index, one in enumerate(self.attempts):
            for read in one.reads:
                start, end = read.at or (one.start, one.end)
                self.reads[read.cell.dataset].at(read.cell.partition, list).append(_ReadAt(end, start, index, read))
            for write in one.writes:
                entry = _WriteAt(one.start, one.end, index, write)
                self.writes[write.cell.dataset].at(write.cell.partition, list).append(entry)
                if cleanses(one, write):
                    self.cleansing[write.cell.dataset].at(write.cell.partition, list).append(entry)
        for index_of_reads in self.reads.values():
            for reads in index_of_reads.values():
                reads.sort(key=_end)
        # attempts are in the order of their starts, so the lists of writes already are

    def readers_after(self, cell: Cell, moment: int) -> Iterator[_ReadAt]:
        """Reads that overlap the cell and end at or after the moment."""
        for _, reads in self.reads[cell.dataset].overlapping(cell.partition):
            yield from reads[bisect_left(reads, moment, key=_end) :]

    def meeting(self, cell: Cell, first: int, last: int) -> Iterator[_WriteAt]:
        """Writes that overlap the cell and whose time meets the closed interval."""
        for _, writes in self.writes[cell.dataset].overlapping(cell.partition):
            latest = self._latest_ends(writes)
            index = bisect_right(writes, last, key=_start) - 1
            while index >= 0 and latest[index] >= first:  # no earlier write ends later than this
                if writes[index].end >= first:
                    yield writes[index]
                index -= 1

    def cleansing_both(self, left: Cell, right: Cell) -> Iterator[list[_WriteAt]]:
        """Cleansing writes, by partition, that cover what two overlapping cells of a dataset share."""
        narrow = right.partition or left.partition  # what covers the shared part overlaps either; ``*`` would find all
        for part, cleansing in self.cleansing[left.dataset].overlapping(narrow):
            if covers(part, left.partition, right.partition):
                yield cleansing

    def _latest_ends(self, writes: list[_WriteAt]) -> list[int]:
        """For each write, the latest end among it and all that began before."""
        found = self._ends.get(id(writes))
        if found is None:
            found = self._ends[id(writes)] = list(accumulate((one.end for one in writes), max))
        return found

    def may_see(self, writer: int, write: Write, reader: _ReadAt) -> bool:
        """The may-see rule, for cells that overlap."""
        if writer == reader.attempt or self.attempts[writer].key in reader.read.ignoring:
            return False
        w, skew = self.attempts[writer], self.skew
        if w.start > reader.end + skew:
            return False
        for cleansing in self.cleansing_both(write.cell, reader.read.cell):
            for one in cleansing[bisect_left(cleansing, w.end + skew, key=_start) :]:
                if one.start > reader.start:
                    break
                if (
                    one.end + skew <= reader.start
                    and one.attempt not in {writer, reader.attempt}
                    and not self._ignored(one, reader)
                ):
                    return False
        return True

    def must_see(self, writer: int, write: Write, reader: _ReadAt) -> bool:
        """The must-see rule. ``versioned`` reads are at most SUSPECT."""
        w, cell = self.attempts[writer], reader.read.cell
        if writer == reader.attempt or w.state != "COMPLETE" or reader.read.versioned or w.key in reader.read.ignoring:
            return False
        if not (write.cell.known and cell.known and same(write.cell.partition, cell.partition)):
            return False
        if "inferred" in {write.how, reader.read.how}:
            return False  # what nobody said never convicts
        if w.end + self.skew > reader.start:
            return False
        return not any(
            one.write.mode is not Mode.APPEND and one.attempt not in {writer, reader.attempt} and not self._ignored(one, reader)
            for one in self.meeting(cell, w.start - self.skew, reader.end + self.skew)
        )

    def _ignored(self, one: _WriteAt, reader: _ReadAt) -> bool:
        return self.attempts[one.attempt].key in reader.read.ignoring


def cleanses(attempt: Attempt, write: Write) -> bool:
    """A cleansing write: COMPLETE, OVERWRITE or DROP, known cell."""
    return attempt.state == "COMPLETE" and write.mode in {Mode.OVERWRITE, Mode.DROP} and write.cell.known


def spread(sweep: Sweep, seeds: Seeds) -> Taint:
    """Both least fixpoints from the seeds, and from reads of what we ourselves had purged."""
    taint = Taint(origins=frozenset(seeds.writes))
    queue: deque[WriteAt] = deque()
    absent = {index: reason for index, reason in read_while_absent(sweep).items() if index not in seeds.must}
    for index in sorted(seeds.must | seeds.may.keys() | absent.keys()):
        taint.may.add(index)
        taint.distances[index] = 0
        queue.extend((index, number) for number in range(len(sweep.attempts[index].writes)))
    taint.reasons.update(absent | seeds.may)
    for index, number in sorted(seeds.writes):
        taint.distances.setdefault(index, 0)
        queue.append((index, number))
    pending: dict[DatasetId, PartitionIndex[list[_ReadAt]]] = defaultdict(PartitionIndex)
    for dataset, index_of_reads in sweep.reads.items():
        for part, reads in index_of_reads.pairs():
            pending[dataset].add(part, list(reads))
    while queue:
        at = queue.popleft()
        if at in taint.may_writes:
            continue
        taint.may_writes.add(at)
        for reader in _newly_seeing(sweep, at, pending, taint.may):
            taint.may.add(reader.attempt)
            taint.causes[reader.attempt] = Cause(at, reader.read)
            taint.distances.setdefault(reader.attempt, taint.distances[at[0]] + 1)
            queue.extend((reader.attempt, number) for number in range(len(sweep.attempts[reader.attempt].writes)))
    _convict(sweep, seeds, taint)
    return taint


def _newly_seeing(
    sweep: Sweep, at: WriteAt, pending: dict[DatasetId, PartitionIndex[list[_ReadAt]]], reached: set[int]
) -> Iterator[_ReadAt]:
    """Reads by attempts not reached yet that may see a write. Reads of reached attempts leave the pending ones for good."""
    writer, write = sweep.attempts[at[0]], sweep.attempts[at[0]].writes[at[1]]
    for _, reads in pending[write.cell.dataset].overlapping(write.cell.partition):
        first = bisect_left(reads, writer.start - sweep.skew, key=_end)
        later, reads[first:] = reads[first:], []
        for reader in later:
            if reader.attempt in reached:
                continue
            if sweep.may_see(at[0], write, reader):
                yield reader
            else:
                reads.append(reader)


def _convict(sweep: Sweep, seeds: Seeds, taint: Taint) -> None:
    """The must fixpoint, inside the may one."""
    queue: deque[WriteAt] = deque()
    for index in sorted(seeds.must):
        taint.must.add(index)
        queue.extend((index, number) for number in range(len(sweep.attempts[index].writes)))
    queue.extend(at for at, certain in sorted(seeds.writes.items()) if certain)
    while queue:
        at = queue.popleft()
        if at in taint.must_writes:
            continue
        taint.must_writes.add(at)
        writer, write = at[0], sweep.attempts[at[0]].writes[at[1]]
        for reader in sweep.readers_after(write.cell, sweep.attempts[writer].end):
            if reader.attempt not in taint.must and sweep.must_see(writer, write, reader):
                taint.must.add(reader.attempt)
                queue.extend((reader.attempt, number) for number in range(len(sweep.attempts[reader.attempt].writes)))


def read_while_absent(sweep: Sweep) -> dict[int, str]:
    """Attempts that read a cell which we had purged, before it was made again; each with the reason."""
    found: dict[int, str] = {}
    for one in sweep.attempts:
        if one.kind == "run":
            continue
        for write in one.writes:
            if write.mode is not Mode.DROP:
                continue
            for reader in sweep.readers_after(write.cell, one.start - sweep.skew):
                attempt = sweep.attempts[reader.attempt]
                if attempt.kind == "run" and reader.attempt not in found and not _made_again(sweep, one, write, reader):
                    found[reader.attempt] = f"read {write.cell} while it was absent"
    return found


def _made_again(sweep: Sweep, purge: Attempt, write: Write, reader: _ReadAt) -> bool:
    """Whether a complete write made the shared part again, certainly begun after the purge and ended before the read."""
    narrow = reader.read.cell.partition or write.cell.partition
    for part, writes in sweep.writes[write.cell.dataset].overlapping(narrow):
        if not covers(part, write.cell.partition, reader.read.cell.partition):
            continue
        for one in writes:
            maker = sweep.attempts[one.attempt]
            if (
                one.write.mode is Mode.DROP
                or maker.state != "COMPLETE"
                or not one.write.cell.known
                or one.attempt == reader.attempt
            ):
                continue
            if one.end + sweep.skew <= reader.start and purge.start + sweep.skew <= one.start:
                return True
    return False
