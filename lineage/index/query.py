"""What a fault reached, by an index: the attempts that can matter are read, and judged by the engine that judges all.

Which can matter (design §5). The fault's error can only be in what the dependency graph reaches from it, taken over everything
that events ever told: D. A cell of D is judged by who writes it, so the attempts needed are those of every job that reads or
writes in D.

*When.* Let T be the least start of the reached writes of one dataset. may-see needs a reader that ends at or after the write's
start, so at or after T − ε. A cleansing write counts only if it begins after a reached write's end; a write that stands against
must-see, or against TAINTED, only if it ends at or after a reached write's start − ε. All of these end at or after T − ε: of the
jobs that touch the dataset, days before are never read. T is known only when the answer is, so the question is asked again, of more
days of those jobs, as long as what was reached began before those read: a run that never ended may have written at any time since.

*But for* what names a version: that shows its ancestry whatever the clocks say, and which versions there are decides how they
compare; views, which are judged by all that they were ever made from; and dates without a key, which take the key that all others
have. Where those come up, the jobs concerned are read from the beginning.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lineage.arrays.facts import NotPlain
from lineage.arrays.ledger import moved, numbers_of
from lineage.attempts import Attempt, Cell
from lineage.blast import blast, judge, radius_of
from lineage.blast_radius import BlastRadius
from lineage.cadence import Past
from lineage.datasets import DatasetId, JobId
from lineage.declarations import Declarations
from lineage.effects import Effect, as_attempts
from lineage.errors import FaultError, NothingChosen
from lineage.fault import (
    Fault,
    Fix,
    choose,
    clock_range,
    job_among,
    named_dataset,
)
from lineage.graph import Tagged
from lineage.history import History, in_order
from lineage.index.choosing import Choosing, rows_of_any_job
from lineage.index.dimensions import Dimensions
from lineage.index.manifest import as_skipped
from lineage.index.narrowing import narrowed
from lineage.index.needed import Needed
from lineage.index.reach import Reach
from lineage.index.reader import Index, Span
from lineage.index.rows import Row
from lineage.index.schema import jobs_in
from lineage.index.told import Teller
from lineage.partitions import BARE, Partition, overlap
from lineage.timestamps import AFTER, BEFORE, SECOND
from lineage.widening import dated_keys, missing_lineage, one_spelling

if TYPE_CHECKING:
    import pyarrow as pa

_MARGIN = 6 * 3600 * SECOND
"""How long before the fault is read from the first: runs that began before it and read its data are common."""


class _Unclear(Exception):
    """Jobs of which every attempt must be read to know how dates are spelled."""

    def __init__(self, jobs: set[JobId]) -> None:
        self.jobs = jobs


@dataclass
class Query:
    """Questions to one generation of an index, by the declarations and our own effects of one moment."""

    index: Index
    declarations: Declarations
    effects: tuple[Effect, ...] = ()
    ended: Mapping[str, int] = field(default_factory=dict)
    narrow: Dimensions | None = None
    """What the question is about, where that is less than everything."""

    @cached_property
    def known(self) -> Dimensions:
        return self.index.dimensions if self.narrow is None else self.narrow

    @cached_property
    def teller(self) -> Teller:
        return Teller(self.known, self.declarations, self.ended, self.latest)

    @cached_property
    def latest(self) -> int:
        """The last moment at which any attempt began or ended (ns UTC)."""
        parts = (part for _, part in self.index.manifest.parts())
        return max((moment for one in parts for moment in (one.last_start, one.last_end) if moment is not None), default=0)

    @cached_property
    def reach(self) -> Reach:
        return Reach(self.teller)

    # --- histories -----------------------------------------------------------------------------------------------------------

    def whole(self) -> History:
        """Everything, as reading the sources would make it."""
        made = missing_lineage(self.teller.attempts(self.index.rows(None), widen=False), self.declarations)
        return self._history(one_spelling(self.teller.gathering.seen_through(made)))

    def makers(self) -> list[Attempt]:
        """All attempts, whenever they were, that wrote something of the cells that we changed ourselves, and what we did."""
        try:
            return self._makers()
        except NotPlain:
            parts = self._changed()
            told = self.whole().attempts
            return [one for one in told if one.kind != "run" or any(_within(write.cell, parts) for write in one.writes)]

    def _changed(self) -> dict[DatasetId, set[Partition]]:
        """What we changed ourselves."""
        find = self.teller.gathering.identities.find
        parts: dict[DatasetId, set[Partition]] = defaultdict(set)
        for one in self.effects:
            parts[find(one.cell.dataset)].add(one.cell.partition)
        return parts

    def _makers(self) -> list[Attempt]:
        from lineage.index.ledger import gathered, ledger

        find = self.teller.gathering.identities.find
        ours = as_attempts(self.effects, self.teller.gathering.identities)
        parts = self._changed()
        jobs = self.reach.together(job for one in parts for job in self.reach.writers.get(one, ()))
        gathering = self.teller.gathering
        touched = {find(one) for job in jobs for one in (*gathering.reads.get(job, ()), *gathering.writes.get(job, ()))}
        if self.teller.unsure or gathering.views or self.reach.in_doubt({*parts, *touched}):
            raise NotPlain("not told by the makers alone")
        tables = self.index.tables([Span(frozenset(self.teller.numbers(jobs)), None)]) if jobs else []
        if not sum(one.num_rows for one in tables):
            return list(in_order(ours))
        known = ledger(self.teller, gathered(tables), ours)
        writes, datasets, partitions = known.facts.writes, known.facts.datasets, known.facts.partitions
        places = writes.dataset.astype(np.int64) * len(partitions) + writes.partition
        found, inverse = np.unique(places, return_inverse=True)
        here = np.array(
            [_within(Cell(datasets[one // len(partitions)], partitions[one % len(partitions)]), parts) for one in found]
        )
        chosen = np.union1d(writes.attempt[here.astype(bool)[inverse]], known.ours)
        return known.several(chosen.tolist())

    def _part(self, rows: Iterable[Row], complete: set[JobId]) -> History:
        """Some attempts, as they are in the whole history. ``complete``: jobs of which these are all. Raises _Unclear."""
        made = self.teller.gathering.seen_through(self.teller.attempts(rows, widen=True))
        return replace(self._history(one_spelling(made, self._keys(made, complete))), past=self.past)

    def _history(self, made: list[Attempt]) -> History:
        attempts = [*made, *as_attempts(self.effects, self.teller.gathering.identities)]
        return replace(self._bare, attempts=in_order(attempts))

    def past(self, jobs: Collection[JobId]) -> Past:
        """The last attempts of some jobs, as ``lineage.cadence`` takes them from all."""
        numbers = {self.known.job(job) for job in jobs}
        recent = self.index.recent(numbers)
        parts = self.index.manifest.parts()
        ends = [end for one in self.effects for end in (one.start, one.end)]
        if self.ended:
            ends += [self.teller.bounds(row)[1] for row in self.index.rows_of_runs(self.ended.keys())]
        nominal = [part.last_nominal for _, part in parts if part.last_nominal is not None]
        known = [moment for moment in (self.latest, *ends) if BEFORE < moment < AFTER]
        return Past(lambda job: recent(self.known.job(job)), max(known, default=0), max(nominal, default=0))

    def _keys(self, made: list[Attempt], complete: set[JobId]) -> dict[DatasetId, set[str]]:
        """Under which keys the dates of the datasets stand in the whole history, where that decides anything."""
        open_to_doubt = {one for one, (_, possible) in self.reach.keys.items() if BARE in possible and len(possible) > 1}
        if not open_to_doubt:
            return {}
        here = dated_keys(made, open_to_doubt)
        keys: dict[DatasetId, set[str]] = {}
        unclear: set[JobId] = set()
        for dataset, seen in here.items():
            certain, possible = self.reach.keys.get(dataset, (set(), set()))
            least, most = seen | certain, seen | possible
            if BARE not in seen or len(least) > 2 or least == most:  # only what is written without a key is spelled anew
                keys[dataset] = least
                continue
            touching = self.reach.touching({dataset})
            if not touching <= complete:
                unclear |= touching
            keys[dataset] = seen
        if unclear:
            raise _Unclear(unclear)
        return keys

    # --- asking --------------------------------------------------------------------------------------------------------------

    def blast(self, fault: Fault, fix: Fix | None = None, *, narrow: bool = False) -> tuple[History, BlastRadius]:
        """What the fault reached, with the attempts that decide it. Raises FaultError as the whole history would.

        ``narrow``: the history need not name jobs and datasets that the fault cannot reach.
        """
        if not fault.columns:
            chosen = self._named(fault)
            asked = self._about(chosen) if narrow else None
            if (found := (asked or self).decided(chosen, fix)) is not None:
                history, radius = found  # by its job's whole name; told as it was asked
                return history, replace(radius, fault={**radius.fault, **fault.to_json()})
        whole = self.whole()
        return whole, blast(whole, fault, fix)

    def decided(self, fault: Fault, fix: Fix | None) -> tuple[History, BlastRadius] | None:
        """What the fault reached, by the attempts that decide it; None where only the whole history tells."""
        if self.teller.unsure:
            return None
        choosing = Choosing(fault, self.index, self.teller, self.reach, self._bare)
        try:
            starts = choosing.starts()
            return None if starts is None else self._blast(choosing, fix, starts)
        except FaultError as error:
            if fault.cells:
                raise
            choosing.refuse(error if isinstance(error, NothingChosen) else None, fix)
        return None

    def _named(self, fault: Fault) -> Fault:
        """The fault with its job's whole name. Raises FaultError, AmbiguousJob."""
        if not fault.job or fault.cells:
            return fault
        return replace(fault, job=str(job_among(jobs_in(self.index.dimension_tables), fault.job)))

    def _about(self, fault: Fault) -> Query | None:
        """The same knowing only what the fault can be about; None where that is all, or cannot be told by names."""
        datasets = {one.cell.dataset for one in self.effects}
        datasets |= {named_dataset(text.rpartition("@")[0]) for text in fault.cells}
        jobs = set() if fault.job and not fault.runs else {row.job for row in rows_of_any_job(self.index, fault)}
        if fault.job:
            jobs |= {number for number, job in enumerate(jobs_in(self.index.dimension_tables)) if str(job) == fault.job}
        if not jobs and not (datasets and fault.cells):
            return None
        found = narrowed(self.index.dimension_tables, jobs, datasets)
        return None if found is None else replace(self, narrow=found)

    def _blast(self, choosing: Choosing, fix: Fix | None, starts: set[Tagged]) -> tuple[History, BlastRadius]:
        try:
            return self._by_columns(choosing, fix, starts)
        except NotPlain:
            return self._by_attempts(choosing, fix, starts)

    def _by_columns(self, choosing: Choosing, fix: Fix | None, starts: set[Tagged]) -> tuple[History, BlastRadius]:
        """By ``lineage.arrays``. Raises NotPlain for what that does not cover."""
        from lineage.arrays import blast as columns
        from lineage.index.ledger import gathered, give_back, ledger

        dropped = self._dropped()
        jobs, datasets = self.reach.downstream({*starts, *(("dataset", one) for _, one in dropped)})
        if self.reach.from_the_beginning(jobs, datasets) or self.reach.in_doubt(datasets):
            raise NotPlain("not told by the attempts alone")
        fault, skew = choosing.fault, self.declarations.skew
        candidates: Sequence[Attempt] | None = None
        first = min((start for start, _ in dropped), default=AFTER)
        if fault.job and fault.since and not fault.runs:  # whom it chooses is read with all others
            first = min(first, clock_range(fault)[0])
        else:
            candidates = in_order(self.teller.attempts(choosing.rows(), widen=True))
            seeds = choose(replace(self._bare, attempts=candidates), fault, fix)
            begun = {*seeds.must, *seeds.may, *(at for at, _ in seeds.writes)}
            first = min((first, *(candidates[index].start for index in begun)))
        ours = as_attempts(self.effects, self.teller.gathering.identities)
        needed = Needed(self.reach, skew)
        needed.want(jobs, first - _MARGIN)
        tables: list[pa.Table] = []
        while True:
            while steps := needed.unread():
                found_now = self.index.tables(steps)
                tables += found_now
                if steps[0].since is not None and steps[0].until is None:
                    needed.want_before(found_now, steps[0].since)
            tables = [gathered(tables)]
            told = ledger(self.teller, tables[0], ours, datasets)
            if candidates is None:
                chosen = told.of({JobId(*one) for kind, one in starts if kind == "job"})
                seeds = choose(replace(self._bare, attempts=told.several(chosen)), fault, fix)
            else:
                chosen = numbers_of(candidates, told)
            within = np.array([one in datasets for one in told.facts.datasets], bool)
            found = columns.judge(told, moved(seeds, chosen), skew, within)
            give_back()
            for dataset, since in columns.since(found).items():
                needed.want_touching({dataset}, since)
            if needed.enough:
                history = replace(self._bare, attempts=told.attempts, past=self.past)
                radius, reached = columns.radius_of(history, told, fault, found)
                return replace(history, attempts=told.only(reached)), radius

    def _dropped(self) -> list[tuple[int, DatasetId]]:
        """Since when data of which datasets was absent by our own doing."""
        find = self.teller.gathering.identities.find
        return [(one.start, find(one.cell.dataset)) for one in self.effects if one.leaves == "nothing"]

    def _by_attempts(self, choosing: Choosing, fix: Fix | None, starts: set[Tagged]) -> tuple[History, BlastRadius]:
        fault, seeds = choosing.fault, choosing.rows()
        dropped = self._dropped()
        jobs, datasets = self.reach.downstream({*starts, *(("dataset", one) for _, one in dropped)})
        first = min((start for start, _ in dropped), default=AFTER)
        first = min(first, self._first(fault, fix, seeds) if fault.cells else choosing.earliest(seeds))
        needed = Needed(self.reach, self.declarations.skew)
        needed.want(jobs, first - _MARGIN)
        needed.want(self.reach.from_the_beginning(jobs, datasets), BEFORE)
        found = {(row.run, row.number): row for row in seeds}
        while True:
            while steps := needed.unread():
                for one in steps:
                    for row in self.index.rows(one.jobs, since=one.since, until=one.until):
                        found[row.run, row.number] = row
            try:
                history = self._part(found.values(), needed.complete)
            except _Unclear as unclear:
                needed.want(unclear.jobs, BEFORE)
                continue
            judged = judge(history, fault, fix)
            for dataset, since_reached in judged.since().items():
                needed.want_touching({dataset}, since_reached)
            if needed.enough:
                return history, radius_of(history, fault, judged)

    def _first(self, fault: Fault, fix: Fix | None, rows: list[Row]) -> int:
        """About when the first of the fault's attempts began; whether it was early enough shows when the answer is there."""
        history = self._history(self.teller.attempts(rows, widen=True))
        try:
            seeds = choose(history, fault, fix)
        except FaultError:
            return AFTER  # who reads the cells through a view shows once its makers were read
        chosen = {*seeds.must, *seeds.may, *(at for at, _ in seeds.writes)}
        return min((history.attempts[index].start for index in chosen), default=AFTER)

    # --- the fault -----------------------------------------------------------------------------------------------------------

    @cached_property
    def _bare(self) -> History:
        """All that is known but the attempts."""
        manifest = self.index.manifest
        return self.teller.gathering.history([], as_skipped(manifest.problems), manifest.events)


def _within(cell: Cell, parts: Mapping[DatasetId, Collection[Partition]]) -> bool:
    """Whether a cell overlaps one of these."""
    return any(overlap(cell.partition, one) for one in parts.get(cell.dataset, ()))
