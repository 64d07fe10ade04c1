"""From what was reached, as columns, to the blast radius: its cells and attempts are made when somebody looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lineage.arrays.facts import HOWS, Bools, Ints
from lineage.arrays.ledger import Ledger, Made
from lineage.arrays.places import Places, ordered
from lineage.arrays.spread import Reached, Spread
from lineage.arrays.states import States
from lineage.attempts import Cell
from lineage.blast_radius import Exposure, Hop, ReachedAttempt, ReachedCell
from lineage.blast_radius import Reached as State
from lineage.datasets import DatasetId
from lineage.doubts import why_cell_suspect, why_suspect
from lineage.history import History
from lineage.overview import Overview, ReachedDataset, StateGroup
from lineage.taint import Cause, WriteAt
from lineage.timestamps import AFTER

_STATES: tuple[State, ...] = ("TAINTED", "SUSPECT", "CLEANED")


@dataclass
class Shown:
    """What was reached, ready to be looked at. ``history``: with the attempts of the ledger."""

    history: History
    ledger: Ledger
    spread: Spread
    states: States
    reasons: Mapping[int, str]

    @property
    def _places(self) -> Places:
        return self.spread.places

    # --- cells ------------------------------------------------------------------------------------------------------------

    @cached_property
    def _order(self) -> Ints:
        """The places reached, as positions in ``states``: by dataset, then by the text of the partition."""
        places, place = self._places, self.states.place
        partitions = places.facts.partitions
        used = np.unique(places.partition[place])
        rank = np.zeros(len(partitions), np.int64)
        rank[sorted(used, key=lambda one: str(partitions[one]))] = np.arange(len(used))
        return np.lexsort((rank[places.partition[place]], self._dataset_rank[places.dataset[place]]))

    @cached_property
    def _dataset_rank(self) -> Ints:
        datasets = self._places.facts.datasets
        rank = np.zeros(len(datasets), np.int64)
        rank[sorted(range(len(datasets)), key=datasets.__getitem__)] = np.arange(len(datasets))
        return rank

    @cached_property
    def state(self) -> Ints:
        """By position in ``states``: the number of the state."""
        return np.where(self.states.tainted, 0, np.where(self.states.cleaned, 2, 1))

    def cells(self) -> Sequence[ReachedCell]:
        order = self._order
        return Made(len(order), lambda number: self._cell(int(order[number])))

    @cached_property
    def _reached_writes(self) -> tuple[Ints, Ints]:
        """The reached writes by place, and where those of each place begin."""
        reached = np.flatnonzero(self.spread.may.writes)
        reached = reached[ordered(self._places.write_place[reached])]
        return reached, np.searchsorted(self._places.write_place[reached], np.arange(len(self._places.dataset) + 1))

    def _at(self, place: int) -> Ints:
        reached, first = self._reached_writes
        return reached[first[place] : first[place + 1]]

    @cached_property
    def _wild_of(self) -> dict[int, Ints]:
        """Of each dataset the reached writes of ``*``, where it has partitions."""
        places = self._places
        found = np.flatnonzero(self.spread.may.writes & places.wild_writes)
        return {int(one): found[places.writes.dataset[found] == one] for one in np.unique(places.writes.dataset[found])}

    @cached_property
    def _by_dataset(self) -> dict[int, Ints]:
        """Of each dataset with reached writes of ``*`` all the others."""
        places = self._places
        found = np.flatnonzero(self.spread.may.writes & ~places.wild_writes)
        return {one: found[places.writes.dataset[found] == one] for one in self._wild_of}

    def _here(self, place: int) -> Ints:
        """The reached writes that overlap a place, in the order in which ``lineage.blast`` meets them."""
        places = self._places
        dataset = int(places.dataset[place])
        own, wild = self._at(place), self._wild_of.get(dataset)
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

    def _known_cell(self, place: int) -> Cell:
        places = self._places
        known = bool(np.any(places.writes.known[self._at(place)]))
        return Cell(self._dataset_of(place), places.facts.partitions[places.partition[place]], known)

    def _dataset_of(self, place: int) -> DatasetId:
        return self._places.facts.datasets[int(self._places.dataset[place])]

    def _cell(self, position: int) -> ReachedCell:
        places, history = self._places, self.history
        place = int(self.states.place[position])
        cell, here = self._known_cell(place), self._here(place)
        state = _STATES[self.state[position]]
        attempts = places.writes.attempt[here]
        nominal = [self.ledger.nominal(int(one)) for one in places.writes.attempt[self._at(place)]]
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
            path=self._path_of(position),
            reason=self._why(cell, place, here) if state == "SUSPECT" else None,
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
    def _cleansers(self) -> tuple[Ints, Ints]:
        """The writes that may clean, and where those of each place begin."""
        found = self.states.cleansing
        return found, np.searchsorted(self._places.write_place[found], np.arange(len(self._places.dataset) + 1))

    # --- explanations -----------------------------------------------------------------------------------------------------

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
        if self._wild_of:
            of_wild, of_any = np.full((2, len(places.facts.datasets)), len(order))
            np.minimum.at(of_any, places.writes.dataset[order], rank)
            wild = places.wild_writes[order]
            np.minimum.at(of_wild, places.writes.dataset[order[wild]], rank[wild])
            dataset = places.dataset[place]
            found = np.where(places.wild[place], of_any[dataset], np.minimum(found, of_wild[dataset]))
        least_of: Ints = order[found]
        return least_of

    def _path_of(self, position: int) -> tuple[Hop, ...]:
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
        return frozenset(self._number(at) for at in self.spread.seeds.writes)

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

    def _why(self, cell: Cell, place: int, here: Ints) -> str:
        """Why a place is only SUSPECT."""
        left = [int(one) for one in here if self._cleansed(place, int(one)) is None]
        at = next((one for one in left if self.spread.must.writes[one]), left[0])
        return why_cell_suspect(self.history, self.doubted, cell, self._write_at(at))

    @cached_property
    def doubted(self) -> _Doubted:
        """What was reached, for those who explain it."""
        must = self.spread.must
        at = self._places.writes
        writes = zip(at.attempt[must.writes].tolist(), at.number[must.writes].tolist(), strict=True)
        certain = frozenset(np.flatnonzero(must.attempts).tolist())
        return _Doubted(self.reasons, _Causes(self, self.spread.may), certain, frozenset(writes))

    def _write_at(self, write: int) -> WriteAt:
        return int(self._places.writes.attempt[write]), int(self._places.writes.number[write])

    def _number(self, at: WriteAt) -> int:
        return int(np.searchsorted(self._places.write_key, at[0] << 32 | at[1]))

    def cause(self, reached: Reached, attempt: int) -> Cause | None:
        if reached.through[attempt] < 0:
            return None
        read = int(reached.through[attempt])
        return Cause(
            self._write_at(int(reached.by_write[attempt])),
            self.ledger.attempts[attempt].reads[int(self._places.reads.number[read])],
        )

    # --- attempts ---------------------------------------------------------------------------------------------------------

    @cached_property
    def who(self) -> Ints:
        """The attempts reached: by distance, start, job, run and number."""
        places, spread, ledger = self._places, self.spread, self.ledger
        reached = spread.may.attempts.copy()
        reached[[at[0] for at in spread.seeds.writes]] = True
        found = np.flatnonzero(reached)
        rank = np.zeros(len(ledger.jobs), np.int64)
        rank[sorted(range(len(ledger.jobs)), key=ledger.jobs.__getitem__)] = np.arange(len(ledger.jobs))
        keys = (rank[ledger.job[found]], places.facts.start[found], np.maximum(spread.may.distance[found], 0))
        order = np.lexsort(keys)
        found = found[order]
        alike = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
        for first in np.flatnonzero(alike & ~np.concatenate(([False], alike[:-1]))) if len(alike) else ():
            last = first + 1
            while last <= len(alike) and alike[last - 1]:
                last += 1
            found[first:last] = sorted(found[first:last], key=ledger.key)
        return found

    def attempts(self) -> Sequence[ReachedAttempt]:
        who = self.who
        return Made(len(who), lambda number: self._attempt(int(who[number])))

    @cached_property
    def certain(self) -> Bools:
        """Of each attempt whether it was certainly reached."""
        found = self.spread.must.attempts.copy()
        found[self._places.writes.attempt[self.spread.must.writes]] = True
        return found

    def _attempt(self, index: int) -> ReachedAttempt:
        run_id, number = self.ledger.key(index)
        certain = bool(self.certain[index])
        return ReachedAttempt(
            run_id,
            number,
            self.ledger.jobs[self.ledger.job[index]],
            "TAINTED" if certain else "SUSPECT",
            int(self._places.facts.start[index]),
            int(self._places.facts.end[index]),
            max(int(self.spread.may.distance[index]), 0),
            None if certain else why_suspect(self.history, self.doubted, index),
        )

    # --- all of it in few words -------------------------------------------------------------------------------------------

    def overview(self) -> Overview:
        """Counts, and what there is of each dataset."""
        places, place = self._places, self.states.place
        counts = np.bincount(self.state, minlength=3)
        datasets = places.dataset[place]
        dirty = np.unique(datasets[self.state != 2])
        names = places.facts.datasets
        return Overview(
            attempts={"may": len(self.who), "must": int(self.certain[self.who].sum())},
            cells={"may": int(counts[0] + counts[1]), "must": int(counts[0]), "cleaned": int(counts[2])},
            datasets=tuple(sorted(names[one] for one in np.unique(datasets))),
            dirty=frozenset(names[one] for one in dirty),
            since=int(self.states.since.min()) if len(place) else None,
            teams=tuple(sorted({owner for one in np.unique(datasets) for owner in self.history.owned_by(names[one])})),
            by_dataset=self._reached_datasets,
        )

    def _reached_datasets(self) -> Iterator[ReachedDataset]:
        places = self._places
        order = self._order
        dataset = places.dataset[self.states.place[order]]
        changes = np.flatnonzero(dataset[1:] != dataset[:-1]) + 1
        for positions in np.split(order, changes) if len(order) else ():
            yield self._reached_dataset(positions)

    def _reached_dataset(self, positions: Ints) -> ReachedDataset:
        dataset = self._dataset_of(int(self.states.place[positions[0]]))
        steps = self._path_lengths[positions]
        earlier = [hop.cell.dataset for hop in self._path_of(int(positions[int(np.argmin(steps))]))[:-1]]
        others = [one for one in earlier if one != dataset]
        return ReachedDataset(
            dataset,
            self.history.serving(dataset),
            self.history.owned_by(dataset),
            int(steps.min()),
            others[-1] if others else None,
            lambda: tuple(self._groups(positions)),
        )

    @cached_property
    def _path_lengths(self) -> Ints:
        """By position in ``states``."""
        if self._origins:
            return np.array([len(self._chain(int(one), self._reached_by(at))) for at, one in enumerate(self._explaining)], np.int64)
        attempts = self._places.writes.attempt[self._explaining]
        return np.where(self.states.tainted, self.spread.must.distance[attempts], self.spread.may.distance[attempts]) + 1

    def _groups(self, positions: Ints) -> Iterator[StateGroup]:
        places = self._places
        for number, state in enumerate(_STATES):
            group = positions[self.state[positions] == number]
            if not len(group):
                continue
            group = group[np.argsort(self.states.since[group], kind="stable")]
            place = self.states.place[group]
            partitions = [places.facts.partitions[one] for one in places.partition[place]]
            reasons: dict[str, None] = {}
            if state == "SUSPECT":
                for one in place:
                    reasons[self._why(self._known_cell(int(one)), int(one), self._here(int(one)))] = None
            yield StateGroup(
                state,
                tuple(partitions),
                int(self.states.since[group[0]]),
                tuple(reasons),
                self._known_cell(int(place[-1])),
                None,
            )


def _by_time(one: Exposure) -> tuple[int, int]:
    return one.start, one.until or 0


@dataclass(frozen=True, slots=True)
class _Doubted:
    """As ``lineage.doubts`` asks for it; nothing here is narrowed to columns."""

    reasons: Mapping[int, str]
    causes: Mapping[int, Cause]
    must: frozenset[int]
    must_writes: frozenset[WriteAt]
    notes: Mapping[int, str] = field(default_factory=dict)
    write_notes: Mapping[WriteAt, str] = field(default_factory=dict)


class _Causes(Mapping[int, Cause]):
    """By attempt, what reached it."""

    def __init__(self, shown: Shown, reached: Reached) -> None:
        self._shown, self._reached = shown, reached

    def __getitem__(self, attempt: int) -> Cause:
        found = self._shown.cause(self._reached, attempt)
        if found is None:
            raise KeyError(attempt)
        return found

    def __iter__(self) -> Iterator[int]:
        return iter(np.flatnonzero(self._reached.through >= 0).tolist())

    def __len__(self) -> int:
        return int((self._reached.through >= 0).sum())
