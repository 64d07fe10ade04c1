"""The shortest path from the fault to each place that it reached."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lineage.arrays.facts import HOWS, Ints
from lineage.arrays.ledger import Ledger
from lineage.arrays.overlapping import Overlapping
from lineage.arrays.places import Places
from lineage.arrays.spread import Reached, Spread
from lineage.arrays.states import States
from lineage.attempts import Cell
from lineage.blast_radius import Hop
from lineage.taint import WriteAt


@dataclass
class Paths:
    """Of what was reached; positions are those in ``states``."""

    ledger: Ledger
    spread: Spread
    states: States
    overlapping: Overlapping

    @property
    def _places(self) -> Places:
        return self.spread.places

    @cached_property
    def _explaining(self) -> Ints:
        """By position in ``states``, the write with which its explanation ends: the nearest to the fault, certain where it is."""
        places, spread = self._places, self.spread
        reached = np.flatnonzero(spread.may.writes)
        start = places.facts.start[places.writes.attempt[reached]]
        nearest = self._least(reached[np.lexsort((reached, start, self._steps(reached, spread.may, ends_at_origins=False)))])
        bad = np.flatnonzero(self.states.convicting)
        worst = np.full(len(places.dataset), -1)
        by_steps = bad[np.lexsort((bad, self._steps(bad, spread.must, ends_at_origins=True)))][::-1]
        worst[places.write_place[by_steps]] = by_steps  # the last that is said of each place stays
        return np.where(self.states.tainted, worst[self.states.place], nearest)

    def _steps(self, writes: Ints, reached: Reached, *, ends_at_origins: bool) -> Ints:
        """How far these writes are from the fault."""
        if ends_at_origins and self._origins:
            return np.array([len(self._chain(int(one), reached)) for one in writes], np.int64)
        return np.maximum(reached.distance[self._places.writes.attempt[writes]], 0).astype(np.int64)

    def _least(self, order: Ints) -> Ints:
        """By position in ``states``, the first in this order of the reached writes that overlap it."""
        places, place = self._places, self.states.place
        rank = np.arange(len(order))
        least = np.full(len(places.dataset), len(order))
        np.minimum.at(least, places.write_place[order], rank)
        found = least[place]
        if self.overlapping.wild_of:
            of_wild, of_any = np.full((2, len(places.facts.datasets)), len(order))
            np.minimum.at(of_any, places.writes.dataset[order], rank)
            wild = places.wild_writes[order]
            np.minimum.at(of_wild, places.writes.dataset[order[wild]], rank[wild])
            dataset = places.dataset[place]
            found = np.where(places.wild[place], of_any[dataset], np.minimum(found, of_wild[dataset]))
        least_of: Ints = order[found]
        return least_of

    def of(self, position: int) -> tuple[Hop, ...]:
        """From the fault to the write with which the place was reached."""
        return self._path(int(self._explaining[position]), self._reached_by(position))

    def _reached_by(self, position: int) -> Reached:
        return self.spread.must if self.states.tainted[position] else self.spread.may

    def _chain(self, write: int, reached: Reached) -> list[tuple[int, int]]:
        """The writes from this one back to a seed, each with the read through which it was reached (−1: a seed)."""
        places = self._places
        found: list[tuple[int, int]] = []
        seen: set[int] = set()
        while write not in seen:
            seen.add(write)
            attempt = int(places.writes.attempt[write])
            origin = write in self._origins
            read = -1 if origin else int(reached.through[attempt])
            found.append((write, read))
            if read < 0:
                break
            write = int(reached.by_write[attempt])
        return found

    @cached_property
    def _origins(self) -> frozenset[int]:
        return frozenset(self._places.number_of(at) for at in self.spread.seeds.writes)

    def _path(self, write: int, reached: Reached) -> tuple[Hop, ...]:
        places, ledger = self._places, self.ledger
        hops = []
        for one, read in self._chain(write, reached):
            attempt = int(places.writes.attempt[one])
            how = int(places.writes.how[one]) if read < 0 else max(int(places.writes.how[one]), int(places.reads.how[read]))
            cell = Cell(
                places.facts.datasets[places.writes.dataset[one]],
                places.facts.partitions[places.writes.partition[one]],
                bool(places.writes.known[one]),
            )
            hops.append(Hop(*ledger.key(attempt), ledger.jobs[ledger.job[attempt]], cell, HOWS[how]))
        return tuple(reversed(hops))

    @cached_property
    def lengths(self) -> Ints:
        """How many hops each has."""
        if self._origins:
            return np.array([len(self._chain(int(one), self._reached_by(at))) for at, one in enumerate(self._explaining)], np.int64)
        attempts = self._places.writes.attempt[self._explaining]
        return np.where(self.states.tainted, self.spread.must.distance[attempts], self.spread.may.distance[attempts]) + 1

    def write_at(self, write: int) -> WriteAt:
        """Attempt and number of a write."""
        return int(self._places.writes.attempt[write]), int(self._places.writes.number[write])
