"""What events tell beyond taint: versions, schemas, figures, assertions and errors, by attempt.

Kept apart from ``Event`` so that a blast radius neither decodes nor holds it: ``Signals.hear`` taps ``lineage.sources.read``.
Whatever a facet holds, nothing raises; what is not of the shape that the facet's specification gives is as if it were not there.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from lineage.attempts import Attempt
from lineage.datasets import DatasetId, normalise
from lineage.events import Event
from lineage.history import History
from lineage.partitions import split_name

Direction = Literal["input", "output", "run"]
Schema = tuple[tuple[str, str], ...]
"""Fields in their order as (name, type), nested ones as ``a.b``; the type is "" where none is told."""

Subject = tuple[Direction, DatasetId | None]

_STATISTICS = {"inputStatistics": ("rowCount", "size", "fileCount"), "outputStatistics": ("rowCount", "size", "fileCount")}
_METRICS = ("rowCount", "bytes", "fileCount")
_COLUMN_METRICS = ("nullCount", "distinctCount", "sum", "count", "min", "max")
_WANTED = re.compile(r"(^|_)(IMAGE|VERSION|COMMIT|SHA|REVISION|RELEASE|TAG)$", re.IGNORECASE)
_PASSING = re.compile(
    r"\d{4}[-/]\d\d(?:[-/]\d\d)?(?:[T ]\d\d(?::\d\d){0,2}(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]+){2,4}|\d{8,}"
)
"""What a text names anew for each run: dates, times, long numbers, run ids."""
_LONGEST_TEXT = 20_000
_DEEPEST = 8
_RANK = {"OTHER": 0, "START": 1, "RUNNING": 2, "COMPLETE": 3, "ABORT": 4, "FAIL": 5}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that was told, and where."""

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Assertion:
    """The outcome of one test of a dataset."""

    name: str
    column: str
    success: bool
    warning: bool = False
    actual: str = ""


@dataclass(slots=True)
class Told:
    """What one event, or all events of one attempt, tell. ``versions``: by where it comes from."""

    versions: dict[str, str] = field(default_factory=dict)
    schemas: dict[Subject, Schema] = field(default_factory=dict)
    figures: dict[tuple[Direction, DatasetId | None, str], Figure] = field(default_factory=dict)
    assertions: dict[DatasetId, dict[tuple[str, str], Assertion]] = field(default_factory=dict)
    error: str = ""

    def __bool__(self) -> bool:
        return bool(self.versions or self.schemas or self.figures or self.assertions or self.error)

    def add(self, later: Told) -> None:
        """Take over what a later event tells; the last word counts."""
        self.versions |= later.versions
        self.schemas |= later.schemas
        self.figures |= later.figures
        for dataset, outcomes in later.assertions.items():
            self.assertions[dataset] = self.assertions.get(dataset, {}) | outcomes
        self.error = later.error or self.error


class Signals:
    """Hears events, then tells them by attempt, in whatever order and however often they came."""

    def __init__(self) -> None:
        self._heard: dict[str, list[tuple[int, int, Told]]] = defaultdict(list)
        self._texts: dict[str, str] = {}
        self._schemas: dict[Schema, Schema] = {}

    def hear(self, raw: Any, event: Event) -> None:
        """A tap for ``lineage.sources.read``. Never raises."""
        if event.run_id is not None and (found := told(raw)):
            # versions and schemas are the same in run after run, so they are kept once
            found.versions = {key: self._texts.setdefault(value, value) for key, value in found.versions.items()}
            found.schemas = {key: self._schemas.setdefault(value, value) for key, value in found.schemas.items()}
            self._heard[event.run_id].append((event.time, _RANK[event.type], found))

    def by_attempt(self, history: History) -> dict[tuple[str, int], Told]:
        """What is told of each attempt, under its (run id, number), datasets by the name that the history has for them."""
        runs: dict[str, list[Attempt]] = defaultdict(list)
        for one in history.attempts:
            if one.run_id in self._heard:
                runs[one.run_id].append(one)
        found: dict[tuple[str, int], Told] = {}
        for run_id, attempts in runs.items():
            attempts.sort(key=lambda one: one.number)
            starts = [one.start for one in attempts]
            heard = sorted(self._heard[run_id], key=lambda one: one[:2])
            if any(left[:2] == right[:2] for left, right in pairwise(heard)):
                heard.sort(key=lambda one: (one[:2], repr(one[2])))  # order of arrival decides nothing
            for time, _, words in heard:
                attempt = attempts[max(0, bisect_right(starts, time) - 1)]
                found.setdefault(attempt.key, Told()).add(_renamed(words, history))
        return found


def _renamed(one: Told, history: History) -> Told:
    """With one name for each dataset."""

    def find(dataset: DatasetId | None) -> DatasetId | None:
        return None if dataset is None else history.identities.find(dataset)

    return Told(
        one.versions,
        {(direction, find(dataset)): schema for (direction, dataset), schema in one.schemas.items()},
        {(direction, find(dataset), name): figure for (direction, dataset, name), figure in one.figures.items()},
        {history.identities.find(dataset): outcomes for dataset, outcomes in one.assertions.items()},
        one.error,
    )


