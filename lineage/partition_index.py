"""Finds the partitions that overlap a given one without comparing all with all.

Two partitions of the same shape (the same keys, with dates of the same grain) overlap only when they are equal; those of other
shapes are compared one by one, and in a dataset written in one layout there are none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Generic, TypeVar

from lineage.partitions import OffsetRange, Partition, overlap
from lineage.periods import Period, whole_number

V = TypeVar("V")
_Shape = tuple[tuple[str, str], ...]
UNSHAPED: _Shape = (("", ""),)
"""The shape of what can overlap without being equal: ranges of offsets, and ``*``."""


class PartitionIndex(Generic[V]):
    """Values by partition."""

    def __init__(self) -> None:
        self._shapes: dict[_Shape, dict[object, list[tuple[Partition, V]]]] = defaultdict(dict)

    def add(self, partition: Partition, value: V) -> None:
        shape, identity = shape_of(partition)
        self._shapes[shape].setdefault(identity, []).append((partition, value))

    def at(self, partition: Partition, fresh: Callable[[], V]) -> V:
        """The value of exactly this partition; ``fresh()`` is added when there is none."""
        shape, identity = shape_of(partition)
        found = self._shapes[shape].setdefault(identity, [])
        for known, value in found:
            if known == partition:
                return value
        found.append((partition, fresh()))
        return found[-1][1]

    def pairs(self) -> Iterator[tuple[Partition, V]]:
        """Every partition with its value."""
        for found in self._shapes.values():
            for pairs in found.values():
                yield from pairs

    def values(self) -> Iterator[V]:
        """Every value."""
        return (value for _, value in self.pairs())

    def overlapping(self, partition: Partition) -> Iterator[tuple[Partition, V]]:
        """The partitions that overlap this one, with their values, in the order added within each shape."""
        shape, identity = shape_of(partition)
        for other, found in self._shapes.items():
            if other == shape and shape != UNSHAPED:
                yield from found.get(identity, ())
            else:
                yield from (pair for pairs in found.values() for pair in pairs if overlap(pair[0], partition))


@lru_cache(maxsize=1 << 17)
def shape_of(partition: Partition) -> tuple[_Shape, object]:
    if not partition or any(isinstance(value, OffsetRange) for _, value in partition.items):
        return UNSHAPED, partition
    shape = tuple((key, value.grain.value if isinstance(value, Period) else "text") for key, value in partition.items)
    # "03" and "3" are the same hour.
    numbers = (whole_number(value) if isinstance(value, str) else None for _, value in partition.items)
    identity = tuple(value if number is None else number for number, (_, value) in zip(numbers, partition.items, strict=True))
    return shape, identity
