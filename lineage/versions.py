"""Reads that name a version of what they read: they see that version's ancestry, whatever the clocks say.

Three kinds of datasets, by how their versions relate:

objects
    Declared ``format = "objects"``: a version is one immutable object and shows its writer only.
numbered
    Versions are counted (Delta): version n descends from every lower one.
opaque
    Anything else (Iceberg's snapshot ids): the writer of the very version is in it; other writes may be if they began before it was
    committed, by the time rules.

Where nobody told which version a write made, the time rules hold and a read is at most SUSPECT.
"""

from __future__ import annotations

from collections import defaultdict

from lineage.attempts import Attempt, Mode, Read, Write
from lineage.datasets import DatasetId
from lineage.history import History
from lineage.partitions import covers, overlap
from lineage.periods import whole_number

_COUNTED = 12
"""More digits than any count of versions has; a snapshot id has 18 or 19."""

Made = tuple[int, Write]
"""A write that names the version it made: index of the attempt, and the write."""


class Versions:
    """Which versions the writes of each dataset made, and what a version shows."""

    def __init__(self, history: History) -> None:
        self._attempts = history.attempts
        self._made: dict[DatasetId, list[Made]] = defaultdict(list)
        named: dict[DatasetId, set[str]] = defaultdict(set)
        for index, attempt in enumerate(history.attempts):
            for write in attempt.writes:
                if write.version is not None:
                    named[write.cell.dataset].add(write.version)
                    self._made[write.cell.dataset].append((index, write))
            for read in attempt.reads:
                if read.version is not None:
                    named[read.cell.dataset].add(read.version)
        self._objects = frozenset(one for one in named if history.rule(one).format == "objects")
        self._numbered = frozenset(one for one, versions in named.items() if all(map(_counted, versions))) - self._objects

    def maker(self, read: Read) -> Attempt | None:
        """The attempt that made the version which a read names; None when nobody told, or several did."""
        found = {index for index, write in self._made.get(read.cell.dataset, ()) if write.version == read.version}
        return self._attempts[found.pop()] if len(found) == 1 else None

    def excludes(self, write: Write, read: Read) -> bool:
        """Whether a write certainly came after the version read."""
        numbered = read.cell.dataset in self._numbered and write.version is not None and read.version is not None
        return numbered and int(write.version or 0) > int(read.version or 0)

    def shows(self, writer: int, write: Write, reader: int, read: Read) -> bool | None:
        """Whether the version read may show a write of an overlapping cell; None where the time rules decide."""
        dataset = read.cell.dataset
        if write.version is not None and write.version == read.version:
            return True
        if dataset in self._objects and self.maker(read) is not None:
            return False
        if dataset not in self._numbered or write.version is None:
            return None
        if self.excludes(write, read):
            return False
        return not any(
            self._attempts[index].cleanses(other) and covers(other.cell.partition, write.cell.partition, read.cell.partition)
            for index, other in self._between(write, read)
            if index not in {writer, reader}
        )

    def certainly_shows(self, writer: int, write: Write, reader: int, read: Read) -> bool | None:
        """Whether the version read certainly shows a write of the same cell; None where no later write by an attempt that names no
        version may come between, which the time rules tell.
        """
        if write.version is None:
            return False
        if write.version == read.version:
            return True
        if read.cell.dataset not in self._numbered or self.excludes(write, read):
            return False
        written_over = any(
            other.mode is not Mode.APPEND and overlap(other.cell.partition, read.cell.partition)
            for index, other in self._between(write, read)
            if index not in {writer, reader}
        )
        return False if written_over else None

    def _between(self, write: Write, read: Read) -> list[Made]:
        """The writes of a numbered dataset later than a write's version, up to the one read."""
        first, last = int(write.version or 0), int(read.version or 0)
        return [one for one in self._made.get(read.cell.dataset, ()) if first < int(one[1].version or 0) <= last]


def _counted(version: str) -> bool:
    return len(version) <= _COUNTED and whole_number(version) is not None
