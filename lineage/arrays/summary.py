"""All that a fault reached in few words: counts, and what there is of each dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lineage.arrays.facts import Ints
from lineage.arrays.places import Places
from lineage.arrays.reached_attempts import Attempts
from lineage.arrays.reached_cells import STATES, Cells
from lineage.overview import Overview, ReachedDataset, StateGroup, before


@dataclass
class Summary:
    """Of these cells and attempts."""

    cells: Cells
    attempts: Attempts

    @property
    def _places(self) -> Places:
        return self.cells.spread.places

    def overview(self) -> Overview:
        """Counts, and what there is of each dataset."""
        places, place = self._places, self.cells.states.place
        counts = np.bincount(self.cells.state, minlength=3)
        datasets = places.dataset[place]
        dirty = np.unique(datasets[self.cells.state != 2])
        names = places.facts.datasets
        return Overview(
            attempts={"may": len(self.attempts.who), "must": int(self.attempts.certain[self.attempts.who].sum())},
            cells={"may": int(counts[0] + counts[1]), "must": int(counts[0]), "cleaned": int(counts[2])},
            datasets=tuple(sorted(names[one] for one in np.unique(datasets))),
            dirty=frozenset(names[one] for one in dirty),
            since=int(self.cells.states.since.min()) if len(place) else None,
            teams=tuple(sorted({owner for one in np.unique(datasets) for owner in self.cells.history.owned_by(names[one])})),
            by_dataset=self._reached_datasets,
        )

    def _reached_datasets(self) -> Iterator[ReachedDataset]:
        places = self._places
        order = self.cells.order
        dataset = places.dataset[self.cells.states.place[order]]
        changes = np.flatnonzero(dataset[1:] != dataset[:-1]) + 1
        for positions in np.split(order, changes) if len(order) else ():
            yield self._reached_dataset(positions)

    def _reached_dataset(self, positions: Ints) -> ReachedDataset:
        dataset = self.cells.dataset_of(int(self.cells.states.place[positions[0]]))
        steps = self.cells.paths.lengths[positions]
        nearest = int(positions[int(np.argmin(steps))])
        return ReachedDataset(
            dataset,
            self.cells.history.serving(dataset),
            self.cells.history.owned_by(dataset),
            int(steps.min()),
            lambda: before(self.cells.paths.of(nearest), dataset),
            lambda: tuple(self._groups(positions)),
        )

    def _groups(self, positions: Ints) -> Iterator[StateGroup]:
        places = self._places
        for number, state in enumerate(STATES):
            group = positions[self.cells.state[positions] == number]
            if not len(group):
                continue
            group = group[np.argsort(self.cells.states.since[group], kind="stable")]
            place = self.cells.states.place[group]
            partitions = [places.facts.partitions[one] for one in places.partition[place]]
            yield StateGroup(
                state,
                tuple(partitions),
                int(self.cells.states.since[group[0]]),
                self.cells.why(int(place[0])) if state == "SUSPECT" else None,
                self.cells.known_cell(int(place[-1])),
                None,
            )
