"""What nobody said, widened: missing inputs and outputs, views, and dates written without their key. Pure; adds, never removes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace

from lineage.attempts import Attempt, Cell, Mode, Read, Write
from lineage.datasets import DatasetId, JobId
from lineage.declarations import Declarations
from lineage.partitions import BARE, Partition
from lineage.timestamps import BEFORE


def missing_lineage(attempts: list[Attempt], declarations: Declarations) -> list[Attempt]:
    """Attempts that lack inputs or outputs which others of their job had read or write those datasets at ``*``.

    Never known, so that it neither convicts nor cleanses.
    """
    reads: dict[JobId, set[DatasetId]] = defaultdict(set)
    writes: dict[JobId, set[DatasetId]] = defaultdict(set)
    for one in attempts:
        reads[one.job].update(read.cell.dataset for read in one.reads)
        writes[one.job].update(write.cell.dataset for write in one.writes)
    return [widened(one, reads[one.job], writes[one.job], declarations) for one in attempts]


def widened(one: Attempt, reads: Collection[DatasetId], writes: Collection[DatasetId], declarations: Declarations) -> Attempt:
    """An attempt with what it did not report, though its job reads and writes it."""
    unread = set(reads) - {read.cell.dataset for read in one.reads}
    unmade = set(writes) - {write.cell.dataset for write in one.writes}
    more_reads = tuple(
        Read(Cell(dataset), "inferred", f"reported no input {dataset}, which its job reads")
        for dataset in sorted(unread)
        if not _declared_unread(one.job, dataset, declarations)
    )
    more_writes = tuple(
        Write(Cell(dataset), Mode.UNKNOWN, "inferred", f"reported no output {dataset}, which its job writes")
        for dataset in sorted(unmade)
    )
    return replace(one, reads=one.reads + more_reads, writes=one.writes + more_writes)


def _declared_unread(job: JobId, dataset: DatasetId, declarations: Declarations) -> bool:
    edge = declarations.edge(job, dataset)
    return edge is not None and edge.window is not None and edge.window.kind == "none"


def through_views(attempts: list[Attempt], views: frozenset[DatasetId], lagging: frozenset[DatasetId]) -> list[Attempt]:
    """Who reads a view reads what the view is made from, at the time of reading.

    A ``lagging`` one shows it as of any moment since it was last made, for it refreshes itself and nobody reports when.
    """
    if not views:
        return attempts
    below: dict[DatasetId, set[Cell]] = defaultdict(set)
    made: dict[DatasetId, list[Attempt]] = defaultdict(list)
    for one in attempts:
        for write in one.writes:
            if write.cell.dataset in views:
                below[write.cell.dataset].update(read.cell for read in one.reads)
                if one.state == "COMPLETE" and write.mode is Mode.OVERWRITE:
                    made[write.cell.dataset].append(one)
    result = []
    for one in attempts:
        waiting = [read.cell.dataset for read in one.reads if read.cell.dataset in views]
        visited = set(waiting)
        through: dict[Cell, DatasetId] = {}
        while waiting:
            view = waiting.pop()
            for cell in sorted(below[view] - through.keys(), key=lambda one: (str(one), one.known)):
                through[cell] = view
                if cell.dataset in views and cell.dataset not in visited:
                    visited.add(cell.dataset)
                    waiting.append(cell.dataset)
        slow = visited & lagging
        since = [max((run.start for run in made[view] if run.end <= one.start), default=BEFORE) for view in slow]
        words = f", as of a refresh of {min(slow)} that nobody reports" if slow else ""
        direct = frozenset() if slow else {read.cell for read in one.reads}
        more = tuple(
            Read(cell, "inferred", f"reads the view {view}{words}", at=(min(since), one.end) if slow else None)
            for cell, view in through.items()
            if cell not in direct
        )
        result.append(replace(one, reads=one.reads + more) if more else one)
    return result


def dated_keys(attempts: list[Attempt], datasets: Collection[DatasetId] | None = None) -> dict[DatasetId, set[str]]:
    """Under which keys the dates of each dataset stand, or of these."""
    keys: dict[DatasetId, set[str]] = defaultdict(set)
    seen: set[int] = set()
    for one in attempts:
        for cell in (*(read.cell for read in one.reads), *(write.cell for write in one.writes)):
            if id(cell) not in seen:  # many attempts share one
                seen.add(id(cell))
                if datasets is None or cell.dataset in datasets:
                    keys[cell.dataset].update(cell.partition.dated_keys)
    return keys


def one_spelling(attempts: list[Attempt], keys: Mapping[DatasetId, Collection[str]] | None = None) -> list[Attempt]:
    """Within a dataset whose dates all stand under one key, a date without a key is that key's.

    ``keys``: under which keys the dates of each dataset stand, where these are not all attempts.
    """
    keys = dated_keys(attempts) if keys is None else keys
    rename = {dataset: max(found) for dataset, found in keys.items() if BARE in found and len(found) == 2}
    if not rename:
        return attempts

    def spelled(cell: Cell) -> Cell:
        key = rename.get(cell.dataset)
        if key is None or BARE not in cell.partition.dated_keys or cell.partition.get(key) is not None:
            return cell
        items = sorted((key if name == BARE else name, value) for name, value in cell.partition.items)
        return replace(cell, partition=Partition(tuple(items)))

    return [
        replace(
            one,
            reads=tuple(replace(read, cell=spelled(read.cell)) for read in one.reads),
            writes=tuple(replace(write, cell=spelled(write.cell)) for write in one.writes),
        )
        for one in attempts
    ]
