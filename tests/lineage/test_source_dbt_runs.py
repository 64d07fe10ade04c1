"""dbt run results: commands, outcomes, batches, and what cannot be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lineage.declarations import Declarations
from lineage.history import History, build
from lineage.sources import read
from tests.lineage.dbt_artifacts import SEED, manifest, node, result, results, told


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


@pytest.mark.parametrize(("adapter", "mode"), [("duckdb", "OVERWRITE"), ("postgres", "MERGE"), ("unheard-of", "MERGE")])
def test_a_batch_is_replaced_only_where_the_adapter_deletes_it_first(adapter: str, mode: str, tmp_path: Path) -> None:
    found = manifest(12, SEED, BATCHED)
    found["metadata"]["adapter_type"] = adapter
    named = result("model.shop.mb", batch_results={"successful": batches("01"), "failed": []})

    history, _ = told(tmp_path, found, results(named), results(result("model.shop.mb"), at="2026-11-18T06:00:00Z"))

    assert {(str(write.cell.partition), write.mode.name) for one in history.attempts for write in one.writes} == {
        ("2026-11-18/hour=01", mode),
        ("*", "MERGE"),
    }


@pytest.mark.parametrize(("refresh", "mode"), [(True, "OVERWRITE"), (False, "MERGE")])
@pytest.mark.parametrize("said", ["incremental", "table"])
def test_only_the_artifact_knows_of_a_full_refresh(said: str, refresh: bool, mode: str, tmp_path: Path) -> None:
    """openlineage-dbt tells what the model's configuration says, and each of the two reports is of the same attempt."""
    _, problems = told(tmp_path, manifest(12, SEED, INCREMENTAL), results(result("model.shop.inc"), full_refresh=refresh))
    events = list(read([f"dbt:{tmp_path}?namespace=pg"], problems))
    twins = [
        replace(
            one,
            run_id="openlineage",
            said_by="openlineage",
            outputs=tuple(replace(output, materialized=said, strategy=None) for output in one.outputs),
        )
        for one in events
        if one.run_id is not None
    ]

    for order in (events + twins, twins + events):
        history = build(order, Declarations())
        assert modes(history) == [("COMPLETE", mode)]


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
