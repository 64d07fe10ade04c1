"""Which attempt of its run each pair is, where that can be told without its events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from itertools import pairwise
from typing import TYPE_CHECKING

from lineage.index.rows import checksum

if TYPE_CHECKING:
    import pyarrow as pa


def numbered(table: pa.Table, others: Collection[str]) -> tuple[pa.Table, set[str]]:
    """Pairs with their numbers, and the runs of which only the events can tell; ``others``: runs with other events.

    Pairs of one run that follow one another are its attempts in this order: each begins after the one before has ended.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = pc.value_counts(table["run_crc"])
    several = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    alike = pa.concat_arrays([several, pa.array(map(checksum, others), pa.uint32())])
    places = pc.indices_nonzero(pc.is_in(table["run_crc"], value_set=alike))
    found: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    some = table.select(["run", "start", "end"]).take(places)
    for run, start, end, place in zip(*(column.to_pylist() for column in (*some.columns, places)), strict=True):
        found[run].append((start, end, place))
    told_by_events: set[str] = set()
    numbers = [0] * table.num_rows
    for run, attempts in found.items():
        attempts.sort()
        if run in others or any(one[1] >= two[0] for one, two in pairwise(attempts)):
            told_by_events.add(run)
        for number, (_, _, place) in enumerate(attempts):
            numbers[place] = number
    column = table.schema.get_field_index("number")
    return table.set_column(column, table.schema.field(column), pa.array(numbers, pa.int32())), told_by_events
