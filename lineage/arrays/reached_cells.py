"""The cells that a fault reached, with their explanations; each is made when somebody looks at it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np

from lineage.arrays.facts import Bools, Ints, Small, ranks_of
from lineage.arrays.ledger import Ledger, Made
from lineage.arrays.overlapping import Overlapping
from lineage.arrays.paths import Paths
from lineage.arrays.places import Places, begins
from lineage.arrays.spread import Spread
from lineage.arrays.states import States
from lineage.attempts import Cell
from lineage.blast_radius import Exposure, ReachedCell
from lineage.blast_radius import Reached as State
from lineage.datasets import DatasetId
from lineage.doubts import why_cell_suspect
from lineage.history import History
from lineage.taint import Cause, WriteAt
from lineage.timestamps import AFTER

T = TypeVar("T")

STATES: tuple[State, ...] = ("TAINTED", "SUSPECT", "CLEANED")


@dataclass
class Cells:
    """``history``: with the attempts of the ledger; ``reasons``: of attempts with which taint begins, why they are only SUSPECT."""

    history: History
    ledger: Ledger
    spread: Spread
    states: States
    reasons: Mapping[int, str]

    @cached_property
    def overlapping(self) -> Overlapping:
        return Overlapping(self.spread)

    @cached_property
    def paths(self) -> Paths:
        return Paths(self.ledger, self.spread, self.states, self.overlapping)

    @property
    def _places(self) -> Places:
        return self.spread.places

    @cached_property
    def order(self) -> Ints:
        """The places reached, as positions in ``states``: by dataset, then by the text of the partition."""
        places, place = self._places, self.states.place
        partitions = places.facts.partitions
        used = np.unique(places.partition[place])
        rank = np.zeros(len(partitions), np.int64)
        rank[sorted(used, key=lambda one: str(partitions[one]))] = np.arange(len(used))
        return np.lexsort((rank[places.partition[place]], self._dataset_rank[places.dataset[place]]))

    @cached_property
    def _dataset_rank(self) -> Small:
        datasets = self._places.facts.datasets
        return ranks_of(sorted(range(len(datasets)), key=datasets.__getitem__))

    @cached_property
    def state(self) -> Ints:
        """By position in ``states``: the number of the state."""
        return np.where(self.states.tainted, 0, np.where(self.states.cleaned, 2, 1))

    def told(self) -> Sequence[ReachedCell]:
        """All, in their order."""
        order = self.order
        return Made(len(order), lambda number: self._cell(int(order[number])))

    def known_cell(self, place: int) -> Cell:
        """The place as a cell; known where one of its reached writes knows it."""
        places = self._places
        known = bool(np.any(places.writes.known[self.overlapping.at(place)]))
        return Cell(self.dataset_of(place), places.facts.partitions[places.partition[place]], known)

    def dataset_of(self, place: int) -> DatasetId:
        return self._places.facts.datasets[int(self._places.dataset[place])]

    def _cell(self, position: int) -> ReachedCell:
        places, history = self._places, self.history
        place = int(self.states.place[position])
        cell, here = self.known_cell(place), self.overlapping.here(place)
        state = STATES[self.state[position]]
        attempts = places.writes.attempt[here]
        nominal = [self.ledger.nominal(int(one)) for one in places.writes.attempt[self.overlapping.at(place)]]
        return ReachedCell(
            cell=cell,
            state=state,
            since=int(self.states.since[position]),
            exposure=tuple(
                sorted(
                    {
                        Exposure(int(places.facts.start[places.writes.attempt[one]]), self._cleansed(place, int(one)))
                        for one in here
                    },
                    key=_by_time,
                )
            ),
            serving=history.serving(cell.dataset),
            owners=history.owned_by(cell.dataset),
            path=self.paths.of(position),
            reason=self.why(place) if state == "SUSPECT" else None,
            writers=tuple(
                sorted({self.ledger.jobs[one] for one in self.ledger.job[attempts[~np.isin(attempts, self.ledger.ours)]]})
            ),
            open_writer=bool(np.any(self.ledger.open[attempts] & (places.facts.end[attempts] == AFTER))),
            nominal=max((one for one in nominal if one is not None), default=None),
            columns=None,
        )

    def _cleansed(self, place: int, write: int) -> int | None:
        """When the first clean cleansing write after a reached write began to hold over what it shares with a place."""
        places = self._places
        if places.wild[place]:
            place = int(places.write_place[write])
        first, last = self._cleansers[1][place : place + 2]
        found = self._cleansers[0][first:last]
        after = places.ranks.after[places.writes.attempt[write]]
        found = found[np.searchsorted(places.ranks.start[places.writes.attempt[found]], after, "left") :]
        return int(places.facts.end[places.writes.attempt[found]].min()) if len(found) else None

    @cached_property
    def _cleansers(self) -> tuple[Ints, Small]:
        """The writes that may clean, and where those of each place begin."""
        found = self.states.cleansing
        return found, begins(self._places.write_place[found], len(self._places.dataset))

    def why(self, place: int) -> str:
        """Why a place is only SUSPECT."""
        left = [int(one) for one in self.overlapping.here(place) if self._cleansed(place, int(one)) is None]
        at = next((one for one in left if self.spread.must.writes[one]), left[0])
        return why_cell_suspect(self.history, self.doubted, self.known_cell(place), self.paths.write_at(at))

    @cached_property
    def doubted(self) -> _Doubted:
        """What was reached, for those who explain it."""
        must = self.spread.must
        return _Doubted(
            self.reasons,
            _Causes(self.ledger, self.paths, self.spread),
            _Those(must.attempts, lambda attempt: attempt),
            _Those(must.writes, self._places.number_of),
        )


def _by_time(one: Exposure) -> tuple[int, int]:
    return one.start, one.until or 0


@dataclass(frozen=True, slots=True)
class _Doubted:
    """As ``lineage.doubts`` asks for it; nothing here is narrowed to columns."""

    reasons: Mapping[int, str]
    causes: Mapping[int, Cause]
    must: Container[int]
    must_writes: Container[WriteAt]
    notes: Mapping[int, str] = field(default_factory=dict)
    write_notes: Mapping[WriteAt, str] = field(default_factory=dict)


class _Those(Container[T]):
    """Those of which a column says so; ``number``: where in the column one stands."""

    def __init__(self, column: Bools, number: Callable[[T], int]) -> None:
        self._column, self._number = column, number

    def __contains__(self, one: object) -> bool:
        return bool(self._column[self._number(one)])  # type: ignore[arg-type]  # nobody asks for anything else


class _Causes(Mapping[int, Cause]):
    """By attempt, what may have reached it."""

    def __init__(self, ledger: Ledger, paths: Paths, spread: Spread) -> None:
        self._ledger, self._paths = ledger, paths
        self._reached, self._places = spread.may, spread.places

    def __getitem__(self, attempt: int) -> Cause:
        read = int(self._reached.through[attempt])
        if read < 0:
            raise KeyError(attempt)
        number = int(self._places.reads.number[read])
        return Cause(self._paths.write_at(int(self._reached.by_write[attempt])), self._ledger.attempts[attempt].reads[number])

    def __iter__(self) -> Iterator[int]:
        return iter(np.flatnonzero(self._reached.through >= 0).tolist())

    def __len__(self) -> int:
        return int((self._reached.through >= 0).sum())
