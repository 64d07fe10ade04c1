"""The run history of one DAG, as Airflow's database keeps it: each try of each task instance is a run of its own."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from lineage.datasets import JobId
from lineage.events import DatasetRef, Event, EventType
from lineage.sources import Problems, Skipped
from lineage.sources.airflow_api import Absent, Api
from lineage.timestamps import AFTER, BEFORE, parse

_ENDS: dict[str, EventType] = {
    "success": "COMPLETE",
    "failed": "FAIL",
    "up_for_retry": "FAIL",
    "skipped": "ABORT",  # a task that skipped itself may have written before
    "removed": "ABORT",
}
_RUNS = frozenset({"running", "restarting", "deferred", "up_for_reschedule"})


@dataclass(slots=True)
class Edges:
    """Which assets tasks and DAGs name: by (DAG, task), and ``triggers`` by DAG."""

    inlets: dict[tuple[str, str], list[DatasetRef]] = field(default_factory=lambda: defaultdict(list))
    outlets: dict[tuple[str, str], list[DatasetRef]] = field(default_factory=lambda: defaultdict(list))
    triggers: dict[str, list[DatasetRef]] = field(default_factory=lambda: defaultdict(list))

    def of(self, dag: str, task: str) -> tuple[tuple[DatasetRef, ...], tuple[DatasetRef, ...]]:
        """A task's inputs and outputs."""
        inlets, outlets = self.inlets.get((dag, task), []), self.outlets.get((dag, task), [])
        if not inlets and outlets:
            why = f"names no inlet, but its DAG {dag} is scheduled on this"
            inlets = [replace(one, inferred=why) for one in self.triggers.get(dag, [])]
        return tuple(inlets), tuple(outlets)

    @property
    def dags(self) -> set[str]:
        return {dag for dag, _ in (*self.inlets, *self.outlets)} | set(self.triggers)


@dataclass(frozen=True, slots=True)
class Runs:
    """One DAG's history; ``since`` (RFC 3339) leaves out what has not changed since."""

    api: Api
    namespace: str
    dag: str
    edges: Edges
    since: str | None
    problems: Problems

    def events(self) -> Iterator[Event]:
        """START and end of every try. Raises SourceUnreadable, and Absent when there is no such DAG."""
        path = ("dags", self.dag, "dagRuns")
        runs = {str(run.get("dag_run_id")): run for run in self._listing(*path, key="dag_runs")}
        for instance in self._listing(*path, "~", "taskInstances", key="task_instances"):
            try:
                run_id, task = named(instance, "dag_run_id"), named(instance, "task_id")
                if run_id not in runs:
                    runs[run_id] = self.api.get(*path, run_id)
                for one in self._tries(*path, run_id, "taskInstances", task, instance=instance):
                    yield from self._try(task, one, instance, runs[run_id])
            except Absent as error:
                self._skip(f"{error} was deleted while it was read")
            except ValueError as error:
                self._skip(str(error))

    def _listing(self, *path: str, key: str) -> list[dict[str, Any]]:
        changed = {"updated_at_gte": self.since} if self.since else {}
        items, complete = self.api.listing(*path, key=key, parameters={"order_by": "id", **changed})
        if not complete:
            self.problems.noted.append(
                Skipped(self.api.base, 0, f"DAG {self.dag}: {key} changed while they were read; some may be missing")
            )
        return items

    def _skip(self, reason: str) -> None:
        self.problems.skipped.append(Skipped(self.api.base, 0, f"DAG {self.dag}: {reason}"))

    def _tries(self, *path: str, instance: dict[str, Any]) -> list[dict[str, Any]]:
        """The instance and its earlier tries, which are kept apart; a cleared instance may not have got its next number yet."""
        number, mapped = whole(instance, "try_number"), whole(instance, "map_index")
        if number < 1 or (number == 1 and said(instance, "state") in _ENDS):
            return [instance]
        answer = self.api.get(*path, *([str(mapped)] if mapped >= 0 else []), "tries")
        return [*objects(answer.get("task_instances")), instance]

    def _try(self, task: str, one: dict[str, Any], instance: dict[str, Any], run: dict[str, Any]) -> Iterator[Event]:
        """A try's START, and its end if it has one; nothing for one that never ran."""
        state, start, end = said(one, "state") or "", moment(one, "start_date"), moment(one, "end_date")
        if start is None or state not in _RUNS | _ENDS.keys() or (state == "skipped" and start == end):
            return
        number, mapped = whole(one, "try_number"), whole(instance, "map_index")
        instant = said(instance, "logical_date") or said(instance, "run_after") or ""
        inputs, outputs = self.edges.of(self.dag, task)
        begin = Event(
            time=start,
            type="START",
            run_id=static_uuid(instant, f"{self.namespace}.{self.dag}.{task}.{number}.{mapped}"),
            job=JobId(self.namespace, f"{self.dag}.{task}"),
            inputs=inputs,
            outputs=outputs,
            nominal=_nominal(run),
            partition_key=said(run, "partition_key") or None,
            code_version=_version(one),
            said_by="airflow",
        )
        yield begin
        if state in _ENDS and end is not None:
            yield replace(begin, time=end, type=_ENDS[state])


