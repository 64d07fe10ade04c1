"""Mappings from small whole numbers, such as the indices of a plan's actions, that cost a few bytes an entry.

A journal of a million actions holds times and version ids for each; as objects that is a gigabyte, in arrays some ten megabytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, MutableMapping

_ABSENT = -(2**63)


class Numbers(MutableMapping[int, int]):
    """Index → a 64-bit number; 8 bytes an index."""

    __slots__ = ("_count", "_kept")

    def __init__(self) -> None:
        self._kept = array("q")
        self._count = 0

    def __getitem__(self, index: int) -> int:
        found = self._kept[index] if 0 <= index < len(self._kept) else _ABSENT
        if found == _ABSENT:
            raise KeyError(index)
        return found

    def __setitem__(self, index: int, value: int) -> None:
        if index >= len(self._kept):
            self._kept.extend([_ABSENT] * (index + 1 - len(self._kept)))
        self._count += self._kept[index] == _ABSENT
        self._kept[index] = value

    def __delitem__(self, index: int) -> None:
        if index not in self:
            raise KeyError(index)
        self._kept[index] = _ABSENT
        self._count -= 1

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and 0 <= index < len(self._kept) and self._kept[index] != _ABSENT

    def add(self, indices: Iterable[int], value: int) -> None:
        """One value for each of these that has none yet."""
        for index in indices:
            if index >= len(self._kept) or self._kept[index] == _ABSENT:
                self[index] = value

    def put(self, indices: Iterable[int], value: int) -> None:
        """One value for each of these, whatever they had."""
        for index in indices:
            self[index] = value

    def drop(self, indices: Iterable[int]) -> None:
        """Away with these, as far as they are there."""
        kept, size, gone = self._kept, len(self._kept), 0
        if not self._count:
            return
        for index in indices:
            if 0 <= index < size and kept[index] != _ABSENT:
                kept[index] = _ABSENT
                gone += 1
        self._count -= gone

    def discard(self, index: int) -> None:
        """Away with it, if it is there."""
        if index in self:
            del self[index]

    def __iter__(self) -> Iterator[int]:
        return (index for index, value in enumerate(self._kept) if value != _ABSENT)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return repr(dict(self))


class Texts(MutableMapping[int, str]):
    """Index → text, one after the other in one buffer. What is replaced or deleted still takes its room."""

    __slots__ = ("_buffer", "_places")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._places = Numbers()

    def __getitem__(self, index: int) -> str:
        at = self._places[index]
        size = int.from_bytes(self._buffer[at : at + 4], "little")
        return self._buffer[at + 4 : at + 4 + size].decode("utf-8", "surrogatepass")

    def __setitem__(self, index: int, value: str) -> None:
        data = value.encode("utf-8", "surrogatepass")
        self._places[index] = len(self._buffer)
        self._buffer += len(data).to_bytes(4, "little") + data

    def __delitem__(self, index: int) -> None:
        del self._places[index]

    def discard(self, index: int) -> None:
        """Away with it, if it is there."""
        self._places.discard(index)

    def __contains__(self, index: object) -> bool:
        return index in self._places

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return repr(dict(self))
