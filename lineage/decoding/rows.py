"""Lines that fit the typed structs, as values: the same that ``lineage.events`` makes of them, or None for the tolerant way."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from lineage.datasets import JobId
from lineage.decoding.references import Doubt, Placed, References, make_room
from lineage.decoding.wire import ABSENT, Airflow, Job, Location, RunEvent, decode
from lineage.events import TYPES, Event, EventType, nominal_time, owners_of
from lineage.index.batch import Batch
from lineage.timestamps import AFTER, BEFORE, parse

UNFIT: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, Doubt)
"""What says that a line is not plain enough to be taken the fast way."""


class Row(NamedTuple):
    """The fields of an ``Event``, its references by the numbers of their constants; ``placed``: what else it says of some."""

    time: int
    kind: EventType
    run_id: str
    job: JobId
    reads: int
    references: list[int]
    placed: list[Placed]
    nominal: tuple[int, int] | None
    partition_key: str | None
    code_version: str | None
    owners: tuple[str, ...]


_row = tuple.__new__
"""Makes a named tuple at a third of the cost."""


class _Job(NamedTuple):
    """As events tell of it, and what that means."""

    told: Job
    known: JobId
    owners: tuple[str, ...]
    code: str | None


class Lines:
    """Decodes lines one by one; what producers repeat is understood once."""

    def __init__(self, batch: Batch | None = None) -> None:
        self.references = References(Batch() if batch is None else batch)
        self._find_inputs, self._find_outputs = self.references.inputs.find, self.references.outputs.find
        self._jobs: dict[str, _Job] = {}

    def row(self, line: bytes) -> Row | None:
        """The event of a line; None when it does not fit, or leaves any doubt whether the tolerant way would say the same."""
        try:
            if not line.isascii():
                line.decode()  # what is skipped is not looked at so closely
            return self.understood(decode(line))
        except UNFIT:
            return None

    def event(self, line: bytes) -> Event | None:
        """As ``row``, whole."""
        row = self.row(line)
        if row is None:
            return None
        time, kind, run_id, job, reads, numbers, placed, nominal, key, code, owners = row
        told = tuple(self.references.whole(numbers, placed))
        return Event(time, kind, run_id, job, told[:reads], told[reads:], nominal, key, code, owners=owners)

    def understood(self, told: RunEvent) -> Row:
        """What a typed event says. Raises one of ``UNFIT`` as ``row`` gives None."""
        run, job = told.run, told.job
        run_id = run.runId
        if not run_id or not job.name:
            raise Doubt
        time = parse(told.eventTime)
        if not BEFORE < time < AFTER:
            raise Doubt
        numbers: list[int] = []
        placed: list[Placed] = []
        facets = run.facets
        task = None if facets is None or facets.airflow is None else facets.airflow.task
        if told.inputs:
            self._find_inputs(told.inputs, numbers, placed)
        if task is not None and task.inlets is not None:
            self._add_assets(task.inlets, 0, numbers, placed)
        reads = len(numbers)
        if told.outputs:
            self._find_outputs(told.outputs, numbers, placed)
        if task is not None and task.outlets is not None:
            self._add_assets(task.outlets, reads, numbers, placed)
        known = self._jobs.get(job.name)
        if known is None or known.told != job:
            known = self._job(job)
        _, job_id, owners, code = known
        nominal = key = None
        if facets is not None:
            if (nominal_time := facets.nominalTime) is not None:
                nominal = _nominal(nominal_time.nominalStartTime, nominal_time.nominalEndTime)
            if (airflow := facets.airflow) is not None:
                key = _partition_key(airflow)
            if key is None and facets.airflowDagRun is not None:
                key = _partition_key(facets.airflowDagRun)
            if code is None:
                code = _code_version(facets.sourceCodeLocation)
        kind = event_type(told.eventType)
        return _row(Row, (time, kind, run_id, job_id, reads, numbers, placed, nominal, key, code, owners))

    def _add_assets(self, raw: Any, first: int, numbers: list[int], placed: list[Placed]) -> None:
        """Add those of Airflow's inlets or outlets that are not among the references from ``first`` on."""
        for number, named, version in self.references.assets(raw, numbers[first:]):
            if named is not None or version is not None:
                placed.append((len(numbers), named, version))
                self.references.note(number, () if named is None else named.dated, sure=True)
            numbers.append(number)

    def _job(self, told: Job) -> _Job:
        """A job, and what it says of itself, kept for events that say the same."""
        owners: tuple[str, ...] = ()
        code = None
        if (facets := told.facets) is not None:
            code = _code_version(facets.sourceCodeLocation)
            if facets.ownership is not ABSENT:
                facets.ownership = facets.ownership.copy()  # it would keep all of the line
                owners = owners_of({"ownership": orjson.loads(bytes(facets.ownership))})
        make_room(self._jobs)
        known = self._jobs[told.name] = _Job(told, JobId(told.namespace, told.name), owners, code)
        return known


@lru_cache(maxsize=64)
def event_type(word: str | None) -> EventType:
    return "OTHER" if word is None else TYPES.get(word.upper(), "OTHER")


@lru_cache(maxsize=1 << 14)
def _nominal(start: str | None, end: str | None) -> tuple[int, int] | None:
    notes: list[str] = []
    found = nominal_time({"nominalStartTime": start, "nominalEndTime": end}, notes)
    if notes:
        raise Doubt
    return found


def _partition_key(facet: Airflow) -> str | None:
    key: Any = None if facet.dagRun is None else facet.dagRun.partition_key
    return key or None if key.__class__ is str else None


def _code_version(location: Location | None) -> str | None:
    if location is None:
        return None
    version, tag = location.version, location.tag
    return (version if version.__class__ is str else "") or (tag if tag.__class__ is str else "") or None
