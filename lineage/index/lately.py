"""What an ingest adds to ``recent``: of many attempts of a job only the last need be looked at."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from lineage.cadence import RECENT
from lineage.index.dimensions import Dimensions
from lineage.index.recent import Recent
from lineage.index.schema import counted, rows_in, without

if TYPE_CHECKING:
    import pyarrow as pa

_LAST = RECENT + 15
"""At least one more of a job's attempts than ``Recent`` keeps, so that it knows of those before."""

_MANY = 400_000
"""Attempts held before those that cannot matter are let go: what bounds the memory."""

_COLUMNS = ("job", "run", "number", "start", "nominal_start", "shape")


class Lately:
    """Attempts that ``recent`` does not know yet."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self._held = 0

    def add(self, table: pa.Table, known: Dimensions) -> None:
        """Attempts that begin to be in the index."""
        import pyarrow.compute as pc

        self._tables.append(table.select(list(_COLUMNS)).filter(pc.is_valid(table["start"])))
        self._held += self._tables[-1].num_rows
        if self._held > _MANY:
            self._tables = self._last(known)
            self._held = sum(one.num_rows for one in self._tables)

    def remove(self, runs: Collection[str]) -> None:
        """Runs whose attempts are no more in the index as they were told."""
        if runs:
            self._tables = [without(table, runs) for table in self._tables]

    def settle(self, recent: Recent, known: Dimensions) -> None:
        """Tell ``recent`` of them."""
        for table in self._last(known) if self._tables else ():
            for row in rows_in(table):
                recent.add(known.jobs_of(row.shape), row)
        self._tables, self._held = [], 0

    def _last(self, known: Dimensions) -> list[pa.Table]:
        """The last attempts of each job, and all of which several jobs tell."""
        import pyarrow as pa
        import pyarrow.compute as pc

        table = pa.concat_tables(self._tables)
        shapes = [shape for shape, _ in counted(table["shape"]) if len(known.jobs_of(shape)) > 1]
        shared = pc.is_in(table["shape"], value_set=pa.array(shapes, pa.int32()))
        parts, first = [table.filter(shared)], 0
        table = table.filter(pc.invert(shared)).sort_by([("job", "ascending"), ("start", "ascending")])
        for _, count in counted(table["job"]):
            parts.append(table.slice(first + max(0, count - _LAST), min(count, _LAST)))
            first += count
        return [pa.concat_tables(parts).combine_chunks()]
