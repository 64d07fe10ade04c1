"""OpenLineage events, read tolerantly: what a line says, as far as taint, ownership and identity need it.

Missing ``schemaURL``, naive times, nanoseconds, unknown facets and log prefixes before the JSON are read; what cannot be used
raises ``Unusable`` with a reason. Source: https://openlineage.io/spec/2-0-2/OpenLineage.json and the producers' own facets.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from lineage.datasets import DatasetId, JobId, normalise
from lineage.partitions import Partition, from_path, partition, split_name
from lineage.timestamps import AFTER, BEFORE, parse

EventType = Literal["OTHER", "START", "RUNNING", "COMPLETE", "ABORT", "FAIL"]
TYPES: dict[str, EventType] = {
    "START": "START",
    "RUNNING": "RUNNING",
    "COMPLETE": "COMPLETE",
    "ABORT": "ABORT",
    "FAIL": "FAIL",
}


_DECODER = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) < _LONGEST_NUMBER else float(digits))
_LONGEST_NUMBER = 4300  # more digits, int() refuses; no reason to lose the line
_NEXT = re.compile(r"[^ \t]|\Z")


FULL_REFRESH = "full refresh"
"""A strategy that only dbt's own artifacts tell: the model was made anew, whatever its configuration says."""

REPLACED_BATCH = "replaced batch"
"""Another: what the named batch held was deleted before it was written."""


class Unusable(ValueError):
    """A line that is no event we can use; the reason is for people."""


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """One dataset as one event names it. ``partitions``: those that the event names; empty when it names none."""

    dataset: DatasetId
    partitions: tuple[Partition, ...] = ()
    suffixed: bool = False
    """Whether the partition is the end of the dataset's name."""
    version: str | None = None
    """The version read or made: of the table or object, or the table's snapshot."""
    operation: str | None = None
    """What the table format committed: append, overwrite, delete or replace."""
    lifecycle: str | None = None
    materialized: str | None = None
    strategy: str | None = None
    exposed: bool = False
    symlinks: tuple[DatasetId, ...] = ()
    renamed_from: DatasetId | None = None
    owners: tuple[str, ...] = ()
    inferred: str = ""
    """Why we take it that the job reads this, though nobody said so of this job; it never convicts."""
    spelled: tuple[str, ...] = ()
    """The partitions as the event writes them, one for each; knowledge for suggestions only."""
    format: str | None = None
    """The table format that keeps it (iceberg, delta), by the storage facet."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``time`` in nanoseconds UTC. ``run_id`` is None for static job and dataset events."""

    time: int
    type: EventType
    run_id: str | None
    job: JobId | None
    inputs: tuple[DatasetRef, ...] = ()
    outputs: tuple[DatasetRef, ...] = ()
    nominal: tuple[int, int] | None = None
    partition_key: str | None = None
    code_version: str | None = None
    notes: tuple[str, ...] = ()
    """What of the event could not be used, though the rest could."""
    said_by: str = "openlineage"
    """The kind of source that said so, for evidence of who said what."""
    owners: tuple[str, ...] = ()
    """Who owns the job."""


def decode(line: bytes, *, prefixed: bool = True) -> Any:
    """The JSON value of a line, or a list of those that share it; ``prefixed``: whatever stands before its first brace.

    Raises Unusable.
    """
    text = line.strip().removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        reason = str(error).split(": line ")[0]
    tolerant = text.decode("utf-8", "replace")
    start = tolerant.find("{") if prefixed else 0
    for _ in range(8 if prefixed else 1):  # a log prefix may hold braces of its own
        if start < 0:
            break
        if found := _values(tolerant, start):
            return found[0] if len(found) == 1 else found
        start = tolerant.find("{", start + 1)
    raise Unusable(f"not JSON: {reason}")


def _values(text: str, start: int) -> list[Any]:
    """The JSON values that fill the text from there to its end, only spaces between them; none when it is not so."""
    found: list[Any] = []
    try:
        while start < len(text):
            value, end = _DECODER.raw_decode(text, start)
            found.append(value)
            start = _NEXT.search(text, end).start()  # type: ignore[union-attr]  # matches at the end at the latest
    except (ValueError, RecursionError):
        return []
    return found


