"""What taint over columns once told otherwise than the engine, one case at a time; by an index, as users ask it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lineage.attempts import Cell
from lineage.blast import blast
from lineage.declarations import DatasetRule, Declarations, EdgeRule
from lineage.effects import Effect
from lineage.events import event
from lineage.fault import Fault
from lineage.history import build
from lineage.index import ledger, reader
from lineage.index.query import Query
from lineage.layouts import Layout
from lineage.timestamps import parse
from runbooks.backfill import plan_backfill
from runbooks.missing import missing_cells
from tests.lineage.openlineage import JSON, dataset, ran
from tests.lineage.test_index_pruning import index

FAULT = Fault(job="test/clean", since="2026-11-18")
DAY = "dt=2026-11-18"


def cell(events: list[JSON], name: str) -> Cell:
    """The cell that a job of this name wrote."""
    written = (write.cell for one in build(map(event, events), Declarations()).attempts for write in one.writes)
    return next(one for one in written if one.dataset.name == name)


def effect(of: Cell, kind: Any, start: str, end: str, **more: Any) -> Effect:
    leaves: Any = "nothing" if kind == "purge" else "data"
    return Effect("plan-1", kind, of, parse(f"2026-11-18T{start}:00Z"), parse(f"2026-11-18T{end}:00Z"), True, leaves, **more)


def both(events: list[JSON], declared: Declarations = Declarations(), effects: tuple[Effect, ...] = ()) -> dict[str, Any]:  # noqa: B008
    """The radius by the index, cell by cell that of the events."""
    whole = blast(build(map(event, events), declared, effects=effects), FAULT)
    query = Query(index(*events), declared, effects)
    found = query.blast(FAULT)[1]
    assert found.to_json() == query.blast(FAULT, narrow=True)[1].to_json() == whole.to_json()
    assert list(found.cells) == list(whole.cells)
    return found.to_json()


def test_a_revert_that_ended_before_it_began_by_anothers_clock_hides_no_reader() -> None:
    events = [
        *ran("01", "02", "bad", "clean", writes=[dataset("clean", DAY)]),
        *ran("05:02", "05:10", "reader", "mart", reads=[dataset("clean", DAY)], writes=[dataset("mart", DAY)]),
    ]
    for kind in ("revert", "purge"):
        found = both(events, effects=(effect(cell(events, "clean"), kind, "05:05", "05:00"),))
        assert {one["run_id"] for one in found["attempts"]} == {"bad", "reader"}


def test_attempts_of_one_shape_may_leave_different_things_open() -> None:
    layout = DatasetRule("s3://lake/clean", partition=Layout("dt=%Y-%m-%d"), timezone=ZoneInfo("Europe/Berlin"))
    events = [
        *ran("01", "02", "bad", "clean", writes=[dataset("clean", DAY)]),
        *ran("03", "04", "unclear", "mart", reads=[dataset("clean", "dt=2026-11-18T03:00:00Z")], writes=["mart"]),
        *ran("05", "06", "unsaid", "mart", reads=["clean"], writes=["mart"]),
    ]
    reasons = {one["reason"] for one in both(events, Declarations((layout,)))["gaps"]}
    assert any("no certain one of its partitions" in one for one in reasons)
    assert any("does not say which partitions" in one for one in reasons)


def test_a_name_means_to_each_layout_what_its_clock_shows() -> None:
    midnight = "dt=2026-11-17T23:00:00Z"
    events = [
        *ran("01", "02", "bad", "clean", writes=[dataset("clean", midnight)]),
        *ran("03", "04", "reader", "mart", reads=[dataset("clean", midnight)], writes=[dataset("mart", midnight)]),
    ]
    berlin, london = (
        DatasetRule(f"s3://lake/{name}", partition=Layout("dt=%Y-%m-%d"), timezone=ZoneInfo(zone))
        for name, zone in (("clean", "Europe/Berlin"), ("mart", "Europe/London"))
    )
    found = both(events, Declarations((berlin, replace(london, partition=Layout("dt=%Y-%m-%d/hour=%H")))))["cells"]
    assert {one["partition"] for one in found} == {DAY, "dt=2026-11-17/hour=23"}


def test_what_is_declared_of_one_job_is_not_of_another() -> None:
    events = [*ran("01", "02", "bad", "clean", writes=["clean"]), *ran("03", "04", "r", "mart", reads=["clean"], writes=["mart"])]
    for pattern in ("/*", "*/", "[!t]*"):
        both(events, Declarations(edges=(EdgeRule(pattern, "s3://lake/clean", None, "latest"),)))


def test_we_are_not_among_those_who_can_make_a_cell() -> None:
    events = [
        *ran("01", "02", "bad", "clean", writes=[dataset("clean", DAY)]),
        *ran("03", "04", "r", "mart", reads=[dataset("clean", DAY)], writes=["mart"]),
    ]
    both(events, effects=(effect(cell(events, "clean"), "undo", "06:00", "07:00", undoes="of nobody's"),))


def test_a_backfill_by_an_index_knows_that_an_input_is_still_tainted() -> None:
    bare = {**dataset("clean"), "name": "clean/2026/11/18"}
    events = [
        *ran("2026-11-01T01:00:00Z", "2026-11-01T02:00:00Z", "old", "clean", writes=[dataset("clean", "dt=2026-11-01")]),
        *ran("01", "02", "bad", "clean", writes=[bare]),
        *ran("03", "04", "m", "mart", reads=[bare], writes=[dataset("mart", DAY)]),
    ]
    effects = (effect(cell(events, "mart"), "purge", "06:00", "07:00"),)
    query = Query(index(*events), Declarations(), effects)
    radius = query.blast(FAULT)[1]
    plan = plan_backfill(
        incident="i",
        revision="r1",
        previous=None,
        missing=missing_cells(effects, makers := query.makers()),
        attempts=makers,
        declarations=Declarations(),
        command=lambda _: ("run", "{partition}"),
        dirty=radius.dirty(),
        reached=frozenset((one.run_id, one.number) for one in radius.attempts),
    )
    assert not plan.actions
    assert "still TAINTED" in plan.refused[0].why


def test_columns_are_what_answers_a_plain_question(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("a plain question went attempt by attempt")

    monkeypatch.setattr(Query, "_by_attempts", never)
    events = [
        *ran("01", "02", "bad", "clean", writes=[dataset("clean", DAY)]),
        *ran("03", "04", "r", "mart", reads=[dataset("clean", DAY), "other"], writes=["mart"]),
    ]
    both(events, effects=(effect(cell(events, "clean"), "purge", "06:00", "07:00"),))
    monkeypatch.setattr(ledger, "_STRINGS", 8)
    both(events)  # of so many rows that an array of strings cannot hold all that their slots say
    versioned = [
        {**one, "outputs": [{**out, "facets": {"version": {"datasetVersion": "7"}}} for out in one["outputs"]]} for one in events
    ]
    with pytest.raises(AssertionError):
        both(versioned)


def test_slots_that_one_array_cannot_hold_are_joined_by_those_of_earlier_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_STRINGS", 8)
    monkeypatch.setattr(reader, "_LARGE", 8)
    events = [
        *ran("00", "00:30", "other", "aside", writes=[dataset("aside", "dt=2026-11-01")]),  # of whom nobody asks
        *ran("2026-10-03T01:00:00Z", "2026-10-03T02:00:00Z", "early", "report", reads=[dataset("mart", DAY)], writes=["report"]),
        *ran("01", "02", "bad", "clean", writes=[dataset("clean", DAY)]),
        *ran("2026-10-01T01:00:00Z", "05", "long", "mart", reads=[dataset("clean", DAY)], writes=[dataset("mart", DAY)]),
    ]
    assert "early" in {one["run_id"] for one in both(events)["attempts"]}


def test_a_run_of_no_duration_hides_nothing_but_what_it_replaced() -> None:
    events = [
        *ran("01", "02", "bad", "clean", writes=[dataset("clean", DAY)]),
        *ran("03", "03", "instant", "clean", writes=[dataset("clean", DAY)]),
        *ran("03", "03", "reader", "mart", reads=[dataset("clean", DAY)], writes=[dataset("mart", DAY)]),
        *ran("04", "05", "later", "mart", reads=[dataset("clean", DAY)], writes=[dataset("mart", DAY)]),
    ]
    overwriting = Declarations((DatasetRule("*", write="overwrite"),))
    both(events, overwriting)
    both(events, replace(overwriting, skew=60_000_000_000, _memo={}))


def test_a_partition_whose_name_looks_like_what_is_stored_around_it_changes_nothing_of_others() -> None:
    def outputs(*parts: str | None) -> list[JSON]:
        return [dataset(f"d{number}", part) for number, part in enumerate(parts)]

    events = [
        *ran("01", "02", "odd", "clean", writes=outputs('=a"],null],[1,[', None, "=],null]]")),
        *ran("03", "04", "bad", "clean", writes=outputs("=one", "=two", None)),
    ]
    both(events)
