"""From a history and a fault to the blast radius: states, since, exposure, explanations, and what we cannot know."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lineage.attempts import Cell, How, Mode
from lineage.blast_radius import BlastRadius, Exposure, Hop, Reached, ReachedAttempt, ReachedCell
from lineage.datasets import DatasetId, JobId
from lineage.doubts import unknown, why_cell_suspect, why_suspect
from lineage.fault import Fault, Fix, Seeds, choose
from lineage.graph import DependencyGraph
from lineage.history import History
from lineage.partition_index import PartitionIndex
from lineage.partitions import same
from lineage.sweep import Sweep
from lineage.taint import Cause, Taint, WriteAt, spread
from lineage.timestamps import AFTER

if TYPE_CHECKING:  # few faults are narrowed to columns
    from lineage.column_flow import ColumnFlow
    from lineage.columns import Columns


@dataclass(frozen=True, slots=True)
class Judged:
    """Which attempts and writes of a history a fault reached."""

    seeds: Seeds
    sweep: Sweep
    taint: Taint
    flow: ColumnFlow | None

    def since(self) -> dict[DatasetId, int]:
        """Of each dataset when the first write began that was reached."""
        found: dict[DatasetId, int] = {}
        for index, number in self.taint.may_writes:
            one = self.sweep.attempts[index]
            dataset = one.writes[number].cell.dataset
            found[dataset] = min(one.start, found.get(dataset, AFTER))
        return found


def blast(history: History, fault: Fault, fix: Fix | None = None) -> BlastRadius:
    """The blast radius of a fault. Raises FaultError when the fault chooses nothing."""
    return radius_of(history, fault, judge(history, fault, fix))


def judge(history: History, fault: Fault, fix: Fix | None = None) -> Judged:
    """What a fault reached. Raises FaultError when the fault chooses nothing."""
    seeds = choose(history, fault, fix)
    sweep = Sweep(history)
    flow = None
    if fault.columns:
        from lineage.column_flow import ColumnFlow
        from lineage.column_taint import narrow, spread_by_columns
        from lineage.columns import ColumnLineage

        flow = ColumnFlow(history.columns or ColumnLineage(), history.attempts, history.identities.find)
        seeds, starts = narrow(sweep, seeds, fault.columns, flow)
        taint = spread_by_columns(sweep, seeds, starts, flow)
    else:
        taint = spread(sweep, seeds)
    return Judged(seeds, sweep, taint, flow)


def radius_of(history: History, fault: Fault, judged: Judged) -> BlastRadius:
    """What a fault reached, as its blast radius."""
    seeds, sweep, taint, flow = judged.seeds, judged.sweep, judged.taint, judged.flow
    graph = DependencyGraph(history)
    cells = _Cells(history, sweep, taint).reached()
    certain = taint.must | {at[0] for at in taint.must_writes}
    reached = taint.may | {at[0] for at in seeds.writes}
    attempts = tuple(
        sorted(
            (_attempt(history, taint, index, certain=index in certain) for index in reached),
            key=lambda one: (one.distance, one.start, one.job, one.run_id, one.number),
        )
    )
    dirty = {reached.cell.dataset for reached in cells if reached.state != "CLEANED"}
    readers = ((job, dataset) for dataset in dirty for job in graph.readers(dataset))
    at_risk = {job for job, dataset in readers if flow is None or _uses(history, flow, job, dataset, cells)}
    return BlastRadius(
        fault=echo(fault, seeds),
        attempts=attempts,
        cells=cells,
        gaps=tuple(unknown(history, seeds, taint)),
        at_risk=tuple(sorted(at_risk - _jobs(history, reached))),
        static_datasets=static(graph, seeds, _jobs(history, seeds.must | seeds.may.keys())),
    )


def static(graph: DependencyGraph, seeds: Seeds, jobs: set[JobId]) -> int:
    """How many datasets static lineage would call reached; ``jobs``: those of the seeds that are attempts."""
    return len(graph.downstream_datasets(() if seeds.datasets else {*seeds.jobs, *jobs}, seeds.datasets))


def _uses(history: History, flow: ColumnFlow, job: JobId, dataset: DatasetId, cells: tuple[ReachedCell, ...]) -> bool:
    """Whether a job, as it last ran, takes the dirty columns of a dataset anywhere."""
    from lineage.columns import ALL, NONE, fold, united

    columns: Columns = NONE
    for one in cells:
        if one.cell.dataset == dataset and one.state != "CLEANED":
            columns = united(columns, ALL if one.columns is None else frozenset(map(fold, one.columns)))
    ran = (one for one in reversed(history.attempts) if one.job == job and dataset in {read.cell.dataset for read in one.reads})
    last = next((one for one in ran if one.state == "COMPLETE"), None)
    if last is None or not last.writes:
        return True
    return any(flow.carry(last, write.cell.dataset, dataset, columns).possible for write in last.writes)


def _jobs(history: History, attempts: Iterable[int]) -> set[JobId]:
    """The jobs of attempts, and others that reported under their run ids."""
    return {job for index in attempts for job in (history.attempts[index].job, *history.attempts[index].aliases)}


def echo(fault: Fault, seeds: Seeds) -> dict[str, Any]:
    """The choice of a fault, in words and numbers."""
    certain = len(seeds.must) + len({at[0] for at, sure in seeds.writes.items() if sure} - seeds.must)
    return {
        **fault.to_json(),
        "words": seeds.words,
        "matched": seeds.count,
        "suspect": seeds.count - certain,
        "jobs": [str(job) for job in seeds.jobs],
    }


def _attempt(history: History, taint: Taint, index: int, *, certain: bool) -> ReachedAttempt:
    one = history.attempts[index]
    return ReachedAttempt(
        run_id=one.run_id,
        number=one.number,
        job=one.job,
        state="TAINTED" if certain else "SUSPECT",
        start=one.start,
        end=one.end,
        distance=taint.distances.get(index, 0),
        reason=None if certain else why_suspect(history, taint, index),
    )


class _Cells:
    """The states of the cells that may-tainted writes wrote."""

    def __init__(self, history: History, sweep: Sweep, taint: Taint) -> None:
        self.history, self.sweep, self.taint = history, sweep, taint
        self.skew = history.declarations.skew
        self.tainted: dict[DatasetId, PartitionIndex[list[WriteAt]]] = defaultdict(PartitionIndex)
        for at in sorted(taint.may_writes):
            cell = self._cell(at)
            self.tainted[cell.dataset].at(cell.partition, list).append(at)

    def reached(self) -> tuple[ReachedCell, ...]:
        found = []
        for dataset, tainted in self.tainted.items():
            for part, writes in tainted.pairs():
                cells = [self._cell(at) for at in writes]
                found.append(self._reached(next((cell for cell in cells if cell.known), Cell(dataset, part)), tainted))
        return tuple(sorted(found, key=lambda one: (one.cell.dataset, str(one.cell.partition))))

    def _cell(self, at: WriteAt) -> Cell:
        return self.sweep.attempts[at[0]].writes[at[1]].cell

    def _reached(self, cell: Cell, tainted: PartitionIndex[list[WriteAt]]) -> ReachedCell:
        here = [at for _, writes in tainted.overlapping(cell.partition) for at in writes]
        attempts = [self.sweep.attempts[at[0]] for at in here]
        first = min(here, key=lambda at: (self.taint.distances.get(at[0], 0), self.sweep.attempts[at[0]].start, at))
        state = self._state(cell, here)
        runs = [one for one in attempts if one.kind == "run"]
        exact = [self.sweep.attempts[at[0]] for at in here if self._cell(at).partition == cell.partition]
        nominal = [one.nominal for one in exact if one.nominal is not None]
        return ReachedCell(
            cell=cell,
            state=state,
            since=min(one.start for one in attempts),
            exposure=tuple(sorted({self._exposure(cell, at) for at in here}, key=lambda one: (one.start, one.until or 0))),
            serving=self.history.serving(cell.dataset),
            owners=self.history.owned_by(cell.dataset),
            path=self._certain_path(cell, here)
            if state == "TAINTED"
            else self._path(first, self.taint.causes, self.taint.write_causes),
            reason=self._why(cell, here) if state == "SUSPECT" else None,
            writers=tuple(sorted({one.job for one in runs})),
            open_writer=any(one.state == "OPEN" and one.end == AFTER for one in runs),
            nominal=max(nominal) if nominal else None,
            columns=self._columns(here),
        )

    def _columns(self, here: list[WriteAt]) -> tuple[str, ...] | None:
        found = [self.taint.columns.get(at) for at in here]
        return None if None in found else tuple(sorted({name for names in found for name in names or ()}))

    def _state(self, cell: Cell, here: list[WriteAt]) -> Reached:
        if any(self._certainly_bad(cell, at) for at in here):
            return "TAINTED"
        return "CLEANED" if all(self._cleansed(cell, at) is not None for at in here) else "SUSPECT"

    def _certainly_bad(self, cell: Cell, at: WriteAt) -> bool:
        """A must-tainted COMPLETE write of exactly this cell, that nobody may have written over."""
        writer, write = self.sweep.attempts[at[0]], self.sweep.attempts[at[0]].writes[at[1]]
        if at not in self.taint.must_writes or writer.state != "COMPLETE" or not write.cell.known or not cell.known:
            return False
        if not same(write.cell.partition, cell.partition):
            return False
        return not any(
            one.attempt != at[0] and one.write.mode is not Mode.APPEND
            for one in self.sweep.meeting(cell, writer.start - self.skew, AFTER)
        )

    def _cleansed(self, cell: Cell, at: WriteAt) -> int | None:
        """When the first clean cleansing write after this one began to hold over what both share; None when there is none."""
        writer, write = self.sweep.attempts[at[0]], self.sweep.attempts[at[0]].writes[at[1]]
        ends = [
            one.end
            for cleansing in self.sweep.cleansing_both(cell, write.cell)
            for one in cleansing[bisect_left(cleansing, writer.end + self.skew, key=lambda entry: entry.start) :]
            if one.attempt != at[0] and not self._tainted(one.attempt, one.write.cell)
        ]
        return min(ends, default=None)

    def _tainted(self, attempt: int, cell: Cell) -> bool:
        numbers = (number for number, write in enumerate(self.sweep.attempts[attempt].writes) if write.cell == cell)
        return any((attempt, number) in self.taint.may_writes for number in numbers)

    def _exposure(self, cell: Cell, at: WriteAt) -> Exposure:
        return Exposure(self.sweep.attempts[at[0]].start, self._cleansed(cell, at))

    def _why(self, cell: Cell, here: list[WriteAt]) -> str:
        """Why the cell is only SUSPECT."""
        open_writes = [at for at in here if self._cleansed(cell, at) is None]
        at = next((one for one in open_writes if one in self.taint.must_writes), open_writes[0])
        return why_cell_suspect(self.history, self.taint, cell, at)

    def _certain_path(self, cell: Cell, here: list[WriteAt]) -> tuple[Hop, ...]:
        """The shortest chain of certain hops."""
        bad = [at for at in here if self._certainly_bad(cell, at)]
        return min((self._path(at, self.taint.convictions, self.taint.write_convictions) for at in bad), key=len)

    def _path(self, at: WriteAt, causes: Mapping[int, Cause], by_write: Mapping[WriteAt, Cause]) -> tuple[Hop, ...]:
        """The shortest chain of attempts from a seed to this write."""
        hops: list[Hop] = []
        seen: set[WriteAt] = set()
        while at not in seen:
            seen.add(at)
            writer = self.sweep.attempts[at[0]]
            write = writer.writes[at[1]]
            cause = None if at in self.taint.origins else by_write.get(at) or causes.get(at[0])
            how: How = _weakest(write.how, cause.read.how if cause is not None else "observed")
            hops.append(Hop(writer.run_id, writer.number, writer.job, write.cell, how))
            if cause is None:
                break
            at = cause.write
        return tuple(reversed(hops))


def _weakest(left: How, right: How) -> How:
    order: tuple[How, ...] = ("observed", "declared", "inferred")
    return max(left, right, key=order.index)
