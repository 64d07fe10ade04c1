"""Both least fixpoints, level by level: in the order in which ``lineage.taint`` walks write by write."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from lineage.arrays.facts import Bools, Ints, Small
from lineage.arrays.places import Places, spans
from lineage.arrays.seeing import Edges, Seeing
from lineage.fault import Seeds


@dataclass(frozen=True, slots=True)
class Reached:
    """Of each attempt whether it was reached, by which write through which read (−1: a seed, or not at all); of each write too."""

    attempts: Bools
    writes: Bools
    by_write: Small
    through: Small
    distance: Small


@dataclass(frozen=True, slots=True)
class Spread:
    """What the fault may have reached, and what it must have."""

    places: Places
    seeds: Seeds
    may: Reached
    must: Reached


def spread(places: Places, seeds: Seeds, absent: Collection[int] = ()) -> Spread:
    """Both least fixpoints from the seeds, and from attempts that read what was ``absent``. Raises NotPlain."""
    edges, seeing = _seen(places)
    single = np.array([places.number_of(at) for at in sorted(seeds.writes)], np.int64)
    certain = np.array([places.number_of(at) for at, sure in sorted(seeds.writes.items()) if sure], np.int64)
    may = _walk(places, edges, sorted({*seeds.must, *seeds.may, *absent}), single, seeing)
    del seeing
    edges = edges.certain()
    must = _walk(places, edges, sorted(seeds.must), certain, None)
    return Spread(places, seeds, may, must)


def _seen(places: Places) -> tuple[Edges, Seeing | None]:
    """All pairs within places, and, where there is ``*``, what tells the others: it is large, so that only then it is kept."""
    seeing = Seeing(places)
    return seeing.edges(), seeing if bool(np.any(places.wild)) else None


def _walk(places: Places, edges: Edges, seeds: list[int], single: Ints, seeing: Seeing | None) -> Reached:
    """The least fixpoint along the edges. ``single``: writes that are faulty whatever was read; ``seeing``: for ``*``."""
    count = len(places.facts.start)
    attempts, writes = np.zeros(count, bool), np.zeros(len(places.writes), bool)
    by_write, through, distance = np.full((3, count), -1, np.int32)
    seat = np.empty(count, np.int32)
    readers = places.reads.attempt
    chosen = np.array(seeds, np.int64)
    attempts[chosen] = True
    distance[chosen] = 0
    distance[places.writes.attempt[single]] = 0
    found = np.concatenate((_writes_of(places, chosen), single))
    _, at = np.unique(found, return_index=True)
    found = found[np.sort(at)]
    while len(found):
        level = found[~writes[found]]
        writes[level] = True
        following = []
        for front in edges.parts(level):
            which, read = edges.of(front)
            if seeing is not None:
                more, wild = seeing.of_wild(front, attempts)
                if len(more):
                    which, read = np.concatenate((which, more)), np.concatenate((read, wild))
                    order = np.lexsort((read, which))
                    which, read = which[order], read[order]
            new = ~attempts[readers[read]]
            which, read = which[new], read[new]
            who, numbers = readers[read], np.arange(len(read), dtype=np.int32)
            seat[who[::-1]] = numbers[::-1]  # the first pair of each attempt, which is the last said
            at = np.flatnonzero(seat[who] == numbers)
            reached = who[at]
            attempts[reached] = True
            by_write[reached], through[reached] = front[which[at]], read[at]
            farther = distance[places.writes.attempt[front[which[at]]]] + 1
            distance[reached] = np.where(distance[reached] < 0, farther, distance[reached])
            following.append(_writes_of(places, reached))
        found = np.concatenate(following) if following else level
    return Reached(attempts, writes, by_write, through, distance)


def _writes_of(places: Places, attempts: Ints | Small) -> Ints:
    _, found = spans(places.first_write[attempts], places.first_write[attempts + 1])
    return found
