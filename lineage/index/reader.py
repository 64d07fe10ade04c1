"""Reads an index: its dimension tables, and the rows of some jobs on some days, by row group. Read-only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from lineage.cadence import Begun
from lineage.errors import IndexUnreadable
from lineage.index.dimensions import Dimensions
from lineage.index.files import Files
from lineage.index.manifest import OPEN, Manifest, Part, latest
from lineage.index.recent import begun_in
from lineage.index.rows import Row, checksum
from lineage.index.schema import TABLES, attempts_schema, dimensions, rows_in
from lineage.timestamps import SECOND

if TYPE_CHECKING:
    import pyarrow as pa

WORDS = ["slots", "partitions"]
"""Columns of text that is long and repeats."""
_LARGE = 1 << 20
"""Bytes of words in a file of which few rows may need few."""
_DAY = 86_400 * SECOND
_EPOCH = date(1970, 1, 1).toordinal()
ASKED = [name for name in Row._fields if name not in {"odd", "run_crc"}]
"""The columns that attempts are made of; the others are for finding runs and taking them apart again."""


@dataclass(frozen=True, slots=True)
class Span:
    """Attempts of some jobs, by their numbers, that ended on the day of ``since`` (ns UTC, None: ever) or later, or not yet.

    ``until``: only those that ended before this day.
    """

    jobs: frozenset[int]
    since: int | None
    until: int | None = None


@dataclass
class Index:
    """One generation of an index."""

    files: Files
    manifest: Manifest
    _found: dict[tuple[str, tuple[Any, ...]], list[Row]] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, files: Files) -> Index:
        """The generation that counts. Raises IndexUnreadable, also where there is none."""
        manifest = latest(files)
        if manifest is None:
            raise IndexUnreadable(f"there is no event index in {files.place}", "incident lineage ingest makes one")
        return cls(files, manifest)

    @cached_property
    def dimension_tables(self) -> dict[str, pa.Table]:
        import pyarrow as pa

        # Arrow's own pools keep what their threads once had: of a large question half of all memory
        pa.set_memory_pool(pa.system_memory_pool())
        return {name: self.table(self.manifest.tables[name]) for name in TABLES}

    @cached_property
    def dimensions(self) -> Dimensions:
        return dimensions(self.dimension_tables)

    def table(self, name: str) -> pa.Table:
        """A whole file."""
        return self._read(name, None, None)

    def rows(
        self,
        jobs: Collection[int] | None,
        *,
        since: int | None = None,
        until: int | None = None,
        wanted: Callable[[Part], bool] = lambda _: True,
    ) -> list[Row]:
        """The attempts of these jobs (None: of all) that ended on the day of ``since`` or later, or not yet.

        ``until``: only those that ended before this day.
        """
        files = [part.file for part in self.parts(since, until) if wanted(part)]
        read = [partial(self._read, file, jobs, ASKED) for file in files]
        return [row for table in self._side_by_side(read) for row in rows_in(table)]

    def tables(self, spans: Iterable[Span]) -> list[pa.Table]:
        """As ``rows``, in columns; what is long and repeats as dictionaries."""
        jobs: dict[str, set[int]] = defaultdict(set)
        for one in spans:
            for part in self.parts(one.since, one.until):
                jobs[part.file] |= one.jobs
        return list(self._side_by_side([partial(self._read, file, of, ASKED, words=True) for file, of in jobs.items()]))

    def _side_by_side(self, files: Sequence[Callable[[], pa.Table]]) -> Iterator[pa.Table]:
        """What reads of files give, in their order."""
        from concurrent.futures import ThreadPoolExecutor

        if len(files) < 2:
            yield from (one() for one in files)
            return
        with ThreadPoolExecutor(self.files.at_once) as pool:
            yield from pool.map(lambda one: one(), files)

    def parts(self, since: int | None = None, until: int | None = None) -> Iterator[Part]:
        """The files of attempts that ended on the day of ``since`` (ns UTC) or later, or not yet; ``until`` as for ``rows``."""
        first = None if since is None else _day(since)
        last = None if until is None else _day(until - 1)
        for day, part in self.manifest.parts():
            if day == OPEN:
                if until is None:
                    yield part
            elif (first is None or day >= first) and (last is None or day <= last):
                yield part

    def recent(self, jobs: Collection[int]) -> Callable[[int], list[Begun]]:
        """The last attempts of each of some jobs whose start is known."""
        return begun_in(self._read(self.manifest.tables["recent"], jobs, None))

    def rows_of_runs(self, runs: Collection[str]) -> list[Row]:
        """The attempts of some runs, wherever they are."""
        crcs = tuple(sorted({checksum(run) for run in runs}))
        return [row for row in self._rows_with("run_crc", crcs) if row.run in runs]

    def rows_of_code(self, versions: Collection[str]) -> list[Row]:
        """The attempts that ran one of these code versions, wherever they are."""
        return self._rows_with("code_version", tuple(sorted(versions)))

    def _rows_with(self, column: str, values: tuple[Any, ...]) -> list[Row]:
        """The attempts that have one of these values; found once."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if (column, values) not in self._found:
            wanted = pa.array(values, attempts_schema().field(column).type)
            rows: list[Row] = []
            for _, part in self.manifest.parts():
                if pc.any(pc.is_in(self._read(part.file, None, [column])[column], value_set=wanted)).as_py():
                    table = self._read(part.file, None, None)
                    rows += rows_in(table.filter(pc.is_in(table[column], value_set=wanted)))
            self._found[column, values] = rows
        return self._found[column, values]

    def extent(self) -> tuple[int, list[int], list[int]]:
        """How many attempts there are; the first and last nominal time, and the first and last known start (ns UTC)."""
        import pyarrow.compute as pc

        count, nominal, starts = 0, set[int](), set[int]()
        for _, part in self.manifest.parts():
            table = self._read(part.file, None, ["nominal_start", "nominal_end", "start"])
            count += table.num_rows
            both = table.filter(pc.is_valid(table["nominal_end"]))["nominal_start"]
            for found, column in ((nominal, both), (starts, table["start"])):
                found.update(one for one in pc.min_max(column).as_py().values() if one is not None)
        return count, sorted(nominal), sorted(starts)

    def _read(self, name: str, jobs: Collection[int] | None, columns: list[str] | None, *, words: bool = False) -> pa.Table:
        """A file, or its row groups that may hold rows of these jobs, less the rows of others."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        try:
            with self.files.open(name) as file:
                parquet = pq.ParquetFile(file, read_dictionary=WORDS if words else None)
                if jobs is None:
                    return parquet.read(columns=columns, use_threads=False)
                groups = list(_groups(parquet.metadata, sorted(jobs)))
                table = parquet.read_row_groups(groups, columns=columns, use_threads=False)
        except (FileNotFoundError, pa.ArrowInvalid) as error:
            raise IndexUnreadable(
                f"the event index {self.files.place} lacks {name}, or it is damaged: {error}",
                "remove the index and run incident lineage ingest again: it is made from the sources",
            ) from error
        table = table.filter(pc.is_in(table["job"], value_set=pa.array(sorted(jobs), pa.int32())))
        return _used(table) if words else table


def _used(table: pa.Table) -> pa.Table:
    """The rows, less the words in large dictionaries that none of them has."""
    import pyarrow as pa

    for name in WORDS:
        if sum(one.dictionary.nbytes for one in table[name].chunks) > _LARGE:
            chunks = []
            for chunk in table[name].chunks:
                number = chunk.indices.dictionary_encode()
                chunks.append(pa.DictionaryArray.from_arrays(number.indices, chunk.dictionary.take(number.dictionary)))
            table = table.set_column(table.column_names.index(name), name, pa.chunked_array(chunks))
    return table


def _groups(metadata: Any, jobs: list[int]) -> Iterator[int]:
    """The row groups whose range of jobs holds one of these."""
    from bisect import bisect_left

    for number in range(metadata.num_row_groups):
        told = metadata.row_group(number).column(0).statistics
        at = 0 if told is None else bisect_left(jobs, told.min)
        if told is None or (at < len(jobs) and jobs[at] <= told.max):
            yield number


def _day(moment: int) -> str:
    """The day of a moment (ns UTC), as it is named."""
    return date.fromordinal(_EPOCH + moment // _DAY).isoformat()
