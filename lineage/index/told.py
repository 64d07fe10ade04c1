"""Attempts from the rows of an index: by the resolver, with what all others tell, so that they are those of the whole history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lineage.attempts import Attempt, Cell, Mode, Read, State, Write
from lineage.cells import Cells
from lineage.datasets import DatasetId, JobId
from lineage.declarations import Declarations
from lineage.events import FULL_REFRESH, DatasetRef
from lineage.history import Gathering
from lineage.index.batch import references
from lineage.index.dimensions import NOTHING, Dimensions
from lineage.index.rows import Row, bounds
from lineage.index.slots import read
from lineage.layouts import Layout
from lineage.timestamps import BEFORE
from lineage.widening import widened

_Data = tuple[tuple[Read, ...], tuple[Write, ...]]
_STATES: dict[str, State] = {"C": "COMPLETE", "F": "FAIL", "A": "ABORT", "O": "OPEN"}


@dataclass(frozen=True, slots=True)
class Plain:
    """A shape whose references can be resolved one by one: its events name the same, and nothing twice.

    ``copies``: how often its references are named, one after the other; ``unread`` and ``unmade``: what its job usually has beside.
    """

    inputs: tuple[tuple[int, DatasetId], ...]
    outputs: tuple[tuple[int, DatasetId], ...]
    copies: int
    unread: tuple[Read, ...]
    unmade: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """What all attempts of a shape have in common. ``nominal``: their cells depend on their nominal times."""

    job: JobId
    aliases: tuple[JobId, ...]
    heads: tuple[int, ...]
    nominal: bool
    keyed: bool
    plain: Plain | None


@dataclass
class Teller:
    """Makes attempts of rows. Everything that is not in a row itself comes from the dimension tables."""

    known: Dimensions
    declarations: Declarations
    ended: Mapping[str, int]
    latest: int
    """The last moment that the index knows (ns UTC)."""
    _shapes: dict[int, Shape] = field(default_factory=dict)
    _alike: dict[object, tuple[bool, bool, Plain | None]] = field(default_factory=dict)
    _memo: dict[object, tuple[tuple[Read, ...], tuple[Write, ...]]] = field(default_factory=dict)
    _usual: dict[JobId, tuple[set[DatasetId], set[DatasetId]]] = field(default_factory=dict)
    _named: dict[object, tuple[Read, ...] | tuple[Write, ...]] = field(default_factory=dict)

    @cached_property
    def gathering(self) -> Gathering:
        """What all events say of datasets and jobs."""
        found = Gathering(self.declarations)
        refs = self.known.refs
        for reference in refs:
            if reference is not NOTHING:
                found.learn(reference)
        edges: dict[JobId, tuple[set[int], set[int]]] = defaultdict(lambda: (set(), set()))
        for head in self.known.heads:
            if head.job is not None:
                inputs, outputs = edges[head.job]
                inputs.update(head.inputs)
                outputs.update(head.outputs)
                if head.owners:
                    found.job_owners[head.job].update(head.owners)
        for job, (inputs, outputs) in edges.items():
            found.reads[job] = {refs[number].dataset for number in inputs}
            found.writes[job] = {refs[number].dataset for number in outputs}
            for dataset in found.reads[job] | found.writes[job]:
                found.said_by[job, dataset].add("openlineage")
        return found

    @cached_property
    def cells(self) -> Cells:
        return self.gathering.cells()

    @cached_property
    def _shapes_of(self) -> dict[JobId, list[tuple[int, ...]]]:
        """The shapes that attempts of each job have now."""
        found: dict[JobId, list[tuple[int, ...]]] = defaultdict(list)
        for shape, attempts in zip(self.known.shapes, self.known.attempts, strict=True):
            if attempts and (job := self.known.heads[shape[0]].job) is not None:
                found[job].append(shape)
        return found

    def usual(self, job: JobId) -> tuple[set[DatasetId], set[DatasetId]]:
        """Which datasets the attempts of a job read and write, by all that there are now."""
        if job not in self._usual:
            inputs: set[int] = set()
            outputs: set[int] = set()
            for number in {head for shape in self._shapes_of.get(job, ()) for head in shape}:
                inputs.update(self.known.heads[number].inputs)
                outputs.update(self.known.heads[number].outputs)
            find, refs = self.gathering.identities.find, self.known.refs
            reads = {find(refs[one].dataset) for one in inputs}
            writes = {find(refs[one].dataset) for one in outputs}
            reads.update(dataset for one in outputs if self.mode(refs[one], dataset := find(refs[one].dataset)) is Mode.MERGE)
            self._usual[job] = reads, writes
        return self._usual[job]

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

    def numbers(self, jobs: Iterable[JobId]) -> set[int]:
        """The numbers of jobs in the index."""
        return {self.known.job(job) for job in jobs}

    def mode(self, reference: DatasetRef, dataset: DatasetId) -> Mode:
        """What a write by this reference does."""
        return self.cells.mode(reference, dataset)

    def attempts(self, rows: Iterable[Row], *, widen: bool) -> list[Attempt]:
        """The attempts of these rows; ``widen``: with what they did not report. Views and dates without a key are left alone."""
        made = []
        memo, states = self._memo if widen else {}, _STATES
        for row in rows:
            shape = self._shapes.get(row.shape) or self.shape(row.shape)
            nominal = None if row.nominal_start is None or row.nominal_end is None else (row.nominal_start, row.nominal_end)
            start, end = self.bounds(row)
            times, partition_key = nominal if shape.nominal else None, row.partition_key if shape.keyed else None
            key = (row.shape, row.slots, row.partitions, times, partition_key)
            found = memo.get(key)
            if found is None:
                found = self._plainly(row, shape, shape.plain, nominal) if widen and shape.plain is not None else None
                found = memo[key] = found or self._resolved(row, shape, nominal, widen=widen)
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

    def bounds(self, row: Row) -> tuple[int, int]:
        """Start and end, with what is known or declared of runs that never told theirs."""
        if row.end is None:
            start = BEFORE if row.start is None else row.start
            return start, self.ending(row.run, row.times[-1] if row.times else start)
        return bounds(row)

    def ending(self, run: str, last: int) -> int:
        """When a run ended whose ``last`` event does not say so."""
        bound = self.ended.get(run)
        return self.declarations.lost_at(last, self.latest) if bound is None else max(last, bound)

    def shape(self, number: int) -> Shape:
        """What all attempts of a shape have in common."""
        if number in self._shapes:
            return self._shapes[number]
        heads = self.known.shapes[number]
        told = [self.known.heads[head] for head in heads]
        jobs = [job for job in dict.fromkeys(head.job for head in told) if job is not None]
        key = jobs[0], tuple([(head.inputs, head.outputs) for head in told if head.inputs or head.outputs])
        if key not in self._alike:  # shapes of a job differ more often in what their events say beside
            self._alike[key] = self._referring(*key)
        made = self._shapes[number] = Shape(jobs[0], tuple(jobs[1:]), heads, *self._alike[key])
        return made

    def _referring(self, job: JobId, told: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> tuple[bool, bool, Plain | None]:
        """What a job's shapes have in common whose events name these references."""
        find, refs, declared = self.gathering.identities.find, self.known.refs, self.declarations
        inputs, outputs = ({find(refs[one].dataset) for named in told for one in named[side]} for side in (0, 1))
        dated = any(declared.dataset(one).nominal and isinstance(declared.dataset(one).partition, Layout) for one in outputs)
        windowed = any((edge := declared.edge(job, one)) is not None and edge.window is not None for one in inputs)
        plain = None
        if told and not windowed and all(one == told[0] for one in told):  # else they depend on each other, or on a window
            plain = self._resolvable(job, told[0], len(told))
        return dated or windowed, bool(outputs), plain

    def _resolvable(self, job: JobId, told: tuple[tuple[int, ...], tuple[int, ...]], copies: int) -> Plain | None:
        find, refs = self.gathering.identities.find, self.known.refs
        inputs, outputs = ([(number, find(refs[number].dataset)) for number in side] for side in told)
        read, written = ({dataset for _, dataset in side} for side in (inputs, outputs))
        twice = len(read) < len(inputs) or len(written) < len(outputs)
        merging = any(self.mode(refs[number], dataset) is Mode.MERGE for number, dataset in outputs)
        if twice or merging or any(self.declarations.edge(job, dataset) is not None for dataset in read):
            return None
        usual = self.usual(job)
        if usual[0] <= read and usual[1] <= written:
            return Plain(tuple(inputs), tuple(outputs), copies, (), ())
        bare = Attempt("", 0, job, reads=tuple(Read(Cell(one)) for one in read), writes=tuple(Write(Cell(one)) for one in written))
        more = widened(bare, *usual, self.declarations)
        return Plain(tuple(inputs), tuple(outputs), copies, more.reads[len(read) :], more.writes[len(written) :])

    def _plainly(self, row: Row, shape: Shape, plain: Plain, nominal: tuple[int, int] | None) -> _Data | None:
        """As ``_resolved``, of a plain shape; None where its events name other partitions after all."""
        slots = read(row.slots, row.partitions)
        if plain.copies > 1 and slots:
            count, width = len(slots) // plain.copies, len(plain.inputs) + len(plain.outputs)
            first = slots[:count]
            for copy in range(1, plain.copies):
                after = slots[copy * count : (copy + 1) * count]
                if [(position - copy * width, parts, version) for position, parts, version in after] != first:
                    return None
            if len(slots) != count * plain.copies:
                return None
            slots = first
        said = {position: (parts, version) for position, parts, version in slots}
        named = self._named
        reads: list[Read] = []
        for position, (number, dataset) in enumerate(plain.inputs):
            key: object = (number, said.get(position))
            found = named.get(key)
            if found is None:
                reference = next(references(self.known.refs, (number,), [(0, *said[position])] if position in said else ()))
                found = named[key] = tuple(self.cells.read(reference, dataset, Attempt("", 0, shape.job), ()))
            reads += found  # type: ignore[arg-type]  # keys of reads have two parts, those of writes more
        writes: list[Write] = []
        dated = nominal if shape.nominal else None
        for position, (number, dataset) in enumerate(plain.outputs, len(plain.inputs)):
            key = (number, said.get(position), row.partition_key, dated)
            found = named.get(key)
            if found is None:
                reference = next(references(self.known.refs, (number,), [(0, *said[position])] if position in said else ()))
                bare = Attempt("", 0, shape.job, nominal=nominal, partition_key=row.partition_key)
                mode = self.mode(reference, dataset)
                made = {
                    cell.partition: Write(cell, mode, how, version=reference.version)
                    for cell, how in self.cells.written(reference, dataset, bare)
                }
                found = named[key] = tuple(made.values())
            writes += found  # type: ignore[arg-type]
        return tuple(dict.fromkeys(reads)) + plain.unread, tuple(writes) + plain.unmade

    def _resolved(
        self, row: Row, shape: Shape, nominal: tuple[int, int] | None, *, widen: bool
    ) -> tuple[tuple[Read, ...], tuple[Write, ...]]:
        slots = read(row.slots, row.partitions)
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
            made = widened(made, *self.usual(shape.job), self.declarations)
        return made.reads, made.writes
