"""Which partitions the slots of rows name, as numbers: each distinct text is looked at once, and most by their form alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import orjson

from lineage.arrays.facts import Ints, distinct

_Names = list[tuple[int, tuple[str, ...]]]
"""Positions of references, and the partitions that they name as text."""


@dataclass(frozen=True, slots=True)
class Said:
    """What rows say: the partitions of each position.

    ``of``: by row, a row of ``parts`` (−1: it has to be looked at by itself); ``parts``: by position a number in ``texts``, or −1.
    """

    of: Ints
    parts: npt.NDArray[np.int32]
    texts: Sequence[tuple[str, ...]]


def said_once(slots: Ints, texts: Sequence[str], width: Ints, copies: Ints, widest: int) -> Said:
    """What rows say. ``slots``: by row a number in ``texts``, −1 for none; ``width`` and ``copies`` of their shapes' references."""
    forms = int(copies.max(initial=0)) + 1
    codes = ((slots + 1) * (widest + 1) + np.maximum(width, 0)) * forms + copies
    found, inverse = distinct(codes, (len(texts) + 1) * (widest + 1) * forms)
    parts = np.full((len(found), widest + 1), -1, np.int32)
    good = np.ones(len(found), bool)
    told: dict[tuple[str, ...], int] = {}
    positions: dict[tuple[str, int, int], tuple[int, ...] | None] = {}
    rows: list[int] = []
    places: list[tuple[int, ...]] = []
    number = _Numbers()
    names: list[int] = []
    for at, code in enumerate(found.tolist()):
        rest, often = divmod(code, forms)
        text_of, wide = divmod(rest, widest + 1)
        if not text_of:
            continue
        text, often = texts[text_of - 1], max(often, 1)
        pieces = text.split('"')
        place = None
        if "\\" not in text:  # else what stands between two quotes may be of any form
            form = '"'.join(pieces[::2]), wide, often
            if form not in positions:
                positions[form] = _positions(text, wide, often)
            place = positions[form]
        if place is not None:
            named = pieces[1::2]
            first = named[: len(place)]
            good[at] = often == 1 or named == first * often
            rows.append(at)
            places.append(place)
            names.extend(map(number.__getitem__, first))
        elif (said := _said(text, wide, often)) is None:
            good[at] = False
        else:
            for position, partitions in said:
                parts[at, position] = told.setdefault(partitions, len(told))
    number_of = np.array([told.setdefault((name,), len(told)) for name in number], np.int32)
    owner = np.repeat(np.array(rows, np.int64), [len(one) for one in places])
    parts[owner, np.fromiter(chain.from_iterable(places), np.int64, len(owner))] = number_of[names] if names else 0
    return Said(np.where(good[inverse], inverse, -1), parts, list(told))


class _Numbers(dict[str, int]):
    """Numbers for names, in the order in which they appear."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number


def _positions(text: str, width: int, copies: int) -> tuple[int, ...] | None:
    """The positions that texts of this form name, once for all copies; None unless each names one partition and no version."""
    slots = orjson.loads(text)
    count = len(slots) // copies
    expected = [slots[number % count][0] + number // count * width for number in range(len(slots))] if count else []
    simple = all(len(partitions) == 1 and version is None for _, partitions, version in slots)
    first = tuple(position for position, _, _ in slots[:count])
    if not simple or len(slots) != count * copies or any(position >= width for position in first):
        return None
    return first if [position for position, _, _ in slots] == expected else None


def _said(text: str, width: int, copies: int) -> _Names | None:
    """What the first copy of the references is said to be, if all others are said to be the same, and none names a version."""
    slots = orjson.loads(text)
    count = len(slots) // copies
    if len(slots) != count * copies:
        return None
    first: _Names = []
    for position, partitions, version in slots[:count]:
        if version is not None or position >= width:
            return None
        first.append((position, tuple(partitions)))
    for number, (position, partitions, version) in enumerate(slots[count:], count):
        said = first[number % count]
        if version is not None or position != said[0] + number // count * width or tuple(partitions) != said[1]:
            return None
    return first
