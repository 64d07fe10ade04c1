"""Times: whole nanoseconds in UTC, whatever a producer writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage import timestamps
from lineage.timestamps import AFTER, BEFORE, SECOND, from_datetime, parse, render, to_datetime, whole_day

CHECKS = settings(deadline=None, derandomize=True, max_examples=200)

MIDNIGHT = 1_794_960_000 * SECOND


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("2026-11-18", MIDNIGHT),
        ("2026-11-18T00:00:00Z", MIDNIGHT),
        ("2026-11-18 00:00:00", MIDNIGHT),
        ("2026-11-18t00:00:00z", MIDNIGHT),
        ("2026-11-18T00:00", MIDNIGHT),
        ("2026-11-18T01:00:00+01:00", MIDNIGHT),
        ("2026-11-17T18:30:00-0530", MIDNIGHT),
        ("2026-11-18T02:00:00+02", MIDNIGHT),
        ("2026-11-18T00:00:00.000000001Z", MIDNIGHT + 1),
        ("2026-11-18T00:00:00.1", MIDNIGHT + SECOND // 10),
        ("2026-11-18T00:00:00,5Z", MIDNIGHT + SECOND // 2),
        ("2026-11-18T00:00:00.1234567891234Z", MIDNIGHT + 123_456_789),
        ("2026-11-18T01:00:00+01:00[Europe/Stockholm]", MIDNIGHT),
        ("  2026-11-18T00:00:00Z  ", MIDNIGHT),
        ("2026-11-18T00:00:60Z", MIDNIGHT + 60 * SECOND),
    ],
)
def test_times_are_read_as_producers_write_them(text: str, nanoseconds: int) -> None:
    assert parse(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "2026-11-18T25:00:00Z", "18/11/2026", "2026-11", "0000-01-01"])
def test_what_is_no_time_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a time|out of range|must be in|day"):
        parse(text)


@CHECKS
@given(st.integers(BEFORE + 1, AFTER - 1))
def test_rendering_and_parsing_agree_to_the_nanosecond(moment: int) -> None:
    text = render(moment)
    assert text is not None
    assert parse(text) == moment


@CHECKS
@given(st.integers(BEFORE + 1, AFTER - 1))
def test_rendered_times_end_in_z_and_have_no_needless_decimals(moment: int) -> None:
    text = render(moment) or ""
    assert text.endswith("Z")
    assert not ("." in text and text.endswith("0Z"))


def test_the_infinities_are_null_outside() -> None:
    assert render(BEFORE) is None
    assert render(AFTER) is None


def test_datetimes_are_aware_and_agree() -> None:
    moment = datetime(2026, 11, 18, 3, 4, 5, 678_000, tzinfo=UTC)
    assert to_datetime(from_datetime(moment)) == moment
    assert to_datetime(BEFORE) < moment < to_datetime(AFTER)


def test_a_bare_date_stands_for_its_day() -> None:
    assert whole_day("2026-11-18")
    assert not whole_day("2026-11-18T00:00:00Z")


@settings(CHECKS, max_examples=400)
@given(
    st.sampled_from(
        ("2026-11-18T03:00", "2026-02-30T03:00", "2026-11-18t23:59", "2026-11-18 24:00", "2026-11-18+01:00", "٢٠٢٦-11-18T03:00")
    ),
    st.sampled_from(
        (
            "",
            ":",
            ":0",
            ":05",
            ":0512",
            ":05.",
            ":05.1",
            ":05,5",
            ":60.999999999",
            ":05.1234567891",
            ":05.١",
            ":٠٥",
            ":-5",
            ":05.1_0",
        )
    ),
    st.sampled_from(("", "Z", "z", "+00:00", "-00:00", "+01:00", "+00", "[UTC]", "Z ", "ZZ", "+00:00Z")),
)
def test_the_quick_way_reads_a_time_as_the_whole_rule_does(minute: str, second: str, zone: str) -> None:
    def outcome(read: Callable[[str], int]) -> int | None:
        try:
            return read(minute + second + zone)
        except ValueError:
            return None

    assert outcome(parse) == outcome(timestamps._parse)
