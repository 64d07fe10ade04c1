"""A consent names one cell, and no other cell that happens to have the same partition."""

from __future__ import annotations

import pytest

from lineage.attempts import Cell
from lineage.datasets import DatasetId
from lineage.partitions import parse_partition
from runbooks.consents import names

ORDERS = Cell(DatasetId("s3://lake", "clean/orders"), parse_partition("dt=2026-11-17"), known=True)


@pytest.mark.parametrize(
    "text",
    [
        "s3://lake/clean/orders@dt=2026-11-17",
        "s3a://lake/clean/orders/@dt=2026-11-17",
        "clean/orders@dt=2026-11-17",
        "orders@20261117",
    ],
)
def test_a_cell_is_named_in_full_or_by_a_suffix_of_its_dataset(text: str) -> None:
    assert names(text, ORDERS)


@pytest.mark.parametrize(
    "text",
    [
        "s3://lake/daily/totals@dt=2026-11-17",
        "s3://other/clean/orders@dt=2026-11-17",
        "ders@dt=2026-11-17",
        "clean/orders@dt=2026-11-1",
        "clean/orders@dt=2026-11",
        "clean/orders@*",
        "clean/orders",
        "@dt=2026-11-17",
        "",
    ],
)
def test_nothing_else_names_it(text: str) -> None:
    assert not names(text, ORDERS)
