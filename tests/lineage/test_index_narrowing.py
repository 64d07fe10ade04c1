"""Of the dimension tables only what a fault can be about is looked at, and the answer is that of all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lineage.blast import blast
from lineage.datasets import JobId
from lineage.declarations import Declarations
from lineage.errors import FaultError
from lineage.events import event
from lineage.fault import Fault
from lineage.history import build
from lineage.index.dimensions import NOTHING
from lineage.index.narrowing import narrowed
from lineage.index.query import Query
from lineage.index.schema import jobs_in
from tests.lineage.openlineage import JSON, dataset, dbt, ran
from tests.lineage.test_index_pruning import index, on

BAD = Fault(job="test/clean", since="2026-11-18")
ELSEWHERE = [one for day in (17, 18) for one in ran(*on(day, 2), f"other-{day}", "other", reads=["x"], writes=["y"])]


def runs(events: list[JSON], fault: Fault = BAD) -> set[str]:
    """Who was reached; the same, with the same reads and writes, as by the whole tables and by the events."""
    query = Query(index(*events), Declarations())
    (near, found), (far, whole) = query.blast(fault, narrow=True), query.blast(fault)
    assert found.to_json() == whole.to_json() == blast(build(map(event, events), Declarations()), fault).to_json()
    assert list(near.attempts) == list(far.attempts)
    return {one.run_id for one in found.attempts}


def test_only_what_the_fault_can_reach_is_made() -> None:
    events = [*ELSEWHERE, *ran(*on(18), "bad", "clean", writes=["clean"]), *ran(*on(18, 3), "mart", "mart", reads=["clean"])]
    known = narrowed(tables := index(*events).dimension_tables, {[*jobs_in(tables)].index(JobId("test", "clean"))}, ())
    assert known is not None
    assert {str(one.dataset) for one in known.refs if one is not NOTHING} == {"s3://lake/clean"}
    assert {head.job.name for head in known.heads if head.job is not None} == {"clean", "mart"}
    assert runs(events) == {"bad", "mart"}


def test_names_that_mean_one_dataset_lead_from_one_job_to_another() -> None:
    linked = dataset("hive|db.clean", symlinks={"identifiers": [{"namespace": "s3://lake", "name": "clean", "type": "TABLE"}]})
    events = [
        *ELSEWHERE,
        *ran(*on(18), "bad", "clean", writes=[linked]),
        *ran(*on(18, 3), "mart", "mart", reads=["clean"], writes=["mart"]),
    ]
    assert runs(events) == {"bad", "mart"}
    cell = Fault(cells=("hive/db.clean@*",), since="2026-11-18")
    assert runs(events, cell) == runs(events, Fault(cells=("s3://lake/clean@*",), since="2026-11-18")) == {"bad", "mart"}


def test_jobs_that_report_under_one_run_id_are_one() -> None:
    events = [
        *ELSEWHERE,
        *ran(*on(18), "bad", "clean", writes=["clean"]),
        *ran(*on(18, 3), "both", "reader", reads=["clean"]),
        *ran(*on(18, 3), "both", "writer", writes=["mart"]),
        *ran(*on(18, 5), "last", "last", reads=["mart"]),
    ]
    assert runs(events) == {"bad", "both", "last"}


def test_what_others_say_of_an_input_is_known() -> None:
    """That it has no partitions, by the word of a job that the fault cannot reach."""
    events = [
        *ran(*on(17), "side", "side", writes=[dataset("side", **dbt("table"))]),
        *ran(*on(18), "bad", "clean", writes=["clean"]),
        *ran(*on(18, 3), "mart", "mart", reads=["clean", "side"], writes=["mart"]),
    ]
    assert runs(events) == {"bad", "mart"}


def test_how_the_dates_of_an_input_stand_is_known() -> None:
    events = [
        *ran(*on(17), "side", "side", writes=[dataset("side", "dt=2026-11-17")]),
        *ran(*on(18), "bad", "clean", writes=["clean"]),
        *ran(*on(18, 3), "mart", "mart", reads=["clean", "side/20261117"], writes=["mart"]),
    ]
    assert runs(events) == {"bad", "mart"}


def refused(events: list[JSON], fault: Fault) -> tuple[str, str | None]:
    """What is said instead of an answer; the same by what is looked at, by the whole tables and by the events."""
    query = Query(index(*events), Declarations())
    said = []
    for ask in (
        lambda: query.blast(fault, narrow=True),
        lambda: query.blast(fault),
        lambda: blast(build(map(event, events), Declarations()), fault),
    ):
        with pytest.raises(FaultError) as told:
            ask()
        said.append((told.value.message, told.value.hint))
    assert said[0] == said[1] == said[2]
    return said[0]


def test_a_run_and_a_job_that_are_not_one_are_both_looked_at() -> None:
    events = [*ELSEWHERE, *ran(*on(18), "bad", "clean", writes=["clean"])]
    assert "no attempt matches" in refused(events, Fault(job="test/clean", runs=("other-18",)))[0]


def test_a_name_that_no_job_touches_may_mean_another_by_its_end() -> None:
    alone = {"eventTime": "2026-11-18T00:00:00Z", "dataset": {"namespace": "lake", "name": "clean"}}
    events = [alone, *ELSEWHERE, *ran(*on(18), "bad", "clean", writes=["lake/clean"])]
    assert runs(events, Fault(cells=("lake/clean@*",))) == {"bad"}
    assert "no dataset matches" in refused([alone, *ELSEWHERE], Fault(cells=("lake/clean@*",)))[0]
    assert "no dataset matches" in refused([alone], Fault(cells=("lake/clean@*",)))[0]


def test_what_is_wrong_with_a_choice_of_cells_is_said_in_one_order() -> None:
    unknown = Fault(cells=("nowhere/none@*",), since="2026-11-18", until="2026-11-17")
    assert "is not after" in refused(ELSEWHERE, unknown)[0]
    assert "--cell goes with" in refused(ELSEWHERE, replace(unknown, job="test/other"))[0]
