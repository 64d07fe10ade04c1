"""A real Airflow history with a job that reads its own output of the day before, and one bad day (``data/README.md``).

Which outputs are really wrong follows from the DAG: everything of the bad day, and every later balance and report.
"""

from __future__ import annotations

from functools import cache
from itertools import chain, combinations
from pathlib import Path

from lineage.attempts import Attempt
from lineage.blast import blast
from lineage.blast_radius import BlastRadius
from lineage.declarations import DatasetRule, Declarations, EdgeRule
from lineage.events import Event
from lineage.fault import Fault
from lineage.history import History, build
from lineage.layouts import Layout
from lineage.sources import Problems, read
from lineage.timestamps import render
from lineage.windows import Window

DATA = Path(__file__).parent / "data"
DAYS = tuple(f"2026-11-{day:02d}" for day in range(1, 11))
BAD = "2026-11-04"
LATER = tuple(day for day in DAYS if day > BAD)

IDENTITY = tuple(
    EdgeRule(f"airflow/shop.{task}", f"s3://lake/{dataset}/orders", Window("identity"))
    for task, dataset in (
        ("clean", "raw"),
        ("balance", "clean"),
        ("features", "clean"),
        ("report", "features"),
        ("report", "balance"),
    )
)
SELF = EdgeRule("airflow/shop.balance", "s3://lake/balance/orders", Window("offsets", -1, -1))
LAYOUT = DatasetRule("s3://lake/*", partition=Layout("dt=%Y-%m-%d"), nominal=True, write="overwrite")

Outcome = tuple[str, str]
"""A task and the day it ran for."""

WRONG = {("clean", BAD), ("features", BAD)} | {(task, day) for task in ("balance", "report") for day in (BAD, *LATER)}


@cache
def events() -> tuple[Event, ...]:
    problems = Problems()
    found = tuple(read([str(DATA / "airflow_self_dependent.ndjson")], problems))
    assert not problems.skipped
    assert not problems.noted
    return found


def history(*edges: EdgeRule, layout: bool = True) -> History:
    return build(events(), Declarations(datasets=(LAYOUT,) if layout else (), edges=edges))


def radius(told: History) -> BlastRadius:
    return blast(told, Fault(job="airflow/shop.clean", nominal=BAD))


def outcome(attempt: Attempt) -> Outcome:
    assert attempt.nominal is not None
    return attempt.job.name.removeprefix("shop."), str(render(attempt.nominal[0]))[:10]


def reached(told: History, *states: str) -> set[Outcome]:
    by_key = {one.key: one for one in told.attempts}
    return {outcome(by_key[one.run_id, one.number]) for one in radius(told).attempts if one.state in states}


def test_one_run_id_is_two_executions() -> None:
    clean = [one for one in history().attempts if one.job.name == "shop.clean" and outcome(one)[1] == BAD]

    assert [(one.number, one.state) for one in clean] == [(0, "FAIL"), (1, "COMPLETE")]
    assert clean[0].run_id == clean[1].run_id
    assert clean[0].end < clean[1].start
    assert [one.type for one in sorted(events(), key=lambda one: one.time) if one.run_id == clean[0].run_id] == [
        "START",
        "FAIL",
        "START",
        "COMPLETE",
    ]


def test_with_nothing_declared_every_later_attempt_is_perhaps_reached_and_only_the_seed_is_certain() -> None:
    told = history(layout=False)
    first = min(one.start for one in told.attempts if outcome(one) == ("clean", BAD))
    later = {outcome(one) for one in told.attempts if one.start > first and one.job.name.split(".")[-1] not in {"ingest", "clean"}}

    assert reached(told, "TAINTED") == {("clean", BAD)}
    assert reached(told, "TAINTED", "SUSPECT") == {("clean", BAD)} | later
    assert {day for _, day in later} == {BAD, *LATER}
    assert not [one for one in radius(told).cells if one.state != "SUSPECT"]


def test_declared_identity_convicts_the_day_and_keeps_the_carry_as_suspect() -> None:
    told = history(*IDENTITY)

    assert reached(told, "TAINTED") == {(task, BAD) for task in ("clean", "balance", "features", "report")}
    assert reached(told, "TAINTED", "SUSPECT") == WRONG, (
        "smaller than undeclared by the features of later days, and nothing wrong left out"
    )


def test_the_declared_carry_convicts_all_that_is_wrong_and_nothing_else() -> None:
    told = history(*IDENTITY, SELF)

    assert reached(told, "TAINTED") == reached(told, "TAINTED", "SUSPECT") == WRONG
    assert {str(one.cell) for one in radius(told).cells} == {f"s3://lake/{task}/orders@dt={day}" for task, day in WRONG}


def test_no_choice_of_true_declarations_loses_what_is_wrong() -> None:
    every = (*IDENTITY, SELF)
    sizes = {}
    for chosen in chain.from_iterable(combinations(every, count) for count in range(len(every) + 1)):
        told = history(*chosen)
        sizes[frozenset(chosen)] = len(reached(told, "TAINTED", "SUSPECT"))
        assert reached(told, "TAINTED", "SUSPECT") >= WRONG
        assert reached(told, "TAINTED") <= WRONG
    assert all(size >= sizes[more] for chosen, size in sizes.items() for more in sizes if chosen <= more), (
        "knowing more never widens"
    )


def test_the_carry_is_lost_only_to_a_false_declaration() -> None:
    told = history(*IDENTITY, EdgeRule("airflow/shop.balance", "s3://lake/balance/orders", Window("identity")))

    assert reached(told, "TAINTED", "SUSPECT") == {(task, BAD) for task in ("clean", "balance", "features", "report")}, (
        "so a window is declared by a person and never assumed"
    )
