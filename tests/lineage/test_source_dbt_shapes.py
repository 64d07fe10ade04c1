"""dbt artifacts of every version since v7, and broken ones: small manifests by hand, in the shapes that dbt 1.3 to 1.11 write."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from lineage.declarations import Declarations
from lineage.errors import SourceUnreadable
from lineage.history import History, build
from lineage.sources import Problems, read

SHOP = Path(__file__).parent / "data" / "dbt_shop"
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


def test_v7_and_v8_name_refs_as_lists_and_know_no_groups(tmp_path: Path) -> None:
    for version in (7, 8):
        metric = {"unique_id": "metric.shop.revenue", "model": "ref('daily')", "depends_on": {"nodes": ["model.shop.daily"]}}
        daily = node("model", "daily", "model.shop.stg", refs=[["stg"]], meta={"owner": "team-bi"})
        board = node("model", "board", "metric.shop.revenue", refs=[], metrics=[["revenue"]])
        exposure = {"unique_id": "exposure.shop.exec", "owner": {"email": "bi@example.com", "name": None}} | {
            "depends_on": {"nodes": ["metric.shop.revenue"]}
        }
        found = manifest(
            version,
            SEED,
            STAGED,
            daily,
            board,
            metrics={"metric.shop.revenue": metric},
            exposures={"exposure.shop.exec": exposure},
        )

        history, problems = told(tmp_path, found)

        assert reads(history, "daily") == {"db.main.raw"}, "an ephemeral model holds no data"
        assert reads(history, "board") == {"db.main.daily"}, "neither does a metric"
        assert {one.name: owners for one, owners in history.owners.items()} == {
            "db.main.daily": ("team-bi", "bi@example.com")[::-1]
        }
        assert [one.name for one in history.exposed] == ["db.main.daily"]
        assert problems.noted == []


def test_v9_has_groups_and_refs_with_versions_and_seeds_without_nodes(tmp_path: Path) -> None:
    seed = SEED | {"depends_on": {"macros": []}, "config": {"materialized": "seed", "group": "ingest"}}
    dim = node("model", "dim", "seed.shop.raw", refs=[{"name": "raw", "package": None, "version": None}], version=2) | {
        "unique_id": "model.shop.dim.v2",
        "alias": "dim_v2",
        "group": "ingest",
    }
    groups = {"group.shop.ingest": {"name": "ingest", "package_name": "shop", "owner": {"email": "ingest@example.com"}}}

    history, _ = told(tmp_path, manifest(9, seed, dim, groups=groups))

    assert [job.name for job in history.jobs] == ["db.main.shop.dim.v2", "db.main.shop.raw.seed"]
    assert {one.name: owners for one, owners in history.owners.items()} == {
        "db.main.dim_v2": ("ingest@example.com",),
        "db.main.raw": ("ingest@example.com",),
    }


def test_v10_to_v12_hold_semantic_models_saved_queries_and_functions(tmp_path: Path) -> None:
    for version, part, kind in (
        (10, "semantic_models", "semantic_model"),
        (11, "saved_queries", "saved_query"),
        (12, "functions", "function"),
    ):
        between = {f"{kind}.shop.x": {"unique_id": f"{kind}.shop.x", "depends_on": {"nodes": ["model.shop.daily"]}}}
        exposure = {
            "exposure.shop.e": {"owner": {"name": "BI", "email": "b@example.com"}, "depends_on": {"nodes": [f"{kind}.shop.x"]}}
        }
        unit_tests = {"unit_test.shop.daily.t": {"depends_on": {"nodes": ["model.shop.daily"]}}}
        found = manifest(version, node("model", "daily"), exposures=exposure, unit_tests=unit_tests, **{part: between})

        history, problems = told(tmp_path, found)

        assert {one.name: owners for one, owners in history.owners.items()} == {"db.main.daily": ("BI",)}
        assert (problems.skipped, problems.noted) == ([], [])


def test_a_version_we_never_saw_is_read_and_noted(tmp_path: Path) -> None:
    history, problems = told(tmp_path, manifest(13, SEED, node("model", "daily", "seed.shop.raw")))

    assert reads(history, "daily") == {"db.main.raw"}
    assert ["manifest version v13" in one.reason for one in problems.noted] == [True]


def test_a_namespace_that_nobody_gave_is_derived_and_said(tmp_path: Path) -> None:
    for version in (7, 12):
        history, problems = told(tmp_path, manifest(version, SEED), options="")

        assert [str(one) for one in history.datasets] == ["postgres://shop/db.main.raw"]
        assert "?namespace=" in problems.noted[0].reason


def test_parents_are_taken_from_the_parent_map_where_a_node_names_none(tmp_path: Path) -> None:
    daily = node("model", "daily") | {"depends_on": None}

    history, problems = told(
        tmp_path, manifest(12, SEED, daily, parent_map={"model.shop.daily": ["seed.shop.raw", "model.shop.gone"]})
    )

    assert reads(history, "daily") == {"db.main.raw"}
    assert ["model.shop.daily depends on model.shop.gone" in one.reason for one in problems.noted] == [True]


def test_a_source_whose_dbt_name_is_another_tables_real_one_goes_by_its_own(tmp_path: Path) -> None:
    source = node("source", "daily") | {"unique_id": "source.shop.raw.daily", "identifier": "daily_import"}
    daily = node("model", "daily", "source.shop.raw.daily")

    history, _ = told(tmp_path, manifest(12, daily, sources={"source.shop.raw.daily": source}))

    assert reads(history, "daily") == {"db.main.daily_import"}
    assert history.identities.merges == []


def modes(history: History) -> list[tuple[str, str]]:
    return [(one.state, write.mode.name) for one in history.attempts for write in one.writes]


INCREMENTAL = node("model", "inc", "seed.shop.raw", materialized="incremental")


@pytest.mark.parametrize(
    ("config", "arguments", "mode"),
    [
        ({}, {}, "MERGE"),
        ({}, {"full_refresh": True}, "OVERWRITE"),
        ({"full_refresh": False}, {"full_refresh": True}, "MERGE"),
        ({"full_refresh": True}, {}, "OVERWRITE"),
        ({"incremental_strategy": "append"}, {}, "APPEND"),
        ({"incremental_strategy": "append"}, {"full_refresh": True}, "OVERWRITE"),
        ({}, {"which": "clone"}, "UNKNOWN"),
        ({}, {"which": None}, "UNKNOWN"),
    ],
)
def test_how_an_incremental_model_writes_depends_on_the_command(
    config: dict[str, Any], arguments: dict[str, Any], mode: str, tmp_path: Path
) -> None:
    model = INCREMENTAL | {"config": INCREMENTAL["config"] | config}

    history, problems = told(tmp_path, manifest(12, SEED, model), results(result("model.shop.inc"), **arguments))

    assert modes(history) == [("COMPLETE", mode)]
    assert bool(problems.noted) is (mode == "UNKNOWN")


@pytest.mark.parametrize("command", ["compile", "generate", "show", "test"])
def test_a_command_that_makes_nothing_is_no_run(command: str, tmp_path: Path) -> None:
    history, problems = told(tmp_path, manifest(12, INCREMENTAL, SEED), results(result("model.shop.inc"), which=command))

    assert history.attempts == ()
    assert problems.skipped == []


@pytest.mark.parametrize(
    ("status", "state"),
    [("success", "COMPLETE"), ("error", "FAIL"), ("fail", "FAIL"), ("runtime error", "FAIL"), ("skipped", None), ("no-op", None)],
)
def test_a_status_becomes_an_outcome(status: str, state: str | None, tmp_path: Path) -> None:
    history, problems = told(tmp_path, manifest(12, INCREMENTAL, SEED), results(result("model.shop.inc", status)))

    assert [one.state for one in history.attempts] == ([state] if state else [])
    assert problems.skipped == []


def test_results_that_cannot_be_used_are_counted_with_their_place(tmp_path: Path) -> None:
    run = results(
        result("model.shop.gone"),
        result("model.shop.inc", "astonishing"),
        {"status": "success"},
        "text",
        result("model.shop.inc", relation_name='"dev"."me"."inc"'),
        result("model.shop.inc", timing=[{"name": "execute", "started_at": "yesterday"}]),
    )

    history, problems = told(tmp_path, manifest(12, INCREMENTAL, SEED), run, {"no": "results"}, [])

    assert history.attempts == ()
    assert [(Path(one.source).name, one.line) for one in problems.skipped] == [
        ("run_results_1.json", 0),
        ("run_results_2.json", 0),
        *(("run_results_0.json", number) for number in range(1, 7)),
    ]


def test_a_run_that_failed_before_it_was_timed_ends_with_its_invocation(tmp_path: Path) -> None:
    history, _ = told(
        tmp_path, manifest(12, INCREMENTAL, SEED), results(result("model.shop.inc", "error", timing=[], execution_time=60))
    )

    (attempt,) = history.attempts
    assert attempt.end - attempt.start == 60 * 10**9


BATCHED = node("model", "mb", "seed.shop.raw", materialized="incremental") | {
    "config": {"materialized": "incremental", "incremental_strategy": "microbatch", "batch_size": "hour", "event_time": "ts"}
}


def batches(*hours: str) -> list[list[str]]:
    return [[f"2026-11-18T{hour}:00:00+00:00", "whatever"] for hour in hours]


def partitions(history: History) -> list[list[str]]:
    return [[str(write.cell.partition) for write in one.writes] for one in history.attempts]


def test_a_retry_does_not_count_the_batches_that_the_run_before_made(tmp_path: Path) -> None:
    first = result("model.shop.mb", "partial success", batch_results={"successful": batches("01", "02"), "failed": batches("03")})
    again = result("model.shop.mb", batch_results={"successful": batches("01", "02", "03"), "failed": []})

    history, _ = told(
        tmp_path,
        manifest(12, SEED, BATCHED),
        results(first, which="build", at="2026-11-18T05:00:00Z"),
        results(again, which="build", at="2026-11-18T06:00:00Z", invocation_command="dbt retry"),
    )

    found = {(one.state, tuple(str(write.cell.partition) for write in one.writes)) for one in history.attempts}
    assert found == {
        ("FAIL", ("2026-11-18/hour=03",)),
        ("COMPLETE", ("2026-11-18/hour=01", "2026-11-18/hour=02")),
        ("COMPLETE", ("2026-11-18/hour=03",)),
    }


@pytest.mark.parametrize("batch", [["not a time", "x"], [], "2026-11-18", ["2026-11-18T01:30:00Z", "x"], [17]])
def test_a_batch_that_is_no_whole_period_leaves_the_partition_unnamed(batch: Any, tmp_path: Path) -> None:
    told_batches = {"successful": [*batches("01"), batch], "failed": []}

    history, _ = told(tmp_path, manifest(12, SEED, BATCHED), results(result("model.shop.mb", batch_results=told_batches)))

    assert partitions(history) == [["*"]]


JUNK: list[Any] = [None, 0, -1.5, True, "", "\ud800", "x" * 50, [], {}, [None], {"nodes": 7}, [[]], {"owner": {"name": []}}]


def spoiled(value: Any, rng: random.Random) -> Any:
    """The JSON value with one thing somewhere in it replaced, removed or doubled."""
    at = value
    while isinstance(at, dict | list) and at:
        key = rng.choice(list(at)) if isinstance(at, dict) else rng.randrange(len(at))
        if not isinstance(at[key], dict | list) or not at[key] or rng.random() < 0.2:
            at[key] = copy.deepcopy(rng.choice(JUNK))
            break
        at = at[key]
    return value


def test_no_broken_artifact_crashes_the_reader(tmp_path: Path) -> None:
    good = json.loads((SHOP / "manifest.json").read_text())
    run = json.loads((SHOP / "run_results_2.json").read_text())
    for seed in range(400):
        rng = random.Random(seed)
        found, ran = copy.deepcopy(good), copy.deepcopy(run)
        for _ in range(rng.randint(1, 4)):
            spoiled(found, rng)
            spoiled(ran, rng)
        with contextlib.suppress(SourceUnreadable):
            told(tmp_path, found, ran)
