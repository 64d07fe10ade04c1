"""Attempts from the rows of an index: by the resolver, with what all others tell, so that they are those of the whole history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lineage.attempts import Attempt, Mode, Read, State, Write
from lineage.cells import Cells
from lineage.datasets import DatasetId, JobId
from lineage.declarations import Declarations
from lineage.events import FULL_REFRESH, DatasetRef
from lineage.history import Gathering
from lineage.index.batch import references
from lineage.index.dimensions import Dimensions
from lineage.index.rows import Row, bounds, slots_of, times_of
from lineage.layouts import Layout
from lineage.widening import widened

_STATES: dict[str, State] = {"C": "COMPLETE", "F": "FAIL", "A": "ABORT", "O": "OPEN"}


@dataclass(frozen=True, slots=True)
class _Shape:
    """What all attempts of a shape have in common. ``nominal``: their cells depend on their nominal times."""

    job: JobId
    aliases: tuple[JobId, ...]
    heads: tuple[int, ...]
    nominal: bool
    keyed: bool


@dataclass
class Teller:
    """Makes attempts of rows. Everything that is not in a row itself comes from the dimension tables."""

    known: Dimensions
    declarations: Declarations
    ended: Mapping[str, int]
    _shapes: dict[int, _Shape] = field(default_factory=dict)
    _memo: dict[object, tuple[tuple[Read, ...], tuple[Write, ...]]] = field(default_factory=dict)

    @cached_property
    def gathering(self) -> Gathering:
        """What all events say of datasets and jobs."""
        found = Gathering(self.declarations)
        for reference in self.known.refs:
            found.learn(reference)
        refs = [one.dataset for one in self.known.refs]
        for head in self.known.heads:
            if head.job is None:
                continue
            found.reads[head.job].update(refs[number] for number in head.inputs)
            found.writes[head.job].update(refs[number] for number in head.outputs)
            for number in (*head.inputs, *head.outputs):
                found.said_by[head.job, refs[number]].add("openlineage")
            if head.owners:
                found.job_owners[head.job].update(head.owners)
        return found

    @cached_property
    def cells(self) -> Cells:
        return self.gathering.cells()

    @cached_property
    def usual(self) -> tuple[dict[JobId, set[DatasetId]], dict[JobId, set[DatasetId]]]:
        """Which datasets the attempts of each job read and write, by all that there are now."""
        reads: dict[JobId, set[DatasetId]] = defaultdict(set)
        writes: dict[JobId, set[DatasetId]] = defaultdict(set)
        find = self.gathering.identities.find
        for shape, attempts in zip(self.known.shapes, self.known.attempts, strict=True):
            job = self.known.heads[shape[0]].job
            if not attempts or job is None:
                continue
            for number in shape:
                head = self.known.heads[number]
                reads[job].update(find(self.known.refs[one].dataset) for one in head.inputs)
                for one in head.outputs:
                    dataset = find(self.known.refs[one].dataset)
                    writes[job].add(dataset)
                    if self.mode(self.known.refs[one], dataset) is Mode.MERGE:
                        reads[job].add(dataset)
        return reads, writes

    @cached_property
    def unsure(self) -> bool:
        """Whether only the attempts themselves tell which of them merge: a dataset that one both merges into and drops."""
        find = self.gathering.identities.find
        if not any(one.lifecycle in {"DROP", "TRUNCATE"} or one.strategy == FULL_REFRESH for one in self.known.refs):
            return False
        for shape in self.known.shapes:
            modes: dict[DatasetId, set[Mode]] = defaultdict(set)
            for one in (number for head in shape for number in self.known.heads[head].outputs):
                reference = self.known.refs[one]
                modes[find(reference.dataset)].add(self.mode(reference, find(reference.dataset)))
                if reference.strategy == FULL_REFRESH:
                    return True
            if any({Mode.MERGE, Mode.DROP} <= found for found in modes.values()):
                return True
        return False

    def mode(self, reference: DatasetRef, dataset: DatasetId) -> Mode:
        """What a write by this reference does."""
        return self.cells.mode(reference, dataset)

    def attempts(self, rows: Iterable[Row], *, widen: bool) -> list[Attempt]:
        """The attempts of these rows; ``widen``: with what they did not report. Views and dates without a key are left alone."""
        made = []
        memo, states = self._memo if widen else {}, _STATES
        for row in rows:
            shape = self._shapes.get(row.shape) or self._shape(row.shape)
            nominal = None if row.nominal_start is None or row.nominal_end is None else (row.nominal_start, row.nominal_end)
            start, end = bounds(row)
            key = (row.shape, row.slots, nominal if shape.nominal else None, row.partition_key if shape.keyed else None)
            found = memo.get(key)
            if found is None:
                found = memo[key] = self._resolved(row, shape, nominal, widen=widen)
            if row.end is None and row.run in self.ended:
                end = max(times_of(row, len(shape.heads))[-1], self.ended[row.run])
            made.append(
                Attempt(
                    row.run,
                    row.number,
                    shape.job,
                    start,
                    end,
                    states[row.state],
                    found[0],
                    found[1],
                    nominal,
                    row.partition_key,
                    row.code_version,
                    shape.aliases,
                )
            )
        return made

    def _shape(self, number: int) -> _Shape:
        heads = self.known.shapes[number]
        jobs = [job for job in dict.fromkeys(self.known.heads[head].job for head in heads) if job is not None]
        find, declared = self.gathering.identities.find, self.declarations
        outputs = {find(self.known.refs[one].dataset) for head in heads for one in self.known.heads[head].outputs}
        inputs = {find(self.known.refs[one].dataset) for head in heads for one in self.known.heads[head].inputs}
        dated = any(declared.dataset(one).nominal and isinstance(declared.dataset(one).partition, Layout) for one in outputs)
        windowed = any((edge := declared.edge(jobs[0], one)) is not None and edge.window is not None for one in inputs)
        made = _Shape(jobs[0], tuple(jobs[1:]), heads, dated or windowed, bool(outputs))
        self._shapes[number] = made
        return made

    def _resolved(
        self, row: Row, shape: _Shape, nominal: tuple[int, int] | None, *, widen: bool
    ) -> tuple[tuple[Read, ...], tuple[Write, ...]]:
        slots = slots_of(row.slots)
        inputs: list[tuple[DatasetRef, ...]] = []
        outputs: list[tuple[DatasetRef, ...]] = []
        first = 0
        for number in shape.heads:
            head = self.known.heads[number]
            inputs.append(tuple(references(self.known.refs, head.inputs, slots, first)))
            outputs.append(tuple(references(self.known.refs, head.outputs, slots, first + len(head.inputs))))
            first += len(head.inputs) + len(head.outputs)
        bare = Attempt(row.run, row.number, shape.job, nominal=nominal, partition_key=row.partition_key)
        made = self.cells.resolve(bare, inputs, outputs)
        if widen:
            reads, writes = self.usual
            made = widened(made, reads[shape.job], writes[shape.job], self.declarations)
        return made.reads, made.writes
