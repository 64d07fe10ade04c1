"""Which partitions the slots of rows name, as numbers: all texts are cut at once, and told by the form around the names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import orjson

from lineage.arrays.facts import Bools, Ints, distinct
from lineage.arrays.places import spans

if TYPE_CHECKING:
    import pyarrow as pa

_Names = list[tuple[int, tuple[str, ...]]]
"""Positions of references, and the partitions that they name as text."""
_Slots = tuple[tuple[int, int], ...]
"""Positions of references, and how many partitions each names."""
_QUOTE = ord('"')
_ODD = np.uint64(0x9E3779B97F4A7C15)
_BLOCK = 1 << 14
"""Texts that are cut together: what is needed meanwhile is some MB."""


@dataclass(frozen=True, slots=True)
class Said:
    """What rows say: the partitions of each position.

    ``of``: by row, a row of ``parts`` (−1: it has to be looked at by itself); ``parts``: by position a number in ``texts``, or −1.
    """

    of: Ints
    parts: npt.NDArray[np.int32]
    texts: Sequence[tuple[str, ...]]


def said_once(slots: Ints, texts: pa.StringArray, width: Ints, copies: Ints, widest: int) -> Said:
    """What rows say. ``slots``: by row a number in ``texts``, −1 for none; ``width`` and ``copies`` of their shapes' references."""
    copying = int(copies.max(initial=0)) + 1
    codes = ((slots + 1) * (widest + 1) + np.maximum(width, 0)) * copying + copies
    found, inverse = distinct(codes, (len(texts) + 1) * (widest + 1) * copying)
    rest, often = np.divmod(found, copying)
    number, wide = np.divmod(rest, widest + 1)
    text = number - 1
    parts = np.full((len(found), widest + 1), -1, np.int32)
    good = np.ones(len(found), bool)
    told: dict[tuple[str, ...], int] = {}
    for begin in range(0, len(texts), _BLOCK):
        first, last = np.searchsorted(text, (begin, begin + _BLOCK))
        some = (text[first:last] - begin, wide[first:last], np.maximum(often[first:last], 1))
        good[first:last] = _Saying(texts[begin : begin + _BLOCK], *some, parts[first:last], told).look()
    return Said(np.where(good[inverse], inverse, -1), parts, list(told))


