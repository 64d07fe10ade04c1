"""Small dbt artifacts by hand, in the shapes that dbt 1.3 to 1.11 write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lineage.declarations import Declarations
from lineage.history import History, build
from lineage.sources import Problems, read

SCHEMA = "https://schemas.getdbt.com/dbt"


def node(kind: str, name: str, *parents: str, materialized: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "resource_type": kind,
        "unique_id": f"{kind}.shop.{name}",
        "package_name": "shop",
        "database": "db",
        "schema": "main",
        "name": name,
        "alias": name,
        "relation_name": f'"db"."main"."{name}"',
        "config": {"materialized": materialized or {"model": "table"}.get(kind, kind)} | more.pop("config", {}),
        "depends_on": {"macros": ["macro.dbt.statement"], "nodes": list(parents)},
    } | more


def manifest(version: int, *nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    metadata = {
        "dbt_schema_version": f"{SCHEMA}/manifest/v{version}.json",
        "generated_at": "2026-11-18T04:00:00Z",
        "adapter_type": "postgres",
    }
    if version >= 10:
        metadata["project_name"] = "shop"
    found = {"metadata": metadata, "nodes": {one["unique_id"]: one for one in nodes}, "sources": {}, "exposures": {}, "metrics": {}}
    return found | more


def results(*found: Any, which: str | None = "run", at: str = "2026-11-18T05:00:00Z", **arguments: Any) -> dict[str, Any]:
    metadata = {"dbt_schema_version": f"{SCHEMA}/run-results/v5.json", "generated_at": at, "invocation_id": f"inv-{at}"}
    return {"metadata": metadata, "results": list(found), "args": arguments | ({"which": which} if which else {})}


def result(name: str, status: str = "success", **more: Any) -> dict[str, Any]:
    step = {"name": "execute", "started_at": "2026-11-18T04:30:00.000001Z", "completed_at": "2026-11-18T04:40:00Z"}
    return {"unique_id": name, "status": status, "timing": [step], "execution_time": 600.0} | more


def told(folder: Path, found: Any, *runs: Any, options: str = "?namespace=pg") -> tuple[History, Problems]:
    (folder / "manifest.json").write_text(json.dumps(found))
    for number, run in enumerate(runs):
        (folder / f"run_results_{number}.json").write_text(json.dumps(run))
    problems = Problems()
    return build(read([f"dbt:{folder}{options}"], problems), Declarations(), problems=problems), problems


def reads(history: History, job: str) -> set[str]:
    return {dataset.name for name, datasets in history.job_reads.items() if name.name.endswith(job) for dataset in datasets}


SEED = node("seed", "raw")
STAGED = node("model", "stg", "seed.shop.raw", materialized="ephemeral")
