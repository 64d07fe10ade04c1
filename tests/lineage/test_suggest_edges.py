"""What is suggested about edges: the window that explains what runs name as read, relative to what they write."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable

import pytest

from lineage.declarations import Declarations, EdgeRule
from lineage.events import event
from lineage.suggest import Suggestion, suggest
from lineage.windows import Window
from tests.lineage.openlineage import JSON, dataset, ran

FIRST = dt.date(2026, 11, 2)
Reads = Callable[[dt.date], Iterable[dt.date]]


def back(first: int, last: int) -> Reads:
    return lambda day: [day + dt.timedelta(days=count) for count in range(first, last + 1)]


def runs(reads: Reads, count: int = 10, *, name_writes: bool = True, source: str = "in", clip: bool = False) -> list[JSON]:
    """A run a day that reads those days; ``clip``: only days since the first run's."""
    found = []
    for number in range(count):
        day = FIRST + dt.timedelta(days=number)
        wanted = [one for one in reads(day) if not clip or one >= FIRST]
        found += ran(
            f"{day}T20:00:00Z",
            f"{day}T21:00:00Z",
            f"run {day}",
            reads=[dataset(f"{source}/dt={one}") for one in wanted] or [dataset(source)],
            writes=[dataset("out", f"dt={day}" if name_writes else None)],
            nominal=f"{day}T00:00:00Z",
        )
    return found


def edges(*raw: JSON, declared: Declarations | None = None) -> dict[str, Suggestion]:
    found = suggest([event(one) for one in raw], declared or Declarations()).suggestions
    return {one.key: one for one in found if one.table == "edge"}


@pytest.mark.parametrize(
    ("reads", "window"),
    [
        (back(0, 0), "identity"),
        (back(-6, 0), (-6, 0)),
        (back(-1, -1), (-1, -1)),
        (back(0, 2), (0, 2)),
        (back(-400, -398), (-400, -398)),
    ],
)
def test_the_window_is_what_explains_every_run(reads: Reads, window: object) -> None:
    found = edges(*runs(reads))["window"]
    assert (found.value, found.sure, found.explains, found.of) == (window, True, 10, 10)
    assert found.evidence == "explains 10 of 10 runs that name what they read"


@pytest.mark.parametrize(("reads", "window"), [(back(-6, 0), (-6, 0)), (back(-1, 0), (-1, 0))])
def test_days_before_the_first_are_no_objection(reads: Reads, window: object) -> None:
    found = edges(*runs(reads, clip=True))["window"]
    assert (found.value, found.explains) == (window, 10)


def test_a_run_that_reads_less_is_covered_and_counted() -> None:
    found = edges(*runs(lambda day: back(-2, 0)(day) if day.day % 5 else [day]))["window"]
    assert found.value == (-2, 0)
    assert (found.explains, found.of) == (8, 10)
    assert "covers all 10" in found.evidence


def test_a_month_reads_its_days_and_an_hour_its_day() -> None:
    month = [
        one
        for number in (9, 10, 11)
        for one in ran(
            f"2026-{number + 1:02d}-01T01:00:00Z",
            f"2026-{number + 1:02d}-01T02:00:00Z",
            f"m{number}",
            reads=[dataset("in", f"dt=2026-{number:02d}-{day:02d}") for day in range(1, 31 if number != 10 else 32)],
            writes=[dataset("out", f"month=2026-{number:02d}")],
        )
    ]
    assert edges(*month)["window"].value == "contained"
    hours = [
        one
        for hour in range(5)
        for one in ran(
            f"{hour:02d}:00",
            f"{hour:02d}:30",
            f"h{hour}",
            reads=[dataset("in", "dt=2026-11-18")],
            writes=[dataset("out", f"dt=2026-11-18/hour={hour:02d}")],
        )
    ]
    assert edges(*hours)["window"].value == "refine"


def test_runs_that_write_no_partition_are_anchored_at_their_nominal_day() -> None:
    assert edges(*runs(back(-6, 0), name_writes=False))["window"].value == (-6, 0)


def test_reads_that_always_begin_at_the_first_partition_are_of_all_of_them() -> None:
    found = edges(*runs(lambda day: [FIRST + dt.timedelta(days=one) for one in range((day - FIRST).days + 1)]))["window"]
    assert found.value == "all", "[-9, 0] explains every run so far, and would miss the first day tomorrow"


def test_a_window_that_explains_less_than_half_of_the_runs_is_none() -> None:
    found = edges(*runs(lambda day: [day, day + dt.timedelta(days=-6)] if day.day > 4 else back(-6, 0)(day)))["window"]
    assert found.value == "all"


def test_one_run_is_a_guess() -> None:
    assert not edges(*runs(back(-6, 0), count=1))["window"].sure


def test_a_job_that_reads_its_own_output_is_marked_so() -> None:
    found = edges(*runs(back(-1, -1), source="out"))
    assert found["window"].value == (-1, -1)
    assert found["until"].value == "latest"
    silent = edges(*runs(lambda _: [], source="out"))
    assert (silent["until"].value, silent["until"].sure) == ("latest", True)
    assert "window" not in silent


def test_reads_that_nobody_names_get_a_guess_to_decide_on() -> None:
    found = edges(*runs(lambda _: []))["window"]
    assert (found.value, found.sure, found.explains, found.of) == ("identity", False, 0, 10)


def test_whether_the_partition_of_the_same_time_was_there_is_told() -> None:
    made = [
        one
        for number in range(10)
        for one in ran(
            f"{FIRST + dt.timedelta(days=number + 1)}T01:00:00Z",
            f"{FIRST + dt.timedelta(days=number + 1)}T02:00:00Z",
            f"made {number}",
            "maker",
            writes=[dataset("in", f"dt={FIRST + dt.timedelta(days=number)}")],
        )
    ]
    assert "in 0 of 10 the partition of the same time had been made before" in edges(*made, *runs(lambda _: []))["window"].evidence


def test_a_declared_edge_is_not_suggested() -> None:
    rule = EdgeRule("test/job", "s3://lake/in", Window("identity"))
    assert edges(*runs(back(-6, 0)), declared=Declarations(edges=(rule,))) == {}


def test_a_window_never_names_less_than_was_read() -> None:
    for first in range(-3, 3):
        for last in range(first, 3):
            value = edges(*runs(back(first, last), count=4))["window"].value
            window = Window.parse(list(value) if isinstance(value, tuple) else value)
            assert (window.first <= first <= last <= window.last) if window.kind == "offsets" else (first, last) == (0, 0)