class _Cut:
    """Texts cut before each quote: the pieces with odd places within a text are the names, the even ones what is around them."""

    def __init__(self, texts: pa.StringArray) -> None:
        import pyarrow as pa

        _, offsets, data = texts.buffers()
        begins = np.frombuffer(offsets, np.int64 if pa.types.is_large_string(texts.type) else np.int32)
        begins = begins[texts.offset : texts.offset + len(texts) + 1]
        data = pa.py_buffer(b"") if data is None else data.slice(int(begins[0]), int(begins[-1] - begins[0]))
        begins = begins - begins[0]
        whole = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(whole == _QUOTE)
        before = np.searchsorted(quotes, begins)
        self.quotes: Ints = np.diff(before)
        """How many each text has."""
        self.first: Ints = before[:-1] + np.arange(len(texts))
        """Where in ``code`` the pieces of each text begin."""
        cuts = np.insert(quotes, before[:-1], begins[:-1])
        pieces = pa.StringArray.from_buffers(len(cuts), pa.py_buffer(np.append(cuts, begins[-1:]).astype(np.int32)), data)
        encoded = pieces.dictionary_encode()
        self.code: Ints = encoded.indices.to_numpy().astype(np.int64)
        self.words: pa.StringArray = encoded.dictionary
        self.plain: Bools = self.quotes % 2 == 0
        slashes = [one.start() for one in re.finditer(rb"\\", data)]
        escaped = np.searchsorted(begins, np.array(slashes, np.int64), "right") - 1
        self.plain[escaped] = False  # what is between quotes there may be of any form

    def forms(self) -> Ints:
        """Of each text a text with the same around its names; −1 of those that are not plain."""
        of, at = spans(np.zeros(len(self.plain), np.int64), np.where(self.plain, self.quotes // 2 + 1, 0))
        around = self.code[self.first[of] + 2 * at]
        powers = np.cumprod(np.full(int(at.max(initial=0)) + 1, _ODD), dtype=np.uint64)
        sums = np.zeros(len(self.plain), np.uint64)
        np.add.at(sums, of, (around + 1).astype(np.uint64) * powers[at])
        _, first, inverse = np.unique(sums, return_index=True, return_inverse=True)
        alike = np.where(self.plain, first[inverse], -1)
        other = (self.quotes[alike] != self.quotes) | ~self.plain[alike]
        same = ~other[of]
        other[of[same][around[same] != self.code[self.first[alike[of[same]]] + 2 * at[same]]]] = True
        alike[other] = -1  # of another form, by accident of the same sum
        return alike


@dataclass
class _Saying:
    """Each distinct ``text`` with the ``wide`` of its references, and how ``often`` they are told; fills ``parts`` and ``told``."""

    texts: pa.StringArray
    text: Ints
    wide: Ints
    often: Ints
    parts: npt.NDArray[np.int32]
    told: dict[tuple[str, ...], int]

    def look(self) -> Bools:
        """Which of them this tells."""
        good = np.ones(len(self.text), bool)
        cut = _Cut(self.texts)
        form = cut.forms()[self.text]
        there = np.flatnonzero(form >= 0)
        kinds = (form[there] * (int(self.wide.max(initial=0)) + 1) + self.wide[there]) * (int(self.often.max(initial=0)) + 1)
        _, first, kind = np.unique(kinds + self.often[there], return_index=True, return_inverse=True)
        examples = there[first]
        columns = (one[examples].tolist() for one in (form, self.wide, self.often))
        slots = [_slots(self.texts[text].as_py(), wide, often) for text, wide, often in zip(*columns, strict=True)]
        simple = np.array([one is not None and all(count == 1 for _, count in one) for one in slots], bool)[kind]
        self._by_position(cut, there[simple], kind[simple], slots, good)
        alone = np.ones(len(self.text), bool)
        alone[there[simple]] = False
        lists: dict[bytes, int] = {}
        for at, of in zip(there[~simple].tolist(), kind[~simple].tolist(), strict=True):
            if (several := slots[of]) is not None:
                alone[at] = False
                good[at] = self._by_lists(cut, at, several, lists)
        for at in np.flatnonzero(alone).tolist():
            good[at] = self._by_itself(at)
        return good

    def _by_position(self, cut: _Cut, which: Ints, kind: Ints, slots: Sequence[_Slots | None], good: Bools) -> None:
        """Those whose form tells which position each name is of."""
        named = np.array([len(one or ()) for one in slots], np.int64)
        begins = np.cumsum(named) - named
        positions = np.array([position for one in slots for position, _ in one or ()], np.int64)
        first = cut.first[self.text[which]] + 1
        of, at = spans(np.zeros(len(which), np.int64), named[kind] * self.often[which])
        names = cut.code[first[of] + 2 * at]
        again = at >= named[kind[of]]
        if bool(np.any(again)):
            same = names == cut.code[first[of] + 2 * (at % named[kind[of]])]
            good[which[of[~same]]] = False
            of, at, names = of[~again], at[~again], names[~again]
        used, number = distinct(names, len(cut.words))
        numbers = [self._number((word[1:],)) for word in cut.words.take(used).to_pylist()]
        self.parts[which[of], positions[begins[kind[of]] + at]] = np.array(numbers, np.int32)[number]

    def _by_lists(self, cut: _Cut, at: int, slots: _Slots, lists: dict[bytes, int]) -> bool:
        """One whose form tells how many names each position has. ``lists``: the numbers of those that were seen."""
        text = int(self.text[at])
        first = cut.first[text] + 1
        codes = cut.code[first : first + int(cut.quotes[text]) : 2].reshape(int(self.often[at]), -1)
        begin = 0
        for position, count in slots:
            several = codes[0, begin : begin + count]
            begin += count
            key = several.tobytes()
            if key not in lists:
                lists[key] = self._number(tuple(word[1:] for word in cut.words.take(several).to_pylist()))
            self.parts[at, position] = lists[key]
        return len(codes) == 1 or bool((codes == codes[0]).all())

    def _number(self, partitions: tuple[str, ...]) -> int:
        return self.told.setdefault(partitions, len(self.told))

    def _by_itself(self, at: int) -> bool:
        said = _said(self.texts[int(self.text[at])].as_py(), int(self.wide[at]), int(self.often[at]))
        for position, partitions in said or ():
            self.parts[at, position] = self._number(partitions)
        return said is not None


def _slots(text: str, width: int, copies: int) -> _Slots | None:
    """What texts of this form name, told once for all copies; None where the form does not tell it, or a version is named."""
    slots = orjson.loads(text)
    told = [(position, len(partitions)) for position, partitions, version in slots if version is None]
    first = told[: len(slots) // copies]
    expected = [(position + copy * width, named) for copy in range(copies) for position, named in first]
    if len(told) != len(slots) or told != expected or any(position >= width for position, _ in first):
        return None
    return tuple(first)


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
