"""Which reads and writes are about the same data: the places, and the order of all times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lineage.arrays.facts import APPEND, CLEANSING, Bools, Facts, Ints, NotPlain, Side, Small, distinct
from lineage.partition_index import UNSHAPED, shape_of
from lineage.partitions import Partition
from lineage.timestamps import AFTER, BEFORE


@dataclass(frozen=True, slots=True)
class Ranks:
    """The times of attempts by their order; ``before`` is that of start − ε, ``after`` that of end + ε. ``count``: above all."""

    start: Small
    end: Small
    before: Small
    after: Small
    count: int
    never: int
    """The rank of an end that nobody reported, or above all."""


def ranks(facts: Facts, skew: int) -> Ranks:
    """The order of all times that the rules compare; equal times have the same rank."""
    start, end, error = facts.start, facts.end, min(skew, AFTER)

    # ±∞ stay what they are, and what an error moves beyond them is them
    def before(start: Ints) -> Ints:
        return np.where(start <= BEFORE, BEFORE, np.maximum(start - error, BEFORE))

    def after(end: Ints) -> Ints:
        return np.where(end >= AFTER, AFTER, np.minimum(end + error, AFTER))

    by_end = np.argsort(end, kind="stable").astype(np.int32)
    ends = end[by_end]
    times = np.concatenate((start, ends, before(start), after(ends)) if skew else (start, ends))
    times.sort(kind="stable")  # each of these is in order already

    def rank(ascending: Ints) -> Small:
        return np.searchsorted(times, ascending).astype(np.int32)

    def by_start(ascending: Small) -> Small:
        found = np.empty_like(ascending)
        found[by_end] = ascending
        return found

    starts, stops = rank(start), by_start(rank(ends))
    errors = (rank(before(start)), by_start(rank(after(ends)))) if skew else (starts, stops)
    return Ranks(starts, stops, *errors, len(times), int(np.searchsorted(times, AFTER)))


class Places:
    """The reads and writes of some datasets by place, with their times."""

    def __init__(self, facts: Facts, skew: int, within: Bools | None = None) -> None:
        """``within``: by dataset, which matter. Raises NotPlain."""
        self.facts, self.skew = facts, skew
        if any(within is None or within[one] for one in facts.odd):
            raise NotPlain("a version is named, or what was there at another time")
        self.reads, self.writes = _within(facts.reads, within), _within(facts.writes, within)
        self.ranks = ranks(facts, skew)
        self.scale = self.ranks.count + 1
        count = len(facts.partitions)
        space = len(facts.datasets) * count
        kind = np.int32 if space < 1 << 31 else np.int64
        keys = np.concatenate([np.multiply(one.dataset, count, dtype=kind) for one in (self.reads, self.writes)])
        keys[: len(self.reads)] += self.reads.partition
        keys[len(self.reads) :] += self.writes.partition
        found, inverse = distinct(keys, space)
        del keys
        self.read_place: Small = inverse[: len(self.reads)]
        self.write_place: Small = inverse[len(self.reads) :]
        self.dataset: Small = (found // max(count, 1)).astype(np.int32)
        self.partition: Small = (found % max(count, 1)).astype(np.int32)
        self.wild = self._wild(facts.partitions, len(facts.datasets))
        self.wild_reads, self.wild_writes = self.wild[self.read_place], self.wild[self.write_place]
        self.first_write: Small = begins(self.writes.attempt, len(facts.start))
        """Of each attempt, where its writes begin."""
        self._refuse()
        complete = facts.complete[self.writes.attempt]
        self.cleansing: Bools = complete & self.writes.known & np.isin(self.writes.mode, CLEANSING)
        self.replacing: Bools = self.writes.mode != APPEND
        self.complete: Bools = complete

    def _wild(self, partitions: Sequence[Partition], datasets: int) -> Bools:
        """Places that are all of a dataset with partitions. Raises NotPlain where others overlap without being one."""
        used = np.unique(self.partition)
        shapes: dict[object, int] = {}
        identities: dict[object, int] = {}
        shape_of_partition = np.zeros(len(partitions), np.int64)
        for number in used:
            shape, identity = shape_of(partitions[number])
            if number and (shape == UNSHAPED or identities.setdefault((shape, identity), number) != number):
                raise NotPlain(f"{partitions[number]} may be another's part")
            shape_of_partition[number] = shapes.setdefault(shape, len(shapes))
        named = self.partition != 0
        least, most = np.full(datasets, len(shapes)), np.full(datasets, -1)
        np.minimum.at(least, self.dataset[named], shape_of_partition[self.partition[named]])
        np.maximum.at(most, self.dataset[named], shape_of_partition[self.partition[named]])
        if bool(np.any((most >= 0) & (least != most))):
            raise NotPlain("partitions of several shapes")
        self.partitioned: Bools = most >= 0
        found: Bools = ~named & self.partitioned[self.dataset]
        return found

    def _refuse(self) -> None:
        if bool(np.any(self.facts.end < self.facts.start)):
            raise NotPlain("an end before its beginning")
        if bool(np.any(self.reads.known & self.wild_reads) or np.any(self.writes.known & self.wild_writes)):
            raise NotPlain("all of a dataset is known, and so are partitions of it")
        several = np.flatnonzero(np.diff(self.first_write)[self.writes.attempt] > 1)  # few attempts write several
        own, wild = self.writes.attempt[several].astype(np.int64), self.wild_writes[several]
        here = np.sort(own * len(self.dataset) + self.write_place[several])
        if bool(np.any(here[1:] == here[:-1])):
            raise NotPlain("an attempt writes a place twice")
        if bool(np.any(wild)):
            data = own * len(self.facts.datasets) + self.writes.dataset[several]
            if bool(np.any(np.isin(data[wild], data[~wild]))):
                raise NotPlain("an attempt writes a partition and all of the dataset")

    @cached_property
    def alone(self) -> Bools:
        """Writes that are the only replacing one of their place, and nobody wrote ``*`` of their dataset: as most are."""
        count = np.bincount(self.write_place[self.replacing], minlength=len(self.dataset))
        whole = np.zeros(len(self.facts.datasets), bool)
        whole[self.writes.dataset[self.wild_writes]] = True
        found: Bools = self.replacing & (count[self.write_place] == 1) & ~whole[self.writes.dataset]
        return found

    def composed(self, place: Ints | Small, rank: Ints | Small) -> Ints:
        """A place and a rank as one integer; by place, then rank."""
        found: Ints = np.multiply(place, self.scale, dtype=np.int64)
        found += rank
        return found

    def number_of(self, at: tuple[int, int]) -> int:
        """The position of a write (attempt and number) among all."""
        attempt, number = at
        first, last = (int(one) for one in self.first_write[attempt : attempt + 2])
        return first + int(np.searchsorted(self.writes.number[first:last], number))

    # --- the times of reads and writes ------------------------------------------------------------------------------------

    def of_reads(self, rank: Small) -> Small:
        return rank[self.reads.attempt]

    def of_writes(self, rank: Small) -> Small:
        return rank[self.writes.attempt]

    @cached_property
    def instant(self) -> Bools:
        """Attempts that end when they begin, as far as clocks tell: the one thing that may both precede and follow itself."""
        return self.ranks.after <= self.ranks.start


def _within(side: Side, within: Bools | None) -> Side:
    """The reads or writes of some datasets."""
    chosen = None if within is None else within[side.dataset]
    return side if chosen is None or bool(chosen.all()) else side.chosen(chosen)


def ordered(keys: Ints | Small) -> Ints:
    """Their order, as positions."""
    return np.argsort(keys, kind="stable")


def begins(of: Ints | Small, count: int) -> Small:
    """Of each number below ``count``, and of ``count``, where it begins once these are in order."""
    found = np.zeros(count + 1, np.int32)
    np.cumsum(np.bincount(of, minlength=count), out=found[1:])
    return found


def spans(first: Ints | Small, last: Ints | Small) -> tuple[Ints, Ints]:
    """All of several ranges [first, last): the number of the range, and the position."""
    counts = np.maximum(last - first, 0)
    of = np.repeat(np.arange(len(counts)), counts)
    begins = np.cumsum(counts) - counts
    return of, np.arange(len(of)) - begins[of] + first[of]
