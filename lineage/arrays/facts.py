"""Attempts with their reads and writes as columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from lineage.attempts import Attempt, How, Mode, Read, Write
from lineage.datasets import DatasetId
from lineage.partitions import UNKNOWN, Partition

Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
Tiny = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]

HOWS: Final[tuple[How, ...]] = ("observed", "declared", "inferred")
"""By number; the higher is the weaker."""
INFERRED: Final = HOWS.index("inferred")
MODES: Final = tuple(Mode)
DROP = MODES.index(Mode.DROP)
APPEND, CLEANSING = MODES.index(Mode.APPEND), (MODES.index(Mode.OVERWRITE), MODES.index(Mode.DROP))
_HOW = {how: number for number, how in enumerate(HOWS)}
_MODE = {mode: number for number, mode in enumerate(MODES)}


class NotPlain(Exception):
    """What the columns do not cover; whoever asked goes by ``lineage.taint``."""


@dataclass(frozen=True, slots=True)
class Side:
    """Reads or writes, by attempt and number within it. ``mode`` is of writes only."""

    attempt: Small
    number: Small
    dataset: Small
    partition: Small
    known: Bools
    how: Tiny
    mode: Tiny

    def __len__(self) -> int:
        return len(self.attempt)

    def chosen(self, where: Bools | Ints) -> Side:
        """Some of them."""
        return Side(*(getattr(self, name)[where] for name in self.__slots__))

    @property
    def key(self) -> Ints:
        """Attempt and number as one integer, ascending."""
        return self.attempt.astype(np.int64) << 32 | self.number


@dataclass(frozen=True, slots=True)
class Facts:
    """``start`` and ``end`` in ns UTC, ascending by (start, end, run, number); datasets and partitions by their numbers."""

    start: Ints
    end: Ints
    complete: Bools
    reads: Side
    writes: Side
    datasets: Sequence[DatasetId]
    partitions: Sequence[Partition]
    odd: frozenset[int] = frozenset()
    """Datasets, by number, of which somebody reads or writes a version, or reads as of another time."""


class Numbers:
    """Numbers for datasets and partitions; that of ``*`` is 0."""

    def __init__(self) -> None:
        self.datasets: dict[DatasetId, int] = {}
        self.partitions: dict[Partition, int] = {UNKNOWN: 0}

    def dataset(self, dataset: DatasetId) -> int:
        return self.datasets.setdefault(dataset, len(self.datasets))

    def partition(self, partition: Partition) -> int:
        return self.partitions.setdefault(partition, len(self.partitions))


@dataclass(slots=True)
class Told:
    """Reads or writes one by one."""

    numbers: Numbers
    rows: list[tuple[int, int, int, int, bool, int, int]] = field(default_factory=list)
    odd: set[int] = field(default_factory=set)

    def add(self, attempt: int, entries: Iterable[Read | Write]) -> None:
        """The reads or writes of one attempt."""
        for number, one in enumerate(entries):
            cell = one.cell
            dataset, partition = self.numbers.dataset(cell.dataset), self.numbers.partition(cell.partition)
            mode = _MODE[one.mode] if isinstance(one, Write) else 0
            if one.version is not None or (isinstance(one, Read) and (one.at is not None or one.ignoring)):
                self.odd.add(dataset)
            self.rows.append((attempt, number, dataset, partition, cell.known, _HOW[one.how], mode))

    def side(self) -> Side:
        return side(self.rows)


def side(rows: Sequence[tuple[int, ...]]) -> Side:
    """Rows of numbers as columns."""
    found = np.array(rows, np.int32).reshape(len(rows), 7).T
    return Side(found[0], found[1], found[2], found[3], found[4].astype(bool), found[5].astype(np.int8), found[6].astype(np.int8))


def end_to_end(parts: Sequence[Side]) -> Side:
    """Several, one after the other."""
    return (
        Side(*(np.concatenate([getattr(one, name) for one in parts]) for name in Side.__slots__)) if len(parts) != 1 else parts[0]
    )


def joined(parts: Sequence[Side]) -> Side:
    """Several, by attempt and number."""
    there = [one for one in parts if len(one)]
    whole = end_to_end(there or parts[:1])
    return whole.chosen(np.argsort(whole.key, kind="stable")) if len(there) > 1 else whole


_DENSE = 1 << 23
"""Up to so many possible values are counted off in a table, of 32 MB, rather than hashed."""


def distinct(values: Ints | Small, space: int) -> tuple[Ints, Small]:
    """The distinct values, ascending, and of each value which of these it is. ``space``: all are at least 0 and below this."""
    if space > max(_DENSE, 4 * len(values)):
        import pyarrow as pa

        encoded = pa.array(values).dictionary_encode()
        found: Ints = encoded.dictionary.to_numpy().astype(np.int64)
        order = np.argsort(found)
        return found[order], pa.array(ranks_of(order)).take(encoded.indices).to_numpy()
    there = np.zeros(space, bool)
    there[values] = True
    used = np.flatnonzero(there).astype(np.int64)
    number = np.zeros(space, np.int32)
    number[used] = np.arange(len(used), dtype=np.int32)
    return used, number[values]


def ranks_of(order: Ints | Sequence[int]) -> Small:
    """Of each position where it stands in an order."""
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank


def facts_of(attempts: Sequence[Attempt]) -> Facts:
    """The columns of attempts that are objects already. Raises NotPlain."""
    numbers = Numbers()
    reads, writes = Told(numbers), Told(numbers)
    for index, one in enumerate(attempts):
        reads.add(index, one.reads)
        writes.add(index, one.writes)
    return Facts(
        np.array([one.start for one in attempts], np.int64),
        np.array([one.end for one in attempts], np.int64),
        np.array([one.state == "COMPLETE" for one in attempts], bool),
        reads.side(),
        writes.side(),
        list(numbers.datasets),
        list(numbers.partitions),
        frozenset(reads.odd | writes.odd),
    )
