"""The index of a history's reads and writes, and the two questions that taint asks of it: may see, must see (design §5)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from lineage.attempts import Attempt, Cell, Mode, Read, Write
from lineage.datasets import DatasetId
from lineage.history import History
from lineage.partition_index import PartitionIndex
from lineage.partitions import covers, same
from lineage.timestamps import AFTER
from lineage.versions import Versions


class ReadEntry(NamedTuple):
    """A read, the ``number`` of it in its attempt, with its time; ``latest``: until when a write may begin and still be seen."""

    latest: int
    start: int
    end: int
    attempt: int
    read: Read
    number: int


class WriteEntry(NamedTuple):
    """A write with its time."""

    start: int
    end: int
    attempt: int
    write: Write


def _start(entry: WriteEntry) -> int:
    return entry.start


def latest_of(entry: ReadEntry) -> int:
    return entry.latest


class Sweep:
    """The index of a history's reads and writes, and the questions that taint asks of it."""

    def __init__(self, history: History) -> None:
        self.attempts = history.attempts
        self.skew = history.declarations.skew
        self.versions = Versions(history)
        self.reads: dict[DatasetId, PartitionIndex[list[ReadEntry]]] = defaultdict(PartitionIndex)
        self.writes: dict[DatasetId, PartitionIndex[list[WriteEntry]]] = defaultdict(PartitionIndex)
        self.cleansing: dict[DatasetId, PartitionIndex[list[WriteEntry]]] = defaultdict(PartitionIndex)
        self._ends: dict[int, list[int]] = {}
        of_reads: dict[int, list[ReadEntry]] = {}  # by the identity of cells, which many attempts share
        of_writes: dict[int, list[WriteEntry]] = {}
        for index, one in enumerate(self.attempts):
            for number, read in enumerate(one.reads):
                start, end = read.at or self._seen_at(one, read)
                latest = end if read.version is None else AFTER  # a version shows its ancestry, whatever the clocks say
                entries = of_reads.get(id(read.cell))
                if entries is None:
                    entries = of_reads[id(read.cell)] = self.reads[read.cell.dataset].at(read.cell.partition, list)
                entries.append(ReadEntry(latest, start, end, index, read, number))
            for write in one.writes:
                entry = WriteEntry(one.start, one.end, index, write)
                written = of_writes.get(id(write.cell))
                if written is None:
                    written = of_writes[id(write.cell)] = self.writes[write.cell.dataset].at(write.cell.partition, list)
                written.append(entry)
                if one.cleanses(write):
                    self.cleansing[write.cell.dataset].at(write.cell.partition, list).append(entry)
        for index_of_reads in self.reads.values():
            for reads in index_of_reads.values():
                reads.sort(key=latest_of)
        # attempts are in the order of their starts, so the lists of writes already are

    def _seen_at(self, reader: Attempt, read: Read) -> tuple[int, int]:
        """When what was read was current: while the reader ran, or while the version it names was made."""
        maker = self.versions.maker(read) if read.version is not None else None
        return (reader.start, reader.end) if maker is None else (maker.start, maker.end)

    def readers_after(self, cell: Cell, moment: int) -> Iterator[ReadEntry]:
        """Reads that overlap the cell and end at or after the moment."""
        for _, reads in self.reads[cell.dataset].overlapping(cell.partition):
            yield from reads[bisect_left(reads, moment, key=latest_of) :]

    def meeting(self, cell: Cell, first: int, last: int) -> Iterator[WriteEntry]:
        """Writes that overlap the cell and whose time meets the closed interval."""
        for _, writes in self.writes[cell.dataset].overlapping(cell.partition):
            latest = self._latest_ends(writes)
            index = bisect_right(writes, last, key=_start) - 1
            while index >= 0 and latest[index] >= first:  # no earlier write ends later than this
                if writes[index].end >= first:
                    yield writes[index]
                index -= 1

    def cleansing_both(self, left: Cell, right: Cell) -> Iterator[list[WriteEntry]]:
        """Cleansing writes, by partition, that cover what two overlapping cells of a dataset share."""
        narrow = right.partition or left.partition  # what covers the shared part overlaps either; ``*`` would find all
        for part, cleansing in self.cleansing[left.dataset].overlapping(narrow):
            if covers(part, left.partition, right.partition):
                yield cleansing

    def _latest_ends(self, writes: list[WriteEntry]) -> list[int]:
        """For each write, the latest end among it and all that began before."""
        found = self._ends.get(id(writes))
        if found is None:
            found = self._ends[id(writes)] = list(accumulate((one.end for one in writes), max))
        return found

    def may_see(self, writer: int, write: Write, reader: ReadEntry) -> bool:
        """The may-see rule, for cells that overlap."""
        if writer == reader.attempt or self.attempts[writer].key in reader.read.ignoring:
            return False
        if reader.read.version is not None:
            shown = self.versions.shows(writer, write, reader.attempt, reader.read)
            if shown is not None:
                return shown
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
                    and not self.versions.excludes(one.write, reader.read)
                ):
                    return False
        return True

    def must_see(self, writer: int, write: Write, reader: ReadEntry) -> bool:
        """The must-see rule."""
        w, cell = self.attempts[writer], reader.read.cell
        if writer == reader.attempt or w.state != "COMPLETE" or w.key in reader.read.ignoring:
            return False
        if not (write.cell.known and cell.known and same(write.cell.partition, cell.partition)):
            return False
        if "inferred" in {write.how, reader.read.how}:
            return False  # what nobody said never convicts
        versioned = reader.read.version is not None
        if versioned:
            shown = self.versions.certainly_shows(writer, write, reader.attempt, reader.read)
            if shown is not None:
                return shown
        elif w.end + self.skew > reader.start:
            return False
        return not any(
            one.write.mode is not Mode.APPEND
            and one.attempt not in {writer, reader.attempt}
            and not (versioned and one.write.version is not None)
            and not self._ignored(one, reader)
            for one in self.meeting(cell, w.start - self.skew, reader.end + self.skew)
        )

    def _ignored(self, one: WriteEntry, reader: ReadEntry) -> bool:
        return self.attempts[one.attempt].key in reader.read.ignoring
