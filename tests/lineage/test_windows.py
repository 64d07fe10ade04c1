"""Windows: which input partitions make an output partition, and which outputs an input reaches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.errors import PartitionError
from lineage.partitions import parse_partition
from lineage.periods import Grain, Period, floor, shift
from lineage.windows import Window

GRAINS = st.sampled_from([Grain.HOUR, Grain.DAY, Grain.WEEK, Grain.MONTH])
MOMENTS = st.integers(0, 3 * 365 * 24).map(lambda hours: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hours))
OFFSETS = st.tuples(st.integers(-8, 3), st.integers(0, 5)).map(lambda pair: Window("offsets", pair[0], pair[0] + pair[1]))
WINDOWS = st.one_of(st.sampled_from([Window("identity"), Window("contained"), Window("refine")]), OFFSETS)


CHECKS = settings(deadline=None, derandomize=True, max_examples=60)


def period(text: str) -> Period:
    found = parse_partition(text).period
    assert found is not None
    return found


def texts(periods: tuple[Period, ...] | None) -> list[str] | None:
    return None if periods is None else [str(one) for one in periods]


@CHECKS
@given(WINDOWS, MOMENTS, GRAINS, GRAINS)
def test_every_input_of_an_output_reaches_that_output(window: Window, moment: datetime, out: Grain, given_: Grain) -> None:
    output = floor(moment, out)
    inputs = window.backward(output, given_) or ()
    for source in (*inputs[:3], *inputs[-3:]):
        assert output in (window.forward(source, out) or ())


@CHECKS
@given(WINDOWS, MOMENTS, GRAINS, GRAINS)
def test_every_output_that_an_input_reaches_is_made_from_it(window: Window, moment: datetime, out: Grain, given_: Grain) -> None:
    source = floor(moment, given_)
    for output in window.forward(source, out) or ():
        assert source in (window.backward(output, given_) or ())


@CHECKS
@given(WINDOWS, MOMENTS, GRAINS, GRAINS, st.integers(-400, 400))
def test_no_output_is_missed(window: Window, moment: datetime, out: Grain, given_: Grain, away: int) -> None:
    source, output = floor(moment, given_), shift(floor(moment, out), away)
    if source in (window.backward(output, given_) or ()):
        assert output in (window.forward(source, out) or ())


def test_a_rolling_week_reads_seven_days_and_a_bad_day_reaches_seven() -> None:
    rolling = Window.parse([-6, 0])
    assert texts(rolling.backward(period("2026-11-18"), Grain.DAY)) == [f"2026-11-{day}" for day in range(12, 19)]
    assert texts(rolling.forward(period("2026-11-18"), Grain.DAY)) == [f"2026-11-{day}" for day in range(18, 25)]


def test_a_month_contains_its_days() -> None:
    contained = Window.parse("contained")
    days = contained.backward(period("2026-11"), Grain.DAY) or ()
    assert (len(days), str(days[0]), str(days[-1])) == (30, "2026-11-01", "2026-11-30")
    assert texts(contained.forward(period("2026-11-18"), Grain.MONTH)) == ["2026-11"]


def test_an_hour_reads_the_day_around_it() -> None:
    refine = Window.parse("refine")
    assert texts(refine.backward(period("2026-11-18T03"), Grain.DAY)) == ["2026-11-18"]
    assert len(refine.forward(period("2026-11-18"), Grain.HOUR) or ()) == 24


def test_a_rolling_window_of_a_coarser_output_reaches_back_from_its_first_period() -> None:
    days = Window.parse([-1, 0]).backward(period("2026-11"), Grain.DAY) or ()
    assert (str(days[0]), str(days[-1])) == ("2026-10-31", "2026-11-30")


def test_weeks_and_months_overlap_without_nesting() -> None:
    contained = Window.parse("contained")
    assert texts(contained.backward(period("2026-W01"), Grain.MONTH)) == ["2025-12", "2026-01"]
    assert "2026-W01" in (texts(contained.forward(period("2025-12"), Grain.WEEK)) or ())
    assert "2026-W01" in (texts(contained.forward(period("2026-01"), Grain.WEEK)) or ())


def test_identity_is_the_same_period() -> None:
    assert texts(Window.parse("identity").backward(period("2026-11-18"), Grain.DAY)) == ["2026-11-18"]
    assert len(Window.parse("identity").backward(period("2026-11-18"), Grain.HOUR) or ()) == 24


def test_all_is_everything_and_none_is_nothing() -> None:
    for way in (Window.parse("all").backward, Window.parse("all").forward):
        assert way(period("2026-11-18"), Grain.DAY) is None
    for way in (Window.parse("none").backward, Window.parse("none").forward):
        assert way(period("2026-11-18"), Grain.DAY) == ()


@pytest.mark.parametrize("value", ["rolling", [], [1], [1, 2, 3], [0, -6], [True, False], ["-6", "0"], None, 7])
def test_what_is_no_window_is_refused_with_the_vocabulary(value: object) -> None:
    with pytest.raises(PartitionError) as refused:
        Window.parse(value)
    assert "contained" in refused.value.hint


@pytest.mark.parametrize("value", ["identity", "contained", "refine", "all", "none", [-6, 0], [1, 1]])
def test_windows_print_as_they_are_written(value: object) -> None:
    assert str(Window.parse(value)) == str(value)
