"""The demo's lake: every figure follows from the raw orders, except where the faulty release reached."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from incident.demo import lake, server
from incident.demo.audit import audit, versions
from incident.demo.configuration import write_configuration
from incident.demo.server import LocalServer
from incident.demo.settings import FIXED, Settings
from incident.demo.store import Store
from lineage.timestamps import SECOND, parse

pytestmark = pytest.mark.skipif(server.available() is None, reason="no local S3 server is installed")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Eleven days around the faulty three."""
    folder = tmp_path_factory.mktemp("lake")
    with LocalServer(folder) as running:
        settings = Settings(folder / "lake.json", running.endpoint, first=date(2026, 10, 26), last=date(2026, 11, 5))
        settings.save()
        assert lake.main(["--lake", str(settings.path), "build"]) == 0
        yield settings


def _day(*numbers: int) -> set[str]:
    return {f"dt={date(2026, 10, 30) + timedelta(days=number)}" for number in numbers}


def test_the_fault_reaches_what_it_can_and_making_it_again_repairs_all(small: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(small)
    assert {found.dataset: set(found.wrong) for found in audit(store)} == {
        "enriched/orders": _day(0, 1, 2),
        "metrics/daily": _day(0, 1, 2),
        "metrics/rolling7": _day(0, 1, 2, 3, 4, 5, 6),
        "metrics/monthly": {"month=2026-10", "month=2026-11"},
        "accounts/balance": _day(0, 1, 2, 3, 4, 5, 6),
        "serving/dashboard": {"*"},
        "models/fraud": set(),  # last trained before, in so short a lake
        "customers/segments": {"*"},
    }
    dashboards = len(versions(small)["serving/dashboard/part-0.parquet"])
    assert dashboards == 11

    program = ["--lake", str(small.path)]
    assert lake.main([*program, "deploy", "demo/enrich", FIXED]) == 0
    days = [str(date(2026, 10, 30) + timedelta(days=number)) for number in range(8)]
    once = [("enrich", 3), ("daily_metrics", 3), ("weekly_rolling", 7), ("balance", 7)]
    for job, count in once:
        for number in range(count):
            assert (
                lake.main([*program, "run", f"demo/{job}", f"dt={days[number]}", f"{days[number]}T00:00:00Z", days[number + 1]])
                == 0
            )
    assert lake.main([*program, "run", "demo/monthly", "month=2026-10", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"]) == 0
    assert lake.main([*program, "run", "demo/monthly", "month=2026-11", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"]) == 0
    assert lake.main([*program, "run", "demo/dashboard", "*", "2026-11-05T00:00:00Z", "2026-11-06T00:00:00Z"]) == 0
    assert lake.main([*program, "run", "demo/segments", "*", "2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z"]) == 0
    assert [found for found in audit(store) if not found.right] == []
    capsys.readouterr()


def test_a_run_without_its_input_fails_and_says_so_in_lineage(small: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--lake", str(small.path), "run", "demo/daily_metrics", "dt=2026-12-01", "2026-12-01", "2026-12-02"]
    assert lake.main(arguments) == 1
    assert "s3://lake/enriched/orders@dt=2026-12-01 is not there" in capsys.readouterr().err
    last = json.loads(small.events.read_text().splitlines()[-1])
    assert (last["eventType"], last["job"]["name"]) == ("FAIL", "daily_metrics")


def test_every_run_has_a_start_before_its_end_and_no_two_meet(small: Settings) -> None:
    spans: dict[str, list[int]] = {}
    for line in small.events.read_text().splitlines():
        event = json.loads(line)
        spans.setdefault(event["run"]["runId"], []).append(parse(event["eventTime"]))
    ordered = sorted(spans.values())
    assert all(len(span) == 2 and span[0] < span[1] for span in ordered)
    assert all(earlier[1] < later[0] for earlier, later in itertools.pairwise(ordered))


def test_where_times_are_cut_to_seconds_what_is_served_turns_bad_in_a_second_of_its_own(small: Settings) -> None:
    folder = small.path.parent / "seconds"
    folder.mkdir()
    bad = date(2026, 10, 30)
    settings = Settings(folder / "lake.json", small.endpoint, "seconds", bad - timedelta(days=1), bad, whole_seconds=True)
    settings.save()
    assert lake.main(["--lake", str(settings.path), "build"]) == 0
    events = [json.loads(line) for line in settings.events.read_text().splitlines()]
    turned = max(
        index for index, event in enumerate(events) if (event["job"]["name"], event["eventType"]) == ("dashboard", "START")
    )
    assert parse(events[turned]["eventTime"]) % SECOND == 0
    assert parse(events[turned - 1]["eventTime"]) < parse(events[turned]["eventTime"])


def test_the_configuration_is_one_that_incident_reads(small: Settings) -> None:
    from incident.config import load
    from lineage.datasets import DatasetId, JobId

    config = load(str(write_configuration(small)))
    assert config.declarations.dataset(DatasetId("s3://lake", "serving/dashboard")).serving
    assert config.orchestrator_for(JobId("demo", "enrich")) is not None
    assert config.storage_for("lake") is not None


@pytest.mark.parametrize("wrong", [["run", "demo/nothing", "*", "2026-11-01", "2026-11-02"], ["run", "demo/enrich", "*", "x", "y"]])
def test_what_makes_no_sense_is_a_usage_error(small: Settings, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        lake.main(["--lake", str(small.path), *wrong])
    assert caught.value.code == 2
    capsys.readouterr()
