"""What producers also send, for tests of equality: doubled, late and incomplete events, second names, versions, write modes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.bench.company import Job, Table


def oddly(events: Iterable[dict[str, Any]], seed: int) -> Iterator[dict[str, Any]]:
    """The events with some of them doubled, out of order, without an end's partner, without inputs or outputs, or static."""
    random = Random(f"odd {seed}")
    kept: list[dict[str, Any]] = []
    for told in events:
        one = told
        match random.randrange(60):
            case 0:
                yield one
            case 1:
                kept.append(one)  # comes out of order
                continue
            case 2 if one["eventType"] == "START":
                continue  # a COMPLETE without its START
            case 3:
                one = {**told, "outputs": []}
            case 4:
                one = {**told, "inputs": []}
            case 5:
                yield {key: value for key, value in one.items() if key not in {"run", "eventType"}}  # a job event
            case 6:
                yield {**one, "eventType": "RUNNING"}
            case 7 if one["eventType"] != "START":
                yield {**one, "eventType": "START"}  # at the very time of its end
        yield one
        if kept and random.random() < 0.1:
            yield kept.pop()
    yield from kept


def odd_facets(job: Job, table: Table, side: str) -> dict[str, Any]:
    """A second name, a former name, a version, dbt's materialisation, an exposure: each for some tables."""
    found: dict[str, Any] = {}
    kind = table.index % 11
    if kind == 0:
        found["symlinks"] = {"identifiers": [{"namespace": "glue", "name": f"db.table_{table.index}", "type": "TABLE"}]}
    if kind == 1:
        former = {"namespace": table.namespace, "name": f"old/{table.index}"}
        found["lifecycleStateChange"] = {"lifecycleStateChange": "RENAME", "previousIdentifier": former}
    if kind == 2:
        found["dbt_exposures"] = {"exposures": [{"name": "board"}]}
    if job.producer == "dbt" and side == "output":
        incremental = {"strategy": "append"} if job.mode == "append" else {}
        found["dbt_model"] = {"config": {"materialized": "incremental" if job.hourly else "table", "incremental": incremental}}
    if kind == 3 and side == "output" and job.index % 2:
        found["lifecycleStateChange"] = {"lifecycleStateChange": "TRUNCATE"}
    if kind == 4 and side == "input":
        found["version"] = {"datasetVersion": str(job.index % 5)}
    return found
