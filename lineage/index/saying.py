"""Which partitions the slots of rows name, as numbers: what many rows say alike is looked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import orjson

from lineage.arrays.facts import Ints, Small, distinct
from lineage.arrays.places import spans

if TYPE_CHECKING:
    import pyarrow as pa

_Slots = tuple[tuple[int, tuple[int, ...]], ...]
"""Positions of references, and which of the partitions of its row each names."""


@dataclass(frozen=True, slots=True)
class Said:
    """What rows say: the partitions of each position.

    ``of``: by row, a row of ``parts`` (−1: it has to be looked at by itself); ``parts``: by position a number in ``texts``, or −1.
    """

    of: Ints
    parts: npt.NDArray[np.int32]
    texts: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Saying:
    """The columns ``slots`` and ``partitions`` of rows: by row numbers in the texts that they have; −1 for none."""

    slots: Small
    forms: pa.StringArray
    partitions: Small
    lists: pa.StringArray

    def said(self, width: Ints, copies: Ints) -> Said:
        """What rows say whose shapes have so many references, told by so many events."""
        widest, copying = int(width.max(initial=0)), int(copies.max(initial=0)) + 1
        codes = ((self.slots.astype(np.int64) + 1) * (widest + 1) + np.maximum(width, 0)) * copying + copies
        kinds, kind = distinct(codes, (len(self.forms) + 1) * (widest + 1) * copying)
        told = [self._slots(*self._apart(int(one), widest, copying)) for one in kinds]
        lists = len(self.lists) + 1
        alike, of = distinct(np.multiply(kind, lists, dtype=np.int64) + self.partitions + 1, len(kinds) * lists)
        parts, texts = self._parts(*np.divmod(alike, lists), told, widest)
        good = np.array([one is not None for one in told], bool)
        return Said(np.where(good[kind], of, -1), parts, texts)

    def _apart(self, code: int, widest: int, copying: int) -> tuple[int, int, int]:
        """Slots, width and copies."""
        rest, copies = divmod(code, copying)
        form, width = divmod(rest, widest + 1)
        return form - 1, width, copies

    def _slots(self, form: int, width: int, copies: int) -> _Slots | None:
        """What slots say of each copy; None where copies differ, or a version is named."""
        if form < 0:
            return ()
        offsets, told = orjson.loads(self.forms[form].as_py())
        if offsets != [copy * width for copy in range(copies)] or any(len(one) > 2 or one[0] >= width for one in told):
            return None
        return tuple((position, tuple(which)) for position, which in told)

    def _parts(
        self, kind: Ints, named: Ints, told: Sequence[_Slots | None], widest: int
    ) -> tuple[npt.NDArray[np.int32], list[tuple[str, ...]]]:
        """Of each kind of slots with one of the lists (0: none) its partitions by position, and what these are."""
        where: dict[tuple[int, ...], int] = {}
        slots = [(at, where.setdefault(which, len(where))) for one in told for at, which in one or ()]
        position, indices = np.array(slots, np.int64).reshape(-1, 2).T
        first = np.cumsum([0, *(len(one or ()) for one in told)])
        which, at = spans(first[kind], first[kind + 1])
        lists = len(self.lists) + 1
        used, number = distinct(indices[at] * lists + named[which], len(where) * lists)
        read: dict[int, list[str]] = {0: []}
        of, texts, patterns = [], dict[tuple[str, ...], int](), list(where)
        for pattern, one in zip(*(column.tolist() for column in np.divmod(used, lists)), strict=True):
            if one not in read:
                read[one] = orjson.loads(self.lists[one - 1].as_py())
            names = read[one]
            of.append(texts.setdefault(tuple([names[index] for index in patterns[pattern]]), len(texts)))
        parts = np.full((len(kind), widest + 1), -1, np.int32)
        parts[which, position[at]] = np.array(of, np.int32)[number]
        return parts, list(texts)
