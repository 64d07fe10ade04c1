"""Sizes and durations as people write and read them."""

from __future__ import annotations

import pytest

from incident.language import duration, moment, plural
from incident.sizes import parse_size, render_size
from lineage import timestamps
from lineage.timestamps import SECOND


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("500", 500),
        ("500 B", 500),
        ("1 KB", 1000),
        ("1 KiB", 1024),
        ("1TiB", 1 << 40),
        ("1.5 GiB", 3 << 29),
        ("2g", 2 * 10**9),
    ],
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "many", "-1", "1 XB", "1 iB", "1,5 GB", "0x10", "1 GiB GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


def test_a_size_is_shown_in_the_unit_that_fits() -> None:
    assert [render_size(size) for size in (0, 1023, 1024, 1536, (1 << 20) - 1, 1 << 40)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "1.0 MiB",
        "1.0 TiB",
    ]


def test_a_duration_has_its_two_largest_units() -> None:
    seconds = (0, 59, 60, 3_661, 86_400, 90_061, 86_405)
    assert [duration(number * SECOND) for number in seconds] == ["0 s", "59 s", "1 min", "1 h 1 min", "1 d", "1 d 1 h", "1 d"]


def test_a_moment_is_utc_and_may_be_unknown() -> None:
    assert moment(timestamps.parse("2026-11-18T02:00:05.5+01:00")) == "2026-11-18 01:00:05"
    assert [moment(one) for one in (None, timestamps.BEFORE, timestamps.AFTER)] == ["—"] * 3


def test_numbers_have_their_nouns() -> None:
    assert [plural(number, "object") for number in (0, 1, 2048)] == ["0 objects", "1 object", "2,048 objects"]
