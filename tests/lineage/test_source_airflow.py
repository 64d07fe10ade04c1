"""Airflow's REST API as lineage: recorded from a real Airflow 3.3.2 (``data/README.md``), served again on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import pytest

from lineage.attempts import Attempt
from lineage.blast import blast
from lineage.declarations import DatasetRule, Declarations
from lineage.fault import Fault
from lineage.history import History, build
from lineage.sources import Problems, read
from lineage.sources.airflow_runs import static_uuid
from lineage.timestamps import parse, render
from tests.lineage.airflow_server import DATA, PASSWORD, TOKEN, USER, Recorded, serving

PROVIDER = str(DATA / "openlineage.ndjson")
SHOP, EXPORT = "/dags/shop/dagRuns", "/dags/export/dagRuns"


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    monkeypatch.setenv("AIRFLOW_TOKEN", TOKEN)
    monkeypatch.delenv("AIRFLOW_USERNAME", raising=False)
    monkeypatch.delenv("AIRFLOW_PASSWORD", raising=False)
    with serving(Recorded()) as recorded:
        yield recorded


def told(*sources: str, declared: Declarations | None = None) -> History:
    problems = Problems()
    history = build(read(sources, problems), declared or Declarations(), problems=problems)
    assert not problems.skipped
    assert not problems.noted
    return history


def ran(history: History, job: str) -> list[Attempt]:
    return [one for one in history.attempts if one.job.name == job]


def tries(history: History) -> set[tuple[str, int, str, str]]:
    return {(one.run_id, one.number, one.job.name, one.state) for one in history.attempts if "." in one.job.name}


def test_assets_are_edges_between_tasks_and_datasets(airflow: Recorded) -> None:
    history = told(airflow.source())

    reads = {(job.name, str(one)) for job, datasets in history.job_reads.items() for one in datasets}
    writes = {(job.name, str(one)) for job, datasets in history.job_writes.items() for one in datasets}
    assert reads == {
        ("shop.clean", "s3://lake/raw/orders"),
        ("shop.balance", "s3://lake/clean/orders"),
        ("shop.balance", "s3://lake/balance/orders"),
        ("shop.features", "s3://lake/clean/orders"),
        ("shop.report", "s3://lake/features/orders"),
        ("shop.report", "s3://lake/balance/orders"),
        ("counts.count", "s3://lake/clean/orders"),
        ("export", "s3://lake/report/orders"),
        ("export.publish", "s3://lake/report/orders"),
        ("export.weather", "s3://lake/export/orders"),
    }
    assert ("export.weather", "file/srv/export/weather") in writes, "a local file as the OpenLineage provider names it"
    assert ("export.weather", "airflow/weather") in writes, "an asset that is a mere name belongs to this Airflow"
    assert {job.namespace for job in history.jobs} == {"airflow"}
    assert set(history.said_by.values()) == {frozenset({"airflow"})}


def test_the_namespace_is_the_providers_default_unless_given(airflow: Recorded) -> None:
    assert {job.namespace for job in told(airflow.source("")).jobs} == {"default"}


def test_every_try_is_an_attempt(airflow: Recorded) -> None:
    history = told(airflow.source())

    publish = ran(history, "export.publish")
    assert [one.state for one in publish] == ["FAIL", "COMPLETE"], "the first try from the history of tries"
    assert publish[0].run_id != publish[1].run_id
    assert (render(publish[1].start), render(publish[1].end)) == ("2026-11-20T15:00:59.81552Z", "2026-11-20T15:01:00.440942Z")
    assert sorted(one.state for one in ran(history, "export.weather")) == ["COMPLETE", "FAIL"], "a mapped task, both parts"
    cleared = [one for one in ran(history, "shop.balance") if one.start > parse("2026-11-20T15:00:00Z")]
    assert [one.state for one in cleared] == ["COMPLETE", "COMPLETE"], "cleared and run again: what it wrote first was there"
    assert len(ran(history, "shop.clean")) == 11


def test_logical_dates_partition_keys_and_versions_are_kept(airflow: Recorded) -> None:
    history = told(airflow.source())

    count = ran(history, "counts.count")[0]
    assert count.partition_key == "2026-11-20T00:00:00"
    assert [str(write.cell) for write in count.writes] == ["s3://lake/counts/orders@2026-11-20T00:00:00"]
    assert count.code_version == "counts@1"
    day = parse("2026-11-04")
    assert [one.state for one in ran(history, "shop.clean") if one.nominal == (day, day)] == ["COMPLETE"]
    assert ran(history, "export.publish")[0].nominal is None, "an asset-triggered run has no day"


def test_read_beside_the_openlineage_events_of_the_same_runs_nothing_is_counted_twice(airflow: Recorded) -> None:
    provider, both = told(PROVIDER), told(PROVIDER, airflow.source())

    recent = {one for one in tries(told(airflow.source())) if one[0] in {run for run, *_ in tries(provider)}}
    assert recent == tries(provider), "the same run ids, tries and outcomes"
    assert {one for one in tries(both) if one in recent} == tries(provider)
    assert not {one for one in tries(both) if one[1] > 0}, "no run has become two attempts"
    assert history_said(both, "shop.balance", "clean/orders") == {"airflow", "openlineage"}
    for one in provider.attempts:
        same = [other for other in both.attempts if other.key == one.key]
        assert [(other.start <= one.start, other.end >= one.end) for other in same] == [(True, True)]


def history_said(history: History, job: str, name: str) -> frozenset[str]:
    return next(said for (by, dataset), said in history.said_by.items() if (by.name, dataset.name) == (job, name))


def test_the_run_id_is_the_one_that_openlineage_python_makes() -> None:
    assert static_uuid("2026-11-20T15:00:54.498132Z", "airflow.export.publish.1.-1") == "01a1f979-8a62-7221-b7b1-4a3607f53ca3"


def test_a_task_without_inlets_may_have_read_what_its_dag_is_scheduled_on_and_never_convicts(airflow: Recorded) -> None:
    whole = Declarations(datasets=(DatasetRule("s3://lake/*", partition=False, write="overwrite"),))
    history = told(airflow.source(), declared=whole)

    report = ran(history, "shop.report")[-1]
    found = {(one.job.name, one.state) for one in blast(history, Fault(runs=(report.run_id,))).attempts}
    assert ("export.publish", "SUSPECT") in found
    assert ("shop.report", "TAINTED") in found
    reasons = {read.reason for one in ran(history, "export.publish") for read in one.reads}
    assert reasons == {"names no inlet, but its DAG export is scheduled on this"}


@pytest.mark.parametrize("page", [1, 7, 62, 100])
def test_pages_of_any_length_hold_the_same(airflow: Recorded, page: int) -> None:
    whole = tries(told(airflow.source()))
    airflow.page = page

    assert tries(told(airflow.source())) == whole


def test_a_list_that_moves_while_it_is_read_is_read_again(airflow: Recorded) -> None:
    whole = tries(told(airflow.source()))
    airflow.page = 10
    first = airflow.items(f"{SHOP}/~/taskInstances")[0]
    moved = iter([True])
    plain = airflow.answer

    def moving(method: str, target: str, token: str, body: dict[str, object]) -> tuple[int, object]:
        if f"{SHOP}/~/taskInstances" in target and "offset=10" in target and next(moved, False):
            airflow.items(f"{SHOP}/~/taskInstances").remove(first)
            airflow.items(f"{SHOP}/~/taskInstances").append(first)
        return plain(method, target, token, body)

    airflow.answer = moving  # type: ignore[method-assign]

    assert tries(told(airflow.source())) == whole


def test_what_never_ran_is_no_attempt_and_what_runs_is_open(airflow: Recorded) -> None:
    instances = airflow.items(f"{EXPORT}/~/taskInstances")
    for one, state in zip(instances, ("upstream_failed", "running", "scheduled", "skipped"), strict=True):
        one |= {"state": state, "try_number": 1}
        if state == "skipped":
            one["end_date"] = one["start_date"]
        tried = deepcopy(one)
        mapped = f"/{one['map_index']}" if one["map_index"] >= 0 else ""
        run = next(key for key in airflow.answers if key.endswith("/publish/tries")).removesuffix("/publish/tries")
        airflow.answers[f"{run}/{one['task_id']}{mapped}/tries"] = {"task_instances": [tried]}

    found = [one for one in told(airflow.source()).attempts if one.job.name.startswith("export.")]

    assert [(one.job.name, one.state) for one in found] == [("export.weather", "OPEN")]


def test_an_instance_that_was_cleared_and_waits_keeps_its_earlier_tries(airflow: Recorded) -> None:
    publish = next(one for one in airflow.items(f"{EXPORT}/~/taskInstances") if one["task_id"] == "publish")
    publish |= {"state": None}
    parts = next(one for one in airflow.items(f"{EXPORT}/~/taskInstances") if one["task_id"] == "parts")
    tried = next(key for key in airflow.answers if key.endswith("/publish/tries")).replace("/publish/", "/parts/")
    airflow.answers[tried] = {"task_instances": [dict(parts)]}
    parts |= {"state": None}  # it keeps the number and times of the try before until it is scheduled, as seen with Airflow 3.3.2

    history = told(airflow.source())

    assert [one.state for one in ran(history, "export.publish")] == ["FAIL", "COMPLETE"]
    assert [one.state for one in ran(history, "export.parts")] == ["COMPLETE"]


def test_dags_can_be_chosen_and_old_runs_left_out(airflow: Recorded) -> None:
    history = told(airflow.source("?namespace=airflow&dag=exp*&dag=counts&since=2026-11-20"))

    assert {job.name.split(".")[0] for job in history.jobs} == {"export", "counts"}
    runs = [one for one in airflow.asked if "/dagRuns" in one and "/tries" not in one]
    assert runs
    assert all("updated_at_gte=2026-11-20T00%3A00%3A00Z" in one for one in runs)


def test_a_password_is_changed_for_a_token_and_nothing_else_is_ever_posted(
    airflow: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_TOKEN")
    monkeypatch.setenv("AIRFLOW_USERNAME", USER)
    monkeypatch.setenv("AIRFLOW_PASSWORD", PASSWORD)

    assert told(airflow.source()).attempts
    assert airflow.asked[0] == "POST /auth/token"
    assert {one.split()[0] for one in airflow.asked[1:]} == {"GET"}