def told(raw: Any) -> Told:
    """What one OpenLineage object tells."""
    event, found = _dict(raw), Told()
    run, job = _dict(_dict(event.get("run")).get("facets")), _dict(_dict(event.get("job")).get("facets"))
    found.versions = {where: value for where, value in (*_versions(run, job), *_texts(job)) if value}
    found.error = _text(_dict(run.get("errorMessage")).get("message")).strip()
    for direction, key in (("input", "inputs"), ("output", "outputs")):
        for one in _list(event.get(key)):
            name = _text(_dict(one).get("name"))
            if name:
                full = normalise(_text(one.get("namespace")), name)
                dataset = DatasetId(full.namespace, split_name(full.name)[0])
                _dataset(found, direction, dataset, one)  # type: ignore[arg-type]  # the two literals above
    return found


def _dataset(found: Told, direction: Direction, dataset: DatasetId, raw: dict[str, Any]) -> None:
    facets = {**_dict(raw.get("facets")), **_dict(raw.get(f"{direction}Facets"))}
    if schema := tuple(_fields(_dict(facets.get("schema")).get("fields"))):
        found.schemas[direction, dataset] = schema
    for name, value, source in _figures(facets):
        key = (direction, dataset, name)
        before = found.figures.get(key)  # several partitions of one dataset, named apart, are one amount
        amount = name in {"rowCount", "size", "fileCount"}
        found.figures[key] = Figure(value + before.value if before is not None and amount else value, source)
    outcomes = found.assertions.get(dataset, {})
    for one in _list(_dict(facets.get("dataQualityAssertions")).get("assertions")):
        success, column = _dict(one).get("success"), _text(_dict(one).get("column"))
        if isinstance(success, bool):
            name = _text(one.get("name")) or _text(one.get("assertion")) or "unnamed"
            warning = _text(one.get("severity")).lower() in {"warn", "warning"}
            outcomes[name, column] = Assertion(name, column, success, warning, _scalar(one.get("actual")))
    if outcomes:
        found.assertions[dataset] = outcomes


def _figures(facets: dict[str, Any]) -> Iterator[tuple[str, float, str]]:
    """Amounts and column metrics, under one name whichever facet tells them; a facet's word on statistics goes first."""
    seen: set[str] = set()
    for facet, names in (*_STATISTICS.items(), ("dataQualityMetrics", _METRICS)):
        raw = _dict(facets.get(facet))
        for name in names:
            shown, value = {"bytes": "size"}.get(name, name), _number(raw.get(name))
            if value is not None and shown not in seen:
                seen.add(shown)
                yield shown, value, f"{facet}.{name}"
    for column, metrics in _dict(_dict(facets.get("dataQualityMetrics")).get("columnMetrics")).items():
        for name in _COLUMN_METRICS:
            if (value := _number(_dict(metrics).get(name))) is not None:
                yield f"{name} of {_text(column)}", value, f"dataQualityMetrics.columnMetrics.{name}"


def _fields(raw: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    for one in _list(raw):
        if name := _text(_dict(one).get("name")):
            yield prefix + name, _text(one.get("type")).strip().lower()
            if depth < _DEEPEST:
                yield from _fields(one.get("fields"), f"{prefix}{name}.", depth + 1)


def _versions(run: dict[str, Any], job: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where a version stands, and the version."""
    for facets in (run, job):
        location = _dict(facets.get("sourceCodeLocation"))
        for key in ("version", "tag"):
            yield f"sourceCodeLocation.{key}", _text(location.get(key))
    engine = _dict(run.get("processing_engine"))
    yield "processing_engine", " ".join(filter(None, (_text(engine.get("name")), _text(engine.get("version")))))
    yield "processing_engine.openlineageAdapterVersion", _text(engine.get("openlineageAdapterVersion"))
    yield "dbt_version", _text(_dict(run.get("dbt_version")).get("version"))
    dbt = _dict(run.get("dbt_run"))
    yield from ((f"dbt_run.{key}", _text(dbt.get(key))) for key in ("invocation_id", "project_version", "profile_name"))
    for name in ("airflow", "airflowDagRun"):
        for part in ("dagRun", "taskInstance"):
            inner = _dict(_dict(run.get(name)).get(part))
            for key in ("dag_bundle_version", "dag_version_number", "dag_version_id"):
                yield f"airflow.{key}", _scalar(inner.get(key))
    task = _dict(_dict(run.get("airflow")).get("task"))
    unknown = _list(_dict(run.get("unknownSourceAttribute")).get("unknownItems"))
    for properties in (task, *(_dict(_dict(one).get("properties")) for one in unknown)):
        yield "image", _text(properties.get("image"))
    for one in _list(_dict(run.get("environmentVariables")).get("environmentVariables")):
        if _WANTED.search(name := _text(_dict(one).get("name"))):
            yield f"environmentVariables.{name}", _text(one.get("value"))
    for facets in (run, job):
        for one in _list(_dict(facets.get("tags")).get("tags")):
            name = _text(_dict(one).get("key"))
            if _WANTED.search(name) and name != "openlineage_client_version":
                yield f"tags.{name}", _text(one.get("value"))


def _texts(job: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """The code itself, where events carry it, without what differs from run to run."""
    for facet, key in (("sql", "query"), ("sourceCode", "sourceCode")):
        code = _text(_dict(job.get(facet)).get(key))[:_LONGEST_TEXT]
        yield f"{facet}.{key}", " ".join(_PASSING.sub("…", code).split())


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _scalar(value: Any) -> str:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else _text(value)


def _number(value: Any) -> float | None:
    """A finite number; producers send some as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
