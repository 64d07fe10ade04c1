"""The data files of a Delta table at a version, and which of them make up a cell."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from incident.errors import StorageError
from incident.tables.port import Asked
from lineage.periods import Grain, Period
from runbooks.table_partitions import FieldValue, Standing, standing
from runbooks.table_survey import CellFiles

if TYPE_CHECKING:
    from deltalake import DeltaTable

_PLAIN = frozenset({"string", "date", "boolean", "byte", "short", "integer", "long"})
"""Types of partition columns whose values are written in one way only."""


@dataclass(frozen=True, slots=True)
class DeltaFile:
    """One data file. ``path`` as the log writes it, which is URL-encoded; ``values`` of the partition columns, typed."""

    path: str
    size: int
    modified: int
    records: int | None
    values: Mapping[str, Any]


def files_of(table: DeltaTable) -> Iterator[DeltaFile]:
    """Every data file of a version."""
    import pyarrow as pa

    columns = table.metadata().partition_columns
    for batch in pa.table(table.get_add_actions()).to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            values = {name: (row.get("partition") or {}).get(name) for name in columns}
            modified = row["modification_time"]
            written = modified if isinstance(modified, int) else int(modified.timestamp() * 1_000)
            yield DeltaFile(row["path"], row["size_bytes"], written, row.get("num_records"), values)


def of_cells(table: DeltaTable, asked: Mapping[str, Asked]) -> Mapping[str, CellFiles]:
    """The files of each cell, in one pass."""
    found: dict[str, list[DeltaFile]] = {key: [] for key in asked}
    unclear = dict.fromkeys(asked, "")
    bound, places = unsuited(table), _Places(table)
    for one in files_of(table):
        for key, cell in asked.items():
            where = places.standing(cell, one)
            if where != "outside":
                found[key].append(one)
                unclear[key] = unclear[key] or bound or places.unclear(where, one)
    return {
        key: CellFiles.of((one.path for one in files), sum(one.size for one in files), unclear[key]) for key, files in found.items()
    }


def within(table: DeltaTable, cells: Sequence[Asked]) -> dict[str, DeltaFile]:
    """The files of some cells by path. Raises StorageError where a file is unclear: what is shared is not touched."""
    places = _Places(table)
    found: dict[str, DeltaFile] = {}
    bound = unsuited(table)
    for one in files_of(table):
        for cell in cells:
            where = places.standing(cell, one)
            if where != "outside" and (why := bound or places.unclear(where, one)):
                raise StorageError(why, "nothing was changed")
            if where == "inside":
                found[one.path] = one
    return found


class _Places:
    """Where the files of one version stand. Files are many, partitions few."""

    def __init__(self, table: DeltaTable) -> None:
        self._name, self._columns = table.table_uri, table.metadata().partition_columns
        self._dates = {name for name, kind in _kinds(table).items() if kind == "date"}
        self._known: dict[tuple[Any, ...], Standing] = {}

    def standing(self, cell: Asked, one: DeltaFile) -> Standing:
        known = (cell.partition, *one.values.values())
        if known not in self._known:
            self._known[known] = standing(cell.partition, [_value(name, value, self._dates) for name, value in one.values.items()])
        return self._known[known]

    def unclear(self, where: Standing, one: DeltaFile) -> str:
        if where != "unclear":
            return ""
        by = ", ".join(self._columns) or "nothing"
        return f"{one.path} of {self._name} may hold rows of other partitions too; it is partitioned by {by}"


def _value(name: str, raw: Any, dates: Collection[str]) -> FieldValue:
    names = frozenset({name.lower()})
    match raw:
        case None | str():
            return FieldValue(names, raw, dated=name in dates)
        case bool():
            return FieldValue(names, str(raw).lower())
        case int():
            return FieldValue(names, raw)
        case date() if not isinstance(raw, datetime):
            return FieldValue(names, Period(datetime(raw.year, raw.month, raw.day, tzinfo=UTC), Grain.DAY))
    return FieldValue(names, str(raw), plain=False)


def _kinds(table: DeltaTable) -> dict[str, str]:
    return {field.name: str(getattr(field.type, "type", field.type)) for field in table.schema().fields}


def unsuited(table: DeltaTable) -> str:
    """Why files of a table cannot be taken away and brought back one by one; empty when they can."""
    said, protocol = table.metadata().configuration, table.protocol()
    features = {*(protocol.reader_features or ()), *(protocol.writer_features or ())}
    if "deletionVectors" in features:
        return f"{table.table_uri} marks deleted rows beside its files (deletion vectors), which would come back with a file"
    if said.get("delta.columnMapping.mode", "none") != "none":
        return f"{table.table_uri} maps its columns to other names, so that its files cannot be brought back"
    if said.get("delta.enableRowTracking") == "true":
        return f"{table.table_uri} numbers its rows, so that its files cannot be brought back"
    if said.get("delta.appendOnly") == "true":
        return f"{table.table_uri} only takes new rows (delta.appendOnly)"
    kinds = _kinds(table)
    odd = [f"{name} ({kinds.get(name)})" for name in table.metadata().partition_columns if kinds.get(name) not in _PLAIN]
    return f"{table.table_uri} is partitioned by {', '.join(odd)}, whose values are not written in one way only" if odd else ""


def partition_texts(one: DeltaFile) -> dict[str, str | None]:
    """The partition values as the log writes them."""
    return {name: _text(value) for name, value in one.values.items()}


def _text(raw: Any) -> str | None:
    match raw:
        case None:
            return None
        case bool():
            return str(raw).lower()
        case date():
            return raw.isoformat()
    return str(raw)


def statistics(one: DeltaFile) -> str:
    """Only the count of rows: least and greatest values are told typed, and a wrong one would hide rows from readers."""
    return json.dumps({} if one.records is None else {"numRecords": one.records})
