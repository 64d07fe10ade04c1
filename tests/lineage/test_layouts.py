"""Layouts: how partitions are written below a dataset's location."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.errors import PartitionError
from lineage.layouts import Layout
from lineage.partitions import BARE, Partition, from_path, parse_partition, same
from lineage.periods import Grain, Period, floor

CHECKS = settings(deadline=None, derandomize=True, max_examples=200)

P = parse_partition

TEMPLATES = {
    "dt=%Y-%m-%d": Grain.DAY,
    "%Y/%m/%d": Grain.DAY,
    "%Y%m%d": Grain.DAY,
    "year=%Y/month=%m/day=%d": Grain.DAY,
    "dt=%Y-%m-%d/hour=%H": Grain.HOUR,
    "%Y/%m/%d/%H": Grain.HOUR,
    "month=%Y-%m": Grain.MONTH,
    "week=%G-W%V": Grain.WEEK,
    "year=%Y": Grain.YEAR,
}

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@pytest.mark.parametrize(
    ("template", "found", "path"),
    [
        ("dt=%Y-%m-%d", "dt=2026-11-18", "dt=2026-11-18"),
        ("dt=%Y-%m-%d", "20261118", "dt=2026-11-18"),
        ("dt=%Y-%m-%d", "dt=2026-11-18T00:00:00", "dt=2026-11-18"),
        ("%Y/%m/%d", "2026-11-18", "2026/11/18"),
        ("dt=%Y-%m-%d/hour=%H", "dt=2026-11-18/hour=3", "dt=2026-11-18/hour=03"),
        ("month=%Y-%m", "month=2026-11", "month=2026-11"),
        ("year=%Y/month=%m/day=%d", "2026-11-08", "year=2026/month=11/day=08"),
        ("country={country}/dt=%Y-%m-%d", "country=se/dt=2026-11-18", "country=se/dt=2026-11-18"),
        ("region={region}", "region=eu north", "region=eu north"),
    ],
)
def test_a_layout_renders_the_path_below_the_location(template: str, found: str, path: str) -> None:
    assert Layout(template).render(P(found)) == path


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("dt=%Y-%m-%d", "*"),
        ("dt=%Y-%m-%d", "2026-11"),
        ("dt=%Y-%m-%d", "dt=2026-11-18/hour=03"),
        ("dt=%Y-%m-%d", "dt=2026-11-1"),
        ("dt=%Y-%m-%d", "dt=2026-11-18T03:00:00"),
        ("dt=%Y-%m-%d", "country=se/dt=2026-11-18"),
        ("dt=%Y-%m-%d", "load_date=2026-11-18"),
        ("dt=%Y-%m-%d/hour=%H", "dt=2026-11-18"),
        ("country={country}/dt=%Y-%m-%d", "dt=2026-11-18"),
        ("country={country}/dt=%Y-%m-%d", "country=s%2Fe/dt=2026-11-18"),
        ("country={country}", "*"),
    ],
)
def test_what_does_not_fit_is_refused_and_never_rendered_shorter(template: str, found: str) -> None:
    with pytest.raises(PartitionError):
        Layout(template).render(P(found))


@pytest.mark.parametrize("template", ["", "/", "dt", "/dt=%Y", "dt=%Y/", "a//%Y", "../%Y", "./%Y"])
def test_a_layout_that_could_name_nothing_or_another_place_is_refused(template: str) -> None:
    with pytest.raises(PartitionError):
        Layout(template)


@pytest.mark.parametrize(("template", "grain"), TEMPLATES.items())
def test_a_layout_knows_its_grain(template: str, grain: Grain) -> None:
    assert Layout(template).grain is grain


@pytest.mark.parametrize(("template", "grain"), TEMPLATES.items())
@CHECKS
@given(moment=MOMENTS)
def test_the_partition_of_a_period_renders_and_means_that_period(template: str, grain: Grain, moment: datetime) -> None:
    layout, period = Layout(template), floor(moment, grain)
    found = layout.of(period)
    assert found.period == period
    assert layout.fit(found) == found
    assert layout.render(found) == period.start.strftime(template)
    named = from_path(layout.render(found))
    if named is not None and named.period is not None:
        assert same(named, found)


def test_fitting_puts_a_date_without_key_under_the_layouts_key() -> None:
    assert Layout("dt=%Y-%m-%d").fit(P("20261118")) == P("dt=2026-11-18")
    assert Layout("dt=%Y-%m-%d").fit(P("2026-11-18T00:00:00")) == P("dt=2026-11-18")


@pytest.mark.parametrize("found", ["2026-11", "dt=2026-11-18/hour=03", "country=se/dt=2026-11-18", "load_date=2026-11-18", "*"])
def test_what_cannot_be_said_in_the_layouts_words_is_left_alone(found: str) -> None:
    assert Layout("dt=%Y-%m-%d").fit(P(found)) is None


def test_a_period_of_another_grain_is_no_partition_of_the_layout() -> None:
    day = floor(datetime(2026, 11, 18, tzinfo=UTC), Grain.DAY)
    with pytest.raises(PartitionError):
        Layout("month=%Y-%m").of(day)
    with pytest.raises(PartitionError):
        Layout("country={country}/dt=%Y-%m-%d").of(day)


def test_a_partition_with_no_key_renders_without_one() -> None:
    day = Period(datetime(2026, 11, 18, tzinfo=UTC), Grain.DAY)
    assert Layout("%Y%m%d").render(Partition(((BARE, day),))) == "20261118"
