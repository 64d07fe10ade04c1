"""Which names mean one dataset."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.datasets import DatasetId, Identities, normalise, split_url
from tests.lineage.openlineage import dataset, history, ran, reads, writes

CHECKS = settings(deadline=None, derandomize=True, max_examples=200)


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [
        ("s3://lake", "clean/orders", "s3://lake/clean/orders"),
        ("s3a://lake", "clean/orders", "s3://lake/clean/orders"),
        ("s3n://lake/", "/clean/orders/", "s3://lake/clean/orders"),
        ("S3://Lake", "clean/orders", "s3://lake/clean/orders"),
        ("s3://lake", "Clean/Orders", "s3://lake/Clean/Orders"),  # keys keep their case
        ("s3://lake", "s3a://lake/clean/orders", "s3://lake/clean/orders"),
        ("postgres://DB.example:5432", "shop.public.orders", "postgres://db.example:5432/shop.public.orders"),
        ("HDFS://NameNode:8020", "/data/x/", "hdfs://namenode:8020/data/x"),
        ("file", "/tmp/x", "file/tmp/x"),
        ("file", "file:///tmp/x/", "file/tmp/x"),
        ("bigquery", "p.d.t", "bigquery/p.d.t"),
        (" s3://lake ", "x", "s3://lake/x"),
        ("s3://lake", "/", "s3://lake/"),
    ],
)
def test_names_are_normalised(namespace: str, name: str, expected: str) -> None:
    assert str(normalise(namespace, name)) == expected


@CHECKS
@given(st.sampled_from(["s3://b", "s3a://B/", "gs://b", "hdfs://N:1", "db", "", "file:"]), st.text(max_size=20))
def test_normalising_twice_changes_nothing(namespace: str, name: str) -> None:
    once = normalise(namespace, name)
    assert normalise(*once) == once


def test_a_url_is_split_as_its_producer_would() -> None:
    assert split_url("s3a://Lake/clean/orders/") == DatasetId("s3://lake", "clean/orders")
    assert split_url("file:///tmp/x") == split_url("file/tmp/x") == normalise("file:", "/tmp/x") == DatasetId("file", "/tmp/x")
    assert split_url("hdfs://node:8020/data/x") == normalise("hdfs://node:8020", "/data/x")
    assert split_url("bigquery/p.d.t") == DatasetId("bigquery", "p.d.t")


def names(*links: tuple[str, str]) -> list[frozenset[str]]:
    found = Identities()
    for left, right in links:
        found.merge(DatasetId("s3://lake", left), DatasetId("s3://lake", right), "test")
    return sorted({frozenset(one.name for one in found.names(DatasetId("s3://lake", left))) for left, _ in links}, key=sorted)


LINKS = (("a", "b"), ("c", "b"), ("d", "c"), ("x", "y"), ("a", "d"))


@pytest.mark.parametrize("order", list(permutations(LINKS))[::7])
def test_the_order_of_merges_decides_nothing(order: tuple[tuple[str, str], ...]) -> None:
    assert names(*order) == [frozenset("abcd"), frozenset("xy")]
    found = Identities()
    for left, right in order:
        found.merge(DatasetId("s3://lake", left), DatasetId("s3://lake", right), "test")
    assert {found.find(DatasetId("s3://lake", one)).name for one in "abcd"} == {"a"}


def test_the_name_that_lies_in_storage_stands_for_the_others() -> None:
    found = Identities()
    found.merge(DatasetId("aglue", "a.orders"), DatasetId("s3://lake", "orders"), "symlink")
    assert found.find(DatasetId("aglue", "a.orders")) == DatasetId("s3://lake", "orders")


def test_each_merge_keeps_its_evidence() -> None:
    found = Identities()
    found.merge(DatasetId("glue", "a"), DatasetId("s3://lake", "a"), "symlink of a")
    found.merge(DatasetId("s3://lake", "a"), DatasetId("glue", "a"), "said again")
    assert [merge.evidence for merge in found.merges] == ["symlink of a"]


def test_a_symlink_joins_a_table_with_its_place() -> None:
    table = dataset(
        "glue|shop.orders", symlinks={"identifiers": [{"namespace": "s3://lake", "name": "orders", "type": "LOCATION"}]}
    )
    known = history(
        ran("03", "04", "w", "writer", writes=[table]),
        ran("05", "06", "r", "reader", reads=["s3a://lake|/orders/"]),
    )
    assert [str(one) for one in known.datasets] == ["s3://lake/orders"]


def test_a_rename_joins_the_old_name_with_the_new() -> None:
    change = {"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "s3://lake", "name": "old"}}
    renamed = dataset("new", lifecycleStateChange=change)
    known = history(ran("03", "04", "w", "writer", writes=["old"]), ran("05", "06", "n", "renamer", writes=[renamed]))
    assert len(known.datasets) == 1


def test_names_with_a_partition_and_trimmed_names_with_a_subset_are_one_dataset() -> None:
    """OpenLineage Java from 1.39 on trims what older versions left at the end of the name."""
    trimmed = dataset("orders")
    trimmed["inputFacets"] = {"subset": {"inputCondition": {"type": "location", "locations": ["s3://lake/orders/dt=2026-11-18"]}}}
    old, new = history(
        ran("03", "04", "w", "writer", writes=["orders/dt=2026-11-18"]),
        ran("05", "06", "r", "reader", reads=[trimmed]),
    ).attempts
    assert writes(old) == ["orders@dt=2026-11-18 unknown"]
    assert reads(new) == ["orders@dt=2026-11-18"]


def test_junk_instead_of_symlinks_is_left_out() -> None:
    odd = dataset("orders", symlinks={"identifiers": [None, {}, {"name": ""}, {"namespace": 3, "name": "x"}]})
    known = history(ran("03", "04", "w", "writer", writes=[odd]))
    assert [one.namespace for one in known.datasets] != []
