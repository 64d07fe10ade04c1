"""Rows of an index as a ledger: attempts whose taint is worked out over columns, and which are made when somebody looks at them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from lineage.arrays.facts import Bools, Facts, Ints, NotPlain, Side, Small, Told, distinct, joined
from lineage.arrays.ledger import Ledger, Made
from lineage.attempts import Attempt
from lineage.datasets import DatasetId, JobId
from lineage.index.reader import WORDS
from lineage.index.resolving import Columns, Resolved, Resolver
from lineage.index.saying import Saying
from lineage.index.schema import rows_in
from lineage.index.told import Teller
from lineage.timestamps import AFTER, BEFORE

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T", bound=np.generic)
_STRINGS = (1 << 31) - 1
"""Bytes that an array of strings can hold; a year at a hub of a large company may say more."""
_KEPT = 1 << 14
"""Attempts made that are kept: explanations of neighbouring cells share them."""


def gathered(tables: list[pa.Table]) -> pa.Table:
    """Rows as one table of one chunk. Empties ``tables``: nothing is held twice. Raises NotPlain when nothing ran."""
    import pyarrow as pa

    if not any(one.num_rows for one in tables):
        raise NotPlain("nothing ran")
    # words by themselves: what was gathered before may hold long ones, which are of another type
    words = {name: [chunk for one in tables for chunk in one[name].chunks] for name in WORDS}
    whole = pa.concat_tables([one.drop_columns(list(words)) for one in tables], promote_options="default")
    tables.clear()
    columns = dict(zip(whole.column_names, whole.columns, strict=True))
    del whole
    for name, column in columns.items():
        columns[name] = column.combine_chunks() if column.null_count < len(column) else pa.nulls(len(column))
    for name in WORDS:
        columns[name] = _joined(words.pop(name))
    give_back()
    return pa.table(columns)


def _joined(chunks: Sequence[pa.DictionaryArray]) -> pa.DictionaryArray:
    """Several as one, with each word once."""
    import pyarrow as pa

    large = sum(one.dictionary.nbytes for one in chunks) > _STRINGS or any(
        pa.types.is_large_string(one.type.value_type) for one in chunks
    )
    if large:
        chunks = [pa.DictionaryArray.from_arrays(one.indices, one.dictionary.cast(pa.large_string())) for one in chunks]
    return pa.chunked_array(chunks).unify_dictionaries().combine_chunks()


def ledger(teller: Teller, table: pa.Table, ours: Sequence[Attempt] = (), within: Collection[DatasetId] | None = None) -> Ledger:
    """The attempts of rows that were ``gathered``, each there once, and what we did ourselves.

    ``within``: the datasets of which reads and writes matter, None for all.
    """
    start, end = _whole(table["start"], BEFORE), _ends(table, teller)
    order = _in_order(table, start, end)
    made = _Rows(teller, table, order, start[order], end[order], sorted(ours, key=_key), within).ledger()
    give_back()
    return made


def give_back() -> None:
    """Return to the system what was needed in between: a large question needs it again for something else."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


