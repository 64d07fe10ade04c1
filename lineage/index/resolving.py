"""From the rows of an index to reads and writes as columns: what ``told`` does row by row, for all rows at once.

What an attempt reads and writes is told by its shape (which references), its slots (which partitions of them), and at times its
nominal time or partition key. Each distinct combination of what decides about one reference is resolved once, by ``lineage.cells``,
and stands for all. Rows of shapes whose references depend on one another are resolved one by one, by ``told``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lineage.arrays.facts import HOWS, MODES, Bools, Ints, NotPlain, Numbers, Side, Small, Told, distinct, end_to_end, joined
from lineage.arrays.places import spans
from lineage.attempts import Attempt, Mode
from lineage.datasets import DatasetId, JobId
from lineage.events import DatasetRef
from lineage.index import partition_text
from lineage.index.saying import Said, Saying
from lineage.index.schema import rows_in
from lineage.index.told import Teller

if TYPE_CHECKING:
    import pyarrow as pa

_HOW = {how: number for number, how in enumerate(HOWS)}
_MODE = {mode: number for number, mode in enumerate(MODES)}
_READ, _WRITE = 0, 1
_MISSING = ("missing",)
_BLOCK = 1 << 15
"""Rows that are resolved together: what is needed meanwhile is some MB."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What decides about the cells of rows. ``key`` and ``nominal``: numbers in ``keys`` and ``nominals``, −1 for none."""

    shape: Small
    saying: Saying
    key: Small
    keys: Sequence[str]
    nominal: Small
    nominals: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Resolved:
    """Reads and writes of what matters.

    ``one_by_one``: rows that were; ``unsaid``: (row, code) of what rows leave open, of what does not matter too, where equal codes
    leave the same open.
    """

    reads: Side
    writes: Side
    numbers: Numbers
    odd: frozenset[int]
    one_by_one: Bools
    unsaid: tuple[Small, Small]


