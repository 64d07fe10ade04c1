"""Lines that fit the typed structs, as values: the same that ``lineage.events`` makes of them, or None for the tolerant way."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson

from lineage.datasets import JobId
from lineage.decoding.references import Doubt, Found, References, make_room
from lineage.decoding.wire import ABSENT, Airflow, Location, RunEvent, decode
from lineage.events import TYPES, Event, EventType, nominal_time, owners_of
from lineage.timestamps import AFTER, BEFORE, parse

_UNFIT: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, Doubt)
"""What says that a line is not plain enough to be taken the fast way."""


Row = tuple[int, EventType, str, JobId, list[Found], list[Found], tuple[int, int] | None, str | None, str | None, tuple[str, ...]]
"""The fields of an ``Event`` in their order, its references in parts, and its owners."""


class Lines:
    """Decodes lines one by one; what producers repeat is understood once."""

    def __init__(self) -> None:
        self.references = References()
        self._find_input, self._find_output = self.references.inputs.find, self.references.outputs.find
        self._jobs: dict[tuple[str, str], JobId] = {}
        self._owners: dict[bytes, tuple[str, ...]] = {}

    def row(self, line: bytes) -> Row | None:
        """The event of a line; None when it does not fit, or leaves any doubt whether the tolerant way would say the same."""
        try:
            if not line.isascii():
                line.decode()  # what is skipped is not looked at so closely
            return self._row(decode(line))
        except _UNFIT:
            return None

    def event(self, line: bytes) -> Event | None:
        """As ``row``, whole."""
        row = self.row(line)
        if row is None:
            return None
        time, kind, run_id, job, inputs, outputs, nominal, key, code, owners = row
        whole = self.references.whole
        return Event(
            time, kind, run_id, job, tuple(map(whole, inputs)), tuple(map(whole, outputs)), nominal, key, code, owners=owners
        )

    def _row(self, told: RunEvent) -> Row:
        run, job = told.run, told.job
        run_id = run.runId
        if not run_id or not job.name:
            raise Doubt
        time = parse(told.eventTime)
        if not BEFORE < time < AFTER:
            raise Doubt
        find = self._find_input
        inputs = [find(one) for one in told.inputs] if told.inputs else []
        find = self._find_output
        outputs = [find(one) for one in told.outputs] if told.outputs else []
        nominal = key = code = None
        if (facets := run.facets) is not None:
            if (nominal_time := facets.nominalTime) is not None:
                nominal = _nominal(nominal_time.nominalStartTime, nominal_time.nominalEndTime)
            if (airflow := facets.airflow) is not None:
                if (task := airflow.task) is not None:
                    inputs += self.references.assets(task.inlets, inputs)
                    outputs += self.references.assets(task.outlets, outputs)
                key = _partition_key(airflow)
            if key is None and facets.airflowDagRun is not None:
                key = _partition_key(facets.airflowDagRun)
            if facets.sourceCodeLocation is not None:
                code = _code_version(facets.sourceCodeLocation)
        owners: tuple[str, ...] = ()
        if (of_job := job.facets) is not None:
            if of_job.sourceCodeLocation is not None:
                code = _code_version(of_job.sourceCodeLocation) or code
            if of_job.ownership is not ABSENT:
                owners = self._owned(bytes(of_job.ownership))
        known = self._jobs.get((job.namespace, job.name)) or self._job(job.namespace, job.name)
        return time, _type(told.eventType), run_id, known, inputs, outputs, nominal, key, code, owners

    def _job(self, namespace: str, name: str) -> JobId:
        make_room(self._jobs)
        found = self._jobs[namespace, name] = JobId(namespace, name)
        return found

    def _owned(self, raw: bytes) -> tuple[str, ...]:
        found = self._owners.get(raw)
        if found is None:
            make_room(self._owners)
            found = self._owners[raw] = owners_of({"ownership": orjson.loads(raw)})
        return found


@lru_cache(maxsize=64)
def _type(word: str | None) -> EventType:
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
