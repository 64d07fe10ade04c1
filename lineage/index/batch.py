"""Events as columns: what a decoder hands to the index. Plain lists, so that a process can hand a batch to another.

What repeats is told once: references (``ref``) and heads; a row an event holds its time, its head, its run, and what differs from
run to run. A run's beginning and end, where a decoder saw both, are one row of ``pairs``, with what was told between them.
Reading events into a batch and out of it again gives the same events, less ``notes`` and ``spelled``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from lineage.datasets import JobId
from lineage.events import DatasetRef, Event, EventType
from lineage.index import partition_text
from lineage.index.slots import Slot

if TYPE_CHECKING:
    import pyarrow as pa

KINDS: Final[tuple[EventType, ...]] = ("OTHER", "START", "RUNNING", "COMPLETE", "ABORT", "FAIL")
"""Types of events by their number, which is also their order within one moment."""

KIND: Final[dict[EventType, int]] = {name: number for number, name in enumerate(KINDS)}
TERMINAL: Final = KIND["COMPLETE"]
"""This number and those above end an attempt."""

NOMINAL, KEYED, CODED = 1, 2, 4
"""Flags of a head: which of nominal time, partition key and code version its events tell."""


class Head(NamedTuple):
    """What repeats of an event; ``inputs`` and ``outputs`` are numbers of references."""

    kind: int
    job: JobId | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    owners: tuple[str, ...]
    flags: int


class Extra(NamedTuple):
    """What differs from run to run."""

    slots: tuple[Slot, ...] = ()
    nominal: tuple[int, int] | None = None
    partition_key: str | None = None
    code_version: str | None = None


_extra = tuple.__new__
"""Makes a named tuple at a third of the cost: half of all events have one."""


class Dated(NamedTuple):
    """That partitions of a reference (its number) were named with dates under these keys; see ``Dimensions.dated``."""

    reference: int
    keys: tuple[str, ...]
    sure: bool
    versioned: bool


Pair = tuple[str, int, int, int, tuple[int, int] | None, str | None, str | None, str | None, str | None, tuple[int, ...] | None]
"""An attempt as nearly all are told: a beginning and a later end, and some events between them, that do not disagree. Its run,
start and end, the number of its heads, and what the columns ``nominal_*``, ``partition_key``, ``code_version``, ``slots``,
``partitions`` and ``times`` of attempts have."""


@dataclass(slots=True)
class Batch:
    """Some events. ``refs``, ``heads`` and ``shapes`` by their numbers in this batch; the four columns have one entry an event.

    ``pairs``: the attempts that a decoder saw whole (``schema.pairs_batch``); ``dated``: what is to be noted of their references.
    """

    refs: list[DatasetRef] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    dated: list[Dated] = field(default_factory=list)
    pairs: pa.RecordBatch | None = None
    time: list[int] = field(default_factory=list)
    head: list[int] = field(default_factory=list)
    run: list[str | None] = field(default_factory=list)
    extra: list[Extra | None] = field(default_factory=list)
    _refs: dict[DatasetRef, int] = field(default_factory=dict, repr=False)
    _heads: dict[tuple[int, JobId | None, tuple[int, ...], tuple[int, ...], tuple[str, ...], int], int] = field(
        default_factory=dict, repr=False
    )

    def __len__(self) -> int:
        """How many events it holds."""
        if self.pairs is None:
            return len(self.time)
        times = self.pairs["times"]  # of those that are more than two
        return len(self.time) + 2 * int(times.null_count) + len(times.flatten())

    def following(self) -> Batch:
        """An empty batch whose numbers go on from here: those of references and heads so far mean the same in both."""
        return Batch(self.refs, self.heads, self.shapes, self.dated, _refs=self._refs, _heads=self._heads)

    def ref(self, constant: DatasetRef) -> int:
        """The number of a reference that names no partitions, spelling or version; the rest of it is as the event says."""
        found = self._refs.get(constant)
        if found is None:
            found = self._refs[constant] = len(self.refs)
            self.refs.append(constant)
        return found

    def add(
        self,
        time: int,
        kind: int,
        run_id: str | None,
        job: JobId | None,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        slots: tuple[Slot, ...] = (),
        nominal: tuple[int, int] | None = None,
        partition_key: str | None = None,
        code_version: str | None = None,
        owners: tuple[str, ...] = (),
    ) -> None:
        """One event; the arguments are those of ``Event``."""
        flags = flags_of(nominal, partition_key, code_version)
        self.time.append(time)
        self.head.append(self.numbered((kind, job, inputs, outputs, owners, flags)))
        self.run.append(run_id)
        self.extra.append(_extra(Extra, (slots, nominal, partition_key, code_version)) if flags or slots else None)

    def numbered(self, head: tuple[int, JobId | None, tuple[int, ...], tuple[int, ...], tuple[str, ...], int]) -> int:
        """The number of a head, told as a plain tuple: equal to the head that it is, and cheaper to make."""
        found = self._heads.get(head)
        if found is None:
            found = self._heads[head] = len(self.heads)
            self.heads.append(Head(*head))
        return found

    def event(self, made: Event) -> None:
        """One event as the tolerant path makes it."""
        slots: list[Slot] = []
        numbers = []
        for position, reference in enumerate((*made.inputs, *made.outputs)):
            constant = reference
            if reference.partitions or reference.spelled or reference.version is not None:
                if reference.partitions or reference.version is not None:
                    slots.append((position, tuple(map(partition_text.written, reference.partitions)), reference.version))
                constant = replace(reference, partitions=(), spelled=(), version=None)
            numbers.append(self.ref(constant))
        split = len(made.inputs)
        self.add(
            made.time,
            KIND[made.type],
            made.run_id,
            made.job,
            tuple(numbers[:split]),
            tuple(numbers[split:]),
            tuple(slots),
            made.nominal,
            made.partition_key,
            made.code_version,
            made.owners,
        )


def flags_of(nominal: object | None, partition_key: str | None, code_version: str | None) -> int:
    """The flags of the head of an event that tells these."""
    return (nominal is not None) | (partition_key is not None) << 1 | (code_version is not None) << 2


def references(refs: Sequence[DatasetRef], numbers: Sequence[int], slots: Sequence[Slot], first: int = 0) -> Iterator[DatasetRef]:
    """The references of these numbers, with what their slots say; ``first``: the position of the first."""
    said = {position: (partitions, version) for position, partitions, version in slots}
    for position, number in enumerate(numbers, first):
        constant = refs[number]
        if position in said:
            partitions, version = said[position]
            yield replace(constant, partitions=tuple(map(partition_text.read, partitions)), version=version)
        else:
            yield constant


def event_of(refs: Sequence[DatasetRef], head: Head, time: int, run_id: str | None, extra: Extra | None) -> Event:
    """The event that was added."""
    told = extra or Extra()
    return Event(
        time,
        KINDS[head.kind],
        run_id,
        head.job,
        tuple(references(refs, head.inputs, told.slots)),
        tuple(references(refs, head.outputs, told.slots, len(head.inputs))),
        told.nominal,
        told.partition_key,
        told.code_version,
        owners=head.owners,
    )
