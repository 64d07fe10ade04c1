"""Short ways to write OpenLineage events in tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lineage.attempts import Attempt
from lineage.blast import blast
from lineage.blast_radius import BlastRadius
from lineage.declarations import Declarations
from lineage.effects import Effect
from lineage.events import event
from lineage.fault import Fault, Fix
from lineage.history import History, build
from lineage.timestamps import parse

JSON = dict[str, Any]


def at(moment: str) -> str:
    """``03`` or ``03:15`` on the day of the tests, or any full time."""
    return moment if "T" in moment else f"2026-11-18T{moment}{'' if ':' in moment else ':00'}:00Z"


def ns(moment: str) -> int:
    return parse(at(moment))


def dataset(name: str, part: str | None = None, **facets: Any) -> JSON:
    """A dataset below s3://lake; ``part`` (``dt=2026-11-18/hour=03``) as an OpenLineage subset, both as input and output."""
    namespace, _, rest = name.rpartition("|")
    raw: JSON = {"namespace": namespace or "s3://lake", "name": rest, "facets": facets}
    if part is not None:
        dimensions = dict(segment.split("=") for segment in part.split("/"))
        condition = {"type": "partition", "partitions": [{"dimensions": dimensions}]}
        raw["inputFacets"] = {"subset": {"inputCondition": condition}}
        raw["outputFacets"] = {"subset": {"outputCondition": condition}}
    return raw


def dbt(materialized: str, **incremental: str) -> JSON:
    """The facet that tells a dbt node's materialisation."""
    config: JSON = {"materialized": materialized}
    if incremental:
        config["incremental"] = incremental
    return {"dbt_model": {"config": config}}


def told(
    kind: str,
    moment: str,
    run: str = "r1",
    job: str = "job",
    *,
    reads: Iterable[JSON | str] = (),
    writes: Iterable[JSON | str] = (),
    nominal: str | None = None,
    key: str | None = None,
    code: str | None = None,
) -> JSON:
    """One event."""
    facets: JSON = {}
    if nominal is not None:
        facets["nominalTime"] = {"nominalStartTime": nominal, "nominalEndTime": nominal}
    if key is not None:
        facets["airflow"] = {"dagRun": {"partition_key": key}}
    job_facets = {} if code is None else {"sourceCodeLocation": {"version": code}}
    return {
        "eventType": kind,
        "eventTime": at(moment),
        "run": {"runId": run, "facets": facets},
        "job": {"namespace": "test", "name": job, "facets": job_facets},
        "inputs": [dataset(one) if isinstance(one, str) else one for one in reads],
        "outputs": [dataset(one) if isinstance(one, str) else one for one in writes],
    }


def ran(
    start: str,
    end: str,
    run: str,
    job: str = "job",
    *,
    reads: Iterable[JSON | str] = (),
    writes: Iterable[JSON | str] = (),
    **more: Any,
) -> list[JSON]:
    """A START and a COMPLETE (or ``state``) of one run."""
    state = more.pop("state", "COMPLETE")
    return [told("START", start, run, job, **more), told(state, end, run, job, reads=reads, writes=writes, **more)]


def history(
    *raw: JSON | list[JSON],
    declared: Declarations | None = None,
    effects: Iterable[Effect] = (),
    ended: Mapping[str, int] | None = None,
) -> History:
    flat = [one for item in raw for one in (item if isinstance(item, list) else [item])]
    return build(map(event, flat), declared or Declarations(), effects=effects, ended=ended)


def attempt(*raw: JSON | list[JSON], declared: Declarations | None = None) -> Attempt:
    """The only attempt that these events tell."""
    (only,) = history(*raw, declared=declared).attempts
    return only


def reads(one: Attempt) -> list[str]:
    """What an attempt reads, as DATASET@PARTITION; ``?`` where the cell is not known."""
    return [_text(read.cell.dataset.name, str(read.cell.partition), known=read.cell.known) for read in one.reads]


def writes(one: Attempt) -> list[str]:
    """What an attempt writes, with its mode."""
    return [
        f"{_text(write.cell.dataset.name, str(write.cell.partition), known=write.cell.known)} {write.mode.value}"
        for write in one.writes
    ]


def _text(name: str, part: str, *, known: bool) -> str:
    return f"{name}@{part}{'' if known else '?'}"


def radius(known: History, fix: Fix | None = None, **fault: Any) -> BlastRadius:
    return blast(known, Fault(**fault), fix)


def states(of: BlastRadius) -> dict[str, str]:
    """Run id → state."""
    return {one.run_id: one.state for one in of.attempts}


def cells(of: BlastRadius) -> dict[str, str]:
    """DATASET@PARTITION → state."""
    return {f"{one.cell.dataset.name}@{one.cell.partition}": one.state for one in of.cells}
