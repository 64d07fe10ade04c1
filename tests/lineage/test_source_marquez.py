"""A Marquez server's events, jobs and datasets as lineage, told by a local one that answers in its shapes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lineage.errors import SourceUnreadable
from tests.lineage.marquez_server import Marquez, history, job, ran, run, told

DATA = Path(__file__).parent / "data"
CORPORA = Path(__file__).parents[3] / "shared" / "corpora"


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