def _nominal(run: dict[str, Any]) -> tuple[int, int] | None:
    start = moment(run, "data_interval_start")
    if start is None:
        start = moment(run, "logical_date")
    end = moment(run, "data_interval_end")
    return None if start is None else (start, start if end is None else max(start, end))


def _version(one: dict[str, Any]) -> str | None:
    """The commit of the DAG's bundle, else Airflow's own count of the DAG's versions."""
    version = one.get("dag_version")
    if not isinstance(version, dict):
        return None
    return said(version, "bundle_version") or f"{said(version, 'dag_id')}@{whole(version, 'version_number')}"


def static_uuid(instant: str, data: str) -> str:
    """The id that ``openlineage.client.uuid.generate_static_uuid`` makes (openlineage-python 1.54): a UUIDv7 of time and hash.

    Raises ValueError when the instant is no time.
    """
    try:
        when = datetime.fromisoformat(instant).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from None
    digest = hashlib.sha1(when.isoformat().encode() + data.encode(), usedforsecurity=False).hexdigest()
    number = (int(when.timestamp() * 1000) & 0xFFFFFFFFFFFF) << 80 | int(digest, 16) >> 84
    return str(UUID(int=number & ~(0xF000 << 64) & ~(0xC000 << 48) | 7 << 76 | 0x8000 << 48))


# --- reading answers: what is missing is None, what is something else raises ValueError ------------------------------------------


def said(item: dict[str, Any], key: str) -> str | None:
    """A text, without lone surrogates, so that it can be printed and hashed."""
    value = item.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{key} is not a text: {str(value)[:40]!r}")
    return None if value is None else value.encode("utf-8", "replace").decode()


def named(item: dict[str, Any], key: str) -> str:
    """A text that must be there."""
    text = said(item, key)
    if not text:
        raise ValueError(f"an item without {key}")
    return text


def moment(item: dict[str, Any], key: str) -> int | None:
    """A time in nanoseconds."""
    text = said(item, key)
    try:
        when = None if text is None else parse(text)
    except (ValueError, OverflowError):
        when = AFTER
    if when is not None and not BEFORE < when < AFTER:
        raise ValueError(f"{key} is not a time: {str(text)[:40]!r}")
    return when


def whole(item: dict[str, Any], key: str) -> int:
    """A number; -1 where none is said, as Airflow does for instances that are not mapped."""
    value = item.get(key, -1)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{key} is not a number: {str(value)[:40]!r}")  # noqa: TRY004 - one kind of error for what is garbled
    return value


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; of anything else, none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
