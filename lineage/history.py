"""The history: every attempt with the cells it read and wrote, made from events, declarations and our own effects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from lineage.attempts import Attempt, State
from lineage.cells import Cells
from lineage.datasets import DatasetId, Identities, JobId
from lineage.declarations import DatasetRule, Declarations
from lineage.effects import Effect, as_attempts
from lineage.events import DatasetRef, Event
from lineage.sources import Problems
from lineage.timestamps import AFTER, BEFORE
from lineage.twins import told_once
from lineage.widening import missing_lineage, one_spelling, through_views

if TYPE_CHECKING:
    from lineage.cadence import Past
    from lineage.columns import ColumnLineage

_RANK = {"OTHER": 0, "START": 1, "RUNNING": 2, "COMPLETE": 3, "ABORT": 4, "FAIL": 5}
_LAGGING = frozenset({"materialized_view", "dynamic_table"})
VIEWS = _LAGGING | {"view"}
"""What shows the data beneath it; the lagging ones as of some refresh of their own."""

_TERMINAL: dict[str, State] = {"COMPLETE": "COMPLETE", "ABORT": "ABORT", "FAIL": "FAIL"}


@dataclass(frozen=True, slots=True)
class History:
    """All attempts, in the order of their starts. ``reads_of``/``writes_of``: job-level edges, static events included."""

    attempts: Sequence[Attempt]
    declarations: Declarations
    identities: Identities
    problems: Problems
    job_reads: Mapping[JobId, frozenset[DatasetId]]
    job_writes: Mapping[JobId, frozenset[DatasetId]]
    exposed: frozenset[DatasetId] = frozenset()
    owners: Mapping[DatasetId, tuple[str, ...]] = field(default_factory=dict)
    """By the word of producers: of the dataset itself, else of the jobs that write it."""
    events: int = 0
    said_by: Mapping[tuple[JobId, DatasetId], frozenset[str]] = field(default_factory=dict)
    """Which kinds of sources told of a job-level edge, in either direction."""
    columns: ColumnLineage | None = None
    """What the sources tell of columns, where somebody listened."""
    past: Callable[[Collection[JobId]], Past] | None = field(default=None, compare=False)
    """How often jobs ran, where the attempts here are not all."""

    @property
    def jobs(self) -> tuple[JobId, ...]:
        """Every job named by an event, sorted."""
        named = {*self.job_reads, *self.job_writes}
        return tuple(sorted(named | {job for one in self.attempts if one.kind == "run" for job in (one.job, *one.aliases)}))

    @property
    def datasets(self) -> tuple[DatasetId, ...]:
        """Every dataset named by an event, sorted."""
        edges = (*self.job_reads.values(), *self.job_writes.values())
        return tuple(sorted({dataset for datasets in edges for dataset in datasets}))

    def rule(self, dataset: DatasetId) -> DatasetRule:
        """What is declared about a dataset."""
        return self.declarations.dataset(dataset)

    def serving(self, dataset: DatasetId) -> bool:
        """True when users or online services read it: declared so, or exposed by its producer."""
        declared = self.rule(dataset).serving
        return dataset in self.exposed if declared is None else declared

    def owned_by(self, dataset: DatasetId) -> tuple[str, ...]:
        declared = self.rule(dataset).owners
        return self.owners.get(dataset, ()) if declared is None else declared


def build(
    events: Iterable[Event],
    declarations: Declarations,
    *,
    effects: Iterable[Effect] = (),
    ended: Mapping[str, int] | None = None,
    problems: Problems | None = None,
) -> History:
    """The history that these events tell, in whatever order and however often they arrive.

    ``ended`` bounds attempts that never reported their end (run id → nanoseconds).
    """
    gathering = Gathering(declarations)
    count = 0
    for one in events:
        gathering.add(one)
        count += 1
    attempts = [*gathering.attempts(ended or {}), *as_attempts(effects, gathering.identities)]
    return gathering.history(attempts, problems or Problems(), count)


def _merged(pairs: Iterable[tuple[tuple[JobId, DatasetId], set[str]]]) -> dict[tuple[JobId, DatasetId], frozenset[str]]:
    found: dict[tuple[JobId, DatasetId], frozenset[str]] = {}
    for key, said in pairs:
        found[key] = found.get(key, frozenset()) | said
    return found


class Gathering:
    """What the events say, before anything is decided; independent of their order."""

    def __init__(self, declarations: Declarations) -> None:
        self.declarations = declarations
        self.identities = Identities()
        self.runs: dict[str, list[Event]] = defaultdict(list)
        self.reads: dict[JobId, set[DatasetId]] = defaultdict(set)
        self.writes: dict[JobId, set[DatasetId]] = defaultdict(set)
        self.owners: dict[DatasetId, set[str]] = defaultdict(set)
        self.job_owners: dict[JobId, set[str]] = defaultdict(set)
        self.exposed: set[DatasetId] = set()
        self.said_by: dict[tuple[JobId, DatasetId], set[str]] = defaultdict(set)
        self.tables: set[DatasetId] = set()
        self.views: set[DatasetId] = set()
        self.lagging: set[DatasetId] = set()

    def add(self, one: Event) -> None:
        for reference in (*one.inputs, *one.outputs):
            self.learn(reference)
        if one.job is not None:
            self.reads[one.job].update(reference.dataset for reference in one.inputs)
            self.writes[one.job].update(reference.dataset for reference in one.outputs)
            for reference in (*one.inputs, *one.outputs):
                self.said_by[one.job, reference.dataset].add(one.said_by)
            if one.owners:
                self.job_owners[one.job].update(one.owners)
        if one.run_id is not None:
            self.runs[one.run_id].append(one)

    def learn(self, reference: DatasetRef) -> None:
        """What a reference tells of its dataset, whoever names it."""
        dataset = reference.dataset
        for symlink in reference.symlinks:
            self.identities.merge(dataset, symlink, f"symlink of {dataset}")
        if reference.renamed_from is not None:
            self.identities.merge(dataset, reference.renamed_from, f"renamed to {dataset}")
        if reference.owners:
            self.owners[dataset].update(reference.owners)
        if reference.exposed:
            self.exposed.add(dataset)
        if reference.materialized is not None:
            self.tables.add(dataset)
            if reference.materialized in VIEWS:
                self.views.add(dataset)
            if reference.materialized in _LAGGING:
                self.lagging.add(dataset)

    def owners_by_job(self, find: Callable[[DatasetId], DatasetId]) -> dict[DatasetId, set[str]]:
        """The owners of the jobs that write each dataset."""
        found: dict[DatasetId, set[str]] = defaultdict(set)
        for job, names in self.job_owners.items():
            for dataset in self.writes[job]:
                found[find(dataset)] |= names
        return found

    def cells(self) -> Cells:
        """What resolves names into cells, once everything was learnt."""
        return Cells(self.declarations, self.identities, frozenset(map(self.identities.find, self.tables)))

    def attempts(self, ended: Mapping[str, int]) -> list[Attempt]:
        """The attempts of all events that were added."""
        cells, runs = self.cells(), told_once(self.runs).items()
        told = [(_attempt(run, number, part), part) for run, events in runs for number, part in enumerate(_split(events))]
        latest = max((moment for one, _ in told for moment in (one.start, one.end) if BEFORE < moment < AFTER), default=0)
        made = []
        for one, part in told:
            bare = one
            if one.state == "OPEN":
                bound = ended.get(one.run_id)
                last = part[-1].time
                bare = replace(one, end=self.declarations.lost_at(last, latest) if bound is None else max(last, bound))
            made.append(cells.resolve(bare, [event.inputs for event in part], [event.outputs for event in part]))
        return one_spelling(self.seen_through(missing_lineage(made, self.declarations)))

    def seen_through(self, attempts: list[Attempt]) -> list[Attempt]:
        """The attempts with what they read through views."""
        find = self.identities.find
        return through_views(attempts, frozenset(map(find, self.views)), frozenset(map(find, self.lagging)))

    def history(self, attempts: list[Attempt], problems: Problems, events: int) -> History:
        """The history of these attempts."""
        find = self.identities.find
        owners: dict[DatasetId, set[str]] = defaultdict(set)
        for dataset, names in self.owners.items():
            owners[find(dataset)] |= names
        for dataset, names in self.owners_by_job(find).items():
            if dataset not in owners:
                owners[dataset] = names
        return History(
            attempts=in_order(attempts),
            declarations=self.declarations,
            identities=self.identities,
            problems=problems,
            job_reads={job: frozenset(map(find, datasets)) for job, datasets in self.reads.items()},
            job_writes={job: frozenset(map(find, datasets)) for job, datasets in self.writes.items()},
            exposed=frozenset(map(find, self.exposed)),
            owners={dataset: tuple(sorted(names)) for dataset, names in owners.items()},
            events=events,
            said_by=_merged((((job, find(dataset)), said) for (job, dataset), said in self.said_by.items())),
        )


def in_order(attempts: Iterable[Attempt]) -> tuple[Attempt, ...]:
    """Attempts in the order of their starts."""
    return tuple(sorted(attempts, key=lambda one: (one.start, one.end, one.run_id, one.number)))


def _split(events: list[Event]) -> list[list[Event]]:
    """A run's events as attempts: a START after a terminal opens the next."""
    ordered = sorted(events, key=_order)
    if any(_order(one) == _order(other) for one, other in pairwise(ordered)):
        # Costly, and only so that neither order of arrival nor what arrives twice decides anything.
        once = {(_order(one), tie(one)): one for one in ordered}
        ordered = [once[key] for key in sorted(once)]
    parts: list[list[Event]] = [[]]
    ended = False
    for one in ordered:
        if one.type == "START" and ended:
            parts.append([])
            ended = False
        ended = ended or one.type in _TERMINAL
        parts[-1].append(one)
    return parts


def tie(one: Event) -> str:
    """What orders events of one time and type: all that they say of the attempt, and not how it was spelled."""
    inputs, outputs = (tuple(replace(ref, spelled=()) for ref in refs) for refs in (one.inputs, one.outputs))
    return repr(replace(one, inputs=inputs, outputs=outputs, notes=()))


def _order(one: Event) -> tuple[int, int]:
    return one.time, _RANK[one.type]


def _attempt(run_id: str, number: int, part: list[Event]) -> Attempt:
    """One attempt without its reads and writes."""
    terminal = [one for one in part if one.type in _TERMINAL]
    jobs = list(dict.fromkeys(one.job for one in part if one.job is not None))
    return Attempt(
        run_id=run_id,
        number=number,
        job=jobs[0],
        start=BEFORE if part[0].type in _TERMINAL else part[0].time,
        end=terminal[-1].time if terminal else AFTER,
        state=_TERMINAL[terminal[-1].type] if terminal else "OPEN",
        nominal=next((one.nominal for one in part if one.nominal is not None), None),
        partition_key=next((one.partition_key for one in part if one.partition_key is not None), None),
        code_version=next((one.code_version for one in reversed(part) if one.code_version is not None), None),
        aliases=tuple(jobs[1:]),
    )
