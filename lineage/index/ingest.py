"""Writes the index: events in batches, by run into attempts, by day into files."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from lineage.errors import IndexUnreadable, PartitionError
from lineage.index.batch import Batch
from lineage.index.dimensions import Dimensions
from lineage.index.files import Files
from lineage.index.manifest import OPEN, PENDING, Known, Manifest, Part, clear, commit, latest, latest_generation, published
from lineage.index.recent import Entry, Recent, recent
from lineage.index.rows import Row, Told, checksum, events_of, rows_of
from lineage.index.schema import ROW_GROUP, attempts_table, dimensions, parquet, rows_in, tables
from lineage.partitions import parse_partition
from lineage.timestamps import SECOND, from_datetime, to_datetime

if TYPE_CHECKING:
    import pyarrow as pa

_DAY = 86_400 * SECOND
_ENOUGH = 60_000
"""Events held before they are written: what bounds the memory."""

_PARTS = 4
"""Files a day before they are made one."""


@dataclass
class Ingest:
    """Adds events to an index. Under the lock of ``files``; nothing that a reader sees changes before ``commit``."""

    files: Files
    base: Manifest = field(default_factory=Manifest)
    dimensions: Dimensions = field(default_factory=Dimensions)
    recent: Recent = field(default_factory=Recent)
    _days: dict[str, list[Part]] = field(default_factory=dict)
    _runs: dict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))
    _held: int = 0
    _crcs: dict[str, pa.Array] = field(default_factory=dict)
    _token: str = field(default_factory=lambda: os.urandom(4).hex())
    _made: int = 0
    _unsaved: set[str] = field(default_factory=set)
    """Files of this very ingest that nothing else knows yet, and so may go as soon as they are written anew."""

    @classmethod
    def open(cls, files: Files, *, anew: bool = False) -> Ingest:
        """Continue an index, or an ingest of it that was killed; begin one where there is none, or ``anew``.

        Raises IndexUnreadable.
        """
        base = Manifest(latest_generation(files)) if anew else latest(files) or Manifest()
        if files.exclusive and files.has(PENDING):
            pending = Manifest.from_json(files.read(PENDING), files.place)
            if pending.generation == base.generation and not anew:
                base = pending
            clear(files, base)
        made = cls(files, base)
        if base.tables:
            found = {name: _table(files, file) for name, file in base.tables.items()}
            made.dimensions, made.recent = dimensions(found), recent(found["recent"])
        made._days = {day: list(parts) for day, parts in base.days.items()}
        return made

    # --- taking --------------------------------------------------------------------------------------------------------------

    def take(self, batch: Batch) -> None:
        """Events in any order, those of known runs and exact duplicates included."""
        numbers = self.dimensions.take(batch)
        kinds = [head.kind for head in batch.heads]
        runs = self._runs
        for time, head, run, extra in zip(batch.time, batch.head, batch.run, batch.extra, strict=True):
            if run is not None:
                runs[run].append((time, kinds[head], numbers[head], extra))
        self._held += len(batch)
        if self._held >= _ENOUGH:
            self.flush()

    def flush(self) -> None:
        """Write the attempts of all events taken so far."""
        if not self._runs:
            self._held = 0
            return
        runs, self._runs, self._held = self._runs, defaultdict(list), 0
        gone = self._take_back(runs)
        made: dict[str, list[Row]] = defaultdict(list)
        attempts = self.dimensions.attempts
        days: dict[int, str] = {}
        while runs:
            run_id, events = runs.popitem()
            for row in rows_of(run_id, events, self.dimensions):
                attempts[row.shape] += 1
                self.recent.add(self.dimensions.jobs_of(row.shape), row)
                if row.end is None:
                    made[OPEN].append(row)
                    continue
                number = row.end // _DAY
                if number not in days:
                    days[number] = f"{to_datetime(number * _DAY):%Y-%m-%d}"
                made[days[number]].append(row)
        for day in sorted(made.keys() | gone.keys()):
            self._write_day(day, made.get(day, []), gone.get(day, {}))

    def _take_back(self, runs: dict[str, list[Told]]) -> dict[str, dict[str, set[str]]]:
        """Add to the events of known runs those that the index has; the result says which runs leave which files, by day.

        A run of which nothing new is told stays where it is, and is not made again.
        """
        if not self._days:
            return {}
        found: dict[str, list[tuple[str, str, Row]]] = defaultdict(list)
        for day, file in self._suspects(runs):
            for row in self._rows_of_runs(file, runs.keys()):
                found[row.run].append((day, file, row))
        gone: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for run_id, places in found.items():
            old = [one for _, _, row in places for one in events_of(row, self.dimensions)]
            new = set(runs[run_id]) - set(old)
            if not new:
                del runs[run_id]
                continue
            runs[run_id] = [*old, *new]
            for day, file, row in places:
                gone[day][file].add(run_id)
                self.dimensions.attempts[row.shape] -= 1
                self.recent.remove(self.dimensions.jobs_of(row.shape), row)
        return gone

    def _suspects(self, runs: Iterable[str]) -> list[tuple[str, str]]:
        """Day and file of those that hold a run with the checksum of one of these."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = pa.array([checksum(run) for run in runs], pa.uint32())
        places = [(day, part.file) for day, parts in self._days.items() for part in parts]
        for _, file in places:
            if file not in self._crcs:
                self._crcs[file] = _one_chunk(_table(self.files, file, ["run_crc"])["run_crc"])
        ends = list(accumulate(len(self._crcs[file]) for _, file in places))
        hits = pc.is_in(pa.chunked_array([self._crcs[file] for _, file in places], pa.uint32()), value_set=wanted)
        return sorted({places[bisect_right(ends, row)] for row in pc.indices_nonzero(hits).to_pylist()})

    def _rows_of_runs(self, file: str, runs: Iterable[str]) -> list[Row]:
        import pyarrow as pa
        import pyarrow.compute as pc

        table = _table(self.files, file)
        return rows_in(table.filter(pc.is_in(table["run"], value_set=pa.array(runs, pa.string()))))

    # --- writing -------------------------------------------------------------------------------------------------------------

    def _write_day(self, day: str, rows: list[Row], gone: dict[str, set[str]]) -> None:
        """Add rows to a day, and take runs out of the files that hold them: only those files are written anew."""
        parts = self._days.get(day, [])
        together = len(parts) >= _PARTS or day == OPEN
        again = [part for part in parts if part.file in gone or together]
        tables: list[pa.Table] = []
        for part in again:
            table = _table(self.files, part.file)
            if leaving := gone.get(part.file):
                table = _without(table, leaving)
            tables.append(table)
        if rows:
            rows.sort()
            tables.append(attempts_table(rows))
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
            table = table.sort_by([("job", "ascending"), ("run", "ascending"), ("number", "ascending")])
        data = parquet(table)
        file = self._name(f"attempts/day={day}")
        self.files.write(file, data)
        self._crcs[file] = _one_chunk(table["run_crc"])
        return _part(file, table, len(data))

    def _name(self, folder: str) -> str:
        self._made += 1
        name = f"{folder}/{self.base.generation + 1:08d}-{self._token}-{self._made:05d}.parquet"
        self._unsaved.add(name)
        return name

    def _drop(self, names: Iterable[str]) -> None:
        """Files that this ingest made and that no manifest names yet."""
        ours = [name for name in names if name in self._unsaved]
        self._unsaved.difference_update(ours)
        self.files.remove(ours)

    # --- keeping -------------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Say that an ingest is under way, before its first file: whoever comes after a kill clears up what it left."""
        if self.files.exclusive:
            self.files.replace(PENDING, self.base.to_json())

    def manifest(
        self, known: dict[str, Known], problems: Sequence[tuple[str, int, str, bool]], sources: Sequence[str], new: int
    ) -> Manifest:
        """What is in the index now, its dimension tables written; ``new``: the events since the last checkpoint."""
        self.flush()
        self.recent.settle(self._attempts_of)
        made = {}
        for name, table in {**tables(self.dimensions), "recent": self.recent.table()}.items():
            made[name] = self._name(f"tables/{name}").replace(f"tables/{name}/", f"tables/{name}-")
            self._unsaved.add(made[name])
            self.files.write(made[name], parquet(table, row_group=ROW_GROUP if name == "recent" else 1 << 20))
        return Manifest(
            generation=self.base.generation,
            days={day: tuple(self._days[day]) for day in sorted(self._days)},
            tables=made,
            sources=tuple(sources),
            known=known,
            events=self.base.events + new,
            problems=tuple(problems),
        )

    def _attempts_of(self, jobs: Collection[int]) -> dict[int, set[Entry]]:
        """Every attempt of these jobs."""
        found = Recent()
        for parts in self._days.values():
            for part in parts:
                for row in rows_in(_table(self.files, part.file)):
                    found.add(set(self.dimensions.jobs_of(row.shape)) & set(jobs), row)
        return found.jobs

    def checkpoint(self, made: Manifest) -> None:
        """Keep how far we are for who continues; readers do not see it. Where others are not kept out, nobody continues."""
        if not self.files.exclusive:
            return
        before, self.base = self.base, made
        self.files.replace(PENDING, made.to_json())
        self._unsaved.clear()
        self._forget(before, made)

    def commit(self, made: Manifest) -> Manifest:
        """Make it what readers see."""
        named = commit(self.files, made)
        self._forget(self.base, named)
        return named

    def _forget(self, before: Manifest, made: Manifest) -> None:
        """The files that only the checkpoint before named."""
        kept = made.files() | published(self.files)
        self.files.remove(sorted((before.files() | self._unsaved) - kept))


def _table(files: Files, name: str, columns: list[str] | None = None) -> pa.Table:
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


def _without(table: pa.Table, runs: set[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return table.filter(pc.invert(pc.is_in(table["run"], value_set=pa.array(sorted(runs), pa.string()))))


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
