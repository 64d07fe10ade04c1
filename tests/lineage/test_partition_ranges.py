"""Many partitions in few words: what follows each other becomes a range, whatever the grain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.partition_ranges import partitions_in_words
from lineage.partitions import parse_partition
from lineage.periods import Grain, Period, floor, follows, shift


@pytest.mark.parametrize(
    ("partitions", "words"),
    [
        ([], ""),
        (["dt=2026-11-15"], "dt=2026-11-15"),
        (["dt=2026-11-16", "dt=2026-11-15"], "dt=2026-11-15, dt=2026-11-16"),
        (["dt=2026-11-17", "dt=2026-11-15", "dt=2026-11-16"], "dt=2026-11-15 … dt=2026-11-17 (3)"),
        (["dt=2026-02-28", "dt=2026-03-01", "dt=2026-03-02", "dt=2026-03-04"], "dt=2026-02-28 … dt=2026-03-02 (3), dt=2026-03-04"),
        (["m=2026-11", "m=2026-12", "m=2027-01"], "m=2026-11 … m=2027-01 (3)"),
        (["w=2026-W52", "w=2026-W53", "w=2027-W01"], "w=2026-W52 … w=2027-W01 (3)"),
        (
            ["dt=2026-11-15/hour=22", "dt=2026-11-15/hour=23", "dt=2026-11-16/hour=00", "dt=2026-11-16"],
            "dt=2026-11-16, dt=2026-11-15/hour=22 … dt=2026-11-16/hour=00 (3)",
        ),
        (["dt=2026-11-15", "dt=2026-11-16", "day=2026-11-17"], "day=2026-11-17, dt=2026-11-15, dt=2026-11-16"),
        (["region=eu", "dt=2026-11-15", "region=ap"], "region=ap, region=eu, dt=2026-11-15"),
        (["at=2026-11-15T10:00:00Z", "at=2026-11-15T11:00:00Z"], "at=2026-11-15T10:00:00, at=2026-11-15T11:00:00"),
        (
            [f"dt=2026-11-{day}/region={one}" for day, one in ((15, "ap"), (16, "eu"), (17, "ap"), (15, "eu"), (17, "eu"))],
            "dt=2026-11-15/region=ap, dt=2026-11-17/region=ap, dt=2026-11-15/region=eu … dt=2026-11-17/region=eu (3)",
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_partitions_in_words(partitions: list[str], words: str) -> None:
    assert partitions_in_words([parse_partition(one) for one in [*partitions, *partitions]]) == words


@given(
    st.integers(631_152_000, 3_786_912_000),
    st.sampled_from(Grain),
    st.sampled_from(Grain),
    st.integers(-400, 400),
)
def test_a_period_follows_the_one_before_it_and_no_other(seconds: int, grain: Grain, other: Grain, hours: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    before = floor(moment, grain)
    later = floor(moment + timedelta(hours=hours), other)
    assert follows(later, before) == (grain is not Grain.INSTANT and later == shift(before, 1))
    assert grain is Grain.INSTANT or follows(shift(before, 1), before)
    assert not follows(Period(before.start, Grain.INSTANT), before)


@pytest.mark.parametrize(
    ("most", "words"),
    [
        (3, "dt=2026-11-01 … dt=2026-11-03 (3), dt=2026-11-05, dt=2026-11-07"),
        (2, "dt=2026-11-01 … dt=2026-11-03 (3), and 2 more in 2 stretches until dt=2026-11-07 (all)"),
    ],
)
def test_no_more_stretches_than_asked_for(most: int, words: str) -> None:
    partitions = [parse_partition(f"dt=2026-11-0{day}") for day in (1, 2, 3, 5, 7)]
    assert partitions_in_words(partitions, most, " (all)") == words
