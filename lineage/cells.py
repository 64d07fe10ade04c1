"""Which cells an attempt read and wrote, and how.

The partition is decided by the first that applies: the event's subset, the producer's own partition key (outputs only: a consumer's
key is not its input's), the suffix of the dataset's name, a version, a declared window (inputs), the nominal time for outputs
declared so; else ``*``. An input is never assumed to be the nominal day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lineage.attempts import MERGED, Attempt, Cell, How, Mode, Read, Write
from lineage.datasets import DatasetId, Identities
from lineage.declarations import Declarations, EdgeRule
from lineage.errors import PartitionError
from lineage.events import FULL_REFRESH, REPLACED_BATCH, DatasetRef
from lineage.layouts import Layout
from lineage.partitions import BARE, Partition, parse_partition, partition
from lineage.periods import Grain, Period, floor
from lineage.timestamps import to_datetime
from lineage.zones import Zone

_WEAKEST = (Mode.MERGE, Mode.APPEND, Mode.OVERWRITE)
"""Where two reports of one attempt disagree, the one that claims less is believed."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Resolves what events name into cells. ``tables``: datasets that their producer says are unpartitioned."""

    declarations: Declarations
    identities: Identities
    tables: frozenset[DatasetId]

    def resolve(
        self, attempt: Attempt, inputs: Sequence[tuple[DatasetRef, ...]], outputs: Sequence[tuple[DatasetRef, ...]]
    ) -> Attempt:
        """The attempt with its reads and writes; ``inputs`` and ``outputs`` as each of its events names them."""
        writes: dict[tuple[DatasetId, Partition], Write] = {}
        refreshed: dict[tuple[DatasetId, Partition], Mode] = {}
        for reference, dataset in self._naming(outputs):
            mode = self.mode(reference, dataset)
            for cell, how in self.written(reference, dataset, attempt):
                now, before = Write(cell, mode, how, version=reference.version), writes.get((dataset, cell.partition))
                writes[dataset, cell.partition] = now if before is None else _together(before, now)
                if reference.strategy == FULL_REFRESH:
                    refreshed[dataset, cell.partition] = mode
        made = tuple(replace(write, mode=refreshed.get(key, write.mode)) for key, write in writes.items())
        reads = [read for reference, dataset in self._naming(inputs) for read in self.read(reference, dataset, attempt, made)]
        reads += [Read(write.cell, write.how, MERGED) for write in made if write.mode is Mode.MERGE]
        return replace(attempt, reads=tuple(dict.fromkeys(reads)), writes=made)

    def unpartitioned(self, dataset: DatasetId) -> bool:
        """By configuration, or by the producer's word."""
        declared = self.declarations.dataset(dataset).partition
        return declared is False or (declared is None and dataset in self.tables)

    def _naming(self, told: Sequence[tuple[DatasetRef, ...]]) -> list[tuple[DatasetRef, DatasetId]]:
        """References with their datasets, less those that name no partition where only another event of the attempt does.

        One event that names a dataset both with a partition and without means both.
        """
        found = [
            (reference, self.identities.find(reference.dataset), number) for number, one in enumerate(told) for reference in one
        ]
        named = {dataset for reference, dataset, _ in found if reference.partitions}
        both = {(dataset, number) for reference, dataset, number in found if reference.partitions}
        return [
            (reference, dataset)
            for reference, dataset, number in found
            if reference.partitions or dataset not in named or (dataset, number) in both
        ]

    def _layout(self, dataset: DatasetId) -> Layout | None:
        declared = self.declarations.dataset(dataset).partition
        return declared if isinstance(declared, Layout) else None

    def named(self, dataset: DatasetId, partitions: Iterable[Partition]) -> list[Cell]:
        """The cells that somebody names; all of the dataset where its time zone leaves open which partition is meant."""
        layout = self._layout(dataset)

        def cell(found: Partition) -> Cell:
            try:
                return Cell(dataset, layout.said(found) if layout is not None else found, known=True)
            except PartitionError:
                return Cell(dataset)

        return [cell(one) for one in partitions]

    def written(self, reference: DatasetRef, dataset: DatasetId, attempt: Attempt) -> list[tuple[Cell, How]]:
        """The cells of a dataset that an attempt writes by one reference; of the attempt only its job, times and key matter."""
        rule, layout = self.declarations.dataset(dataset), self._layout(dataset)
        keyed = attempt.partition_key is not None and not self.unpartitioned(dataset)
        if reference.partitions and not (reference.suffixed and keyed and _is_partition(attempt.partition_key or "")):
            return [(cell, "observed") for cell in self.named(dataset, reference.partitions)]
        if self.unpartitioned(dataset):
            return [(Cell(dataset, known=True), "observed" if rule.partition is None else "declared")]
        try:
            if attempt.partition_key is not None:
                return [(cell, "observed") for cell in self.named(dataset, [parse_partition(attempt.partition_key)])]
            if rule.nominal and attempt.nominal is not None and layout is not None:
                return [(Cell(dataset, layout.at(to_datetime(attempt.nominal[0])), known=True), "declared")]
        except PartitionError:
            pass  # a key that is no partition leaves the partition unknown
        return [(Cell(dataset), "observed")]

    def mode(self, reference: DatasetRef, dataset: DatasetId) -> Mode:
        if reference.lifecycle in {"DROP", "TRUNCATE"}:
            return Mode.DROP
        declared = self.declarations.dataset(dataset).write
        if declared is not None:
            return Mode(declared)
        match reference.materialized:
            case "table" | "seed" | "view" | "materialized_view":
                return Mode.OVERWRITE
            case "incremental" if reference.strategy == REPLACED_BATCH:
                return Mode.OVERWRITE
            case "incremental":
                return Mode.APPEND if reference.strategy == "append" else Mode.MERGE
            case "snapshot":
                return Mode.MERGE
            case _:
                # Copy-on-write says overwrite for a row and for a table alike; only an append is what it says.
                return Mode.APPEND if reference.operation == "append" else Mode.UNKNOWN

    def read(self, reference: DatasetRef, dataset: DatasetId, attempt: Attempt, writes: tuple[Write, ...]) -> list[Read]:
        """The cells of a dataset that an attempt reads by one reference; ``writes``: what it writes, which windows go by."""
        if reference.inferred:
            return [Read(Cell(dataset), "inferred", reference.inferred)]
        version = reference.version
        if reference.partitions:
            cells = self.named(dataset, reference.partitions)
            unclear = f"names a partition of {dataset} by a time that is no certain one of its partitions"
            return [Read(cell, version=version, reason="" if cell.known else unclear) for cell in cells]
        if self.unpartitioned(dataset):
            return [Read(Cell(dataset, known=True), version=version)]
        if version is not None:
            return [Read(Cell(dataset), version=version, reason=f"read version {version}, and does not say which partitions")]
        edge = self.declarations.edge(attempt.job, dataset)
        if edge is None:
            return [Read(Cell(dataset), reason=f"does not say which partitions of {dataset} it read")]
        return self._windowed(edge, dataset, attempt, writes)

    def _windowed(self, edge: EdgeRule, dataset: DatasetId, attempt: Attempt, writes: tuple[Write, ...]) -> list[Read]:
        """The cells that a declared window names; ``*`` where it cannot be worked out."""
        if edge.window is None:
            return [Read(Cell(dataset), "declared", reason=f"is declared to read all earlier partitions of {dataset}")]
        anchors = self._anchors(attempt, writes)
        if anchors is None:
            return [Read(Cell(dataset), reason=f"reads {edge.window} of {dataset}, relative to a partition that is not known")]
        layout = self._layout(dataset)
        read_in = layout.zone if layout is not None else None
        found: list[Read] = []
        for period, made_in in anchors:
            try:
                grain = layout.grain if layout is not None and layout.grain is not None else period.grain
                inputs = edge.window.backward(period, grain, made_in=made_in, read_in=read_in)
                if inputs is None:
                    return [Read(Cell(dataset), "declared", reason=f"is declared to read all partitions of {dataset}")]
                found += [Read(Cell(dataset, _of(layout, one), known=True), "declared") for one in inputs]
            except (PartitionError, OverflowError) as error:
                return [Read(Cell(dataset), reason=f"reads {edge.window} of {dataset}, which cannot be worked out: {error}")]
        return found

    def _anchors(self, attempt: Attempt, writes: tuple[Write, ...]) -> list[tuple[Period, Zone]] | None:
        """The periods that a window is relative to, with their time zones: those written; the nominal day where only unpartitioned
        data is written.
        """
        cells = [write.cell for write in writes if not self.unpartitioned(write.cell.dataset)]
        if cells:
            dated = [(cell.partition.period, self.declarations.zone(cell.dataset)) for cell in cells]
            known = [(period, zone) for period, zone in dated if period is not None]
            return known if len(known) == len(dated) else None
        if writes and attempt.nominal is not None:
            return [(floor(to_datetime(attempt.nominal[0]), Grain.DAY), None)]
        return None


def _of(layout: Layout | None, period: Period) -> Partition:
    return layout.of(period) if layout is not None else partition({BARE: str(period)})


def _together(before: Write, now: Write) -> Write:
    """One write that two events of an attempt tell of."""
    versions = {one.version for one in (before, now)} - {None}
    told = before if now.mode is Mode.UNKNOWN else now
    if {before.mode, now.mode} <= set(_WEAKEST):
        told = min(before, now, key=lambda one: _WEAKEST.index(one.mode))
    return replace(told, version=versions.pop() if len(versions) == 1 else None)  # two commits are no one version


def _is_partition(key: str) -> bool:
    try:
        return bool(parse_partition(key))
    except PartitionError:
        return False
