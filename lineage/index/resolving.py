"""From the rows of an index to reads and writes as columns: what ``told`` does row by row, for all rows at once.

What an attempt reads and writes is told by its shape (which references), its slots (which partitions of them), and at times its
nominal time or partition key. Each distinct combination of what decides about one reference is resolved once, by ``lineage.cells``,
and stands for all. Rows of shapes whose references depend on one another are resolved one by one, by ``told``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from lineage.arrays.facts import HOWS, MODES, Bools, Ints, NotPlain, Numbers, Side, Told, joined
from lineage.arrays.places import spans
from lineage.attempts import Attempt, Mode
from lineage.datasets import DatasetId, JobId
from lineage.index import partition_text
from lineage.index.schema import rows_in
from lineage.index.told import Teller

if TYPE_CHECKING:
    import pyarrow as pa

_HOW = {how: number for number, how in enumerate(HOWS)}
_MODE = {mode: number for number, mode in enumerate(MODES)}
_READ, _WRITE = 0, 1
_MISSING = ("missing",)
_Said = list[tuple[int, tuple[str, ...]]]
"""Positions of references, and the partitions that they name as text."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What decides about the cells of rows. ``slots`` and ``key``: numbers in ``texts`` and ``keys``, −1 for none."""

    shape: Ints
    slots: Ints
    texts: Sequence[str]
    key: Ints
    keys: Sequence[str]
    nominal: Ints
    nominals: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Resolved:
    """``one_by_one``: rows that were; ``unsaid``: (row, code) of what rows leave open, where equal codes leave the same open."""

    reads: Side
    writes: Side
    numbers: Numbers
    odd: frozenset[int]
    one_by_one: Bools
    unsaid: tuple[Ints, Ints]


