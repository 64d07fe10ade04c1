"""What an ingest adds to ``recent``: of many attempts of a job only the last need be looked at."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain
from typing import TYPE_CHECKING

from lineage.cadence import RECENT
from lineage.index.dimensions import Dimensions
from lineage.index.recent import Recent
from lineage.index.schema import counted, without

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
        if self._tables:
            shared, others = self._last(known)
            recent.extend(others)
            if shared.num_rows:
                recent.extend(_by_teller(shared, known))
        self._tables, self._held = [], 0

    def _last(self, known: Dimensions) -> list[pa.Table]:
        """All of which several jobs tell, and the last attempts of each job."""
        import pyarrow as pa
        import pyarrow.compute as pc

        table = pa.concat_tables(self._tables)
        shapes = [shape for shape, _ in counted(table["shape"]) if len(known.jobs_of(shape)) > 1]
        shared = pc.is_in(table["shape"], value_set=pa.array(shapes, pa.int32()))
        others = table.filter(pc.invert(shared)).sort_by([("job", "ascending"), ("start", "ascending")])
        last, end = [], 0
        for _, count in counted(others["job"]):
            end += count
            last.append(range(end - min(count, _LAST), end))
        return [
            table.filter(shared).combine_chunks(),
            others.take(pa.array(chain.from_iterable(last), pa.int64())).combine_chunks(),
        ]


def _by_teller(table: pa.Table, known: Dimensions) -> pa.Table:
    """Attempts once for each job that tells of them."""
    import pyarrow as pa

    tellers = [known.jobs_of(shape) for shape in table["shape"].to_pylist()]
    again = pa.array([place for place, jobs in enumerate(tellers) for _ in jobs], pa.int64())
    jobs = pa.array(list(chain.from_iterable(tellers)), pa.int32())
    return table.take(again).set_column(table.schema.get_field_index("job"), "job", jobs)
