"""One run of one job: what it reads and writes, and the OpenLineage events that tell of it.

Daily jobs name no partitions in their events; ``incident.toml`` declares their windows. Jobs that read or write anything else
name what they touched in a ``subset`` facet. So both ways of knowing a partition are in the demo.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from incident.demo.settings import NAMESPACE, Settings
from incident.demo.store import Row, Store

_PRODUCER = "https://example.org/demo/pipeline"
_SPEC = "https://openlineage.io/spec"
MILLISECOND, SECOND = 1_000_000, 1_000_000_000
"""Nanoseconds."""

Naming = Literal["silent", "outputs", "partitions", "locations"]
"""How a job's events name partitions: not at all, only those written, all of them, or all of them as locations."""


@dataclass(slots=True)
class Work:
    """A job's access to the lake for one nominal interval [start, end). Remembers each partition touched, in order."""

    settings: Settings
    store: Store
    job: str
    start: date
    end: date
    version: str
    naming: Naming = "silent"
    reads: dict[str, list[str]] = field(default_factory=dict)
    writes: dict[str, list[str]] = field(default_factory=dict)

    def read(self, dataset: str, partition: str = "*") -> list[Row]:
        """A partition's rows. Raises Missing when it is not there."""
        self._touch(self.reads, dataset, partition)
        return self.store.read(dataset, partition)

    def read_days(self, dataset: str, first: date, last: date) -> list[list[Row]]:
        """The rows of each day, leaving out the days before the lake began."""
        wanted = max(first, self.settings.first)
        return [self.read(dataset, f"dt={wanted + timedelta(days=count)}") for count in range((last - wanted).days + 1)]

    def write(self, dataset: str, partition: str, *parts: list[Row]) -> None:
        self._touch(self.writes, dataset, partition)
        self.store.write(dataset, partition, list(parts))

    def write_json(self, dataset: str, name: str, value: Row) -> None:
        self._touch(self.writes, dataset, "*")
        self.store.write_json(dataset, name, value)

    @staticmethod
    def _touch(where: dict[str, list[str]], dataset: str, partition: str) -> None:
        known = where.setdefault(dataset, [])
        if partition not in known:
            known.append(partition)


@dataclass(slots=True)
class Run:
    """Emits a run's START and its COMPLETE or FAIL around the work, as NDJSON lines appended to the lake's event file.

    Objects carry times cut to a tick, so the run waits for a tick's beginning and tells that as its START, and as its end the
    beginning of the next millisecond: what it wrote lies between the two, and no two runs of one process meet.
    """

    work: Work
    tick: int = MILLISECOND
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __enter__(self) -> Work:
        begin = (time.time_ns() // self.tick + 1) * self.tick + MILLISECOND
        while (now := time.time_ns()) < begin:
            time.sleep((begin - now) / SECOND)
        self._emit("START", now // self.tick * self.tick)
        return self.work

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        end = (time.time_ns() // MILLISECOND + 1) * MILLISECOND
        self._emit("COMPLETE" if kind is None else "FAIL", end)

    def _emit(self, kind: str, moment: int) -> None:
        work, done = self.work, kind != "START"
        event = {
            "eventType": kind,
            "eventTime": _rfc3339(moment),
            "producer": _PRODUCER,
            "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {
                "runId": self.run_id,
                "facets": {
                    "nominalTime": _facet(
                        "facets/1-0-1/NominalTimeRunFacet",
                        nominalStartTime=f"{work.start}T00:00:00Z",
                        nominalEndTime=f"{work.end}T00:00:00Z",
                    )
                },
            },
            "job": {
                "namespace": NAMESPACE,
                "name": work.job,
                "facets": {
                    "sourceCodeLocation": _facet(
                        "facets/1-0-1/SourceCodeLocationJobFacet",
                        type="git",
                        url=f"{_PRODUCER}/{work.job}.py",
                        version=work.version,
                    )
                },
            },
            "inputs": [self._dataset(name, found, "input") for name, found in work.reads.items()] if done else [],
            "outputs": [self._dataset(name, found, "output") for name, found in work.writes.items()] if done else [],
        }
        self.work.settings.events.parent.mkdir(exist_ok=True)
        # One write in append mode: lines of jobs that run at once do not mix.
        with self.work.settings.events.open("ab", buffering=0) as stream:
            stream.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")

    def _dataset(self, name: str, found: list[str], direction: Literal["input", "output"]) -> dict[str, Any]:
        dataset: dict[str, Any] = {"namespace": self.work.settings.namespace, "name": name}
        silent = self.work.naming == "silent" or (self.work.naming == "outputs" and direction == "input")
        if silent or found == ["*"]:
            return dataset
        condition: dict[str, Any]
        if self.work.naming == "locations":
            condition = {"type": "location", "locations": [f"{self.work.settings.namespace}/{name}/{one}" for one in found]}
        else:
            named = [{"identifier": one, "dimensions": dict([one.split("=")])} for one in found]
            condition = {"type": "partition", "partitions": named}
        facet = f"{direction.capitalize()}Subset{direction.capitalize()}DatasetFacet"
        dataset[f"{direction}Facets"] = {"subset": _facet(f"facets/1-0-0/{facet}", **{f"{direction}Condition": condition})}
        return dataset


def _facet(schema: str, **content: Any) -> dict[str, Any]:
    return {"_producer": _PRODUCER, "_schemaURL": f"{_SPEC}/{schema}.json", **content}


def _rfc3339(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds // SECOND, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds // MILLISECOND % 1000:03d}Z"
