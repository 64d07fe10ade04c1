"""The attempts' files by day, as the next generation will have them: finding known runs in them, and writing what changes."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from lineage.errors import IndexUnreadable, PartitionError
from lineage.index.files import Files
from lineage.index.manifest import OPEN, Manifest, Part
from lineage.index.rows import Row
from lineage.index.schema import by_day, parquet, rows_in, without
from lineage.partitions import parse_partition
from lineage.timestamps import from_datetime

if TYPE_CHECKING:
    import pyarrow as pa

_PARTS = 4
"""Files a day before they are made one."""

Gone = Mapping[str, Mapping[str, set[str]]]
"""Which runs leave which files, by day."""


class Days:
    """The days of one ingest. What it writes nobody sees before a manifest names it."""

    def __init__(self, files: Files, base: Manifest) -> None:
        self._files = files
        self._days = {day: list(parts) for day, parts in base.days.items()}
        self._crcs: dict[str, pa.Array] = {}
        self._begin = f"{base.generation + 1:08d}-{os.urandom(4).hex()}"
        self._made = 0
        self.unsaved: set[str] = set()
        """Files of this very ingest that nothing else knows yet, and so may go as soon as they are written anew."""

    def parts(self) -> dict[str, tuple[Part, ...]]:
        """The files of each day."""
        return {day: tuple(self._days[day]) for day in sorted(self._days)}

    def rows(self) -> Iterator[Row]:
        """Every attempt."""
        for parts in self._days.values():
            for part in parts:
                yield from rows_in(self._table(part.file))

    def find(self, runs: pa.ChunkedArray, crcs: pa.ChunkedArray) -> Iterator[tuple[str, str, Row]]:
        """Day, file and row of every attempt of these runs, of which these are the checksums."""
        import pyarrow.compute as pc

        places, found = self._suspects(crcs)
        some = runs.filter(pc.is_in(crcs, value_set=found)).combine_chunks()  # few of very many
        for day, file in places:
            there = pc.is_in(self._table(file, ["run"])["run"], value_set=some)
            if pc.any(there).as_py():  # not only another with the same checksum
                for row in rows_in(self._table(file).filter(there)):
                    yield day, file, row

    def _suspects(self, crcs: pa.ChunkedArray) -> tuple[list[tuple[str, str]], pa.Array]:
        """Day and file of those that hold a run with one of these checksums, and which of these there are."""
        import pyarrow as pa
        import pyarrow.compute as pc

        places = [(day, part.file) for day, parts in self._days.items() for part in parts]
        for _, file in places:
            if file not in self._crcs:
                self._crcs[file] = _one_chunk(self._table(file, ["run_crc"])["run_crc"])
        ends = list(accumulate(len(self._crcs[file]) for _, file in places))
        there = pa.chunked_array([self._crcs[file] for _, file in places], pa.uint32())
        hits = pc.is_in(there, value_set=crcs)
        suspects = sorted({places[bisect_right(ends, row)] for row in pc.indices_nonzero(hits).to_pylist()})
        return suspects, pc.unique(there.filter(hits))

    # --- writing -------------------------------------------------------------------------------------------------------------

    def add(self, table: pa.Table, gone: Gone) -> None:
        """Add attempts to the days of their ends, and take runs out of the files that hold them: only those are written anew."""
        made = {day or OPEN: some for day, some in by_day(table)}
        for day in sorted(made.keys() | gone.keys()):
            self._add(day, made.get(day), gone.get(day, {}))

    def _add(self, day: str, new: pa.Table | None, gone: Mapping[str, set[str]]) -> None:
        parts = self._days.get(day, [])
        together = len(parts) >= _PARTS or day == OPEN
        again = [part for part in parts if part.file in gone or together]
        tables: list[pa.Table] = []
        for part in again:
            table = self._table(part.file)
            if leaving := gone.get(part.file):
                table = without(table, leaving)
            tables.append(table)
        if new is not None:
            tables.append(new)
        fresh = [part for part in parts if part not in again]
        if made := self._write(day, tables):
            fresh.append(made)
        if fresh:
            self._days[day] = fresh
        else:
            self._days.pop(day, None)
        for part in again:
            self._crcs.pop(part.file, None)
        self._drop([part.file for part in again])

    def _write(self, day: str, tables: Sequence[pa.Table]) -> Part | None:
        import pyarrow as pa

        table = pa.concat_tables(tables) if len(tables) != 1 else tables[0]
        if not table.num_rows:
            return None
        if len(tables) > 1:
            table = table.sort_by([("job", "ascending"), ("start", "ascending")])
        data = parquet(table)
        file = self.name(f"attempts/day={day}/")
        self._files.write(file, data)
        self._crcs[file] = _one_chunk(table["run_crc"])
        return _part(file, table, len(data))

    def name(self, begin: str) -> str:
        """A name for a new file of this ingest."""
        self._made += 1
        name = f"{begin}{self._begin}-{self._made:05d}.parquet"
        self.unsaved.add(name)
        return name

    def _drop(self, names: Iterable[str]) -> None:
        """Files that this ingest made and that no manifest names yet."""
        ours = [name for name in names if name in self.unsaved]
        self.unsaved.difference_update(ours)
        self._files.remove(ours)

    def _table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        return read_table(self._files, name, columns)


def read_table(files: Files, name: str, columns: list[str] | None = None) -> pa.Table:
    """A file of the index. Raises IndexUnreadable."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with files.open(name) as file:
            return pq.ParquetFile(file).read(columns=columns, use_threads=False)
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise IndexUnreadable(
            f"the event index {files.place} lacks {name}, or it is damaged: {error}",
            "remove the index and run incident lineage ingest again: it is made from the sources",
        ) from error


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])


def _part(file: str, table: pa.Table, size: int) -> Part:
    import pyarrow.compute as pc

    keys = {key: _moment(key) for key in pc.unique(table["partition_key"]).to_pylist() if key is not None}
    dated = [moment for moment in keys.values() if moment is not None]
    moments = [
        *dated,
        *(one for one in (pc.min(table["nominal_start"]).as_py(), pc.max(table["nominal_start"]).as_py()) if one is not None),
    ]
    undated = 0
    if table["nominal_start"].null_count:
        without = table.filter(pc.is_null(table["nominal_start"]))["partition_key"].to_pylist()
        undated = sum(key is None or keys[key] is None for key in without)
    return Part(
        file=file,
        rows=table.num_rows,
        size=size,
        last_start=pc.max(table["start"]).as_py(),
        last_end=pc.max(table["end"]).as_py(),
        last_nominal=pc.max(table["nominal_start"]).as_py(),
        moments=(min(moments), max(moments)) if moments else None,
        undated=undated,
    )


def _moment(key: str) -> int | None:
    """The beginning of the date that a partition key names."""
    try:
        period = parse_partition(key).period
    except PartitionError:
        return None
    return None if period is None else from_datetime(period.start)
