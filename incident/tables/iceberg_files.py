"""The data files of an Iceberg table at a snapshot, and which of them make up a cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from incident.errors import StorageError
from incident.tables.iceberg_fields import field_values
from incident.tables.port import Asked
from lineage.partitions import Partition
from runbooks.table_partitions import Standing, standing
from runbooks.table_survey import CellFiles

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

_NEWEST = 2
"""The newest version of the format whose files may be added again: later ones number their rows."""
Kind = Literal["data", "deletes"]


class Files:
    """Reads manifests, never data."""

    def __init__(self, table: Table, name: str) -> None:
        self._table, self._name = table, name
        self._known: dict[tuple[Any, ...], Standing] = {}

    def of_cells(self, version: str, asked: Mapping[str, Asked]) -> Mapping[str, CellFiles]:
        """The files of each cell, those with deleted rows too, in one pass."""
        paths: dict[str, list[str]] = {key: [] for key in asked}
        sizes = dict.fromkeys(asked, 0)
        unclear = dict.fromkeys(asked, "")
        for kind, one in self.live(version):
            for key, cell in asked.items():
                where = self._standing(cell, one)
                if where != "outside":
                    paths[key].append(one.file_path)
                    sizes[key] += one.file_size_in_bytes
                    unclear[key] = unclear[key] or self._unclear(kind, where, one)
        return {key: CellFiles.of(paths[key], sizes[key], unclear[key]) for key in asked}

    def within(self, version: str, cells: Sequence[Asked]) -> dict[str, DataFile]:
        """The data files of some cells by path. Raises StorageError where a file is unclear: what is shared is not touched."""
        found: dict[str, DataFile] = {}
        for kind, one in self.live(version):
            for cell in cells:
                where = self._standing(cell, one)
                if where != "outside" and (why := self._unclear(kind, where, one)):
                    raise StorageError(why, "nothing was changed")
                if where == "inside":
                    found[one.file_path] = one
        return found

    def live(self, version: str) -> Iterator[tuple[Kind, DataFile]]:
        """Every file of a version. Raises StorageError when it has expired or cannot be read."""
        if not version:
            return
        from pyiceberg.manifest import DataFileContent

        try:
            for manifest in self.snapshot(version).manifests(self._table.io):
                for entry in manifest.fetch_manifest_entry(self._table.io, discard_deleted=True):
                    one = entry.data_file
                    one.spec_id = manifest.partition_spec_id
                    yield "data" if one.content == DataFileContent.DATA else "deletes", one
        except (OSError, ValueError) as error:
            raise StorageError(f"version {version} of {self._name} cannot be read: {error}", "check its storage") from error

    def snapshot(self, version: str) -> Snapshot:
        found = self._table.metadata.snapshot_by_id(int(version))
        if found is None:
            raise StorageError(f"{self._name} has no snapshot {version} any more: it has expired", "restore it from a copy")
        return found

    def _standing(self, cell: Asked, one: DataFile) -> Standing:
        """Files are many, partitions few."""
        values = tuple(one.partition[at] for at in range(len(one.partition)))
        known: tuple[Partition, bool, int, Any] = (cell.partition, cell.utc, one.spec_id, values)
        if known not in self._known:
            self._known[known] = standing(cell.partition, field_values(self._table, one, utc=cell.utc))
        return self._known[known]

    def _unclear(self, kind: Kind, where: Standing, one: DataFile) -> str:
        """Why a file keeps a cell from being changed; empty when it does not."""
        version = self._table.metadata.format_version
        if kind == "deletes":
            return f"{self._name} deletes rows of it by files of their own: bringing data files back would bring those rows back"
        if where == "unclear":
            return f"{one.file_path} of {self._name} may hold rows of other partitions too; it is partitioned by {self._spec}"
        if one.spec_id != self._table.metadata.default_spec_id:
            return f"{one.file_path} of {self._name} was written under another partitioning, so that it could not be brought back"
        if version > _NEWEST:
            return f"{self._name} has version {version} of the format, whose data files cannot be brought back"
        return ""

    @cached_property
    def _spec(self) -> str:
        fields = self._table.metadata.spec().fields
        return ", ".join(f"{one.name} ({one.transform})" for one in fields) or "nothing"
