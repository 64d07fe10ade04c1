"""A file's lines, whatever it is packed with, and whether it is lines at all. A file of any size is read in bounded memory."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import zstandard

from lineage.events import Unusable, decode

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER: Final = 1 << 17
"""Lines of some kilobytes are read four times faster from a buffer of this size than from the usual 8 KiB; a larger one pushes
what is known of jobs and datasets out of the processor's own memory."""

UNREADABLE: Final = (OSError, EOFError, zlib.error, zstandard.ZstdError)
"""What reading a file to its end may raise."""

HEAD: Final = 4096
"""So much of a file's beginning says what it is."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_OBJECT = re.compile(rb"\{\s*\"")
_LONGEST_LINE = 64 * 1024 * 1024
_WHOLE_FILE = 256 * 1024 * 1024


def unpacked(raw: BinaryIO) -> io.BufferedReader:
    """The stream's text, unpacked by what its first bytes say."""
    buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", raw), BUFFER)
    magic = buffered.peek(4)[:4]
    if magic.startswith(_GZIP):
        return io.BufferedReader(_gzip(buffered), BUFFER)
    if magic == _ZSTD:
        return io.BufferedReader(_Zstandard(buffered), BUFFER)
    return buffered


def is_binary(head: bytes) -> bool:
    """Whether no lineage can be in what begins so; zeros among events are a torn write, and cost the lines that they are in."""
    return b"\0" in head and not _OBJECT.search(head)


def is_packed(head: bytes) -> bool:
    """Whether what begins so is gzip or zstd."""
    return head.startswith((_GZIP, _ZSTD))


def may_be_document(name: str, head: bytes) -> bool:
    """Whether a file that begins so may be one JSON document, rather than an event a line."""
    return head.lstrip().startswith(b"[") or (name.lower().endswith(".json") and b"}\n{" not in head)


def values_or_lines(name: str, stream: io.BufferedReader) -> tuple[list[Any] | None, Iterable[bytes]]:
    """The values of a stream that is one JSON document, an array's elements or the one; else None, and its lines.

    No file is one document whose first line is one by itself, with more after it.
    """
    if not may_be_document(name, stream.peek(HEAD)[:HEAD]):
        return None, lines(stream)
    begun = _to_text(stream)
    first = begun[-1] if begun else b""
    if _is_logged(first):
        return None, chain(begun, lines(stream))
    if first.endswith(b"\n") and _is_value(first):
        more = _to_text(stream)
        if more and more[-1].strip():
            return None, chain(begun, more, lines(stream))
        return _elements(first), ()
    body = b"".join((*begun, stream.read(_WHOLE_FILE), stream.readline(_LONGEST_LINE)))
    try:
        return _elements(body), ()
    except Unusable:
        return None, chain(io.BytesIO(body), lines(stream))


def lines(stream: io.BufferedReader) -> Iterator[bytes]:
    """Its lines with their ends; one that is longer than any event comes in pieces."""
    return iter(partial(stream.readline, _LONGEST_LINE), b"")


class Range(io.RawIOBase):
    """The bytes of a file from one offset to another."""

    def __init__(self, file: Any, begin: int, end: int) -> None:
        file.seek(begin)
        self._file = file
        self._left = end - begin

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")[: self._left]
        count = int(self._file.readinto(view) or 0) if view else 0
        self._left -= count
        return count


def _to_text(stream: io.BufferedReader) -> list[bytes]:
    """The next lines as far as the first that holds something."""
    found = []
    for line in lines(stream):
        found.append(line)
        if line.strip():
            break
    return found


def _elements(text: bytes) -> list[Any]:
    """Raises Unusable when it is not one JSON value."""
    value = decode(text, prefixed=False)
    return value if isinstance(value, list) else [value]


def _is_value(line: bytes) -> bool:
    try:
        decode(line, prefixed=False)
    except Unusable:
        return False
    return True


def _is_logged(line: bytes) -> bool:
    """Whether it is a line of a log: an event after more than the bracket that opens a list."""
    prefix, brace, _ = line.partition(b"{")
    if not brace or prefix.strip() in {b"", b"["}:
        return False
    try:
        decode(line)
    except Unusable:
        return False
    return True


def _gzip(packed: io.BufferedReader) -> io.RawIOBase:
    try:
        from isal.igzip import IGzipFile
        from isal.isal_zlib import error
    except ImportError:  # not made for this machine
        from gzip import GzipFile

        return cast("io.RawIOBase", GzipFile(fileobj=packed))
    return _Isal(cast("Any", IGzipFile)(fileobj=packed), cast("type[Exception]", error))


class _Isal(io.RawIOBase):
    """Gzip unpacked by ISA-L, its error told as the standard library's."""

    def __init__(self, file: BinaryIO, error: type[Exception]) -> None:
        self._file = file
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            return self._file.readinto(buffer)  # type: ignore[attr-defined,no-any-return]  # it has it, though BinaryIO does not
        except self._error as error:
            raise zlib.error(str(error)) from error


class _Zstandard(io.RawIOBase):
    """Zstandard frames unpacked; the library's own reader takes a file that was cut short for a whole one."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        while not self._left:
            chunk = self._frame.unused_data if self._frame.eof else b""
            chunk = chunk or self._packed.read(1 << 14)
            if not chunk:
                if self._begun and not self._frame.eof:
                    raise EOFError("the last zstd frame has no end")
                return 0
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._begun = True
            self._left = memoryview(self._frame.decompress(chunk))
        count = min(len(view), len(self._left))
        view[:count], self._left = self._left[:count], self._left[count:]
        return count