def event(raw: Any) -> Event:
    """The event that a JSON object is. Raises Unusable."""
    if not isinstance(raw, dict):
        raise Unusable(f"not an event but a JSON {type(raw).__name__}")
    time = raw.get("eventTime")
    if not isinstance(time, str):
        raise Unusable("no eventTime")
    try:
        when = parse(time)
    except (ValueError, OverflowError):
        raise Unusable(f"eventTime is not a time: {time[:40]!r}") from None
    if not BEFORE < when < AFTER:
        raise Unusable(f"eventTime is too far away: {time[:40]!r}")
    notes: list[str] = []
    if isinstance(raw.get("dataset"), dict) and "run" not in raw:
        return Event(
            when, "OTHER", None, None, outputs=tuple(_references([raw["dataset"]], "dataset", "", notes)), notes=tuple(notes)
        )
    job = _dict(raw.get("job"))
    namespace, name = _text(job.get("namespace")), _text(job.get("name"))
    if not name:
        raise Unusable("no job name")
    run = raw.get("run")
    run_id = _text(_dict(run).get("runId"))
    if "run" in raw and not run_id:
        notes.append("no run id: used for static lineage only")
    facets = _dict(_dict(run).get("facets"))
    inputs = list(_references(raw.get("inputs"), "inputs", "input", notes))
    outputs = list(_references(raw.get("outputs"), "outputs", "output", notes))
    task = _dict(_dict(facets.get("airflow")).get("task"))
    inputs += _missing(asset_references(task.get("inlets")), inputs)
    outputs += _missing(asset_references(task.get("outlets")), outputs)
    return Event(
        time=when,
        type=TYPES.get(str(raw.get("eventType")).upper(), "OTHER"),
        run_id=run_id or None,
        job=JobId(namespace, name),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        nominal=nominal_time(_dict(facets.get("nominalTime")), notes),
        partition_key=_partition_key(facets),
        code_version=_code_version(_dict(job.get("facets")), facets),
        notes=tuple(notes),
        owners=owners_of(_dict(job.get("facets"))),
    )


def _references(raw: Any, where: str, direction: str, notes: list[str]) -> Iterator[DatasetRef]:
    if raw is None:
        return
    if not isinstance(raw, list):
        notes.append(f"{where} is not a list")
        return
    for item in raw:
        namespace, name = _text(_dict(item).get("namespace")), _text(_dict(item).get("name"))
        if not name:
            notes.append(f"a dataset in {where} has no name")
            continue
        yield reference(normalise(namespace, name), item, direction)


def reference(full: DatasetId, raw: dict[str, Any], direction: str) -> DatasetRef:
    facets = _dict(raw.get("facets"))
    own = _dict(raw.get(f"{direction}Facets"))
    base, suffix = split_name(full.name)
    told = _dict(own.get("subset") or facets.get("subset"))
    named = subset(_dict(told.get(f"{direction}Condition")))
    suffixed = not named and bool(suffix)
    if suffixed:
        named = {suffix: full.name[len(base) :].strip("/")}
    lifecycle = _dict(facets.get("lifecycleStateChange"))
    previous = _dict(lifecycle.get("previousIdentifier"))
    model = _dict(_dict(facets.get("dbt_model")).get("config"))
    report = _dict(own.get("icebergScanReport") or own.get("icebergCommitReport"))
    return DatasetRef(
        dataset=DatasetId(full.namespace, base),
        partitions=tuple(named),
        suffixed=suffixed,
        version=scalar(_dict(facets.get("version")).get("datasetVersion")) or scalar(report.get("snapshotId")) or None,
        operation=_text(report.get("operation")).lower() or None,
        lifecycle=_text(lifecycle.get("lifecycleStateChange")).upper() or None,
        materialized=_text(model.get("materialized")) or None,
        strategy=_text(_dict(model.get("incremental")).get("strategy")) or None,
        exposed=bool(_dict(facets.get("dbt_exposures")).get("exposures")),
        symlinks=tuple(_identifier(one) for one in _list(_dict(facets.get("symlinks")).get("identifiers")) if _named(one)),
        renamed_from=_identifier(previous) if _named(previous) else None,
        owners=owners_of(facets),
        spelled=tuple(named.values()),
        format=_text(_dict(facets.get("storage")).get("storageLayer")).lower() or None,
    )


