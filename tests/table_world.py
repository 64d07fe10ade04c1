"""Real tables for tests: Iceberg with a catalog in SQLite, and Delta, on local files or on a real S3 server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from incident.config import CatalogRule, Config, StorageRule
from incident.tables import open_table
from incident.tables.port import Asked, LakeTable
from lineage.partitions import parse_partition
from runbooks.table_survey import TablePlace
from tests.s3_server import LiveBucket

KINDS = ("iceberg", "delta")


def asked(partition: str) -> Asked:
    return Asked(parse_partition(partition))


@dataclass
class Table:
    """A table partitioned by its column ``dt`` (text), or by nothing. Rows are words."""

    config: Config
    name: str
    form: str
    folder: Path
    rows_written: int = 0

    def place(self, partition: str = "*") -> TablePlace:
        return TablePlace("iceberg" if self.form == "iceberg" else "delta", self.name, partition)

    def open(self) -> LakeTable:
        return open_table(self.config, self.place())

    def put(self, day: str | None, *words: str) -> None:
        """Rows more."""
        raise NotImplementedError

    def overwrite(self, day: str, *words: str) -> None:
        """A day written anew."""
        raise NotImplementedError

    def read(self) -> dict[str | None, list[str]]:
        """The words of each day, as any reader sees them."""
        found: dict[str | None, list[str]] = {}
        for row in self.arrow().to_pylist():
            found.setdefault(row["dt"], []).append(row["word"])
        return {day: sorted(words) for day, words in found.items()}

    def arrow(self) -> pa.Table:
        raise NotImplementedError

    def version(self) -> str:
        return self.open().version


def rows(day: str | None, words: Sequence[str]) -> pa.Table:
    return pa.table({"dt": pa.array([day] * len(words), pa.string()), "word": pa.array(list(words), pa.string())})


class IcebergLake(Table):
    @property
    def catalog(self) -> Any:
        from pyiceberg.catalog import load_catalog

        rule = self.config.catalogs[0]
        return load_catalog(rule.name, **{**self.reach, **dict(rule.properties)})

    @property
    def reach(self) -> dict[str, str]:
        rule = self.config.storages[0] if self.config.storages else None
        return {} if rule is None else {"s3.endpoint": str(rule.endpoint), "s3.region": str(rule.region)}

    @property
    def table(self) -> Any:
        return self.catalog.load_table(self.name.partition("/")[2])

    def create(self, *, partitioned: bool = True, properties: dict[str, str] | None = None) -> None:
        from pyiceberg.partitioning import PartitionField, PartitionSpec
        from pyiceberg.schema import Schema
        from pyiceberg.transforms import IdentityTransform
        from pyiceberg.types import NestedField, StringType

        schema = Schema(NestedField(1, "dt", StringType(), required=False), NestedField(2, "word", StringType(), required=False))
        spec = PartitionSpec(*([PartitionField(1, 1000, IdentityTransform(), "dt")] if partitioned else []))
        catalog = self.catalog
        catalog.create_namespace_if_not_exists("db")
        catalog.create_table(self.name.partition("/")[2], schema=schema, partition_spec=spec, properties=properties or {})

    def put(self, day: str | None, *words: str) -> None:
        self.table.append(rows(day, words))

    def overwrite(self, day: str, *words: str) -> None:
        if day in self.read():
            self.table.overwrite(rows(day, words), overwrite_filter=f"dt = '{day}'")
        else:
            self.put(day, *words)

    def arrow(self) -> pa.Table:
        return self.table.scan().to_arrow()


class DeltaLake(Table):
    @property
    def options(self) -> dict[str, str]:
        from incident.tables.delta_storage import storage_options

        return storage_options(self.config, self.name)

    def create(self, *, partitioned: bool = True, properties: dict[str, str] | None = None) -> None:
        from deltalake import DeltaTable

        DeltaTable.create(
            self.name,
            schema=rows(None, []).schema,
            partition_by=["dt"] if partitioned else [],
            configuration=properties or {},
            storage_options=self.options,
        )

    def put(self, day: str | None, *words: str) -> None:
        from deltalake import write_deltalake

        write_deltalake(self.name, rows(day, words), mode="append", storage_options=self.options)

    def overwrite(self, day: str, *words: str) -> None:
        from deltalake import write_deltalake

        write_deltalake(self.name, rows(day, words), mode="overwrite", predicate=f"dt = '{day}'", storage_options=self.options)

    def arrow(self) -> pa.Table:
        from deltalake import DeltaTable

        return DeltaTable(self.name, storage_options=self.options).to_pyarrow_table()


def make(
    form: str, folder: Path, bucket: LiveBucket | None = None, *, name: str = "orders", partitioned: bool = True, **more: Any
) -> Any:
    """A fresh table of a format, on local files or in a bucket."""
    storages = () if bucket is None else (StorageRule(f"s3://{bucket.name}", bucket.name, "", bucket.endpoint, None, "us-east-1"),)
    root = folder.as_uri() if bucket is None else f"s3://{bucket.name}"
    if form == "iceberg":
        said = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"{root}/warehouse"}
        config = Config(catalogs=(CatalogRule("test", tuple(sorted(said.items()))),), storages=storages)
        made: Any = IcebergLake(config, f"test/db.{name}", form, folder)
    else:
        made = DeltaLake(Config(storages=storages), f"{root}/{name}/", form, folder)
    made.create(partitioned=partitioned, **more)
    return made
