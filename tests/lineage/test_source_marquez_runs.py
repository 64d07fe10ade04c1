"""The runs of a Marquez server that gives no events."""

from __future__ import annotations

from typing import Any

import pytest

from lineage.timestamps import render
from tests.lineage.marquez_server import Marquez, history, job, old, run, told, version


@pytest.mark.parametrize("events", [None, []])
def test_without_events_the_runs_are_read_and_that_is_said(events: list[Any] | None, marquez: Marquez) -> None:
    old(marquez, run("r1"), run("r2", "FAILED"), run("r3", "ABORTED"), run("r4", "RUNNING", endedAt=None)).events = events

    found, problems = told(marquez.url)

    attempts = {one.run_id: one for one in history(found).attempts}
    assert {key: one.state for key, one in attempts.items()} == {"r1": "COMPLETE", "r2": "FAIL", "r3": "ABORT", "r4": "OPEN"}
    assert (render(attempts["r1"].start), render(attempts["r1"].end)) == ("2026-11-18T01:05:00Z", "2026-11-18T01:15:00Z")
    assert [str(one.cell) for one in attempts["r1"].reads] == ["s3://lake/raw@*"]
    assert [str(one.cell) for one in attempts["r1"].writes] == ["s3://lake/clean@*"]
    assert problems.noted[-1].reason.startswith("runs are read instead of events")
    assert len(problems.noted) == (2 if events is None else 1)


def test_what_a_run_knows_of_its_partitions_and_nominal_time_is_kept(marquez: Marquez) -> None:
    subset = {"outputCondition": {"type": "partition", "partitions": [{"dimensions": {"dt": "2026-11-17"}}]}}
    keyed = {"airflow": {"dagRun": {"partition_key": "2026-11-17"}}}
    nominal = {"nominalStartTime": "2026-11-17T00:00:00Z", "nominalEndTime": "2026-11-18T00:00:00Z"}
    old(
        marquez,
        run("r1", outputDatasetVersions=[version("clean", subset=subset)]),
        run("r2", facets=keyed),
        run("r3", **nominal),
        run("r4", facets={"nominalTime": nominal}, nominalStartTime="2020-01-01T00:00:00Z"),
    )

    attempts = {one.run_id: one for one in history(told(marquez.url)[0]).attempts}

    assert [str(one.cell) for one in attempts["r1"].writes] == ["s3://lake/clean@dt=2026-11-17"]
    assert attempts["r2"].partition_key == "2026-11-17"
    assert attempts["r3"].nominal == attempts["r4"].nominal
    assert attempts["r3"].nominal is not None


def test_facets_that_the_listing_leaves_out_are_asked_for(marquez: Marquez) -> None:
    old(marquez, run("r1", facets=None), run("r2", facets=None), run("r3", facets={}))
    marquez.run_facets["r1"] = {"airflow": {"dagRun": {"partition_key": "2026-11-17"}}}

    attempts = {one.run_id: one for one in history(told(marquez.url)[0]).attempts}

    assert {key: one.partition_key for key, one in attempts.items()} == {"r1": "2026-11-17", "r2": None, "r3": None}
    assert "/api/v1/jobs/runs/r3/facets" not in marquez.asked


def test_dataset_versions_as_older_servers_wrote_them(marquez: Marquez) -> None:
    older = run("r1") | {
        "inputVersions": [version("raw")["datasetVersionId"]],
        "outputVersions": [version("clean")["datasetVersionId"]],
    }
    del older["inputDatasetVersions"], older["outputDatasetVersions"]
    old(marquez, older)

    (attempt,) = history(told(marquez.url)[0]).attempts

    assert [str(one.cell) for one in attempt.reads] == ["s3://lake/raw@*"]
    assert [str(one.cell) for one in attempt.writes] == ["s3://lake/clean@*"]


def test_a_run_that_lacks_times_is_bounded_by_what_there_is_or_counted(marquez: Marquez) -> None:
    old(
        marquez,
        run("r1", startedAt=None),
        run("r2", endedAt=None),
        run("r3", "NEW", startedAt=None, endedAt=None),
        run("r4", startedAt=None, endedAt=None, updatedAt=None),
        run("r5", inputDatasetVersions=None, outputDatasetVersions=[None, {"datasetVersionId": None, "facets": None}]),
    )

    events, problems = told(marquez.url)

    spans = {one.run_id: (render(one.start), render(one.end), one.state) for one in history(events).attempts}
    assert spans["r1"] == (None, "2026-11-18T01:15:00Z", "COMPLETE")
    assert spans["r2"] == ("2026-11-18T01:05:00Z", "2026-11-18T01:20:00Z", "COMPLETE")
    assert spans["r3"] == ("2026-11-18T01:00:00Z", None, "OPEN")
    assert "r4" not in spans
    assert [(one.line, one.reason) for one in problems.skipped] == [(4, "no eventTime")]
    assert any(one.reason == "a dataset in outputs has no name" for one in problems.noted)


def test_a_job_that_went_away_meanwhile_is_counted(marquez: Marquez) -> None:
    old(marquez, run("r1")).jobs["prod"].append(job("gone"))

    events, problems = told(marquez.url)

    assert len(history(events).attempts) == 1
    assert ["gone" in one.source for one in problems.skipped] == [True]
