"""The dimension tables in memory: jobs, references, heads and shapes by their numbers, which never change their meaning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from lineage.datasets import DatasetId, JobId
from lineage.errors import PartitionError
from lineage.events import DatasetRef
from lineage.index import partition_text
from lineage.index.batch import Batch, Head, Slot
from lineage.partitions import parse_partition

DatedKeys = tuple[str, ...]


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
    _seen: set[tuple[int, int, tuple[str, ...]]] = field(default_factory=set, repr=False)

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

    def take(self, batch: Batch) -> list[int]:
        """The numbers here of a batch's heads."""
        refs = [self.ref(one) for one in batch.refs]
        return [
            self.head(
                one._replace(
                    inputs=tuple(refs[number] for number in one.inputs), outputs=tuple(refs[number] for number in one.outputs)
                )
            )
            for one in batch.heads
        ]

    def note_dates(self, head: int, slots: Sequence[Slot], partition_key: str | None) -> None:
        """Note down under which keys the partitions that an event names have their dates."""
        for position, partitions, version in slots:
            if version is not None:
                one = self.heads[head]
                self.versioned.add(self.refs[(one.inputs + one.outputs)[position]].dataset)
            if partitions and (head, position, partitions) not in self._seen:
                self._note((head, position, partitions))
        if partition_key is not None and (head, -1, (partition_key,)) not in self._seen:
            self._note((head, -1, (partition_key,)))

    def _note(self, what: tuple[int, int, tuple[str, ...]]) -> None:
        head, position, partitions = what
        if len(self._seen) >= 1 << 18:
            self._seen.clear()
        self._seen.add(what)
        one = self.heads[head]
        if position < 0:
            numbers: Iterable[int] = one.outputs
            keys = _dated_key(partitions[0])
        else:
            numbers = (one.inputs + one.outputs)[position : position + 1]
            keys = tuple({key for text in partitions for key in partition_text.read(text).dated_keys})
        for number in numbers:
            sure = position >= 0 and not self.refs[number].suffixed  # a key takes the place of a name's end, if it is a partition
            self.dated.update((self.refs[number].dataset, key, sure) for key in keys)


@lru_cache(maxsize=1 << 16)
def _dated_key(text: str) -> DatedKeys:
    try:
        return parse_partition(text).dated_keys
    except PartitionError:
        return ()
