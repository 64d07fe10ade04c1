"""Daily histories for triage: ``ingest`` writes a day of raw, ``enrich`` makes a day of clean from it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from lineage.counters import Counter
from lineage.declarations import Declarations
from lineage.events import event
from lineage.fault import Fault
from lineage.history import build
from lineage.signals import Signals
from lineage.triage import Triage, triage
from lineage.triage_scene import Evidence

JSON = dict[str, Any]

FIRST = date(2026, 10, 19)  # a Monday
DAYS = 30
BAD = FIRST + timedelta(days=DAYS)  # Wednesday 18 November
FAULT = Fault(job="test/enrich", nominal=str(BAD))

FIELDS = {"id": "bigint", "amount": "decimal", "at": "timestamp"}


def day(number: int) -> date:
    """The day so many days after the history's first."""
    return FIRST + timedelta(days=number)


def schema(fields: dict[str, str]) -> JSON:
    return {"schema": {"fields": [{"name": name, "type": kind} for name, kind in fields.items()]}}


def partitioned(name: str, of: date, side: str, *, fields: dict[str, str] | None = None, rows: float | None = None) -> JSON:
    """A dataset's partition of a day, with a schema and a row count where given."""
    found: JSON = {
        "namespace": "s3://lake",
        "name": name,
        "facets": schema(fields) if fields else {},
        f"{side}Facets": {"subset": {f"{side}Condition": {"type": "partition", "partitions": [{"dimensions": {"dt": str(of)}}]}}},
    }
    if rows is not None:
        found[f"{side}Facets"][f"{side}Statistics"] = {"rowCount": rows}
    return found


def run(
    job: str,
    of: date,
    *,
    reads: Iterable[JSON] = (),
    writes: Iterable[JSON] = (),
    hour: int = 2,
    minutes: int = 30,
    state: str = "COMPLETE",
    code: str | None = "1.4.0",
    run_id: str | None = None,
    facets: JSON | None = None,
) -> list[JSON]:
    """START and end of a run that works the day after the one it is for."""
    began = f"{of + timedelta(days=1)}T{hour:02}:00:00Z"
    ended = f"{of + timedelta(days=1)}T{hour + minutes // 60:02}:{minutes % 60:02}:00Z"
    nominal = {"nominalStartTime": f"{of}T00:00:00Z", "nominalEndTime": f"{of + timedelta(days=1)}T00:00:00Z"}
    base: JSON = {
        "run": {"runId": run_id or f"{job}-{of}", "facets": {"nominalTime": nominal, **(facets or {})}},
        "job": {
            "namespace": "test",
            "name": job,
            "facets": {} if code is None else {"sourceCodeLocation": {"version": code}},
        },
        "inputs": list(reads),
        "outputs": list(writes),
    }
    return [{"eventType": "START", "eventTime": began, **base}, {"eventType": state, "eventTime": ended, **base}]


def ingest(of: date, *, rows: float | None = 1000.0, fields: dict[str, str] | None = None, **more: Any) -> list[JSON]:
    return run("ingest", of, writes=[partitioned("raw", of, "output", fields=fields or FIELDS, rows=rows)], **{"hour": 1, **more})


def enrich(of: date, *, rows: float | None = 1000.0, fields: dict[str, str] | None = None, **more: Any) -> list[JSON]:
    return run(
        "enrich",
        of,
        reads=[partitioned("raw", of, "input", fields=fields or FIELDS, rows=rows)],
        writes=[partitioned("clean", of, "output")],
        **{"hour": 3, **more},
    )


def usual(days: int = DAYS, **more: Any) -> list[JSON]:
    """So many days as they ought to be, with row counts that vary a little."""
    told: list[JSON] = []
    for number in range(days):
        rows = 1000.0 + 13 * (number % 7)
        told += [*ingest(day(number), rows=rows, **more), *enrich(day(number), rows=rows, **more)]
    return told


def found(events: Iterable[JSON], fault: Fault = FAULT, counters: Iterable[Counter] = ()) -> Triage:
    """The triage of a fault in these events."""
    signals = Signals()
    made = []
    for raw in events:
        one = event(raw)
        signals.hear(raw, one)
        made.append(one)
    return triage(build(made, Declarations()), fault, signals, counters=counters)


def kinds(of: Triage) -> list[tuple[str, str]]:
    """What was found, as (hypothesis, kind), strongest first."""
    return [(one.points_to, one.kind) for one in of.evidence]


def strongest(of: Triage, kind: str) -> Evidence:
    return max((one for one in of.evidence if one.kind == kind), key=lambda one: one.strength)


def status(of: Triage) -> dict[str, str]:
    """Check → what came of it."""
    return {one.name: one.status for one in of.checks}
