"""What the facets of an event tell beyond taint: versions, schemas, figures, assertions and errors.

Kept apart from ``lineage.events`` so that a blast radius neither decodes nor holds it. Whatever a facet holds, nothing raises; what
is not of the shape that its specification gives is as if it were not there. Source: https://openlineage.io/docs/spec/facets and the
producers' own facets.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from lineage.datasets import DatasetId, normalise
from lineage.partitions import split_name

Direction = Literal["input", "output", "run"]
Schema = tuple[tuple[str, str], ...]
"""Fields in their order as (name, type), nested ones as ``a.b``; the type is "" where none is told."""

Subject = tuple[Direction, DatasetId | None]

_STATISTICS = {
    "inputStatistics": ("rowCount", "size", "fileCount"),
    "outputStatistics": ("rowCount", "size", "fileCount"),
    "dataQualityMetrics": ("rowCount", "bytes", "fileCount"),
}
_COLUMN_METRICS = ("nullCount", "distinctCount", "sum", "count", "min", "max")
_WANTED = re.compile(r"(^|_)(IMAGE|VERSION|COMMIT|SHA|REVISION|RELEASE|TAG)$", re.IGNORECASE)
_PASSING = re.compile(
    r"\d{4}[-/]\d\d(?:[-/]\d\d)?(?:[T ]\d\d(?::\d\d){0,2}(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]+){2,4}|\d{8,}"
)
"""What a text names anew for each run: dates, times, long numbers, run ids."""
_LONGEST_TEXT = 20_000
_DEEPEST = 8


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


def told(raw: Any) -> Told:
    """What one OpenLineage object tells."""
    event, found = _dict(raw), Told()
    run, job = _dict(_dict(event.get("run")).get("facets")), _dict(_dict(event.get("job")).get("facets"))
    found.versions = {where: value for where, value in (*_versions(run, job), *_orchestrated(run), *_texts(job)) if value}
    found.error = _text(_dict(run.get("errorMessage")).get("message")).strip()
    for direction, key in (("input", "inputs"), ("output", "outputs")):
        for one in _list(event.get(key)):
            name = _text(_dict(one).get("name"))
            if name:
                dataset = _identity(_text(one.get("namespace")), name)
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
    for facet, names in _STATISTICS.items():
        if facet not in facets:
            continue
        raw = _dict(facets[facet])
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
        if location := _dict(facets.get("sourceCodeLocation")):
            yield from ((f"sourceCodeLocation.{key}", _text(location.get(key))) for key in ("version", "tag"))
        for one in _list(_dict(facets.get("tags")).get("tags")):
            if _WANTED.search(name := _text(_dict(one).get("key"))) and name != "openlineage_client_version":
                yield f"tags.{name}", _text(one.get("value"))
    if engine := _dict(run.get("processing_engine")):
        yield "processing_engine", " ".join(filter(None, (_text(engine.get("name")), _text(engine.get("version")))))
        yield "processing_engine.openlineageAdapterVersion", _text(engine.get("openlineageAdapterVersion"))
    for one in _list(_dict(run.get("environmentVariables")).get("environmentVariables")):
        if _WANTED.search(name := _text(_dict(one).get("name"))):
            yield f"environmentVariables.{name}", _text(one.get("value"))


def _orchestrated(run: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The versions that dbt and Airflow tell in facets of their own."""
    if "dbt_version" in run:
        yield "dbt_version", _text(_dict(run["dbt_version"]).get("version"))
    if dbt := _dict(run.get("dbt_run")):
        yield from ((f"dbt_run.{key}", _text(dbt.get(key))) for key in ("invocation_id", "project_version", "profile_name"))
    for name in ("airflow", "airflowDagRun"):
        if airflow := _dict(run.get(name)):
            yield "image", _text(_dict(airflow.get("task")).get("image"))
            for inner in (_dict(airflow.get("dagRun")), _dict(airflow.get("taskInstance"))):
                for key in ("dag_bundle_version", "dag_version_number", "dag_version_id"):
                    yield f"airflow.{key}", _scalar(inner.get(key))
    for one in _list(_dict(run.get("unknownSourceAttribute")).get("unknownItems")):
        yield "image", _text(_dict(_dict(one).get("properties")).get("image"))


def _texts(job: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The code itself, where events carry it, without what differs from run to run."""
    for facet, key in (("sql", "query"), ("sourceCode", "sourceCode")):
        if facet in job:
            code = _text(_dict(job[facet]).get(key))[:_LONGEST_TEXT]
            yield f"{facet}.{key}", " ".join(_PASSING.sub("…", code).split())


@lru_cache(maxsize=65_536)
def _identity(namespace: str, name: str) -> DatasetId:
    full = normalise(namespace, name)
    return DatasetId(full.namespace, split_name(full.name)[0])


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
