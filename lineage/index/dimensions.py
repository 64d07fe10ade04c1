"""The dimension tables in memory: jobs, references, heads and shapes by their numbers, which never change their meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from lineage.datasets import DatasetId, JobId
from lineage.errors import PartitionError
from lineage.events import DatasetRef
from lineage.index import partition_text
from lineage.index.batch import Batch, Dated, Head
from lineage.index.slots import Slot
from lineage.partitions import parse_partition

NOTHING = DatasetRef(DatasetId("", ""))
"""Stands for references that a question is not about."""

DatedKeys = tuple[str, ...]
Dates = tuple[tuple[int, DatedKeys, bool], ...]


@dataclass(slots=True)
class _Taken:
    """The numbers here of the references and heads of batches that share theirs."""

    heads: list[Head]
    ref_numbers: list[int] = field(default_factory=list)
    head_numbers: list[int] = field(default_factory=list)
    shape_numbers: list[int] = field(default_factory=list)
    dated: int = 0
    """How many of their notes were taken."""


@dataclass(slots=True)
class Dimensions:
    """What repeats, told once. Grows only, but for ``attempts``: how many rows have each shape now."""

    jobs: list[JobId] = field(default_factory=list)
    datasets: list[DatasetId] = field(default_factory=list)
    refs: list[DatasetRef] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    dated: set[tuple[DatasetId, str, bool]] = field(default_factory=set)
    """Under which keys partitions of a dataset, as events name them, have their dates; whether one certainly is of that dataset."""
    versioned: set[DatasetId] = field(default_factory=set)
    """Datasets of which an event named a version."""
    widths: list[int] = field(default_factory=list)
    """How many references each head has."""
    _jobs: dict[JobId, int] = field(default_factory=dict, repr=False)
    _datasets: dict[DatasetId, int] = field(default_factory=dict, repr=False)
    _refs: dict[DatasetRef, int] = field(default_factory=dict, repr=False)
    _heads: dict[Head, int] = field(default_factory=dict, repr=False)
    _shapes: dict[tuple[int, ...], int] = field(default_factory=dict, repr=False)
    _told_by: dict[int, tuple[int, ...]] = field(default_factory=dict, repr=False)
    _taken: list[_Taken] = field(default_factory=list, repr=False)
    _seen: set[tuple[int, Dates | DatedKeys]] = field(default_factory=set, repr=False)

    def job(self, job: JobId) -> int:
        found = self._jobs.get(job)
        if found is None:
            found = self._jobs[job] = len(self.jobs)
            self.jobs.append(job)
        return found

    def dataset(self, dataset: DatasetId) -> int:
        found = self._datasets.get(dataset)
        if found is None:
            found = self._datasets[dataset] = len(self.datasets)
            self.datasets.append(dataset)
        return found

    def number(self, dataset: DatasetId) -> int | None:
        """The number of a dataset by that very name; None where there is none."""
        return self._datasets.get(dataset)

    def ref(self, reference: DatasetRef) -> int:
        found = self._refs.get(reference)
        if found is None:
            found = self._refs[reference] = len(self.refs)
            self.refs.append(reference)
            self.dataset(reference.dataset)
        return found

    def head(self, head: Head) -> int:
        """The number of a head whose references have the numbers of these dimensions."""
        found = self._heads.get(head)
        if found is None:
            found = self._heads[head] = len(self.heads)
            self.heads.append(head)
            self.widths.append(len(head.inputs) + len(head.outputs))
            if head.job is not None:
                self.job(head.job)
        return found

    def shape(self, heads: tuple[int, ...]) -> int:
        found = self._shapes.get(heads)
        if found is None:
            found = self._shapes[heads] = len(self.shapes)
            self.shapes.append(heads)
            self.attempts.append(0)
        return found

    def jobs_of(self, shape: int) -> tuple[int, ...]:
        """The jobs that told of an attempt of this shape; the first is the attempt's own."""
        found = self._told_by.get(shape)
        if found is None:
            told = (self.heads[head].job for head in self.shapes[shape])
            found = self._told_by[shape] = tuple(dict.fromkeys(self.job(job) for job in told if job is not None))
        return found

    def take(self, batch: Batch) -> tuple[list[int], list[int]]:
        """The numbers here of a batch's heads and shapes. Of batches that follow one another, only what is new is looked at."""
        found = next((one for one in self._taken if one.heads is batch.heads), None)
        if found is None:
            found = _Taken(batch.heads)
            self._taken = [found, *self._taken[:3]]
        numbers = found.ref_numbers
        numbers += [self.ref(one) for one in batch.refs[len(numbers) :]]
        found.head_numbers += [
            self.head(
                one._replace(
                    inputs=tuple([numbers[ref] for ref in one.inputs]), outputs=tuple([numbers[ref] for ref in one.outputs])
                )
            )
            for one in batch.heads[len(found.head_numbers) :]
        ]
        heads = found.head_numbers
        found.shape_numbers += [
            self.shape(tuple([heads[one] for one in all_of_it])) for all_of_it in batch.shapes[len(found.shape_numbers) :]
        ]
        for note in batch.dated[found.dated :]:
            self._date(note._replace(reference=numbers[note.reference]))
        found.dated = len(batch.dated)
        return heads, found.shape_numbers

    def _date(self, told: Dated) -> None:
        reference = self.refs[told.reference]
        if told.versioned:
            self.versioned.add(reference.dataset)
        self.dated.update((reference.dataset, key, told.sure and not reference.suffixed) for key in told.keys)

    def note_dates(self, head: int, slots: tuple[Slot, ...], partition_key: str | None) -> None:
        """Note down under which keys the partitions that an event names have their dates, and which datasets have versions."""
        if slots and (what := (head, _dates(slots))) not in self._seen:
            self._note(*what)
        if partition_key is not None and (key := (head, dated_keys(partition_key))) not in self._seen:
            self._note_key(*key)

    def _note(self, head: int, dates: Dates) -> None:
        self._seen.add((head, dates))
        told = self.heads[head].inputs + self.heads[head].outputs
        for position, keys, versioned in dates:
            self._date(Dated(told[position], keys, sure=True, versioned=versioned))  # a name's end may give way to a run's key

    def _note_key(self, head: int, keys: DatedKeys) -> None:
        """A key takes the place of a name's end, if it is a partition."""
        self._seen.add((head, keys))
        for number in self.heads[head].outputs:
            self._date(Dated(number, keys, sure=False, versioned=False))


@lru_cache(maxsize=1 << 16)
def _dates(slots: tuple[Slot, ...]) -> Dates:
    """Of each slot its position, the keys of its dates, and whether it names a version: what few of them differ in."""
    return tuple(
        (
            position,
            tuple(dict.fromkeys(key for text in partitions for key in partition_text.read(text).dated_keys)),
            version is not None,
        )
        for position, partitions, version in slots
    )


@lru_cache(maxsize=1 << 16)
def dated_keys(text: str) -> DatedKeys:
    """The keys under which a run's own partition key has dates; none where it is no partition."""
    try:
        return parse_partition(text).dated_keys
    except PartitionError:
        return ()
