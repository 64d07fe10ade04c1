"""Pointers of every kind on every backing, and somebody else who writes them past our own adapters."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from incident.errors import ObjectMissing, PreconditionFailed
from incident.pointers.completion import Completion
from incident.pointers.glue import GluePartition, GlueTable
from incident.pointers.json_field import JsonField
from incident.pointers.local_file import LocalPointer
from incident.pointers.mlflow import open_alias
from incident.pointers.objects import ObjectPointer
from incident.pointers.port import Codec, Pointer
from incident.pointers.symlink import SymlinkManifest
from incident.pointers.text import Text
from incident.storage.glue import Catalog, Raw
from incident.storage.port import ObjectStore
from runbooks.actions import Requirement, SwapPointer
from runbooks.survey import PointerVersion
from tests.mlflow_server import Models

JSON = '{\n  "rows": 1e3,\n  "serving" : {"version":%s, "by": "é"}\n}'
CODECS: dict[str, tuple[str, Codec]] = {
    "json": ("serving/current.json", JsonField("serving.version")),
    "text": ("serving/CURRENT", Text()),
    "symlink": ("t/_symlink_format_manifest/manifest", SymlinkManifest()),
    "success": ("t/dt=2026-11-17/_SUCCESS", Completion()),
}
VALUES = {
    "json": ('"42"', '"41"', '"43"'),
    "text": ("42\n", "41\n", "43\n"),
    "symlink": ("s3://lake/t/b\ns3://lake/t/c\n", "s3://lake/t/a\n", "s3://lake/t/d\n"),
    "success": ("", "{}", "other"),
    "mlflow": ("2", "1", "3"),
    "glue": ("s3://lake/t/v=42/", "s3://lake/t/v=41/", "s3://lake/t/v=43/"),
}


@dataclass
class Somebody:
    """One pointer and another writer of it. ``open`` gives our own pointer, as a new process would."""

    kind: str
    url: str
    open: Callable[[], Pointer]
    write: Callable[[str], object]
    """Another writer's value, with all else in its place."""
    remove: Callable[[], object] | None
    """Another writer's removal, where there is one."""
    raw: Callable[[], object]
    """All that is there, our marks aside."""
    keeps: bool = False
    """Whether every write is kept, so that an identical rewrite by somebody else shows."""
    conditional: bool = True

    @property
    def values(self) -> tuple[str, str, str]:
        return VALUES[self.kind.partition("-")[0]]

    def action(self, new: str | None, now: PointerVersion | None = None) -> SwapPointer:
        """A swap as it would be planned at this moment."""
        found = now or self.open().now()
        requires = Requirement(found.version_id, found.etag, found.value is None)
        return SwapPointer(
            self.kind.partition("-")[0], self.url, requires, found.value, new, "a@b", writers_stopped=not self.conditional
        )


def document(kind: str, value: str) -> bytes:
    return (JSON % value if kind == "json" else value).encode()


def in_bucket(
    kind: str,
    store: Callable[[], ObjectStore],
    bucket: str,
    put: Callable[[str, bytes], object],
    delete: Callable[[str], object],
    *,
    keeps: bool,
) -> Somebody:
    key, codec = CODECS[kind]

    def raw() -> object:
        with suppress(ObjectMissing):
            return store().read(bucket, key)
        return None

    return Somebody(
        kind,
        f"s3://{bucket}/{key}",
        lambda: ObjectPointer(store(), bucket, key, codec, f"s3://{bucket}/{key}"),
        lambda value: put(key, document(kind, value)),
        lambda: delete(key),
        raw,
        keeps,
    )


def in_file(kind: str, folder: Path) -> Somebody:
    key, codec = CODECS[kind]
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = itertools.count()

    def write(value: str) -> None:
        """As careful writers do: beside it, and renamed over it."""
        draft = path.with_name(f"draft-{next(numbers)}")
        draft.write_bytes(document(kind, value))
        draft.rename(path)

    url = f"file://{path}"
    return Somebody(
        kind,
        url,
        lambda: LocalPointer(path, codec, url),
        write,
        path.unlink,
        lambda: path.read_bytes() if path.exists() else None,
        True,
    )


@dataclass
class FakeCatalog:
    """A catalogue with exact conditions, versions and times. ``honours`` false: one that ignores the condition."""

    kept: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    partitions: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    now: int = 1_700_000_000
    honours: bool = True

    def put(self, database: str, table: Mapping[str, Any]) -> None:
        """Somebody's own update, or ours."""
        versions = self.kept.setdefault((database, str(table["Name"])), [])
        number = str(len(versions))
        self.now += 1
        written = datetime.fromtimestamp(self.now, UTC)
        versions.insert(0, {**deepcopy(dict(table)), "VersionId": number, "UpdateTime": written, "DatabaseName": database})

    def table(self, database: str, name: str) -> Raw:
        if (database, name) not in self.kept:
            raise ObjectMissing(f"there is no glue://{database}/{name}")
        return deepcopy(self.kept[database, name][0])

    def versions(self, database: str, name: str) -> Sequence[Raw] | None:
        return deepcopy(self.kept[database, name])

    def update_table(self, database: str, table: Raw, version_id: str) -> None:
        if self.honours and self.table(database, table["Name"])["VersionId"] != version_id:
            raise PreconditionFailed(f"glue://{database}/{table['Name']} is no longer what it was")
        self.put(database, table)

    def partition(self, database: str, table: str, values: Sequence[str]) -> Raw:
        try:
            return deepcopy(self.partitions[database, table, *values])
        except KeyError:
            raise ObjectMissing(f"there is no glue://{database}/{table}/{'/'.join(values)}") from None

    def update_partition(self, database: str, table: str, partition: Raw) -> None:
        self.partitions[database, table, *partition["Values"]] = deepcopy(dict(partition))


def table(location: str) -> dict[str, Any]:
    return {"Name": "features", "StorageDescriptor": {"Location": location, "Columns": []}, "Parameters": {"owner": "team-pricing"}}


def in_catalog(catalog: Catalog, write: Callable[[str], object]) -> Somebody:
    """A table; ``write`` is somebody else's update of its location."""

    def raw() -> object:
        found = catalog.table("shop", "features")
        parameters = {key: value for key, value in found["Parameters"].items() if key != "incident_plan"}
        return found["StorageDescriptor"], parameters

    url = "glue://shop/features"
    return Somebody("glue-table", url, lambda: GlueTable(catalog, "shop", "features", url), write, None, raw, keeps=True)


def in_partition(catalog: Catalog, write: Callable[[str], object]) -> Somebody:
    def raw() -> object:
        return catalog.partition("shop", "daily", ["2026-11-17"])["StorageDescriptor"]

    url = "glue://shop/daily/dt=2026-11-17"
    opened = lambda: GluePartition(catalog, "shop", "daily", {"dt": "2026-11-17"}, url)  # noqa: E731 - opened anew each time
    return Somebody("glue-partition", url, opened, write, None, raw, conditional=False)


def in_registry(models: Models) -> Somebody:
    """An alias; its model has three versions."""
    models.create(*(f"s3://lake/models/v={number}" for number in (41, 42, 43)))
    url = f"mlflow+{models.address}/{models.model}@champion"

    def opened() -> Pointer:
        return open_alias(url)

    def raw() -> object:
        return opened().now().value

    return Somebody("mlflow", url, opened, lambda value: models.point("champion", value), None, raw, conditional=False)
