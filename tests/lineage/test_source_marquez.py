"""A Marquez server as lineage, told by a local one that answers in its shapes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lineage.declarations import Declarations
from lineage.errors import SourceUnreadable
from lineage.events import Event
from lineage.history import History, build
from lineage.sources import Problems, read
from lineage.timestamps import render
from tests.lineage.marquez_server import JSON, Marquez, serving

DATA = Path(__file__).parent / "data"
CORPORA = Path(__file__).parents[3] / "shared" / "corpora"


@pytest.fixture(autouse=True)
def _direct_and_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("MARQUEZ_API_KEY", raising=False)
    monkeypatch.setattr("lineage.sources.rest._WAITS", (0.0, 0.0, 0.0))


@pytest.fixture
def marquez() -> Iterator[Marquez]:
    with serving(Marquez()) as found:
        yield found


def told(source: str) -> tuple[list[Event], Problems]:
    problems = Problems()
    return list(read([source], problems)), problems


def history(events: list[Event]) -> History:
    return build(events, Declarations())


def ran(time: str, run: str = "r1", kind: str = "COMPLETE", job: str = "daily") -> JSON:
    return {
        "eventType": kind,
        "eventTime": time,
        "run": {"runId": run},
        "job": {"namespace": "prod", "name": job},
        "inputs": [{"namespace": "s3://lake", "name": "raw"}],
        "outputs": [{"namespace": "s3://lake", "name": "clean"}],
    }


def job(name: str, namespace: str = "prod", **more: Any) -> JSON:
    """A job in the shape of ``GET /namespaces/{namespace}/jobs``, nulls included."""
    return {
        "id": {"namespace": namespace, "name": name},
        "type": "BATCH",
        "name": name,
        "simpleName": name,
        "parentJobName": None,
        "createdAt": "2026-11-01T00:00:00Z",
        "updatedAt": "2026-11-18T00:00:00Z",
        "namespace": namespace,
        "inputs": [],
        "outputs": [],
        "location": None,
        "description": None,
        "latestRun": None,
        "facets": {},
        "currentVersion": None,
    } | more


def run(identity: str, state: str = "COMPLETED", **more: Any) -> JSON:
    """A run in the shape of ``GET /namespaces/{namespace}/jobs/{job}/runs``."""
    return {
        "id": identity,
        "createdAt": "2026-11-18T01:00:00Z",
        "updatedAt": "2026-11-18T01:20:00Z",
        "nominalStartTime": None,
        "nominalEndTime": None,
        "state": state,
        "startedAt": "2026-11-18T01:05:00Z",
        "endedAt": "2026-11-18T01:15:00Z",
        "durationMs": 600000,
        "args": {},
        "jobVersion": {"namespace": "prod", "name": "daily", "version": "0ba5b13b-350e-40f3-ba3f-cc00a4e92d11"},
        "inputDatasetVersions": [version("raw")],
        "outputDatasetVersions": [version("clean")],
        "facets": {},
    } | more


def version(name: str, **facets: Any) -> JSON:
    identity = {"namespace": "s3://lake", "name": name, "version": "d224dac0-35d7-4d9b-bbbe-6fff1a8485ad"}
    return {"datasetVersionId": identity, "facets": facets}


# --- events -------------------------------------------------------------------------------------------------------------


def test_events_are_read_as_they_were_sent(marquez: Marquez) -> None:
    lines = [json.loads(line) for line in (DATA / "dbt_shop_openlineage.ndjson").read_text().splitlines()]
    marquez.events = lines

    events, problems = told(marquez.url)

    assert (problems.skipped, problems.noted) == ([], [])
    straight, _ = told(str(DATA / "dbt_shop_openlineage.ndjson"))
    assert {one.said_by for one in events} == {"marquez"}
    assert history(events).attempts == history(straight).attempts


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the shared corpora are not beside the work tree")
@pytest.mark.parametrize(
    "name", ["airflow_shop_generated", "marquez_food_delivery_seed", "ct_spark_simple_complete", "ol_diff_spark"]
)
def test_corpora_are_the_same_through_marquez(name: str, marquez: Marquez) -> None:
    path = CORPORA / f"{name}.ndjson"
    marquez.events = [json.loads(line) for line in path.read_text().splitlines()]

    events, problems = told(marquez.url)

    straight, direct = told(str(path))
    assert history(events).attempts == history(straight).attempts
    assert len(problems.skipped) == len(direct.skipped)


@pytest.mark.parametrize("knows_offset", [True, False])
def test_no_event_is_missed_or_told_twice_however_many_share_a_time(knows_offset: bool, marquez: Marquez) -> None:
    times = [
        f"2026-11-18T01:00:00.{tenth:03}{rest:06}Z" for tenth, many in ((1, 250), (2, 1), (3, 99), (4, 330)) for rest in range(many)
    ]
    times += ["2026-11-18T01:00:01Z"] * 450 + ["2026-11-18T01:00:02.9999999Z", "2026-11-18T01:00:03Z"]
    marquez.events = [ran(time, run=f"r{number}") for number, time in enumerate(times)]
    marquez.knows_offset = knows_offset

    events, problems = told(marquez.url)

    assert sorted(one.run_id or "" for one in events) == sorted(f"r{number}" for number in range(len(times)))
    assert problems.noted == []


def test_a_server_that_cuts_its_pages_short_is_noticed(marquez: Marquez) -> None:
    marquez.largest_page = 100
    marquez.events = [ran("2026-11-18T01:00:00Z", run=f"r{number}") for number in range(150)] + [ran("2026-11-18T02:00:00Z")]

    events, problems = told(marquez.url)

    assert 100 <= len(events) <= 151, "which hundred of one time it gives is chance"
    assert "some may be missing" in problems.noted[0].reason


def test_a_server_that_ignores_the_order_asked_for_is_refused(marquez: Marquez) -> None:
    marquez.knows_order = False
    marquez.events = [ran(f"2026-11-18T01:{minute:02}:00Z", run=f"r{minute}") for minute in range(60)]

    with pytest.raises(SourceUnreadable, match="do not come in the order"):
        told(marquez.url)


def test_an_event_that_cannot_be_used_is_counted(marquez: Marquez) -> None:
    broken = ran("2026-11-18T01:00:00Z") | {"job": None}
    marquez.events = ["text", broken, ran("2026-11-18T01:00:01Z")]

    events, problems = told(marquez.url)

    assert len(events) == 1
    assert sorted(one.reason for one in problems.skipped) == ["no job name", "not an event but a JSON str"]
    assert all(one.source.startswith("http://127.0.0.1:") and one.line for one in problems.skipped)


# --- jobs and datasets --------------------------------------------------------------------------------------------------


def test_jobs_and_datasets_add_edges_owners_and_symlinks(marquez: Marquez) -> None:
    marquez.namespaces = ["prod", "s3://lake", "empty"]
    marquez.events = []
    marquez.jobs["prod"] = [job("daily", inputs=[{"namespace": "s3://lake", "name": "raw"}], outputs=None)]
    marquez.runs["prod", "daily"] = []
    marquez.datasets["s3://lake"] = [
        {
            "id": {"namespace": "s3://lake", "name": "raw"},
            "type": "DB_TABLE",
            "name": "raw",
            "updatedAt": "2026-11-18T00:00:00Z",
            "facets": {
                "ownership": {"owners": [{"name": "team-ingest", "type": "TEAM"}]},
                "symlinks": {"identifiers": [{"namespace": "hive://meta", "name": "db.raw", "type": "TABLE"}]},
            },
            "deleted": False,
        },
        {"id": {"namespace": "s3://lake", "name": "bare"}, "name": "bare", "namespace": "s3://lake", "facets": None},
    ]

    events, problems = told(marquez.url)
    found = history(events)

    assert found.attempts == ()
    assert [str(one) for one in found.jobs] == ["prod/daily"]
    assert {str(dataset): names for dataset, names in found.owners.items()} == {"s3://lake/raw": ("team-ingest",)}
    assert [str(one.right) for one in found.identities.merges] == ["hive://meta/db.raw"]
    assert problems.skipped == []


def test_names_travel_whole_whatever_they_are_made_of(marquez: Marquez) -> None:
    namespace, name = "s3://lake/a b", "dag.task/50% ünï?#&+;=."
    marquez.namespaces = [namespace]
    marquez.jobs[namespace] = [job(name, namespace)]
    marquez.runs[namespace, name] = [run("r1")]

    events, _ = told(marquez.url)

    assert [str(one.job) for one in history(events).attempts] == [f"{namespace}/{name}"]


def test_listings_are_read_to_their_last_page(marquez: Marquez) -> None:
    marquez.namespaces = [f"n{number}" for number in range(201)]
    marquez.jobs["n7"] = [job(f"j{number}", "n7") for number in range(300)]
    marquez.events = [ran("2026-11-18T01:00:00Z")]

    found = history(told(marquez.url)[0])

    assert len(found.jobs) == 301
    assert max(marquez.asked.values()) == 4, "three full pages, and one to see that they were all"


# --- runs, where there are no events ------------------------------------------------------------------------------------


def old(marquez: Marquez, *runs: JSON) -> Marquez:
    """A server from before ``/events/lineage``."""
    marquez.namespaces = ["prod"]
    marquez.jobs["prod"] = [job("daily")]
    marquez.runs["prod", "daily"] = list(runs)
    return marquez


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


# --- a server that is not well ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("statuses", [[500], [503, 502, 504], [429, 429]])
def test_a_passing_error_is_asked_again(statuses: list[int], marquez: Marquez) -> None:
    marquez.events = [ran("2026-11-18T01:00:00Z")]
    marquez.failures = {"/events/lineage": list(statuses), "/namespaces": list(statuses)}

    events, problems = told(marquez.url)

    assert len(events) == 1
    assert problems.skipped == []


@pytest.mark.parametrize(
    ("statuses", "said", "hint"),
    [
        ([500] * 4, "500 Internal Server Error, 4 times", "log"),
        ([401], "answers 401", "MARQUEZ_API_KEY"),
        ([403], "answers 403", "MARQUEZ_API_KEY"),
        ([400], "answers 400", "address"),
        ([404], "no Marquez there", "5000"),
    ],
)
def test_an_error_that_stays_says_what_and_what_to_do(statuses: list[int], said: str, hint: str, marquez: Marquez) -> None:
    marquez.failures = {"/namespaces": statuses}

    with pytest.raises(SourceUnreadable) as caught:
        told(marquez.url)

    assert said in caught.value.message
    assert hint in caught.value.hint


def test_an_error_in_the_middle_of_the_events_is_no_half_a_history(marquez: Marquez) -> None:
    marquez.events = [ran(f"2026-11-18T01:{number // 60:02}:{number % 60:02}Z") for number in range(150)]
    marquez.failures = {"/events/lineage": []}
    problems = Problems()
    events = read([marquez.url], problems)
    for _ in range(50):
        next(events)
    marquez.failures["/events/lineage"] += [500] * 4

    with pytest.raises(SourceUnreadable, match="4 times"):
        list(events)


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"[]", b'{"namespaces": null}', b"", b"\xff", b'{"namespaces": '])
def test_an_answer_that_is_not_marquezs_is_refused(body: bytes, marquez: Marquez) -> None:
    marquez.body = body

    with pytest.raises(SourceUnreadable) as caught:
        told(marquez.url)

    assert caught.value.hint


def test_nobody_listening_is_said() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(SourceUnreadable, match="cannot be reached") as caught:
            told(f"marquez+http://127.0.0.1:{port}")

    assert caught.value.hint


@pytest.mark.parametrize("source", ["marquez+http://", "marquez+http://host:port", "marquez+http:host", "marquez+https://h/?x=1"])
def test_an_address_that_is_none_is_said(source: str) -> None:
    with pytest.raises(SourceUnreadable, match="not the address"):
        told(source)


def test_credentials_in_the_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(SourceUnreadable) as caught:
        told("marquez+https://me:hunter2@marquez.example")

    assert "hunter2" not in caught.value.message + caught.value.hint
    assert "MARQUEZ_API_KEY" in caught.value.hint


def test_the_key_goes_to_this_server_alone_and_everything_is_a_get(marquez: Marquez, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARQUEZ_API_KEY", "s3cret")
    marquez.events = [ran("2026-11-18T01:00:00Z")]

    told(f"{marquez.url}/api/v1/")

    assert marquez.authorizations == {"Bearer s3cret"}
    assert marquez.methods == {"GET"}
    marquez.authorizations.clear()
    marquez.failures = {"/namespaces": [302]}
    with pytest.raises(SourceUnreadable):
        told(marquez.url)
    assert marquez.authorizations == {"Bearer s3cret", None}, "where it redirects gets no key"
