"""Where cells lie, and every way in which nobody can say."""

from __future__ import annotations

import pytest

from lineage.attempts import Cell
from lineage.datasets import DatasetId, normalise
from lineage.declarations import DatasetRule, Declarations
from lineage.layouts import Layout
from lineage.partitions import parse_partition
from runbooks.plan import Refusal
from runbooks.survey import LOCAL, Target
from runbooks.targets import inside, locate, table_format

ORDERS = DatasetId("s3://lake", "clean/orders")
DAILY = Layout("dt=%Y-%m-%d")


def at(partition: str, dataset: DatasetId = ORDERS, *, known: bool = True) -> Cell:
    return Cell(dataset, parse_partition(partition), known)


def declared(**rule: object) -> Declarations:
    return Declarations(datasets=(DatasetRule("*", **rule),))  # type: ignore[arg-type]


def test_a_cell_lies_below_the_dataset_s_own_name_in_its_layout() -> None:
    assert locate(at("dt=2026-11-15"), declared(partition=DAILY)) == Target("lake", "clean/orders/dt=2026-11-15/")
    assert locate(at("20261115"), declared(partition=DAILY)) == Target("lake", "clean/orders/dt=2026-11-15/")
    elsewhere = declared(partition=Layout("%Y/%m/%d"), location="s3://Other-Bucket/A/b/")
    assert locate(at("2026/11/05", DatasetId("hive", "db.t")), elsewhere) == Target("Other-Bucket", "A/b/2026/11/05/")


def test_every_prefix_ends_at_a_boundary_so_that_the_first_never_matches_the_tenth() -> None:
    target = locate(at("dt=2026-11-1"), declared(partition=Layout("dt={dt}")))
    assert target == Target("lake", "clean/orders/dt=2026-11-1/")
    assert isinstance(target, Target)
    assert not inside(target, "lake", "clean/orders/dt=2026-11-10/")
    assert not "clean/orders/dt=2026-11-10/part-0".startswith(target.prefix)


def test_an_unpartitioned_dataset_is_its_folder() -> None:
    assert locate(at("*"), declared(partition=False)) == Target("lake", "clean/orders/")
    assert locate(at("*"), declared()) == Target("lake", "clean/orders/")


@pytest.mark.parametrize(
    ("cell", "rules", "code"),
    [
        (at("*"), declared(partition=DAILY), "unknown-partition"),
        (at("*", known=False), declared(), "unknown-partition"),
        (at("dt=2026-11-15"), declared(), "no-mapping"),
        (at("dt=2026-11-15"), declared(partition=False), "unknown-partition"),
        (at("dt=2026-11"), declared(partition=DAILY), "unknown-partition"),
        (at("dt=2026-11-15/country=se"), declared(partition=DAILY), "unknown-partition"),
        (at("dt=2026-11-15", DatasetId("postgres://db", "public.t")), declared(partition=DAILY), "no-mapping"),
        (at("dt=2026-11-15"), declared(partition=DAILY, location="file:data/x"), "no-mapping"),
        (at("dt=2026-11-15"), declared(partition=DAILY, location="file://data/x"), "no-mapping"),
        (at("dt=2026-11-15"), declared(partition=DAILY, location="file:///data/../x"), "no-mapping"),
        (at("dt=2026-11-15"), declared(partition=DAILY, location="file:///data/%FF"), "no-mapping"),
        (at("dt=2026-11-15", DatasetId("file", "/data/a%20b")), declared(partition=DAILY), "no-mapping"),
        (at("*"), declared(partition=False, location="file:///"), "bucket-root"),
        (at("dt=2026-11-15"), declared(partition=DAILY, location="lake/clean"), "no-mapping"),
        (at("dt=2026-11-15"), declared(partition=DAILY, protected=True), "protected"),
        (at("dt=2026-11-15"), declared(partition=DAILY, format="iceberg"), "table-format"),
        (at("dt=2026-11-15"), declared(partition=DAILY, format="Delta"), "table-format"),
        (at("*"), declared(partition=False, location="s3://lake"), "bucket-root"),
        (at("*"), declared(partition=False, location="s3://lake/"), "bucket-root"),
        (at("*", DatasetId("s3://lake", "/")), declared(partition=False), "bucket-root"),
    ],
)
def test_absence_is_never_permission(cell: Cell, rules: Declarations, code: str) -> None:
    found = locate(cell, rules)
    assert isinstance(found, Refusal)
    assert found.code == code
    assert found.what == str(cell)


@pytest.mark.parametrize("location", ["file:/data/x y", "file:///data//x%20y/", "FILE://localhost/data/x%20y"])
def test_a_local_location_is_an_absolute_path_escaped_as_a_url(location: str) -> None:
    target = locate(at("dt=2026-11-15"), declared(partition=DAILY, location=location))
    assert target == Target(LOCAL, "data/x y/dt=2026-11-15/")
    assert isinstance(target, Target)
    assert target.url == "file:///data/x y/dt=2026-11-15/"


def test_a_dataset_named_by_its_path_lies_there() -> None:
    assert locate(at("*"), declared(), deleting=True) == Target("lake", "clean/orders/")
    for name in (normalise("file", "/data/x y"), normalise("file:/", "data/x y"), normalise("ns", "file:///data/x y")):
        assert locate(at("dt=2026-11-15", name), declared(partition=DAILY)) == Target(LOCAL, "data/x y/dt=2026-11-15/"), name


def test_protection_forbids_deleting_and_not_bringing_back() -> None:
    rules = declared(partition=DAILY, protected=True)
    assert isinstance(locate(at("dt=2026-11-15"), rules, deleting=False), Target)


def test_tables_are_recognised_by_their_files() -> None:
    assert table_format(("t/_delta_log/000.json",)) == "delta"
    assert table_format(("t/.hoodie/x",)) == "hudi"
    assert table_format(("t/metadata/v3.metadata.json",)) == "iceberg"
    assert table_format(("t/metadata/readme.json", "t/dt=1/metadata.json", "my_delta_log/x")) is None
