"""Partitions: how they are written, and when they share data."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.errors import PartitionError
from lineage.partitions import BARE, UNKNOWN, Partition, covers, from_path, overlap, parse_partition, partition, same, split_name
from lineage.periods import Grain

CHECKS = settings(deadline=None, derandomize=True, max_examples=200)

P = parse_partition


@pytest.mark.parametrize(
    ("name", "base", "found"),
    [
        ("clean/orders/dt=2026-11-18", "clean/orders", "dt=2026-11-18"),
        ("clean/orders/dt=2026-11-18/", "clean/orders", "dt=2026-11-18"),
        ("clean/orders/dt=2026-11-18/hour=3", "clean/orders", "dt=2026-11-18/hour=03"),
        ("clean/orders/country=se/dt=20261118", "clean/orders", "country=se/dt=2026-11-18"),
        ("clean/orders/2026/11/18", "clean/orders", "2026-11-18"),
        ("clean/orders/2026/11/18/07", "clean/orders", "2026-11-18/hour=07"),
        ("clean/orders/2026/11", "clean/orders", "2026-11"),
        ("clean/orders/20261118", "clean/orders", "2026-11-18"),
        ("clean/orders/2026-11-18", "clean/orders", "2026-11-18"),
        ("clean/orders/year=2026/month=11/day=18", "clean/orders", "2026-11-18"),
        ("clean/orders/year=2026/month=11/day=8", "clean/orders", "2026-11-08"),
        ("clean/orders", "clean/orders", "*"),
        ("clean/orders/v2", "clean/orders/v2", "*"),
        ("clean/orders/12345678", "clean/orders/12345678", "*"),
        ("clean/orders/20261340", "clean/orders/20261340", "*"),
        ("clean/orders/2026/13/45", "clean/orders/2026/13/45", "*"),
        ("dt=2026-11-18", "dt=2026-11-18", "*"),
        ("db.orders_20261118", "db.orders_20261118", "*"),
        ("/", "/", "*"),
    ],
)
def test_a_partition_at_the_end_of_a_name_is_cut_off(name: str, base: str, found: str) -> None:
    got_base, got = split_name(name)
    assert got_base == base
    assert same(got, P(found))
    assert (got == UNKNOWN) == (found == "*")


@pytest.mark.parametrize("text", ["", "/", "dt=", "dt=2026-11-18/dt=2026-11-19"])
def test_what_is_no_partition_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(PartitionError) as refused:
        P(text)
    assert "dt=2026-11-18" in refused.value.hint


@pytest.mark.parametrize(
    ("left", "right", "shared"),
    [
        ("*", "dt=2026-11-18", True),
        ("*", "*", True),
        ("dt=2026-11-1", "dt=2026-11-10", False),
        ("dt=2026-11-01", "dt=2026-11-10", False),
        ("dt=2026-11-18", "dt=2026-11-18/hour=03", True),
        ("dt=2026-11-18/hour=03", "dt=2026-11-18/hour=3", True),
        ("dt=2026-11-18/hour=03", "dt=2026-11-18/hour=04", False),
        ("dt=2026-11-18/hour=03", "dt=2026-11-17", False),
        ("20261118", "dt=2026-11-18", True),
        ("2026/11/18", "dt=2026-11-18", True),
        ("20261118", "dt=2026-11-19", False),
        ("2026-11", "dt=2026-11-18", True),
        ("2026-10", "dt=2026-11-18", False),
        ("2026-W47", "dt=2026-11-18", True),
        ("2026-W46", "dt=2026-11-18", False),
        ("country=se", "dt=2026-11-18", True),
        ("country=se/dt=2026-11-18", "country=no/dt=2026-11-18", False),
        ("dt=latest", "dt=2026-11-18", True),  # cannot be compared
        ("bucket=07", "bucket=7", True),
        ("bucket=07", "bucket=8", False),
        ("offset=0-10", "offset=10-20", False),
        ("offset=0-11", "offset=10-20", True),
        ("a=1", "b=1", True),
        ("2026-11-18", "event_date=2026-11-18/load_date=2026-11-19", True),  # which of the two dates, nobody said
        ("2026-11-17", "event_date=2026-11-18/load_date=2026-11-19", True),
        ("d=2026-11-19", "2026-11-18/d=2026-11", True),  # a date without key is not about a key that stands beside it
        ("d=2026-10-19", "2026-11-18/d=2026-11", False),
    ],
)
def test_two_partitions_overlap_unless_a_shared_key_differs(left: str, right: str, shared: bool) -> None:
    assert overlap(P(left), P(right)) is shared
    assert overlap(P(right), P(left)) is shared


@pytest.mark.parametrize(
    ("outer", "inner", "inside"),
    [
        ("dt=2026-11-18", "dt=2026-11-18/hour=03", True),
        ("dt=2026-11-18/hour=03", "dt=2026-11-18", False),
        ("2026-11", "dt=2026-11-18", True),
        ("dt=2026-11-18", "2026-11", False),
        ("20261118", "dt=2026-11-18", True),
        ("*", "dt=2026-11-18", True),
        ("dt=2026-11-18", "*", False),
        ("dt=2026-11-18", "country=se", False),
        ("dt=2026-11-18", "dt=latest", False),
        ("offset=0-20", "offset=5-7", True),
        ("offset=5-7", "offset=0-20", False),
        ("2026-11-18", "event_date=2026-11-18/load_date=2026-11-19", False),
    ],
)
def test_covering_is_claimed_only_when_certain(outer: str, inner: str, inside: bool) -> None:
    assert covers(P(outer), P(inner)) is inside


def test_a_date_cut_short_is_another_partition() -> None:
    assert not overlap(P("dt=2026-11-1"), P("dt=2026-11-10"))
    assert not covers(P("dt=2026-11-1"), P("dt=2026-11-10"))
    assert not same(P("dt=2026-11-1"), P("dt=2026-11-10"))


def test_a_date_with_and_without_key_is_one() -> None:
    assert same(P("20261118"), P("dt=2026-11-18"))
    assert same(partition({"year": "2026", "month": "11", "day": "18"}), P("dt=2026-11-18"))


def test_the_period_of_a_partition_folds_its_hour_in() -> None:
    period = P("dt=2026-11-18/hour=03").period
    assert period is not None
    assert (str(period), period.grain) == ("2026-11-18T03", Grain.HOUR)
    assert P("a=2026-11-18/b=2026-11-19").period is None
    assert P("dt=2026-11-18/hour=77").period is None


# --- laws ----------------------------------------------------------------------------------------------------------------

TEXTS = st.text(min_size=1, max_size=8).map(lambda text: text.encode("utf-8", "replace").decode())
VALUES = st.one_of(
    st.sampled_from(
        ["2026-11-18", "20261118", "2026-11-18T03", "2026-11", "2026-W47", "2026-11-18T00:00:00", "2026-11-18T10:30", "2026-11-19"]
    ),
    st.sampled_from(["1", "01", "a", "²", "9" * 30, "*", "a/b", "x=y", "%41", " "]),
    TEXTS,
)
KEYS = st.sampled_from(
    [BARE, "dt", "hour", "hh", "country", "year", "month", "day", "startOffset", "endOffset", "offset", "a b", "ä"]
)
PARTITIONS = st.dictionaries(KEYS, VALUES, min_size=0, max_size=3).map(partition)


@CHECKS
@given(PARTITIONS)
def test_a_partition_as_text_is_read_back_as_it_was(one: Partition) -> None:
    assert P(str(one)) == one


@CHECKS
@given(PARTITIONS, PARTITIONS)
def test_overlap_is_symmetric_and_reflexive(left: Partition, right: Partition) -> None:
    assert overlap(left, right) == overlap(right, left)
    assert overlap(left, left)
    assert overlap(UNKNOWN, left)


@CHECKS
@given(PARTITIONS, PARTITIONS)
def test_what_covers_overlaps(outer: Partition, inner: Partition) -> None:
    assert covers(outer, outer)
    if covers(outer, inner):
        assert overlap(outer, inner)


@CHECKS
@given(PARTITIONS, PARTITIONS, PARTITIONS)
def test_what_overlaps_a_part_overlaps_the_whole(outer: Partition, inner: Partition, other: Partition) -> None:
    if covers(outer, inner) and overlap(inner, other):
        assert overlap(outer, other)


@CHECKS
@given(PARTITIONS, PARTITIONS, PARTITIONS)
def test_covering_one_of_two_covers_what_they_share(outer: Partition, left: Partition, right: Partition) -> None:
    if covers(outer, left):
        assert covers(outer, left, right)
        assert covers(outer, right, left)


@CHECKS
@given(PARTITIONS, KEYS)
def test_a_partition_without_one_of_its_keys_covers_it(one: Partition, key: str) -> None:
    less = Partition(tuple(item for item in one.items if item[0] != key))
    assert overlap(less, one)


@CHECKS
@given(st.text(max_size=40))
def test_reading_never_raises_anything_but_a_partition_error(text: str) -> None:
    split_name(text)
    from_path(text)
    try:
        found = P(text)
    except PartitionError:
        return
    assert overlap(found, found)
