"""The order of a backfill's runs: each after those that make what it reads, in waves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from lineage.attempts import Cell, Read
from lineage.datasets import DatasetId, JobId
from lineage.declarations import Declarations
from lineage.partition_index import PartitionIndex
from lineage.periods import Grain
from runbooks.backfill_runs import RunNode
from runbooks.makers import Making


class CyclicJobs(ValueError):
    """Jobs that each need what the other makes, as far as lineage says."""

    def __init__(self, jobs: Sequence[str]) -> None:
        self.jobs = tuple(jobs)
        self.message = f"These jobs each read what the other makes, so there is no order to run them in: {', '.join(self.jobs)}"
        self.hint = "declare which partitions they read with [[edge]] window in incident.toml, or backfill one of them by hand"
        super().__init__(self.message)


def waves(nodes: Sequence[RunNode], declarations: Declarations) -> list[list[RunNode]]:
    """The runs in waves; those of one wave need nothing of each other. Raises CyclicJobs."""
    _connect(nodes, declarations)
    sorter: TopologicalSorter[RunNode] = TopologicalSorter({node: node.waits for node in nodes})
    try:
        sorter.prepare()
    except CycleError as error:
        raise CyclicJobs(sorted({str(node.job) for node in error.args[1]})) from None
    found: list[list[RunNode]] = []
    while sorter.is_active():
        ready = sorter.get_ready()
        found.append(sorted(ready, key=lambda node: (node.order, node.job, str(node.partition))))
        sorter.done(*ready)
    return found


def _connect(nodes: Sequence[RunNode], declarations: Declarations) -> None:
    """Say of each run what it waits for."""
    by_dataset: dict[DatasetId, PartitionIndex[tuple[Cell, RunNode]]] = defaultdict(PartitionIndex)
    by_job: dict[JobId, list[RunNode]] = defaultdict(list)
    for node in nodes:
        by_job[node.job].append(node)
        for cell in node.cells:
            by_dataset[cell.dataset].add(cell.partition, (cell, node))
    for node in nodes:
        for read in node.reads:
            if read.cell.dataset not in by_dataset:
                continue
            for _, (cell, maker) in by_dataset[read.cell.dataset].overlapping(read.cell.partition):
                if maker is not node and maker not in node.waits and _waits(node, read, cell, maker, declarations):
                    node.waits.add(maker)
    for job, runs in by_job.items():
        if _reads_itself(job, runs, declarations):
            runs.sort(key=lambda node: node.order)
            for before, after in pairwise(runs):
                after.waits.add(before)
    _by_several(nodes)


def _waits(node: RunNode, read: Read, cell: Cell, maker: RunNode, declarations: Declarations) -> bool:
    """Whether a run that reads this has to wait for the run that makes this cell, which overlaps it."""
    if read.cell == cell and cell.partition:
        return True
    # Of its own output a run that names no one partition can only have read what was made before it.
    if maker.job == node.job and maker.order >= node.order:
        return False
    if read.cell.partition or not cell.partition:
        return True
    edge = declarations.edge(node.job, read.cell.dataset)
    output, source = node.dated.partition.period if node.dated is not None else None, cell.partition.period
    if edge is None or edge.window is None or node.dated is None or output is None or source is None:
        return True
    if source.grain is Grain.INSTANT:
        return True
    made_in, read_in = declarations.zone(node.dated.dataset), declarations.zone(cell.dataset)
    inputs = edge.window.backward(output, source.grain, made_in=made_in, read_in=read_in)
    return inputs is None or source in inputs


def _reads_itself(job: JobId, runs: Sequence[RunNode], declarations: Declarations) -> bool:
    """True when runs of the job read what other runs of it make. Reading the very cell it writes (a merge) is not that."""
    own = {cell.dataset for node in runs for cell in node.cells}
    if any((edge := declarations.edge(job, dataset)) is not None and edge.until == "latest" for dataset in own):
        return True
    if any(not cell.partition for node in runs for cell in node.cells) and len(runs) > 1:
        return True
    return any(read.cell.dataset in own and read.cell not in node.cells for node in runs for read in node.reads)


def _by_several(nodes: Sequence[RunNode]) -> None:
    """Jobs that make one cell together run in the order in which they last did."""
    by_cell: dict[Cell, list[tuple[Making, RunNode]]] = defaultdict(list)
    for node in nodes:
        for making in node.makings:
            by_cell[making.cell].append((making, node))
    for makings in by_cell.values():
        ordered = sorted(makings, key=lambda pair: (pair[0].attempt.start, pair[0].attempt.end, pair[0].attempt.key))
        for (_, before), (_, after) in pairwise(ordered):
            if before is not after and before.job != after.job:
                after.waits.add(before)
