"""Rows of an index as a ledger: attempts whose taint is worked out over columns, and which are made when somebody looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lineage.arrays.facts import Facts, Ints, NotPlain
from lineage.arrays.ledger import Ledger, Made
from lineage.attempts import Attempt
from lineage.datasets import JobId
from lineage.index.resolving import Columns, Resolver
from lineage.index.schema import rows_in
from lineage.index.told import Teller
from lineage.timestamps import AFTER, BEFORE

if TYPE_CHECKING:
    import pyarrow as pa

_KEPT = 1 << 14
"""Attempts made that are kept: explanations of neighbouring cells share them."""


def ledger(teller: Teller, tables: Sequence[pa.Table]) -> Ledger:
    """The attempts of these rows, each there once, in their order. Raises NotPlain when there are none."""
    import pyarrow as pa

    if not sum(one.num_rows for one in tables):
        raise NotPlain("nothing ran")

    whole = pa.concat_tables(tables).combine_chunks()
    start, end = _whole(whole["start"], BEFORE), _ends(whole, teller)
    order = _in_order(whole, start, end)
    table = whole.take(order)
    start, end = start[order], end[order]
    states, names = _words(table["state"])
    attempts = _Attempts(teller, table)
    slots, texts = _words(table["slots"])
    key, keys = _words(table["partition_key"])
    shape = _whole(table["shape"], 0)
    dates = _whole(table["nominal_start"], AFTER), _whole(table["nominal_end"], AFTER)
    nominal, nominals = _nominals(*dates)
    resolver = Resolver(teller, table, Columns(shape, slots, texts, key, keys, nominal, nominals))
    found = resolver.resolve()
    facts = Facts(
        start,
        end,
        states == (names.index("C") if "C" in names else -2),
        found.reads,
        found.writes,
        list(found.numbers.datasets),
        list(found.numbers.partitions),
        found.odd,
    )
    runs, numbers = table["run"], _whole(table["number"], 0)
    told_by = {int(one): teller.shape(int(one)) for one in np.unique(shape)}
    jobs = {job: number for number, job in enumerate(dict.fromkeys(one.job for one in told_by.values()))}
    of_shape = np.zeros(int(shape.max(initial=0)) + 1, np.int64)
    for one, told in told_by.items():
        of_shape[one] = jobs[told.job]

    def ran(chosen: Ints) -> set[JobId]:
        shapes = (told_by[int(one)] for one in np.unique(shape[chosen]))
        return {job for one in shapes for job in (one.job, *one.aliases)}

    def alike(chosen: Ints) -> Ints:
        wanted = np.zeros(len(start), bool)
        wanted[chosen] = True
        rows, codes = found.unsaid
        here = wanted[rows]
        _, first = np.unique(codes[here], return_index=True)
        kept = (states == (names.index("O") if "O" in names else -2)) | found.one_by_one
        kept[rows[here][first]] = True
        return np.flatnonzero(kept & wanted)

    return Ledger(
        facts,
        Made(len(start), lru_cache(_KEPT)(attempts.__getitem__)),
        of_shape[shape],
        list(jobs),
        states == (names.index("O") if "O" in names else -2),
        lambda index: (runs[index].as_py(), int(numbers[index])),
        lambda index: None if AFTER in (told := (int(dates[0][index]), int(dates[1][index]))) else told,
        ran,
        alike,
    )


class _Attempts:
    """One row at a time."""

    def __init__(self, teller: Teller, table: pa.Table) -> None:
        self._teller, self._table = teller, table

    def __getitem__(self, row: int) -> Attempt:
        return self._teller.attempts(rows_in(self._table.slice(row, 1)), widen=True)[0]


def _whole(column: Any, missing: int) -> Ints:
    """A column of whole numbers."""
    import pyarrow.compute as pc

    filled = pc.fill_null(column, missing) if column.null_count else column
    found: Ints = filled.to_numpy().astype(np.int64)
    return found


def _words(column: Any) -> tuple[Ints, list[str]]:
    """A column of words as numbers in the list that comes second; −1 for null."""
    import pyarrow as pa

    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    array = array.dictionary_encode()
    return _whole(array.indices, -1), array.dictionary.to_pylist()


def _ends(table: pa.Table, teller: Teller) -> Ints:
    """The ends of attempts, with what is known or declared of runs that never told theirs."""
    end = _whole(table["end"], AFTER)
    silent = np.flatnonzero(end == AFTER)
    if len(silent) and (teller.ended or teller.declarations.lost_after is not None):
        told = (table[name].take(silent).to_pylist() for name in ("run", "start", "times"))
        for row, run, start, times in zip(silent, *told, strict=True):
            end[row] = teller.ending(run, times[-1] if times else start)
    return end


def _nominals(start: Ints, end: Ints) -> tuple[Ints, list[tuple[int, int]]]:
    """The nominal starts as numbers in the list that comes second; −1 where an attempt tells none."""
    found, inverse = np.unique(np.where(end == AFTER, AFTER, start), return_inverse=True)
    return np.where(found[inverse] == AFTER, -1, inverse), [(one, one) for one in found.tolist()]


def _in_order(table: pa.Table, start: Ints, end: Ints) -> Ints:
    """By start, end, run and number; the last two only where they decide."""
    order = np.lexsort((end, start))
    alike = (start[order][1:] == start[order][:-1]) & (end[order][1:] == end[order][:-1])
    if bool(np.any(alike)):
        several = np.flatnonzero(np.concatenate((alike, [False])) | np.concatenate(([False], alike)))
        rows = order[several]
        runs, numbers = table["run"].take(rows).to_pylist(), table["number"].take(rows).to_pylist()
        key = {
            int(row): (int(start[row]), int(end[row]), run, number) for row, run, number in zip(rows, runs, numbers, strict=True)
        }
        order[several] = sorted(key, key=key.__getitem__)
    return order