@dataclass
class _Rows:
    """Rows in the ``order`` of attempts, in which ``start`` and ``end`` are; ``ours`` come between them."""

    teller: Teller
    table: pa.Table
    order: Small
    start: Ints
    end: Ints
    ours: Sequence[Attempt]
    within: Collection[DatasetId] | None
    _kept: dict[int, Attempt] = field(default_factory=dict)

    def ledger(self) -> Ledger:
        facts = self._facts()
        own = np.array([one.state == "OPEN" for one in self.ours], bool)
        silent = np.zeros(self.table.num_rows, bool)
        silent[self._resolved.unsaid[0]] = True
        return Ledger(
            facts,
            Made(len(facts.start), self._attempt),
            self._job,
            [*self._jobs],
            self._with_ours(self._in_state("O"), own),
            np.flatnonzero(self._row < 0),
            self._with_ours(silent, ours=False),
            self._key_of,
            self._nominal_of,
            self._ran,
            self._alike,
            self._several,
        )

    # --- where ours come in -------------------------------------------------------------------------------------------------

    @cached_property
    def _before(self) -> Ints:
        """Before which rows ours come."""
        found = []
        for one in self.ours:
            at, last = np.searchsorted(self.start, one.start, "left"), np.searchsorted(self.start, one.start, "right")
            while at < last and (int(self.start[at]), int(self.end[at]), *self._key_of_row(int(at))) < _key(one):
                at += 1
            found.append(int(at))
        return np.array(found, np.int64)

    @cached_property
    def _row(self) -> Small:
        """Of each attempt its row; of ours −1 for the first, −2 for the second."""
        return self._with_ours(np.arange(self.table.num_rows, dtype=np.int32), -1 - np.arange(len(self.ours)))

    def _with_ours(self, told: npt.NDArray[T], ours: Any) -> npt.NDArray[T]:
        """What rows tell, with what ours do."""
        return np.insert(told, self._before, ours) if self.ours else told

    def _facts(self) -> Facts:
        found = self._resolved
        of_row, of_ours = np.flatnonzero(self._row >= 0), np.flatnonzero(self._row < 0)
        told = Told(found.numbers), Told(found.numbers)
        for at, one in zip(of_ours, self.ours, strict=True):
            told[0].add(int(at), one.reads)
            told[1].add(int(at), one.writes)
        return Facts(
            self._with_ours(self.start, [one.start for one in self.ours]),
            self._with_ours(self.end, [one.end for one in self.ours]),
            self._with_ours(self._in_state("C"), np.array([one.state == "COMPLETE" for one in self.ours], bool)),
            _moved(found.reads, of_row, told[0].side()),
            _moved(found.writes, of_row, told[1].side()),
            list(found.numbers.datasets),
            list(found.numbers.partitions),
            found.odd | told[0].odd | told[1].odd,
        )

    # --- columns of the rows ------------------------------------------------------------------------------------------------

    @cached_property
    def _resolved(self) -> Resolved:
        (slots, forms), (partitions, lists), (key, keys) = (self._in_words(one) for one in ("slots", "partitions", "partition_key"))
        nominal, nominals = _nominals(*(_whole(self.table[one], AFTER) for one in ("nominal_start", "nominal_end")))
        nominal = nominal[self.order]
        columns = Columns(self._shape, Saying(slots, forms, partitions, lists), key, keys.to_pylist(), nominal, nominals)
        return Resolver(self.teller, self._taken, columns, self.within).resolve()

    def _taken(self, rows: Ints | Small) -> pa.Table:
        """Some rows, by their numbers in the order."""
        return self.table.take(self.order[rows])

    @cached_property
    def _shape(self) -> Small:
        return _whole(self.table["shape"], 0)[self.order].astype(np.int32)

    @cached_property
    def _shapes(self) -> Ints:
        """The shapes that there are."""
        return distinct(self._shape, int(self._shape.max(initial=0)) + 1)[0]

    def _in_words(self, name: str) -> tuple[Small, pa.StringArray]:
        found, words = _words(self.table[name])
        return found[self.order], words

    def _in_state(self, state: str) -> Bools:
        found, words = self._in_words("state")
        names = words.to_pylist()
        return found == names.index(state) if state in names else np.zeros(len(found), bool)

    @cached_property
    def _jobs(self) -> dict[JobId, int]:
        told = (self.teller.shape(int(one)).job for one in self._shapes)
        names = dict.fromkeys((*told, *(one.job for one in self.ours)))
        return {job: number for number, job in enumerate(names)}

    @cached_property
    def _job(self) -> Small:
        """Of each attempt the number of its job."""
        of_shape = np.zeros(int(self._shape.max(initial=0)) + 1, np.int32)
        for one in self._shapes:
            of_shape[one] = self._jobs[self.teller.shape(int(one)).job]
        return self._with_ours(of_shape[self._shape], [self._jobs[one.job] for one in self.ours])

    # --- one attempt --------------------------------------------------------------------------------------------------------

    def _attempt(self, index: int) -> Attempt:
        return self._kept.get(index) or self._several([index])[0]

    def _key_of(self, index: int) -> tuple[str, int]:
        row = int(self._row[index])
        return self.ours[-1 - row].key if row < 0 else self._key_of_row(row)

    def _key_of_row(self, row: int) -> tuple[str, int]:
        at = int(self.order[row])
        return self._of("run", at), self._of("number", at)

    def _of(self, name: str, at: int) -> Any:
        """One value of a column."""
        return self.table[name][at].as_py()

    def _nominal_of(self, index: int) -> tuple[int, int] | None:
        row = int(self._row[index])
        if row < 0:
            return None
        start, end = (self._of(name, int(self.order[row])) for name in ("nominal_start", "nominal_end"))
        return None if start is None or end is None else (start, end)

    # --- several ------------------------------------------------------------------------------------------------------------

    def _ran(self, chosen: Ints) -> set[JobId]:
        rows = self._row[chosen]
        shapes = (self.teller.shape(int(one)) for one in np.unique(self._shape[rows[rows >= 0]]))
        return {job for one in shapes for job in (one.job, *one.aliases)} | {self.ours[-1 - int(row)].job for row in rows[rows < 0]}

    def _several(self, chosen: Sequence[int]) -> list[Attempt]:
        rows = self._row[np.asarray(chosen, np.int64)]
        made = iter(self.teller.attempts(rows_in(self._taken(rows[rows >= 0])), widen=True))
        found = [self.ours[-1 - int(row)] if row < 0 else next(made) for row in rows]
        if len(self._kept) + len(found) > _KEPT:
            self._kept.clear()
        if len(found) <= _KEPT:
            self._kept.update(zip(chosen, found, strict=True))
        return found

    def _alike(self, chosen: Ints) -> Ints:
        """Those whose shape leaves something open that none before it did; and all that are not of a plain shape, or open."""
        found = self._resolved
        wanted = np.zeros(len(self.start), bool)
        wanted[self._row[chosen][self._row[chosen] >= 0]] = True
        rows, codes = found.unsaid
        here = wanted[rows]
        _, first = np.unique(codes[here], return_index=True)
        kept = self._in_state("O") | found.one_by_one
        kept[rows[here][first]] = True
        return chosen[np.isin(self._row[chosen], np.flatnonzero(kept & wanted))]


