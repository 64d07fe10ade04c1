"""A data file is in a cell, out of it, or nobody can say; what nobody can say is never changed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.partitions import parse_partition
from lineage.periods import Grain, Period, parse_period
from runbooks.table_partitions import NULL, FieldValue, standing

DAY, HOUR = Period(datetime(2026, 11, 17, tzinfo=UTC), Grain.DAY), Period(datetime(2026, 11, 17, 3, tzinfo=UTC), Grain.HOUR)
MONTH, YEAR = Period(datetime(2026, 11, 1, tzinfo=UTC), Grain.MONTH), Period(datetime(2026, 1, 1, tzinfo=UTC), Grain.YEAR)
NEXT = Period(datetime(2026, 11, 18, tzinfo=UTC), Grain.DAY)


def of(value: Period | int | str | None, *names: str, plain: bool = True) -> FieldValue:
    return FieldValue(frozenset(names or ("dt",)), value, plain)


@pytest.mark.parametrize(
    ("cell", "fields", "expected"),
    [
        ("*", [], "inside"),
        ("*", [of(DAY)], "inside"),
        ("dt=2026-11-17", [], "unclear"),
        ("dt=2026-11-17", [of(DAY)], "inside"),
        ("dt=2026-11-17", [of(NEXT)], "outside"),
        ("dt=2026-11-17", [of("2026-11-17")], "inside"),
        ("dt=2026-11-17", [of("20261117")], "inside"),
        ("dt=2026-11-17", [of(20261117)], "inside"),
        ("dt=2026-11-17", [of(20261118)], "outside"),
        ("dt=2026-11-17", [of("2026-11-1")], "outside"),
        ("dt=2026-11-1", [of("2026-11-17")], "outside"),
        ("dt=2026-11-17", [of("unknown")], "outside"),
        ("dt=2026-11-17", [of("17.11.2026")], "unclear"),
        ("dt=2026-11-17", [of(None)], "outside"),
        (f"dt={NULL}", [of(None)], "inside"),
        (f"dt={NULL}", [of(DAY)], "outside"),
        ("dt=null", [of(None)], "unclear"),
        ("dt=2026-11-17", [of(MONTH)], "unclear"),
        ("dt=2026-12-17", [of(MONTH)], "outside"),
        ("dt=2026-11", [of(DAY)], "inside"),
        ("dt=2026-10", [of(DAY)], "outside"),
        ("ts=2026-11-17", [of(YEAR, "ts_year", "ts"), of(DAY, "ts_day", "ts")], "inside"),
        ("ts=2026-11-17", [of(YEAR, "ts_year", "ts"), of(NEXT, "ts_day", "ts")], "outside"),
        ("ts=2026-11-17", [of(DAY, "ts_day", "ts", plain=False)], "unclear"),
        ("20261117", [of(DAY, "ts_day", "ts")], "inside"),
        ("20261117", [of(DAY, "a"), of(DAY, "b")], "unclear"),
        ("20261117", [of(None, "a")], "unclear"),
        ("20261117", [FieldValue(frozenset({"ts_day"}), None, dated=True)], "outside"),
        ("dt=2026-11-17/hour=03", [of(DAY), of(3, "hour")], "inside"),
        ("dt=2026-11-17/hour=03", [of(DAY), of("03", "hh")], "inside"),
        ("dt=2026-11-17/hour=03", [of(DAY), of(4, "hour")], "outside"),
        ("dt=2026-11-17/hour=03", [of(DAY)], "unclear"),
        ("dt=2026-11-17/hour=03", [of(HOUR)], "inside"),
        ("dt=2026-11-17/hour=04", [of(HOUR)], "outside"),
        ("dt=2026-11-17", [of(HOUR)], "inside"),
        ("dt=2026-11-18", [of(HOUR)], "outside"),
        ("country=se", [of("se", "country")], "inside"),
        ("country=se", [of("SE", "country")], "outside"),
        ("country=se", [of("no", "country"), of(DAY)], "outside"),
        ("country=se/dt=2026-11-17", [of("se", "country"), of(DAY)], "inside"),
        ("country=se/dt=2026-11-17", [of("no", "country"), of(DAY)], "outside"),
        ("country=se/dt=2026-11-17", [of("se", "country")], "unclear"),
        ("id=7", [of("3", "id_bucket", "id", plain=False)], "unclear"),
        ("id=7", [of(7, "id")], "inside"),
        ("id=07", [of(7, "id")], "inside"),
        ("id=07", [of("7", "id")], "unclear"),
        ("id=x", [of(7, "id")], "unclear"),
        ("flag=true", [of("true", "flag")], "inside"),
    ],
)
def test_where_a_file_stands(cell: str, fields: list[FieldValue], expected: str) -> None:
    assert standing(parse_partition(cell), fields) == expected


days = st.dates(min_value=datetime(1980, 1, 1, tzinfo=UTC).date(), max_value=datetime(2100, 1, 1, tzinfo=UTC).date())


@given(days, days, st.sampled_from(["%Y-%m-%d", "%Y%m%d"]), st.sampled_from(["%Y-%m-%d", "%Y%m%d"]))
def test_of_two_days_exactly_the_same_is_inside(one: datetime, other: datetime, told: str, written: str) -> None:
    cell = parse_partition(f"dt={one.strftime(told)}")
    for value in (parse_period(other.strftime("%Y-%m-%d")), other.strftime(written), int(other.strftime("%Y%m%d"))):
        assert standing(cell, [of(value)]) == ("inside" if one == other else "outside")


@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8))
def test_a_file_with_another_text_is_never_inside(asked: str, has: str) -> None:
    from urllib.parse import quote

    cell = parse_partition(f"key={quote(asked, safe='')}")
    found = standing(cell, [of(has, "key")])
    if asked == has:
        assert found == "inside" or asked == NULL
    elif found == "inside":
        assert parse_period(asked) is not None
        assert parse_period(asked) == parse_period(has)