def owners_of(facets: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_text(_dict(owner).get("name")) for owner in _list(_dict(facets.get("ownership")).get("owners")) if _named(owner))


def _identifier(raw: Any) -> DatasetId:
    full = normalise(_text(raw.get("namespace")), _text(raw.get("name")))
    return DatasetId(full.namespace, split_name(full.name)[0])


def subset(condition: dict[str, Any]) -> dict[Partition, str]:
    """The partitions of a subset condition, each as it was written; empty when it names none that we understand."""
    found: dict[Partition, str] = {}
    for one in _list(condition.get("partitions")):
        dimensions = {_text(key): scalar(value) for key, value in _dict(_dict(one).get("dimensions")).items()}
        identifier = _text(_dict(one).get("identifier"))
        if dimensions and all(dimensions.values()):
            spelled = "/".join(f"{key}={value}" for key, value in dimensions.items())
            exact = partition({key: str(value) for key, value in dimensions.items()})
            found.setdefault(exact, identifier.strip("/") if from_path(identifier) == exact else spelled)
        elif named := from_path(identifier) if identifier else None:
            found.setdefault(named, identifier.strip("/"))
        else:
            return {}  # one that we cannot read may be any: the whole list names nothing
    for location in _list(condition.get("locations")):
        base, named = split_name(_text(location))
        if not named:
            return {}
        found.setdefault(named, _text(location)[len(base) :].strip("/"))
    return found


def asset_references(raw: Any) -> Iterator[DatasetRef]:
    """Airflow's inlets and outlets, which arrive as the repr of a list of assets."""
    if not isinstance(raw, str) or "uri" not in raw or len(raw) > 1_000_000:
        return
    try:
        assets = ast.literal_eval(raw)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return
    for asset in _list(assets):
        uri = _text(_dict(asset).get("uri"))
        scheme, separator, rest = uri.partition("://")
        if separator and rest:
            host, _, path = rest.partition("/")
            if path:
                yield reference(normalise(f"{scheme}://{host}", path), {}, "")


def _missing(candidates: Iterator[DatasetRef], present: list[DatasetRef]) -> list[DatasetRef]:
    known = {reference.dataset for reference in present}
    return [candidate for candidate in candidates if candidate.dataset not in known]


def nominal_time(facet: dict[str, Any], notes: list[str]) -> tuple[int, int] | None:
    start, end = facet.get("nominalStartTime"), facet.get("nominalEndTime")
    if not isinstance(start, str):
        return None
    try:
        begin = parse(start)
        finish = parse(end) if isinstance(end, str) else begin
    except (ValueError, OverflowError):
        notes.append(f"nominal time is not a time: {str(start)[:40]!r}")
        return None
    if not BEFORE < begin <= finish < AFTER:
        notes.append(f"nominal time makes no sense: {start[:40]!r} to {str(end)[:40]!r}")
        return None
    return begin, finish


def _partition_key(facets: dict[str, Any]) -> str | None:
    for name in ("airflow", "airflowDagRun"):
        if key := _text(_dict(_dict(facets.get(name)).get("dagRun")).get("partition_key")):
            return key
    return None


def _code_version(job: dict[str, Any], run: dict[str, Any]) -> str | None:
    for facets in (job, run):
        location = _dict(facets.get("sourceCodeLocation"))
        if version := _text(location.get("version")) or _text(location.get("tag")):
            return version
    return None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _named(value: Any) -> bool:
    return bool(_text(_dict(value).get("name")))


def _text(value: Any) -> str:
    """Text without lone surrogates, so that it can be printed and hashed; "" for anything else."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def scalar(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
