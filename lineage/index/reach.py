"""Which jobs can matter to a fault, by all that was ever told of jobs and datasets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache

from lineage.attempts import Mode
from lineage.datasets import DatasetId, JobId
from lineage.errors import PartitionError
from lineage.graph import Tagged, reachable
from lineage.index.batch import NOMINAL
from lineage.index.told import Teller
from lineage.layouts import Layout
from lineage.partitions import BARE


@dataclass
class Reach:
    """What the dependency graph and the dimension tables tell, before any attempt is read."""

    teller: Teller

    # --- jobs ----------------------------------------------------------------------------------------------------------------

    @cached_property
    def _groups(self) -> dict[JobId, frozenset[JobId]]:
        """Jobs that reported under one run id: an attempt of them reads and writes what any of them does."""
        known = self.teller.known
        groups: dict[JobId, frozenset[JobId]] = {}
        for shape in known.shapes:
            if len(shape) > 1:
                jobs = {job for head in shape if (job := known.heads[head].job) is not None}
                if len(jobs) > 1:
                    whole = frozenset(jobs).union(*(groups.get(job, ()) for job in jobs))
                    groups |= dict.fromkeys(whole, whole)
        return groups

    def together(self, jobs: Iterable[JobId]) -> set[JobId]:
        """The jobs with those that reported under one run id with them."""
        return {one for job in jobs for one in self._groups.get(job, (job,))}

    @cached_property
    def readers(self) -> dict[DatasetId, set[JobId]]:
        """Who reads each dataset; a merge reads what it writes, and who reads a view what that is made from."""
        find, found = self.teller.gathering.identities.find, defaultdict(set)
        for job, datasets in self.teller.gathering.reads.items():
            for dataset in datasets:
                found[find(dataset)].add(job)
        for job, dataset in self._merging():
            found[dataset].add(job)
        self._through_views(found)
        return found

    def _through_views(self, readers: dict[DatasetId, set[JobId]]) -> None:
        """Who reads a view reads what it is made from."""
        find, gathering = self.teller.gathering.identities.find, self.teller.gathering
        waiting = set(map(find, gathering.views))
        views = frozenset(waiting)
        while waiting:
            view = waiting.pop()
            for job in self.writers.get(view, ()):
                for below in map(find, gathering.reads.get(job, ())):
                    if not readers[view] <= readers[below]:
                        readers[below] |= readers[view]
                        waiting |= {below} & views

    @cached_property
    def writers(self) -> dict[DatasetId, set[JobId]]:
        find, found = self.teller.gathering.identities.find, defaultdict(set)
        for job, datasets in self.teller.gathering.writes.items():
            for dataset in datasets:
                found[find(dataset)].add(job)
        return found

    def touching(self, datasets: Iterable[DatasetId]) -> set[JobId]:
        """The jobs whose attempts may read or write one of these."""
        return self.together(job for one in datasets for job in (*self.readers.get(one, ()), *self.writers.get(one, ())))

    def _merging(self) -> Iterator[tuple[JobId, DatasetId]]:
        known, find = self.teller.known, self.teller.gathering.identities.find
        declared = any(rule.write == "merge" for rule in self.teller.declarations.datasets)
        if not declared and not any(one.materialized for one in known.refs):
            return
        for head in known.heads:
            for number in head.outputs if head.job is not None else ():
                dataset = find(known.refs[number].dataset)
                if head.job is not None and self.teller.mode(known.refs[number], dataset) is Mode.MERGE:
                    yield head.job, dataset

    # --- what the fault can reach ----------------------------------------------------------------------------------------------

    def downstream(self, starts: Iterable[Tagged]) -> tuple[set[JobId], set[DatasetId]]:
        """The jobs whose attempts decide what the fault reached, and the datasets that it can have reached."""
        reached = reachable(self._edges(), starts)
        datasets = {name for kind, name in reached if kind == "dataset"}
        jobs = {name for kind, name in reached if kind == "job"}
        found = {DatasetId(*one) for one in datasets}
        return self.together(JobId(*one) for one in jobs) | self.touching(found), found

    def _edges(self) -> Iterator[tuple[Tagged, Tagged]]:
        for dataset, jobs in self.readers.items():
            yield from ((("dataset", dataset), ("job", job)) for job in jobs)
        for dataset, jobs in self.writers.items():
            yield from ((("job", job), ("dataset", dataset)) for job in jobs)
        for group in set(self._groups.values()):
            first, *rest = sorted(group)
            for other in rest:
                yield from ((("job", first), ("job", other)), (("job", other), ("job", first)))

    # --- what is judged by all that ever was ---------------------------------------------------------------------------------

    def from_the_beginning(self, jobs: Iterable[JobId], datasets: Iterable[DatasetId]) -> set[JobId]:
        """The jobs of which every attempt counts, whenever it was: those of versioned data, and those that make views."""
        find = self.teller.gathering.identities.find
        versioned = set(map(find, self.teller.known.versioned))
        found = self.touching(set(datasets) & versioned)
        views = set(map(find, self.teller.gathering.views))
        if not views:
            return found
        waiting = {*jobs, *found}
        asked: set[JobId] = set()
        while waiting:
            asked |= waiting
            read = {view for view in views if self.readers.get(view, set()) & waiting}
            makers = self.together(job for one in read for job in self.writers.get(one, ()))
            found |= makers
            waiting = makers - asked
        return found

    def undated(self, jobs: set[JobId]) -> bool:
        """Whether attempts of these jobs may tell no nominal time."""
        known = self.teller.known
        return any(
            attempts
            and not any(known.heads[head].flags & NOMINAL for head in shape)
            and any(known.heads[head].job in jobs for head in shape)
            for shape, attempts in zip(known.shapes, known.attempts, strict=True)
        )

    @cached_property
    def keys(self) -> dict[DatasetId, tuple[set[str], set[str]]]:
        """Under which keys the dates of each dataset stand: certainly, and at most."""
        return self._keys({*self.readers, *self.writers})

    def in_doubt(self, datasets: Collection[DatasetId]) -> bool:
        """Whether dates of one of these may stand under a key here and under none there, so that all there are decide."""
        return any(BARE in possible and len(possible) > 1 for _, possible in self._keys(datasets).values())

    def _keys(self, datasets: Collection[DatasetId]) -> dict[DatasetId, tuple[set[str], set[str]]]:
        found: dict[DatasetId, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
        find, declared = self.teller.gathering.identities.find, self.teller.declarations
        for name, key, sure in self.teller.known.dated:
            dataset = find(name)
            if dataset not in datasets:
                continue
            layout = declared.dataset(dataset).partition
            certain, possible = found[dataset]
            possible.add(key)
            if sure and layout is None:
                certain.add(key)
        for dataset in datasets:
            layout = declared.dataset(dataset).partition
            if isinstance(layout, Layout):
                found[dataset][1].update(_layout_keys(layout))
            elif any(fnmatchcase(str(dataset), edge.reads.rstrip("/")) for edge in declared.edges):
                found[dataset][1].add(BARE)
        return found


_MOMENTS = tuple(datetime(year, month, day, hour, tzinfo=UTC) for year, month, day, hour in ((2024, 2, 29, 0), (2026, 11, 18, 13)))


@lru_cache(maxsize=1024)
def _layout_keys(layout: Layout) -> set[str]:
    """Under which keys the layout itself puts dates."""
    found: set[str] = set()
    for moment in _MOMENTS:
        try:
            found.update(layout.at(moment).dated_keys)
        except PartitionError:  # it names no date alone, and so never says a partition in its own words
            return set()
    return found
