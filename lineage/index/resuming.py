"""How far a source file was read, and reading on from there: only the new tail of a growing one."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from lineage.decoding.batches import read_batches
from lineage.decoding.filling import Filling
from lineage.decoding.streams import BUFFER, Range
from lineage.decoding.together import read_together
from lineage.decoding.workers import Helper, pays
from lineage.index.batch import Batch
from lineage.index.manifest import Known, Note
from lineage.sources import Problems
from lineage.sources.openlineage import by_lines

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_TAIL = 4096
_CHUNK = 1 << 20


@dataclass(slots=True)
class Reading:
    """One file being read. ``known`` is what to remember of it once all batches were taken."""

    name: str
    known: Known
    problems: list[Note] = field(default_factory=list)
    """Of this file, those of its part that was read before included."""
    new: int = 0
    """Events that this reading gave, less those of a loose line that an earlier one gave."""
    told: int = 0
    """Events that this reading gave."""


def read_on(
    name: str,
    stamp: tuple[object, ...],
    opener: Callable[[], BinaryIO],
    before: Known | None,
    noted: list[Note],
    filling: Filling,
    helper: Helper,
) -> tuple[Reading, Iterator[Batch]]:
    """A reading of what is new in a file, and its batches; ``noted``: its problems so far; the last two are for all files.

    What ``filling`` still holds after the last batch goes on with the next file.

    Whatever is not certainly the same file grown longer is read from its beginning: what it repeats changes nothing.
    """
    reading = Reading(name, Known(stamp), list(noted))
    return reading, _batches(reading, stamp, opener, before, filling, helper)


def _batches(
    reading: Reading,
    stamp: tuple[object, ...],
    opener: Callable[[], BinaryIO],
    before: Known | None,
    filling: Filling,
    helper: Helper,
) -> Iterator[Batch]:
    with opener() as file:
        head = file.read(_TAIL)
        if not (file.seekable() and by_lines(reading.name, head)):
            yield from _whole(reading, stamp, file, head, before, filling)
            return
        size = file.seek(0, os.SEEK_END)
        grown = before is not None and before.tail and before.offset <= size and before.tail == _tail(file, before.offset)
        first = before if grown and before is not None else Known(stamp)
        reading.problems = [one for one in reading.problems if 0 < one[1] <= first.lines] if grown else []
        end = _last_line(file, first.offset, size)
        loose = 0
        yield from _lines(reading, file, first.offset, end, first.lines + 1, filling, helper)
        lines, told = first.lines + filling.lines, filling.events
        if size > end:
            yield from _lines(reading, file, end, size, lines + 1, filling, helper)
            loose = filling.events
        kept = first.events - first.loose
        reading.known = Known(stamp, end, lines, _tail(file, end), kept + told + loose, loose)
        reading.new = reading.known.events - (before.events if before is not None else 0)
        reading.told = told + loose


def _whole(
    reading: Reading, stamp: tuple[object, ...], file: BinaryIO, head: bytes, before: Known | None, filling: Filling
) -> Iterator[Batch]:
    """A file that cannot be read on: packed, an array, or a stream."""
    stream: BinaryIO = io.BufferedReader(_Joined(head, file), _CHUNK)
    reading.problems = []
    problems = Problems()
    yield from read_batches(reading.name, stream, problems, filling=filling, ends=False)
    _keep(reading, problems)
    reading.known = Known(stamp, events=filling.events)
    reading.told = filling.events
    reading.new = filling.events - (before.events if before is not None else 0)


def _lines(
    reading: Reading, file: BinaryIO, begin: int, end: int, first_line: int, filling: Filling, helper: Helper
) -> Iterator[Batch]:
    """Batches of a range of lines; its problems go to the reading, and how many lines it has to ``filling``."""
    problems = Problems()
    if pays(file, end - begin):
        yield from read_together(reading.name, file, begin, end, problems, first_line, filling, helper)
    else:
        stream = io.BufferedReader(Range(file, begin, end), BUFFER)
        yield from read_batches(reading.name, stream, problems, first_line=first_line, filling=filling, ends=False)
    _keep(reading, problems)


def _keep(reading: Reading, problems: Problems) -> None:
    reading.problems += [(one.source, one.line, one.reason, False) for one in problems.skipped]
    reading.problems += [(one.source, one.line, one.reason, True) for one in problems.noted]


def _tail(file: BinaryIO, offset: int) -> str:
    """A hash of what stands before an offset."""
    first = max(0, offset - _TAIL)
    file.seek(first)
    return hashlib.blake2b(file.read(offset - first), digest_size=16, salt=str(offset).encode()[:16]).hexdigest()


def _last_line(file: BinaryIO, first: int, size: int) -> int:
    """Behind the last newline between two offsets; the first of them where there is none."""
    at = size
    while at > first:
        begin = max(first, at - _CHUNK)
        file.seek(begin)
        found = file.read(at - begin).rfind(b"\n")
        if found >= 0:
            at = begin + found + 1
            break
        at = begin
    file.seek(first)
    return at


class _Joined(io.RawIOBase):
    """A stream with what was read of it already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._head[: len(view)] or self._rest.read(len(view))
        self._head = self._head[len(data) :] if self._head else b""
        view[: len(data)] = data
        return len(data)
