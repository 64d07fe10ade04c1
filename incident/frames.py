"""Many values in compressed frames on disk, of which only the few in use are in memory.

A frame is one zstd frame of at most ``LINES`` values. Each is read by its place and checked by its digest, so that a file that
changed under us is noticed before anything in it is believed.
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Generic, TypeVar, overload

from incident.errors import IncidentError, TimelineUnwritable

LINES = 1_000
_DECODED = 16
"""Frames kept decoded, of all files together: those in use, and a few that another thread or the next look comes back to."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a frame lies in its file, how many values it holds, and the SHA-256 of its bytes there."""

    offset: int
    length: int
    count: int
    digest: bytes


Raw = Callable[[Frame], bytes]
"""The bytes that lie where a frame is said to lie."""


def compress(data: bytes, level: int = 3) -> bytes:
    """One zstd frame that knows its length."""
    import zstandard

    return zstandard.ZstdCompressor(level=level).compress(data)


def decompress(data: bytes, what: str) -> bytes:
    """Raises IncidentError when it is no zstd frame. ``what`` names the file."""
    import zstandard

    try:
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise IncidentError(f"{what} cannot be read: {error}", "plan again", code="plan-damaged") from error


class Source(Generic[T]):
    """The frames of one sequence, as they are read."""

    def __init__(self, frames: Sequence[Frame], raw: Raw, decode: Callable[[bytes], Sequence[T]], what: str) -> None:
        self._frames, self._raw, self._decode, self._what = frames, raw, decode, what

    def values(self, number: int) -> Sequence[T]:
        return self._decode(decompress(self.raw(self._frames[number]), self._what))

    def raw(self, frame: Frame) -> bytes:
        data = self._raw(frame)
        if hashlib.sha256(data).digest() != frame.digest:
            raise IncidentError(f"{self._what} was changed while it was in use", "plan again", code="plan-damaged")
        return data


@lru_cache(maxsize=_DECODED)
def _recent(source: Source[T], number: int) -> Sequence[T]:
    """One cache for all: there may be a thousand sequences, each of one frame."""
    return source.values(number)


class Framed(Sequence[T]):
    """A sequence that lies in frames. ``decode`` makes the values of a frame from its uncompressed bytes; ``what`` names the file.

    Going through it and taking values by index raise IncidentError where the file is not what it was.
    """

    def __init__(self, frames: Sequence[Frame], raw: Raw, decode: Callable[[bytes], Sequence[T]], what: str) -> None:
        self.frames = tuple(frames)
        self.source = Source(self.frames, raw, decode, what)
        self._ends = list(accumulate(one.count for one in self.frames))

    def _values(self, number: int) -> Sequence[T]:
        return _recent(self.source, number)

    def raw(self, frame: Frame) -> bytes:
        """A frame as it lies there, still compressed, and certainly what it was. Raises IncidentError."""
        return self.source.raw(frame)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...
    def __getitem__(self, at: int | slice) -> T | Sequence[T]:
        if isinstance(at, slice):
            start, stop, step = at.indices(len(self))
            if step == 1:
                return tuple(self._between(start, stop))
            return tuple(self[index] for index in range(start, stop, step))
        index = at + len(self) if at < 0 else at
        if not 0 <= index < len(self):
            raise IndexError(at)
        number = bisect_right(self._ends, index)
        return self._values(number)[index - (self._ends[number] - self.frames[number].count)]

    def _between(self, start: int, stop: int) -> Iterator[T]:
        number = bisect_right(self._ends, start)
        while start < stop:
            first = self._ends[number] - self.frames[number].count
            yield from self._values(number)[start - first : stop - first]
            start, number = self._ends[number], number + 1

    def __iter__(self) -> Iterator[T]:
        for number in range(len(self.frames)):
            yield from self.source.values(number)

    def __reversed__(self) -> Iterator[T]:
        for number in reversed(range(len(self.frames))):
            yield from reversed(self.source.values(number))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as long as a list


class Spool:
    """A file without a name, gone with the process, that several threads append frames to. It lies in ``folder``, if one is given.

    ``level``: how hard zstd tries; below zero it hardly does, and costs next to nothing.

    Raises TimelineUnwritable where there is no room for it.
    """

    def __init__(self, folder: Path | None, level: int = 3) -> None:
        import tempfile

        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".spool-", dir=folder)
            Path(name).unlink()
        except OSError as error:
            raise _no_room(error) from error
        self._handle, self._level, self._end, self._lock = handle, level, 0, threading.Lock()
        weakref.finalize(self, os.close, handle)

    def add(self, data: bytes, count: int) -> Frame:
        """Append ``count`` values as one frame."""
        packed = compress(data, self._level)
        with self._lock:
            frame = Frame(self._end, len(packed), count, hashlib.sha256(packed).digest())
            try:
                written = 0
                while written < len(packed):
                    written += os.pwrite(self._handle, packed[written:], self._end + written)
            except OSError as error:
                raise _no_room(error) from error
            self._end += len(packed)
        return frame

    def raw(self, frame: Frame) -> bytes:
        return os.pread(self._handle, frame.length, frame.offset)


def _no_room(error: OSError) -> TimelineUnwritable:
    return TimelineUnwritable(
        f"what was found in storage could not be kept for planning: {error.strerror or error}; nothing was changed",
        "make room in the home, or name another with --home",
    )