@dataclass
class Resolver:
    """``taken``: some of the rows themselves, to look at them one by one; ``within``: datasets that matter, None for all."""

    teller: Teller
    taken: Callable[[Ints], pa.Table]
    columns: Columns
    within: Collection[DatasetId] | None = None
    numbers: Numbers = field(default_factory=Numbers)
    _classes: dict[object, int] = field(default_factory=dict)
    _examples: list[tuple[int, int, DatasetId, JobId, int]] = field(default_factory=list)
    """Of each class a reference by side and number, its dataset and job, and the number of its layout."""
    _layouts: dict[object, int] = field(default_factory=dict)
    _memo: dict[int, list[tuple[int, bool, int]]] = field(default_factory=dict)
    _observed: dict[tuple[int, int], list[tuple[int, bool]]] = field(default_factory=dict)

    def resolve(self) -> Resolved:
        """The reads and writes of all rows."""
        columns = self.columns
        used, shape = distinct(columns.shape, int(columns.shape.max(initial=0)) + 1)
        flat = self._flat([int(one) for one in used])
        width, copies = flat.width[shape], flat.copies[shape]
        said = columns.saying.said(width, copies)
        slow = (width < 0) | (said.of < 0)
        rows = np.flatnonzero(~slow)
        sides = [self._expanded(flat, shape, rows, side, said) for side in (_READ, _WRITE)]
        told = Told(self.numbers), Told(self.numbers)
        left = np.flatnonzero(slow)
        if len(left):
            for row, one in zip(left, self.teller.attempts(rows_in(self.taken(left)), widen=True), strict=True):
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
            plain = shape.plain
            if plain is not None:
                flat.copies[at], flat.width[at] = plain.copies, len(plain.inputs) + len(plain.outputs)
                flat.dated[at], flat.keyed[at] = shape.nominal, shape.keyed
                position = 0
                for side, references in ((_READ, plain.inputs), (_WRITE, plain.outputs)):
                    for number_of, dataset in references:
                        reference = self.teller.known.refs[number_of]
                        mode = self.teller.mode(reference, dataset) if side == _WRITE else Mode.UNKNOWN
                        kind = self._class(side, number_of, dataset, shape.job)
                        flat.add(side, position, self.numbers.dataset(dataset), kind, _MODE[mode])
                        position += 1
                for side, missing in ((_READ, plain.unread), (_WRITE, plain.unmade)):
                    for one in missing:
                        dataset = one.cell.dataset
                        kind = self._class(side, -1, dataset, shape.job)
                        flat.add(side, -1, self.numbers.dataset(dataset), kind, _MODE[Mode.UNKNOWN])
            flat.close(at)
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
            layout = self.teller.declarations.dataset(dataset).partition if reference >= 0 else None
            self._examples.append((side, reference, dataset, job, self._layouts.setdefault(layout, len(self._layouts))))
        return found

    # --- partitions ---------------------------------------------------------------------------------------------------------

    def _expanded(self, flat: _Flat, shape: Small, rows: Ints, side: int, said: Said) -> tuple[Side, tuple[Small, Small]]:
        """Reads or writes of the rows, and what they leave open."""
        blocks = [self._block(flat, shape, rows[at : at + _BLOCK], side, said) for at in range(0, max(len(rows), 1), _BLOCK)]
        unsaid = [np.concatenate(one) for one in zip(*(open_ for _, open_ in blocks), strict=True)]
        return end_to_end([one for one, _ in blocks]), (unsaid[0], unsaid[1])

    def _block(self, flat: _Flat, shape: Small, rows: Ints, side: int, said: Said) -> tuple[Side, tuple[Small, Small]]:
        columns = self.columns
        of = shape[rows]
        which, at = spans(flat.first[side][of], flat.first[side][of + 1])
        position, dataset, kind, mode = flat.columns(side)[:, at]
        row = rows[which]
        part = np.where(position < 0, -1, said.parts[said.of[row], position])
        key = nominal = np.full(1, -1, np.int64)
        if side == _WRITE:
            key = np.where(flat.keyed[shape[row]], columns.key[row], -1)
            nominal = np.where((part < 0) & flat.dated[shape[row]], columns.nominal[row], -1)
        # a partition is named, or else the nominal time may tell it: never both
        texts, keys = len(said.texts), len(columns.keys) + 1
        told = np.where(part >= 0, part, texts + 1 + nominal)
        width = texts + len(columns.nominals) + 1
        if (space := len(self._classes) * keys * width) >= 1 << 62:
            raise NotPlain("too many combinations")
        used, inverse = distinct((np.multiply(kind, keys, dtype=np.int64) + key + 1) * width + told, space)
        cells = []
        for one in used.tolist():
            if one not in self._memo:
                self._memo[one] = self._cells(said.texts, *_apart(one, keys, width, texts))
            cells.append(self._memo[one])
        counts = np.array([len(one) for one in cells], np.int64)
        found = np.array([one for some in cells for one in some], np.int32).reshape(-1, 3)
        if len(found) == len(cells):
            cell: Ints | Small = inverse
        else:
            first = np.cumsum(counts) - counts
            entry, cell = spans(first[inverse], first[inverse] + counts[inverse])
            row, position, dataset, mode, part = row[entry], position[entry], dataset[entry], mode[entry], part[entry]
            at = at[entry]
        known, how = found[:, 1].astype(bool)[cell], found[:, 2].astype(np.int8)[cell]
        changes = np.flatnonzero(np.diff(row, prepend=-1))
        number = np.arange(len(row)) - np.repeat(changes, np.diff(changes, append=len(row)))
        made = Side(row.astype(np.int32), number.astype(np.int32), dataset, found[cell, 0], known, how, mode.astype(np.int8))
        unsaid = np.flatnonzero(~known | (how == _HOW["inferred"]))
        if self.within is not None:
            made = made.chosen(self._matters[dataset])
        codes = (at[unsaid] * 2 + side) * 2 + (part[unsaid] >= 0)
        return made, (row[unsaid].astype(np.int32), codes.astype(np.int32))

    @cached_property
    def _matters(self) -> Bools:
        """By number of a dataset; once all of the shapes were distinct."""
        return np.array([self.within is None or one in self.within for one in self.numbers.datasets], bool)

    def _cells(self, texts: Sequence[tuple[str, ...]], kind: int, key: int, part: int, nominal: int) -> list[tuple[int, bool, int]]:
        """Partition, whether it is known, and how."""
        side, number, dataset, job, layout = self._examples[kind]
        if number < 0:
            return [(0, False, _HOW["inferred"])]
        cells, told = self.teller.cells, self.teller.known.refs[number]
        if part >= 0 and texts[part] and key < 0 and not told.inferred:
            observed = self._named(dataset, layout, part, texts[part])
            several = dict.fromkeys(observed) if side == _READ else {one[0]: one for one in observed}.values()
            return [(partition, known, _HOW["observed"]) for partition, known in several]
        named = tuple(map(partition_text.read, texts[part])) if part >= 0 else ()
        reference = DatasetRef(told.dataset, named, told.suffixed, inferred=told.inferred)  # what tells classes apart
        if side == _READ:
            reads = dict.fromkeys(cells.read(reference, dataset, Attempt("", 0, job), ()))
            return [(self.numbers.partition(one.cell.partition), one.cell.known, _HOW[one.how]) for one in reads]
        bare = Attempt(
            "",
            0,
            job,
            nominal=None if nominal < 0 else self.columns.nominals[nominal],
            partition_key=None if key < 0 else self.columns.keys[key],
        )
        made = {cell.partition: (cell, how) for cell, how in cells.written(reference, dataset, bare)}
        return [(self.numbers.partition(cell.partition), cell.known, _HOW[how]) for cell, how in made.values()]

    def _named(self, dataset: DatasetId, layout: int, part: int, texts: Sequence[str]) -> list[tuple[int, bool]]:
        """The partitions that somebody names, and whether that tells them; the same for all datasets of a layout."""
        if (layout, part) not in self._observed:
            cells = self.teller.cells.named(dataset, map(partition_text.read, texts))
            self._observed[layout, part] = [(self.numbers.partition(one.partition), one.known) for one in cells]
        return self._observed[layout, part]