@dataclass
class Resolver:
    """``table``: the rows themselves, for those that are looked at one by one."""

    teller: Teller
    table: pa.Table
    columns: Columns
    numbers: Numbers = field(default_factory=Numbers)
    _classes: dict[object, int] = field(default_factory=dict)
    _examples: list[tuple[int, int, DatasetId, JobId]] = field(default_factory=list)

    def resolve(self) -> Resolved:
        """The reads and writes of all rows."""
        columns = self.columns
        used, shape = np.unique(columns.shape, return_inverse=True)
        flat = self._flat([int(one) for one in used])
        combination, parts, texts = self._partitions(flat, shape)
        slow = (flat.width[shape] < 0) | (combination < 0)
        rows = np.flatnonzero(~slow)
        sides = self._expanded(flat, shape, rows, combination, parts, texts)
        told = Told(self.numbers), Told(self.numbers)
        left = np.flatnonzero(slow)
        if len(left):
            for row, one in zip(left, self.teller.attempts(rows_in(self.table.take(left)), widen=True), strict=True):
                told[_READ].add(int(row), one.reads)
                told[_WRITE].add(int(row), one.writes)
        unsaid = [np.concatenate(one) for one in zip(*(side[1] for side in sides), strict=True)]
        return Resolved(
            joined([sides[_READ][0], told[_READ].side()]),
            joined([sides[_WRITE][0], told[_WRITE].side()]),
            self.numbers,
            frozenset(told[_READ].odd | told[_WRITE].odd),
            slow,
            (unsaid[0], unsaid[1]),
        )

    # --- shapes -----------------------------------------------------------------------------------------------------------

    def _flat(self, shapes: list[int]) -> _Flat:
        flat = _Flat(len(shapes))
        for at, number in enumerate(shapes):
            shape = self.teller.shape(number)
            flat.first[at] = len(flat.side)
            if shape.plain is None:
                continue
            plain = shape.plain
            flat.copies[at], flat.width[at] = plain.copies, len(plain.inputs) + len(plain.outputs)
            flat.dated[at], flat.keyed[at] = shape.nominal, shape.keyed
            for side, references in ((_READ, plain.inputs), (_WRITE, plain.outputs)):
                for number_of, dataset in references:
                    reference = self.teller.known.refs[number_of]
                    mode = self.teller.mode(reference, dataset) if side == _WRITE else Mode.UNKNOWN
                    flat.add(side, self.numbers.dataset(dataset), self._class(side, number_of, dataset, shape.job), _MODE[mode])
            for side, missing in ((_READ, plain.unread), (_WRITE, plain.unmade)):
                for one in missing:
                    flat.add(
                        side,
                        self.numbers.dataset(one.cell.dataset),
                        self._class(side, -1, one.cell.dataset, shape.job),
                        _MODE[Mode.UNKNOWN],
                    )
            flat.count[at] = len(flat.side) - flat.first[at]
        return flat

    def _class(self, side: int, reference: int, dataset: DatasetId, job: JobId) -> int:
        """References of one class mean the same partitions by the same words."""
        key: tuple[object, ...] = _MISSING
        if reference >= 0:
            rule, cells = self.teller.declarations.dataset(dataset), self.teller.cells
            told = self.teller.known.refs[reference]
            key = (cells.unpartitioned(dataset), rule.partition, bool(rule.nominal), told.suffixed, bool(told.inferred))
        found = self._classes.setdefault((side, *key), len(self._classes))
        if found == len(self._examples):
            self._examples.append((side, reference, dataset, job))
        return found

    # --- partitions ---------------------------------------------------------------------------------------------------------

    def _partitions(self, flat: _Flat, shape: Ints) -> tuple[Ints, Any, list[tuple[str, ...]]]:
        """Of each row which combination of slots it has (−1: to be resolved by itself); of those the partitions by position.

        Partitions are numbers in the list that comes third, −1 for none.
        """
        columns = self.columns
        widest = int(flat.count.max(initial=0)) + 1
        width, copies = flat.width[shape], flat.copies[shape]
        codes = ((columns.slots + 1) * (widest + 1) + np.maximum(width, 0)) * 64 + np.minimum(copies, 63)
        found, inverse = np.unique(codes, return_inverse=True)
        parts = np.full((len(found), widest), -1, np.int32)
        texts: dict[tuple[str, ...], int] = {}
        good = np.ones(len(found), bool)
        for at, code in enumerate(found.tolist()):
            slots = code // 64 // (widest + 1) - 1
            if slots < 0:
                continue
            said = _once(columns.texts[slots], code // 64 % (widest + 1), max(code % 64, 1))
            if said is None:
                good[at] = False
                continue
            for position, partitions in said:
                parts[at, position] = texts.setdefault(partitions, len(texts))
        return np.where(good[inverse], inverse, -1), parts, list(texts)

    def _expanded(
        self, flat: _Flat, shape: Ints, rows: Ints, combination: Ints, parts: Any, texts: list[tuple[str, ...]]
    ) -> list[tuple[Side, tuple[Ints, Ints]]]:
        """Reads and writes of the rows, each with what they leave open."""
        columns = self.columns
        of = shape[rows]
        which, position = spans(flat.first[of], flat.first[of] + flat.count[of])
        row = rows[which]
        columns_of = flat.columns
        side, kind = columns_of[0][position], columns_of[2][position]
        within = position - flat.first[shape[row]]
        part = parts[combination[row], within].astype(np.int64)
        outputs = side == _WRITE
        key = np.where(outputs & flat.keyed[shape[row]], columns.key[row], -1)
        nominal = np.where(outputs & (part < 0) & flat.dated[shape[row]], columns.nominal[row], -1)
        if len(self._classes) * (len(texts) + 1) * (len(columns.keys) + 1) * (len(columns.nominals) + 1) >= 1 << 62:
            raise NotPlain("too many combinations")
        code = (
            ((kind * (len(texts) + 1) + part + 1) * (len(columns.keys) + 1) + key + 1) * (len(columns.nominals) + 1) + nominal + 1
        )
        _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
        cells = [self._cells(int(kind[at]), texts, int(part[at]), int(key[at]), int(nominal[at])) for at in first]
        begins = np.concatenate(([0], np.cumsum([len(one) for one in cells]))).astype(np.int64)
        told = np.array([one for some in cells for one in some], np.int32).reshape(-1, 3)
        entry, at = spans(begins[inverse], begins[inverse + 1])
        sides = []
        for wanted in (_READ, _WRITE):
            chosen = side[entry] == wanted
            e, c = entry[chosen], at[chosen]
            owner = row[e].astype(np.int32)
            number = np.arange(len(owner)) - np.searchsorted(owner, owner)
            known = told[c, 1].astype(bool)
            made = Side(
                owner,
                number.astype(np.int32),
                columns_of[1][position[e]].astype(np.int32),
                told[c, 0],
                known,
                told[c, 2],
                columns_of[3][position[e]].astype(np.int32),
            )
            unsaid = ~known | (told[c, 2] == _HOW["inferred"])
            sides.append((made, (owner[unsaid].astype(np.int64), position[e[unsaid]] * 2 + (part[e[unsaid]] >= 0))))
        return sides

    def _cells(self, kind: int, texts: list[tuple[str, ...]], part: int, key: int, nominal: int) -> list[tuple[int, bool, int]]:
        """Partition, whether it is known, and how."""
        side, number, dataset, job = self._examples[kind]
        if number < 0:
            return [(0, False, _HOW["inferred"])]
        cells = self.teller.cells
        reference = self.teller.known.refs[number]
        if part >= 0:
            reference = replace(reference, partitions=tuple(map(partition_text.read, texts[part])))
        bare = Attempt("", 0, job)
        if side == _READ:
            reads = dict.fromkeys(cells.read(reference, dataset, bare, ()))
            return [(self.numbers.partition(one.cell.partition), one.cell.known, _HOW[one.how]) for one in reads]
        bare = replace(
            bare,
            nominal=None if nominal < 0 else self.columns.nominals[nominal],
            partition_key=None if key < 0 else self.columns.keys[key],
        )
        made = {cell.partition: (cell, how) for cell, how in cells.written(reference, dataset, bare)}
        return [(self.numbers.partition(cell.partition), cell.known, _HOW[how]) for cell, how in made.values()]


class _Flat:
    """The references of some shapes one after the other; ``width`` is −1 of shapes that are resolved row by row."""

    def __init__(self, count: int) -> None:
        self.first, self.count, self.copies = np.zeros((3, count), np.int64)
        self.width = np.full(count, -1)
        self.dated, self.keyed = np.zeros((2, count), bool)
        self.side: list[tuple[int, int, int, int]] = []

    def add(self, side: int, dataset: int, kind: int, mode: int) -> None:
        self.side.append((side, dataset, kind, mode))

    @property
    def columns(self) -> Any:
        """Side, dataset, class and mode."""
        return np.array(self.side, np.int64).reshape(-1, 4).T


def _once(text: str, width: int, copies: int) -> _Said | None:
    """What the first copy of the references is said to be, if all others are said to be the same, and none names a version."""
    slots = orjson.loads(text)
    count = len(slots) // copies
    if len(slots) != count * copies:
        return None
    first: _Said = []
    for position, partitions, version in slots[:count]:
        if version is not None or position >= width:
            return None
        first.append((position, tuple(partitions)))
    for number, (position, partitions, version) in enumerate(slots[count:], count):
        said = first[number % count]
        if version is not None or position != said[0] + number // count * width or tuple(partitions) != said[1]:
            return None
    return first
