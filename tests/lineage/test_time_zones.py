"""Datasets whose dates are a time zone's: what their periods are in UTC, and windows between them and datasets in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.declarations import DatasetRule, Declarations, EdgeRule
from lineage.errors import PartitionError
from lineage.layouts import Layout
from lineage.partitions import parse_partition
from lineage.periods import Grain, Period, floor, shift
from lineage.windows import Window
from lineage.zones import Zone, between, interval, sharing, zone
from tests.lineage.openlineage import attempt, dataset, ran, reads, writes

STOCKHOLM = ZoneInfo("Europe/Stockholm")
NEW_YORK = ZoneInfo("America/New_York")
TROLL = ZoneInfo("Antarctica/Troll")
"""Where clocks change by two hours."""

ZONES: list[Zone] = [
    None,
    STOCKHOLM,
    NEW_YORK,
    ZoneInfo("Asia/Kolkata"),  # half an hour beside the others' hours
    ZoneInfo("Asia/Beirut"),  # clocks change at midnight
    ZoneInfo("Australia/Lord_Howe"),  # by half an hour
    TROLL,
    ZoneInfo("Pacific/Apia"),  # left out the whole of 2011-12-30
]
SWITCHES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 3, 28, 22, tzinfo=UTC),
    datetime(2026, 10, 24, 21, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
]
NEAR = st.builds(lambda at, minutes: at + timedelta(minutes=minutes), st.sampled_from(SWITCHES), st.integers(-3000, 3000))
MOMENTS = st.one_of(NEAR, NEAR, st.integers(0, 9000).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)))
GRAINS = st.sampled_from([Grain.HOUR, Grain.DAY, Grain.WEEK, Grain.MONTH])
CLOCKS = st.sampled_from(ZONES)
OFFSETS = st.tuples(st.integers(-8, 3), st.integers(0, 5)).map(lambda pair: Window("offsets", pair[0], pair[0] + pair[1]))
WINDOWS = st.one_of(st.sampled_from([Window("identity"), Window("contained"), Window("refine")]), OFFSETS)
CHECKS = settings(deadline=None, derandomize=True, max_examples=150)


def period(text: str) -> Period:
    found = parse_partition(text).period
    assert found is not None
    return found


def hours(text: str, within: Zone) -> float:
    start, end = interval(period(text), within)
    return (end - start) / timedelta(hours=1)


# --- what a period is in UTC ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "within", "expected"),
    [
        ("2026-11-18", None, 24),
        ("2026-11-18", STOCKHOLM, 24),
        ("2026-03-29", STOCKHOLM, 23),
        ("2026-10-25", STOCKHOLM, 25),
        ("2026-03-29T02", STOCKHOLM, 0),
        ("2026-10-25T02", STOCKHOLM, 2),
        ("2026-10-25T01", STOCKHOLM, 1),
        ("2026-10-25T03", STOCKHOLM, 1),
        ("2026-03", STOCKHOLM, 31 * 24 - 1),
        ("2026-03-29", ZoneInfo("Asia/Beirut"), 23),
        ("2011-12-30", ZoneInfo("Pacific/Apia"), 0),
        ("2026-10-04", ZoneInfo("Australia/Lord_Howe"), 23.5),
        ("2026-10-25T01", TROLL, 3),  # from 03:00 back to 01:00: shown twice, with an hour of another between
        ("2026-03-29T02", TROLL, 0),
    ],
)
def test_a_period_is_as_long_as_its_clock_shows_it(text: str, within: Zone, expected: float) -> None:
    assert hours(text, within) == expected


def test_a_local_day_begins_at_local_midnight() -> None:
    start, end = interval(period("2026-11-18"), STOCKHOLM)
    assert (start.isoformat(), end.isoformat()) == ("2026-11-17T23:00:00+00:00", "2026-11-18T23:00:00+00:00")


@CHECKS
@given(CLOCKS, MOMENTS, GRAINS)
def test_every_moment_lies_in_the_period_that_its_clock_shows(within: Zone, moment: datetime, grain: Grain) -> None:
    start, end = interval(floor(moment, grain, within), within)
    assert start <= moment < end


@CHECKS
@given(CLOCKS, MOMENTS, GRAINS)
def test_periods_leave_no_moment_out(within: Zone, moment: datetime, grain: Grain) -> None:
    this = floor(moment, grain, within)
    assert interval(shift(this, 1), within)[0] <= interval(this, within)[1]


@CHECKS
@given(CLOCKS, CLOCKS, MOMENTS, GRAINS, GRAINS, st.integers(-70, 70))
def test_two_periods_share_time_or_not_whichever_is_asked(
    one: Zone, other: Zone, moment: datetime, grain: Grain, other_grain: Grain, away: int
) -> None:
    left, right = floor(moment, grain, one), shift(floor(moment, other_grain, other), away)
    assert (right in sharing(left, one, other_grain, other)) == (left in sharing(right, other, grain, one))


@CHECKS
@given(CLOCKS, CLOCKS, MOMENTS, GRAINS, GRAINS)
def test_periods_around_one_moment_share_it(one: Zone, other: Zone, moment: datetime, grain: Grain, other_grain: Grain) -> None:
    assert floor(moment, other_grain, other) in sharing(floor(moment, grain, one), one, other_grain, other)


@pytest.mark.parametrize(("grain", "other_grain"), [(Grain.HOUR, Grain.HOUR), (Grain.HOUR, Grain.DAY), (Grain.DAY, Grain.HOUR)])
@pytest.mark.parametrize("within", ZONES[1:], ids=str)
def test_around_every_switch_sharing_is_mutual_and_loses_no_moment(within: ZoneInfo, grain: Grain, other_grain: Grain) -> None:
    moments = [at + timedelta(minutes=30 * step) for at in SWITCHES for step in range(-6, 7)]
    for moment in moments:
        left, right = floor(moment, grain, within), floor(moment, other_grain)
        assert right in sharing(left, within, other_grain, None)
        for near in between(shift(right, -3), shift(right, 3)):
            assert (near in sharing(left, within, other_grain, None)) == (left in sharing(near, None, grain, within))
    labels = {shift(floor(at, grain), step) for at in SWITCHES for step in range(-20, 20)}
    for label in labels:  # those that clocks skip among them
        for right in sharing(label, within, other_grain, None):
            assert label in sharing(right, None, grain, within)


@pytest.mark.parametrize(
    ("hour", "labels"),
    [
        ("2026-03-29T00", ["2026-03-29T01", "2026-03-29T02"]),
        ("2026-03-29T01", ["2026-03-29T02", "2026-03-29T03"]),
        ("2026-10-25T00", ["2026-10-25T02"]),
        ("2026-10-25T01", ["2026-10-25T02"]),
    ],
)
def test_a_skipped_hour_may_hold_what_came_just_before_or_after(hour: str, labels: list[str]) -> None:
    assert [str(one) for one in sharing(period(hour), None, Grain.HOUR, STOCKHOLM)] == labels


# --- windows between clocks ----------------------------------------------------------------------------------------------


@CHECKS
@given(WINDOWS, CLOCKS, CLOCKS, MOMENTS, GRAINS, GRAINS)
def test_every_input_of_an_output_reaches_that_output(
    window: Window, made_in: Zone, read_in: Zone, moment: datetime, out: Grain, given_: Grain
) -> None:
    output = floor(moment, out, made_in)
    inputs = window.backward(output, given_, made_in=made_in, read_in=read_in) or ()
    for source in (*inputs[:3], *inputs[-3:]):
        assert output in (window.forward(source, out, read_in=read_in, made_in=made_in) or ())


@CHECKS
@given(WINDOWS, CLOCKS, CLOCKS, MOMENTS, GRAINS, GRAINS, st.integers(-60, 60))
def test_no_output_is_missed(
    window: Window, made_in: Zone, read_in: Zone, moment: datetime, out: Grain, given_: Grain, away: int
) -> None:
    source, output = floor(moment, given_, read_in), shift(floor(moment, out, made_in), away)
    back = window.backward(output, given_, made_in=made_in, read_in=read_in) or ()
    assert (source in back) == (output in (window.forward(source, out, read_in=read_in, made_in=made_in) or ()))


@CHECKS
@given(CLOCKS, CLOCKS, MOMENTS, GRAINS, GRAINS, st.sampled_from(["identity", "contained"]))
def test_an_input_of_any_moment_of_an_output_is_never_lost(
    made_in: Zone, read_in: Zone, moment: datetime, out: Grain, given_: Grain, word: str
) -> None:
    back = Window.parse(word).backward(floor(moment, out, made_in), given_, made_in=made_in, read_in=read_in)
    assert floor(moment, given_, read_in) in (back or ())


@CHECKS
@given(OFFSETS, CLOCKS, CLOCKS, MOMENTS, GRAINS, GRAINS)
def test_a_wider_window_reads_no_less(
    window: Window, made_in: Zone, read_in: Zone, moment: datetime, out: Grain, given_: Grain
) -> None:
    wider = Window("offsets", window.first - 1, window.last + 1)
    output = floor(moment, out, made_in)
    narrow, wide = (one.backward(output, given_, made_in=made_in, read_in=read_in) or () for one in (window, wider))
    assert set(narrow) <= set(wide)


@pytest.mark.parametrize(("day", "count"), [("2026-03-29", 23), ("2026-11-18", 24), ("2026-10-25", 25)])
def test_a_local_day_contains_the_hours_in_utc_of_its_own(day: str, count: int) -> None:
    found = Window.parse("contained").backward(period(day), Grain.HOUR, made_in=STOCKHOLM) or ()
    assert (len(found), found) == (count, between(found[0], found[-1]))
    assert interval(period(day), STOCKHOLM) == (found[0].start, found[-1].end)


def test_an_hour_in_utc_reads_the_local_day_around_it() -> None:
    refine = Window.parse("refine")
    for hour, day in (("2026-11-17T22", "2026-11-17"), ("2026-11-17T23", "2026-11-18"), ("2026-11-18T22", "2026-11-18")):
        assert refine.backward(period(hour), Grain.DAY, read_in=STOCKHOLM) == (period(day),)
    kolkata = refine.backward(period("2026-11-17T18"), Grain.DAY, read_in=ZoneInfo("Asia/Kolkata"))
    assert kolkata == (period("2026-11-17"), period("2026-11-18"))


def test_a_rolling_week_of_local_days_is_seven_of_them_whatever_the_clocks_do() -> None:
    rolling = Window.parse([-6, 0])
    found = rolling.backward(period("2026-10-26"), Grain.DAY, made_in=STOCKHOLM, read_in=STOCKHOLM) or ()
    assert (len(found), str(found[0]), str(found[-1])) == (7, "2026-10-20", "2026-10-26")
    mixed = rolling.backward(period("2026-10-26"), Grain.DAY, made_in=STOCKHOLM) or ()
    assert (len(mixed), str(mixed[0]), str(mixed[-1])) == (8, "2026-10-19", "2026-10-26")


# --- what producers write ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "found", "expected"),
    [
        (Layout("dt=%Y-%m-%d", STOCKHOLM), "2026-11-18", "dt=2026-11-18"),
        (Layout("dt=%Y-%m-%d", STOCKHOLM), "2026-11-17T23:00:00", "dt=2026-11-18"),
        (Layout("dt=%Y-%m-%d", STOCKHOLM), "2026-11-18T00:00:00+01:00", "dt=2026-11-18"),
        (Layout("dt=%Y-%m-%d", STOCKHOLM), "2026-11-18T00:00:00", "dt=2026-11-18"),
        (Layout("dt=%Y-%m-%d", NEW_YORK), "2026-11-18T05:00:00Z", "dt=2026-11-18"),
        (Layout("dt=%Y-%m-%d", NEW_YORK), "dt=2026-11-18T00:00:00", "dt=2026-11-18"),
        (Layout("month=%Y-%m", STOCKHOLM), "2026-10-31T23:00:00", "month=2026-11"),
        (Layout("country={country}/dt=%Y-%m-%d", STOCKHOLM), "country=se/dt=2026-11-17T23:00:00", "country=se/dt=2026-11-18"),
        (Layout("dt=%Y-%m-%d/hour=%H", ZoneInfo("Europe/London")), "2026-11-18T03:00:00", "dt=2026-11-18/hour=03"),
    ],
)
def test_a_full_timestamp_is_the_period_that_begins_with_it(layout: Layout, found: str, expected: str) -> None:
    assert str(layout.said(parse_partition(found))) == expected


@pytest.mark.parametrize(
    ("layout", "found"),
    [
        (Layout("dt=%Y-%m-%d", STOCKHOLM), "2026-11-18T03:12:44"),
        (Layout("dt=%Y-%m-%d/hour=%H", STOCKHOLM), "2026-11-18T03:00:00"),
        (Layout("dt=%Y-%m-%d", STOCKHOLM), "dt=2026-11-18/loaded_at=2026-11-18T03:12:44"),
    ],
)
def test_a_timestamp_that_may_be_two_periods_or_none_is_never_guessed(layout: Layout, found: str) -> None:
    with pytest.raises(PartitionError):
        layout.said(parse_partition(found))


def _declared(*edges: EdgeRule, within: Zone = STOCKHOLM) -> Declarations:
    local = DatasetRule("s3://lake/local*", partition=Layout("dt=%Y-%m-%d"), nominal=True)
    hourly = DatasetRule("s3://lake/hourly*", partition=Layout("dt=%Y-%m-%d/hour=%H"), nominal=True)
    return Declarations(datasets=(local, DatasetRule("s3://lake/local*", timezone=within), hourly), edges=edges)


def test_a_nominal_time_names_the_local_day_that_it_lies_in() -> None:
    told = ran("03", "04", "r", writes=["local", "hourly"], nominal="2026-11-17T23:00:00Z")
    assert writes(attempt(told, declared=_declared())) == [
        "local@dt=2026-11-18 unknown",
        "hourly@dt=2026-11-17/hour=23 unknown",
    ]


def test_an_airflow_key_names_the_local_day_that_begins_then() -> None:
    assert writes(attempt(ran("03", "04", "r", writes=["local"], key="2026-11-17T23:00:00"), declared=_declared())) == [
        "local@dt=2026-11-18 unknown"
    ]
    assert writes(attempt(ran("03", "04", "r", writes=["local"], key="2026-11-17T21:30:00"), declared=_declared())) == [
        "local@*? unknown"
    ]


def test_a_read_whose_time_is_no_certain_day_is_of_all_of_it_and_says_so() -> None:
    told = attempt(ran("03", "04", "r", reads=[dataset("local", "dt=2026-11-17T21:30:00")]), declared=_declared())
    assert reads(told) == ["local@*?"]
    assert "no certain" in told.reads[0].reason


def test_a_declared_window_reads_the_hours_of_the_local_day() -> None:
    declared = _declared(EdgeRule("*", "*hourly*", Window("contained")))
    told = ran("03", "04", "r", reads=["hourly"], writes=[dataset("local", "dt=2026-03-29")])
    found = reads(attempt(told, declared=declared))
    assert (len(found), found[0], found[-1]) == (23, "hourly@dt=2026-03-28/hour=23", "hourly@dt=2026-03-29/hour=21")


def test_a_later_entry_may_say_utc() -> None:
    rules = _declared(within=ZoneInfo("UTC")).datasets
    declared = Declarations(datasets=(DatasetRule("*", timezone=STOCKHOLM), *rules))
    told = attempt(ran("03", "04", "r", writes=["local"], nominal="2026-11-17T23:00:00Z"), declared=declared)
    assert writes(told) == ["local@dt=2026-11-17 unknown"]


@pytest.mark.parametrize("name", ["Europe/Stokholm", "", "Europe", "../etc/passwd", "/etc/localtime", "CET ", "\0"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(PartitionError) as refused:
        zone(name)
    assert "Europe/Stockholm" in refused.value.hint or name != "Europe/Stokholm"
