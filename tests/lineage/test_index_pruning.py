"""What an index must know of attempts that a question does not read, one case at a time; and that it does not read them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lineage.blast import blast
from lineage.declarations import Declarations
from lineage.errors import FaultError
from lineage.events import event
from lineage.fault import Fault
from lineage.history import build
from lineage.index.batch import Batch
from lineage.index.ingest import Ingest
from lineage.index.query import Query
from lineage.index.reader import Index
from lineage.index.rows import Row
from lineage.index.schema import rows_in
from tests.bench.company import DAY, FIRST, company
from tests.lineage.index_histories import HOUR, MemoryFiles
from tests.lineage.openlineage import JSON, dataset, dbt, ran, told

DECLARED = Declarations()


def index(*events: JSON) -> Index:
    files = MemoryFiles()
    ingest, batch = Ingest.open(files), Batch()
    for one in events:
        batch.event(event(one))
    ingest.take(batch)
    ingest.commit(ingest.manifest({}, [], (), len(batch)))
    return Index.open(files)


def both(events: list[JSON], fault: Fault, declared: Declarations = DECLARED) -> dict[str, Any]:
    """The radius by the index, which is that of the events."""
    query = Query(index(*events), declared)
    found = query.blast(fault)[1].to_json()
    assert found == query.blast(fault, narrow=True)[1].to_json() == blast(build(map(event, events), declared), fault).to_json()
    return found


def runs(found: dict[str, Any]) -> set[str]:
    return {one["run_id"] for one in found["attempts"]}


def on(day: int, hour: int = 1) -> tuple[str, str]:
    return f"2026-11-{day:02d}T{hour:02d}:00:00Z", f"2026-11-{day:02d}T{hour:02d}:30:00Z"


def test_only_the_days_since_the_fault_and_the_jobs_it_can_reach_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [
        one
        for day in range(1, 21)
        for hour, job, reads, writes in ((2, "clean", "raw", "clean"), (4, "mart", "clean", "mart"), (5, "other", "x", "y"))
        for one in ran(*on(day, hour), f"{job}-{day}", job, reads=[reads], writes=[writes])
    ]
    made: list[Row] = []
    rows, tables = Index.rows, Index.tables

    def heard(self: Index, jobs: Any, **more: Any) -> list[Row]:
        found = rows(self, jobs, **more)
        made.extend(found)
        return found

    def seen(self: Index, jobs: Any, **more: Any) -> list[Any]:
        found = tables(self, jobs, **more)
        made.extend(row for one in found for row in rows_in(one))
        return found

    monkeypatch.setattr(Index, "rows", heard)
    monkeypatch.setattr(Index, "tables", seen)
    found = both(events, Fault(job="test/clean", since="2026-11-18"))
    assert runs(found) == {f"{job}-{day}" for job in ("clean", "mart") for day in (18, 19, 20)}
    assert {row.run for row in made} == {f"{job}-{day}" for job in ("clean", "mart") for day in (17, 18, 19, 20)}


def test_a_run_that_began_before_the_fault_takes_it_back_to_its_own_beginning() -> None:
    events = [
        *ran(*on(18), "bad", "clean", writes=["clean"]),
        *ran("2026-11-10T00:00:00Z", "2026-11-18T05:00:00Z", "long", "long", reads=["clean"], writes=["early"]),
        *ran(*on(12), "reader", "reader", reads=["early"], writes=["late"]),
        *ran(*on(13), "second", "second", reads=["late"], writes=["last"]),
    ]
    assert runs(both(events, Fault(job="test/clean", since="2026-11-18"))) == {"bad", "long", "reader", "second"}


def test_skew_takes_it_back_across_midnight() -> None:
    events = [
        *ran(*on(18), "bad", "clean", writes=["clean"]),
        *ran("2026-11-10T00:00:00Z", "2026-11-18T05:00:00Z", "long", "long", reads=["clean"], writes=["early"]),
        *ran(*on(9, 10), "reader", "reader", reads=["early"], writes=["late"]),
    ]
    found = both(events, Fault(job="test/clean", since="2026-11-18"), Declarations(skew=20 * HOUR))
    assert runs(found) == {"bad", "long", "reader"}


def test_attempts_that_tell_no_nominal_time_may_be_meant_by_any() -> None:
    events = [
        *ran(*on(3), "untold", "clean", writes=["clean"]),
        *ran(*on(18), "told", "clean", writes=["clean"], nominal="2026-11-18"),
        *ran(*on(19), "after", "clean", writes=["clean"], nominal="2026-11-19"),
        *ran(*on(4), "reader", "mart", reads=["clean"], writes=["mart"]),
    ]
    found = both(events, Fault(job="test/clean", nominal="2026-11-18"))
    assert {one["run_id"]: one["distance"] for one in found["attempts"]} == {"untold": 0, "told": 0, "reader": 1}


def test_whether_anybody_ever_wrote_a_cell_is_known_of_days_long_ago() -> None:
    events = [
        *ran(*on(1), "writer", "clean", writes=["clean"]),
        *ran(*on(18), "reader", "mart", reads=["clean"], writes=["mart"]),
    ]
    fault = Fault(cells=("s3://lake/clean@*",), since="2026-11-17")
    with pytest.raises(FaultError, match="no attempt matches"):
        Query(index(*events), DECLARED).blast(fault)
    assert runs(both(events[2:], fault)) == {"reader"}


def test_how_dates_are_spelled_is_known_of_days_long_ago() -> None:
    keyed = {"facets": {}, "namespace": "s3://lake"}
    events = [
        *ran(*on(1), "old", "old", writes=[dataset("clean")], key="dt=2026-11-01"),
        *ran(*on(18), "bad", "clean", writes=[{**keyed, "name": "clean/2026/11/18"}]),
        *ran(*on(18, 3), "reader", "mart", reads=[{**keyed, "name": "clean/2026/11/18"}], writes=["mart"]),
    ]
    found = both(events, Fault(job="test/clean", since="2026-11-17"))
    assert {one["partition"] for one in found["cells"] if one["dataset"]["name"] == "clean"} == {"dt=2026-11-18"}


def test_what_its_job_usually_reads_is_known_of_days_long_ago() -> None:
    events = [
        *ran(*on(1), "old", "mart", reads=["clean", "users"], writes=["mart", "totals"]),
        *ran(*on(18), "bad", "clean", writes=["clean"]),
        told("START", on(18, 3)[0], "silent", "mart"),
        told("COMPLETE", on(18, 3)[1], "silent", "mart"),
    ]
    found = both(events, Fault(job="test/clean", since="2026-11-17"))
    assert runs(found) == {"bad", "silent"}
    assert {one["dataset"]["name"] for one in found["cells"]} == {"clean", "mart", "totals"}


def test_late_events_amend_the_days_of_their_runs_only() -> None:
    files = MemoryFiles()

    def ingest(*events: JSON) -> Any:
        ingest, batch = Ingest.open(files), Batch()
        for one in events:
            batch.event(event(one))
        ingest.take(batch)
        return ingest.commit(ingest.manifest({}, [], (), len(batch)))

    first = ingest(*(one for day in range(1, 6) for one in ran(*on(day), f"run-{day}", "clean", writes=["clean"])))
    late = told("COMPLETE", on(3, 5)[1], "run-3", "clean", writes=["clean"])
    second = ingest(late)
    assert [day for day in first.days if first.days[day] != second.days.get(day)] == ["2026-11-03"]
    moved = ingest(told("COMPLETE", on(9)[1], "run-3", "clean"))
    assert {day for day in moved.days if moved.days.get(day) != second.days.get(day)} == {"2026-11-09"}
    assert "2026-11-03" not in moved.days
    again = ingest(late, *ran(*on(2), "run-2", "clean", writes=["clean"]))
    assert again.days == moved.days
    opened = ingest(told("START", on(10)[0], "run-10", "clean"))
    assert set(opened.days) - set(again.days) == {"open"}
    ended = ingest(told("COMPLETE", on(11)[0], "run-10", "clean"))
    assert set(opened.days) ^ set(ended.days) == {"open", "2026-11-11"}


def test_a_choice_that_matches_nothing_is_answered_from_its_own_job(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [one for day in range(1, 9) for job in ("clean", "mart") for one in ran(*on(day), f"{job}-{day}", job, writes=[job])]
    asked: list[Any] = []
    rows = Index.rows

    def heard(self: Index, jobs: Any, **more: Any) -> list[Row]:
        asked.append(jobs)
        return rows(self, jobs, **more)

    monkeypatch.setattr(Index, "rows", heard)
    for fault in (
        Fault(job="test/clean", since="2026-12-01"),
        Fault(job="test/clean", until="2026-11-01"),
        Fault(job="test/clear"),
    ):
        with pytest.raises(FaultError) as told_by_index:
            Query(index(*events), DECLARED).blast(fault)
        with pytest.raises(FaultError) as told_by_events:
            blast(build(map(event, events), DECLARED), fault)
        said = [(one.value.message, one.value.hint) for one in (told_by_index, told_by_events)]
        assert said[0] == said[1]
    assert asked
    assert all(jobs is not None and len(jobs) == 1 for jobs in asked), "nobody reads all runs to say that there is none"


def test_the_key_of_a_run_is_about_the_outputs_of_all_its_events() -> None:
    events = [
        told("START", on(18)[0], "keyed", "clean", key="2026-11-18"),
        told("RUNNING", "2026-11-18T01:10:00Z", "keyed", "clean"),
        told("COMPLETE", on(18)[1], "keyed", "clean", writes=["clean"]),
        *ran(*on(1), "named", "clean", writes=["clean/dt=2026-11-01"]),
        *ran(*on(19), "reader", "mart", reads=["clean/dt=2026-11-18"], writes=["mart"]),
    ]
    found = both(events, Fault(job="test/clean", since="2026-11-18"))
    assert "dt=2026-11-18" in {one["partition"] for one in found["cells"]}


def test_cost_grows_with_the_events_since_the_fault_not_with_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    tables = Index.tables

    def heard(self: Index, jobs: Any, **more: Any) -> list[Any]:
        found = tables(self, jobs, **more)
        seen.append(sum(one.num_rows for one in found))
        return found

    monkeypatch.setattr(Index, "tables", heard)
    read: dict[int, tuple[int, int]] = {}
    for days in (8, 40):
        made = company(7, 12, days, certain=True)
        at = index(*made.events())
        first = next(job for job in made.jobs if len(made.downstream(job.index)) > 3)
        since = f"{FIRST + (days - 3) * DAY:%Y-%m-%dT%H:%M:%SZ}"
        seen.clear()
        lost = replace(made.declarations(), lost_after=24 * HOUR, _memo={})
        radius = Query(at, lost).blast(Fault(job=f"{first.namespace}/{first.name}", since=since))[1]
        read[days] = (sum(seen), len(radius.attempts))
        assert sum(seen) >= len(radius.attempts) > 0
    (few, of_few), (many, of_many) = read[8], read[40]
    assert many / of_many < 1.5 * few / of_few, f"{read}: five times the history is read no more for it"


def test_who_reads_bad_data_through_a_view_is_found_though_nobody_else_reads_it_since() -> None:
    events = [
        *ran(*on(10), "made", "maker", reads=["raw"], writes=[dataset("shown", **dbt("view"))]),
        *ran(*on(18), "mart", "mart", reads=["shown"], writes=["mart"]),
    ]
    assert runs(both(events, Fault(cells=("s3://lake/raw@*",), since="2026-11-17"))) == {"mart"}


@pytest.mark.parametrize("fault", [Fault(code_versions=("v2",)), Fault(runs=("clean-18",)), Fault(runs=("nobody's",))], ids=str)
def test_runs_and_code_versions_are_found_without_making_every_attempt(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [
        one
        for day in range(1, 21)
        for one in (
            *ran(*on(day, 2), f"clean-{day}", "clean", writes=["clean"], code="v2" if day == 18 else "v1"),
            *ran(*on(day, 4), f"mart-{day}", "mart", reads=["clean"], writes=["mart"]),
        )
    ]

    def refused(_: Query) -> None:
        raise AssertionError("all of it was read")

    monkeypatch.setattr(Query, "whole", refused)
    if fault.runs == ("nobody's",):
        with pytest.raises(FaultError) as found:
            Query(index(*events), DECLARED).blast(fault, narrow=True)
        assert found.value.hint == "the lineage has 40 attempts, started 2026-11-01T02:00:00Z to 2026-11-20T04:00:00Z"
    else:
        assert runs(both(events, fault)) == {"clean-18", "mart-18", "mart-19", "mart-20"}
