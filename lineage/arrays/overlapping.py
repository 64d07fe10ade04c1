"""The reached writes of each place: its own, and those of ``*`` that overlap it."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from lineage.arrays.facts import Ints, Small
from lineage.arrays.places import begins, ordered
from lineage.arrays.spread import Spread


class Overlapping:
    """Of one spread."""

    def __init__(self, spread: Spread) -> None:
        self._spread, self._places = spread, spread.places

    @cached_property
    def _reached_writes(self) -> tuple[Ints, Small]:
        """The reached writes by place, and where those of each place begin."""
        reached = np.flatnonzero(self._spread.may.writes)
        reached = reached[ordered(self._places.write_place[reached])]
        return reached, begins(self._places.write_place[reached], len(self._places.dataset))

    def at(self, place: int) -> Ints:
        """Its own."""
        reached, first = self._reached_writes
        return reached[first[place] : first[place + 1]]

    @cached_property
    def wild_of(self) -> dict[int, Ints]:
        """Of each dataset the reached writes of ``*``, where it has partitions."""
        places = self._places
        found = np.flatnonzero(self._spread.may.writes & places.wild_writes)
        return {int(one): found[places.writes.dataset[found] == one] for one in np.unique(places.writes.dataset[found])}

    @cached_property
    def _by_dataset(self) -> dict[int, Ints]:
        """Of each dataset with reached writes of ``*`` all the others."""
        places = self._places
        found = np.flatnonzero(self._spread.may.writes & ~places.wild_writes)
        return {one: found[places.writes.dataset[found] == one] for one in self.wild_of}

    def here(self, place: int) -> Ints:
        """The reached writes that overlap a place, in the order in which ``lineage.blast`` meets them."""
        places = self._places
        dataset = int(places.dataset[place])
        own, wild = self.at(place), self.wild_of.get(dataset)
        if wild is None:
            return own
        named = self._by_dataset[dataset]
        if places.wild[place]:
            own = self._by_shape(named)
            return np.concatenate((own, wild)) if len(named) and named[0] < wild[0] else np.concatenate((wild, own))
        return np.concatenate((own, wild)) if named[0] < wild[0] else np.concatenate((wild, own))

    def _by_shape(self, writes: Ints) -> Ints:
        """By partition, in the order of the first write of each."""
        place = self._places.write_place[writes]
        _, first, inverse = np.unique(place, return_index=True, return_inverse=True)
        return writes[np.argsort(first[inverse], kind="stable")]