class _Flat:
    """The references of some shapes by side, those of a shape together; ``width`` is −1 of shapes that are resolved row by row."""

    def __init__(self, count: int) -> None:
        self.copies = np.zeros(count, np.int64)
        self.width = np.full(count, -1)
        self.dated, self.keyed = np.zeros((2, count), bool)
        self.first = np.zeros((2, count + 1), np.int64)
        """By side and shape, where its references begin."""
        self._told: tuple[list[tuple[int, int, int, int]], ...] = ([], [])
        self._columns: dict[int, npt.NDArray[np.int32]] = {}

    def add(self, side: int, position: int, dataset: int, kind: int, mode: int) -> None:
        self._told[side].append((position, dataset, kind, mode))

    def close(self, at: int) -> None:
        """All references of this shape were added."""
        self.first[:, at + 1] = [len(one) for one in self._told]

    def columns(self, side: int) -> npt.NDArray[np.int32]:
        """Position in the shape (−1: missing from it), dataset, class and mode."""
        if side not in self._columns:
            self._columns[side] = np.array(self._told[side], np.int32).reshape(-1, 4).T.copy()
        return self._columns[side]


def _apart(code: int, keys: int, width: int, texts: int) -> tuple[int, int, int, int]:
    """Class, partition key, what names partitions, and nominal time; −1 for none of the last three."""
    rest, told = divmod(code, width)
    kind, key = divmod(rest, keys)
    return (kind, key - 1, told, -1) if told < texts else (kind, key - 1, -1, told - texts - 1)
