"""Lines that fit the typed structs, as values: the same that ``lineage.events`` makes of them, or None for the tolerant way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson

from lineage.datasets import JobId
from lineage.decoding import wire
from lineage.decoding.references import Doubt, Placed, References, make_room
from lineage.decoding.wire import ABSENT, Airflow, Location, RunEvent, decode
from lineage.events import TYPES, Event, EventType, nominal_time, owners_of
from lineage.index.batch import Batch
from lineage.timestamps import AFTER, BEFORE, parse

UNFIT: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, Doubt)
"""What says that a line is not plain enough to be taken the fast way."""

_NONE: Final = len("[]")
"""What Airflow tells of a task without inlets or outlets is no longer."""


@dataclass(slots=True)
class Job:
    """A job as events tell of it, what that means, and what its last event was like: nearly always the next one is like it."""

    told: wire.Job
    known: JobId
    owners: tuple[str, ...]
    code: str | None
    like: tuple[EventType, int, int, list[int]] | None = None
    """Its type, how many references it reads, its flags, and the numbers of its references."""
    head: int = -1
    """The number of its head."""


Row = tuple[int, EventType, Job, int, list[int], list[Placed], tuple[int, int] | None, str | None, str | None]
"""The fields of an ``Event``: its time, its type, its job, how many references it reads, the numbers of their constants and what
else it says of some, its nominal time, partition key and code version."""


class Lines:
    """Decodes lines one by one; what producers repeat is understood once."""

    def __init__(self, batch: Batch | None = None) -> None:
        self.references = References(Batch() if batch is None else batch)
        self._find_inputs, self._find_outputs = self.references.inputs.find, self.references.outputs.find
        self._jobs: dict[str, Job] = {}

    def event(self, line: bytes) -> Event | None:
        """The event of a line; None when it does not fit, or leaves any doubt whether the tolerant way would say the same."""
        try:
            if not line.isascii():
                line.decode()  # what is skipped is not looked at so closely
            said = decode(line)
            time, kind, job, reads, numbers, placed, nominal, key, code = self.understood(said)
        except UNFIT:
            return None
        told = tuple(self.references.whole(numbers, placed))
        return Event(time, kind, said.run.runId, job.known, told[:reads], told[reads:], nominal, key, code, owners=job.owners)

    def understood(self, told: RunEvent) -> Row:
        """What a typed event says. Raises one of ``UNFIT`` when it leaves any doubt. It keeps nothing of the line afterwards."""
        run, job = told.run, told.job
        if not run.runId or not job.name:
            raise Doubt
        time = parse(told.eventTime)
        if not BEFORE < time < AFTER:
            raise Doubt
        numbers: list[int] = []
        placed: list[Placed] = []
        nominal = key = code = task = None
        facets = run.facets
        if facets is not None:
            if (nominal_time := facets.nominalTime) is not None:
                nominal = _nominal(nominal_time.nominalStartTime, nominal_time.nominalEndTime)
            if (airflow := facets.airflow) is not None:
                key = _partition_key(airflow)
                task = airflow.task
            if key is None and facets.airflowDagRun is not None:
                key = _partition_key(facets.airflowDagRun)
            if facets.sourceCodeLocation is not None:
                code = _code_version(facets.sourceCodeLocation)
        if told.inputs:
            self._find_inputs(told.inputs, numbers, placed)
        if task is not None and task.inlets.__class__ is str and len(task.inlets) > _NONE:
            self._add_assets(task.inlets, 0, numbers, placed)
        reads = len(numbers)
        if told.outputs:
            self._find_outputs(told.outputs, numbers, placed)
        if task is not None and task.outlets.__class__ is str and len(task.outlets) > _NONE:
            self._add_assets(task.outlets, reads, numbers, placed)
        known = self._jobs.get(job.name)
        if known is None or known.told != job:
            known = self._job(job)
        told.job = known.told
        kind = event_type(told.eventType)
        return time, kind, known, reads, numbers, placed, nominal, key, known.code or code

    def _add_assets(self, raw: Any, first: int, numbers: list[int], placed: list[Placed]) -> None:
        """Add those of Airflow's inlets or outlets that are not among the references from ``first`` on."""
        for number, named, version in self.references.assets(raw, numbers[first:]):
            if named is not None or version is not None:
                placed.append((len(numbers), named, version))
                self.references.note(number, () if named is None else named.dated, sure=True)
            numbers.append(number)

    def _job(self, told: wire.Job) -> Job:
        """A job, and what it says of itself, kept for events that say the same."""
        owners: tuple[str, ...] = ()
        code = None
        if (facets := told.facets) is not None:
            code = _code_version(facets.sourceCodeLocation)
            if facets.ownership is not ABSENT:
                facets.ownership = facets.ownership.copy()  # it would keep all of the line
                owners = owners_of({"ownership": orjson.loads(bytes(facets.ownership))})
        make_room(self._jobs)
        known = self._jobs[told.name] = Job(told, JobId(told.namespace, told.name), owners, code)
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