def _key(one: Attempt) -> tuple[int, int, str, int]:
    return one.start, one.end, one.run_id, one.number


def _moved(told: Side, of_row: Ints, more: Side) -> Side:
    """What rows tell, as of the attempts that they are, with what else is told."""
    if not len(more) and len(of_row) == (of_row[-1] + 1 if len(of_row) else 0):
        return told
    names = [getattr(told, name) for name in Side.__slots__[1:]]
    return joined([Side(of_row[told.attempt].astype(np.int32), *names), more])


def _whole(column: Any, missing: int) -> Ints:
    """A column of whole numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(column.type):
        return np.full(len(column), missing)
    found: Ints = pc.fill_null(column, missing).to_numpy().astype(np.int64, copy=False)
    return found


def _words(column: Any) -> tuple[Small, pa.StringArray]:
    """A column of words as numbers in those that come second; −1 for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.num_chunks != 1:
        raise NotPlain("more text than one array holds")
    array = column.chunk(0)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    return pc.fill_null(array.indices, -1).to_numpy(), array.dictionary


def _ends(table: pa.Table, teller: Teller) -> Ints:
    """The ends of attempts, with what is known or declared of runs that never told theirs."""
    end = _whole(table["end"], AFTER)
    silent = np.flatnonzero(end == AFTER)
    if len(silent) and (teller.ended or teller.declarations.lost_after is not None):
        end = end.copy()
        told = (table[name].take(silent).to_pylist() for name in ("run", "start", "times"))
        for row, run, start, times in zip(silent, *told, strict=True):
            end[row] = teller.ending(run, times[-1] if times else start)
    return end


def _nominals(start: Ints, end: Ints) -> tuple[Small, list[tuple[int, int]]]:
    """The nominal starts as numbers in the list that comes second; −1 where an attempt tells none."""
    import pyarrow as pa

    found = pa.array(start, mask=(start == AFTER) | (end == AFTER)).dictionary_encode()
    return _words(pa.chunked_array([found]))[0], [(one, one) for one in found.dictionary.to_pylist()]


def _in_order(table: pa.Table, start: Ints, end: Ints) -> Small:
    """By start, end, run and number; the last two only where they decide."""
    order = np.lexsort((end, start)).astype(np.int32)
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
