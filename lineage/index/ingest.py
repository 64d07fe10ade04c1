"""Writes the index: events in batches, by run into attempts, by day into files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lineage.index.batch import Batch
from lineage.index.days import Days, read_table
from lineage.index.dimensions import Dimensions
from lineage.index.files import Files
from lineage.index.lately import Lately
from lineage.index.manifest import PENDING, Known, Manifest, clear, commit, latest, latest_generation, published
from lineage.index.numbering import numbered
from lineage.index.recent import Entry, Recent
from lineage.index.rows import Row, Told, checksum, events_of, rows_of
from lineage.index.schema import ROW_GROUP, attempts_table, counted, dimensions, pairs_table, parquet, rows_in, tables

if TYPE_CHECKING:
    import pyarrow as pa

_ENOUGH = 80_000
"""Events held before they are written: what bounds the memory."""


@dataclass
class Ingest:
    """Adds events to an index. Under the lock of ``files``; nothing that a reader sees changes before ``commit``."""

    files: Files
    base: Manifest = field(default_factory=Manifest)
    dimensions: Dimensions = field(default_factory=Dimensions)
    recent: Recent = field(default_factory=Recent)
    _days: Days = field(init=False)
    _runs: dict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))
    """Events by themselves, by their run."""
    _pairs: list[tuple[list[int], list[pa.RecordBatch]]] = field(default_factory=list)
    """The others, with the numbers of their shapes: those that share these together."""
    _lately: Lately = field(default_factory=Lately)
    _held: int = 0

    def __post_init__(self) -> None:
        self._days = Days(self.files, self.base)

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
            found = {name: read_table(files, file) for name, file in base.tables.items()}
            made.dimensions, made.recent = dimensions(found), Recent(found["recent"])
        return made

    # --- taking --------------------------------------------------------------------------------------------------------------

    def take(self, batch: Batch) -> None:
        """Events in any order, those of known runs and exact duplicates included."""
        heads, shapes = self.dimensions.take(batch)
        kinds = [head.kind for head in batch.heads]
        runs = self._runs
        for time, head, run, extra in zip(batch.time, batch.head, batch.run, batch.extra, strict=True):
            if run is not None:
                runs[run].append((time, kinds[head], heads[head], extra))
        if batch.pairs is not None:
            self._sharing(shapes).append(batch.pairs)
        self._held += len(batch)
        if self._held >= _ENOUGH:
            self.flush()

    def _sharing(self, shapes: list[int]) -> list[pa.RecordBatch]:
        """The pairs held whose shapes have these very numbers."""
        for numbers, pairs in self._pairs:
            if numbers is shapes:
                return pairs
        self._pairs.append((shapes, []))
        return self._pairs[-1][1]

    def flush(self) -> None:
        """Write the attempts of all events taken so far."""
        if not self._runs and not self._pairs:
            return
        import pyarrow as pa

        runs, self._runs, self._held = self._runs, defaultdict(list), 0
        pairs, self._pairs = self._pairs, []
        table = pa.concat_tables([attempts_table([]), *(pairs_table(some, shapes, self.dimensions) for shapes, some in pairs)])
        del pairs
        table, told_again = numbered(table, runs)
        table = self._loosened(table, told_again, runs)
        table, gone = self._take_back(table, runs)
        rows = []
        while runs:
            rows += rows_of(*runs.popitem(), self.dimensions)
        if rows:
            table = pa.concat_tables([table, attempts_table(rows)])
        for shape, count in counted(table["shape"]):
            self.dimensions.attempts[shape] += count
        self._lately.add(table, self.dimensions)
        self._days.add(table, gone)
        del table, rows
        pa.default_memory_pool().release_unused()

    def _loosened(self, table: pa.Table, some: Collection[str], runs: dict[str, list[Told]]) -> pa.Table:
        """The table without some runs; their events go to the others by themselves."""
        if not some:
            return table
        import pyarrow as pa
        import pyarrow.compute as pc

        loose = pc.is_in(table["run"], value_set=pa.array(some, pa.string()))
        for row in rows_in(table.filter(loose)):
            runs[row.run] += events_of(row, self.dimensions)
        return table.filter(pc.invert(loose))

    def _take_back(self, table: pa.Table, runs: dict[str, list[Told]]) -> tuple[pa.Table, dict[str, dict[str, set[str]]]]:
        """Add to the events of known runs those that the index has; which runs leave which files, by day.

        A run of which nothing new is told stays where it is, and is not made again.
        """
        import pyarrow as pa

        names = pa.chunked_array([*table["run"].chunks, pa.array(runs, pa.string())])
        crcs = pa.chunked_array([*table["run_crc"].chunks, pa.array(map(checksum, runs), pa.uint32())])
        found: dict[str, list[tuple[str, str, Row]]] = defaultdict(list)
        for day, file, row in self._days.find(names, crcs):
            found[row.run].append((day, file, row))
        table = self._loosened(table, found.keys(), runs)
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
        self._lately.remove({run for files in gone.values() for some in files.values() for run in some})
        return table, gone

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
        self._lately.settle(self.recent, self.dimensions)
        self.recent.settle(self._attempts_of)
        made = {}
        for name, table in {**tables(self.dimensions), "recent": self.recent.table()}.items():
            made[name] = self._days.name(f"tables/{name}-")
            self.files.write(made[name], parquet(table, row_group=ROW_GROUP if name == "recent" else 1 << 20))
        return Manifest(
            generation=self.base.generation,
            days=self._days.parts(),
            tables=made,
            sources=tuple(sources),
            known=known,
            events=self.base.events + new,
            problems=tuple(problems),
        )

    def _attempts_of(self, jobs: Collection[int]) -> dict[int, set[Entry]]:
        """Every attempt of these jobs."""
        found = Recent()
        for row in self._days.rows():
            found.add(set(self.dimensions.jobs_of(row.shape)) & set(jobs), row)
        return found.jobs

    def checkpoint(self, made: Manifest) -> None:
        """Keep how far we are for who continues; readers do not see it. Where others are not kept out, nobody continues."""
        if not self.files.exclusive:
            return
        before, self.base = self.base, made
        self.files.replace(PENDING, made.to_json())
        self._days.unsaved.clear()
        self._forget(before, made)

    def commit(self, made: Manifest) -> Manifest:
        """Make it what readers see."""
        named = commit(self.files, made)
        self._forget(self.base, named)
        if self.files.exclusive:
            self.files.remove([PENDING])  # last: while it is there, whoever comes clears up what is left
        return named

    def _forget(self, before: Manifest, made: Manifest) -> None:
        """The files that only the checkpoint before named."""
        kept = made.files() | published(self.files)
        self.files.remove(sorted((before.files() | self._days.unsaved) - kept))
