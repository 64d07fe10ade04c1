"""Out of line, against the same weekday where there is enough of it: where a plain z-score would be wrong."""

from __future__ import annotations

import random
from datetime import date, timedelta
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.fault import Fault
from lineage.outliers import OUT_OF_LINE, amount, standing, times
from lineage.timestamps import SECOND, parse, span
from tests.lineage.triage_histories import FAULT, day, enrich, found, ingest, status, strongest

FIRST = date(2026, 9, 7)  # a Monday


def moment(number: int) -> int:
    return parse(str(FIRST + timedelta(days=number)))


def weekly(days: int) -> list[tuple[int, float]]:
    """A thousand a day, a tenth of it on Sundays, a little noise."""
    return [(moment(number), (100.0 if number % 7 == 6 else 1000.0) + 3 * (number % 5)) for number in range(days)]


def test_a_quiet_sunday_is_in_line_though_a_plain_z_score_says_otherwise() -> None:
    history = weekly(48)
    plain = [value for _, value in history[-20:] if value > 500]
    assert (103.0 - mean(plain)) / stdev(plain) < -OUT_OF_LINE
    stands = standing(103.0, moment(48), history)
    assert not stands.out_of_line
    assert stands.basis == "against 6 earlier Sundays"


def test_a_busy_sunday_is_out_of_line_though_a_plain_z_score_sees_nothing() -> None:
    history = weekly(48)
    values = [value for _, value in history]
    assert abs(1000.0 - mean(values)) / stdev(values) < 1
    stands = standing(1000.0, moment(48), history)
    assert stands.out_of_line
    assert stands.usual < 110


def test_one_wild_day_in_the_history_hides_nothing() -> None:
    """Mean and deviation would: the wild day makes everything look usual."""
    history = [(moment(number), 1000.0 + number % 3) for number in range(28)]
    history[7 * 2 + 0] = (moment(14), 1_000_000.0)
    values = [value for _, value in history]
    assert abs(2000.0 - mean(values)) / stdev(values) < 1
    assert standing(2000.0, moment(28), history).out_of_line


def test_too_few_of_a_weekday_fall_back_to_recent_history_and_say_so() -> None:
    history = [(moment(number), 1000.0 + number) for number in range(14)]
    stands = standing(100.0, moment(14), history)
    assert stands.out_of_line
    assert stands.basis == "against the 14 values before, as only 2 of the history are a Monday"


def test_too_little_history_is_not_judged() -> None:
    history = [(moment(number), 1000.0) for number in range(4)]
    stands = standing(1.0, moment(4), history)
    assert (stands.score, stands.out_of_line) == (None, False)
    assert stands.basis == "too little history to judge: 4 values before it"
    assert standing(1.0, moment(0), []).basis == "too little history to judge: 0 values before it"


def test_a_steady_history_does_not_make_a_small_change_remarkable() -> None:
    history = [(moment(number), 1_000_000.0) for number in range(28)]
    assert not standing(1_010_000.0, moment(28), history).out_of_line
    assert standing(1_100_000.0, moment(28), history).out_of_line


def test_what_was_always_zero_and_is_not_is_out_of_line() -> None:
    history = [(moment(number), 0.0) for number in range(9)]
    assert standing(24.0, moment(9), history).out_of_line
    assert not standing(0.0, moment(9), history).out_of_line


@given(st.lists(st.floats(-1e12, 1e12), max_size=40), st.floats(-1e12, 1e12), st.integers(-(2**62), 2**62))
def test_any_history_can_be_judged(values: list[float], value: float, when: int) -> None:
    stands = standing(value, when, [(moment(number), one) for number, one in enumerate(values)])
    assert (stands.score is None) == (stands.basis.startswith("too little"))
    assert amount(stands.usual)
    assert isinstance(times(value, stands.usual), str)


def test_figures_as_people_read_them() -> None:
    assert [amount(one) for one in (0.0, 12345.0, 0.25, 1e15)] == ["0", "12,345", "0.25", "1,000,000,000,000,000"]
    assert [times(*pair) for pair in ((5.0, 100.0), (300.0, 100.0), (0.0, 100.0), (1.0, 0.0), (0.5, 1000.0))] == [
        "5% of the usual",
        "3.0 times the usual",
        "0% of the usual",
        "",
        "0.05% of the usual",
    ]
    assert [span(one * SECOND) for one in (0, 45, 19_200, -90_000)] == ["0 s", "45 s", "5 h 20 min", "1 d 1 h"]


def test_triage_judges_a_quiet_sunday_by_its_sundays() -> None:
    events = [
        one
        for number in range(42)
        for rows in [100.0 if number % 7 == 6 else 1000.0 + number % 5]
        for one in (*ingest(day(number), rows=rows), *enrich(day(number), rows=rows))
    ]
    quiet = found(events, Fault(job="test/enrich", nominal=str(day(41))))
    assert (quiet.verdict, status(quiet)["input volume and quality"]) == ("unclear", "nothing")
    busy = [*events[:-4], *ingest(day(41), rows=1000.0), *enrich(day(41), rows=1000.0)]
    loud = found(busy, Fault(job="test/enrich", nominal=str(day(41))))
    assert loud.verdict == "data"
    assert "against 5 earlier Sundays" in strongest(loud, "volume").details[0]


def test_triage_with_too_little_history_says_so_and_does_not_judge() -> None:
    events = [one for number in range(27, 30) for one in (*ingest(day(number)), *enrich(day(number)))]
    triage = found([*events, *ingest(day(30), rows=1.0), *enrich(day(30), rows=1.0)], FAULT)
    assert triage.verdict == "unclear"
    assert status(triage)["input volume and quality"] == "too little history"


@pytest.mark.parametrize("days", [30, 42, 60])
def test_usual_days_raise_no_alarm_and_a_lost_half_does(days: int) -> None:
    """A weekly rhythm with a spread of five in a hundred: hardly a false alarm, hardly a miss."""
    rng = random.Random(days)
    alarms = misses = 0
    for _ in range(400):
        history = [(moment(number), (100 if number % 7 == 6 else 1000) * rng.gauss(1, 0.05)) for number in range(days)]
        right = (100 if days % 7 == 6 else 1000) * rng.gauss(1, 0.05)
        alarms += standing(right, moment(days), history).out_of_line
        misses += not standing(right / 2, moment(days), history).out_of_line
    assert alarms <= 8
    assert misses <= 40


def test_the_first_sunday_of_a_young_history_is_not_sure_and_the_second_is_like_the_first() -> None:
    young = weekly(6)
    first = standing(103.0, moment(6), young)
    assert (first.out_of_line, first.sure) == (True, False)
    second = standing(105.0, moment(13), weekly(13))
    assert not second.out_of_line
    assert second.basis.endswith("but it is like that")


def test_days_without_a_fault_are_unclear() -> None:
    """Any day of a healthy history: what triage says of it is that nothing is remarkable."""
    rng = random.Random(5)
    rows = [round((100 if number % 7 == 6 else 1000) * rng.gauss(1, 0.05)) for number in range(60)]
    events = [
        one for number in range(60) for one in (*ingest(day(number), rows=rows[number]), *enrich(day(number), rows=rows[number]))
    ]
    said = [found(events, Fault(job="test/enrich", nominal=str(day(number)))).verdict for number in range(8, 60)]
    assert said.count("unclear") >= 50
