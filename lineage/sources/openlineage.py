"""OpenLineage events in files: NDJSON, JSON objects or arrays; folders, globs, ``s3://``.

Plain, gzip or zstd is told by a file's first bytes, not by its name.
"""

from __future__ import annotations

import io
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import zstandard

from lineage.errors import SourceUnreadable
from lineage.events import Event, Unusable, decode, event
from lineage.sources import Problems, Remote, Skipped, Tap

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_ENDINGS = (".json", ".ndjson", ".jsonl", ".log", ".txt")
_PACKED = (".gz", ".zst", ".zstd")
_OBJECT = re.compile(rb"\{\s*\"")
_LONGEST_LINE = 64 * 1024 * 1024
_WHOLE_FILE = 256 * 1024 * 1024


def read(
    source: str, problems: Problems, *, remote: Remote | None, progress: Callable[[str], None], tap: Tap | None = None
) -> Iterator[Event]:
    """Every usable event of one source, files in the order of their names."""
    for name, opener in _files(source, remote, problems):
        progress(name)
        try:
            with opener() as raw:
                yield from _events(name, raw, problems, tap)
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            problems.skipped.append(Skipped(name, 0, f"could not be read to its end: {reason}"))


def _files(source: str, remote: Remote | None, problems: Problems) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
    if source.startswith("s3://"):
        if remote is None:
            raise SourceUnreadable(
                f"lineage source {source} needs a storage", "add a [[storage]] entry for its bucket to incident.toml"
            )
        names = sorted(name for name in remote.names(source) if _is_lineage(name) or name == source)
        if not names:
            raise SourceUnreadable(f"lineage source {source}: no events there", "check the bucket and prefix")
        for name in names:
            yield name, lambda name=name: remote.open(name)  # type: ignore[misc]
        return
    for path in _paths(source, problems):
        yield str(path), lambda path=path: path.open("rb")  # type: ignore[misc]


def _paths(source: str, problems: Problems) -> list[Path]:
    path = Path(source.removeprefix("file://")).expanduser()
    if path.is_dir():
        found, unseen = _inside(path, problems)
        if not found:
            listed = "".join(f"; {one.source}: {one.reason}" for one in unseen[:3])
            what = f"the folder holds no {', '.join(_ENDINGS)} file"
            raise SourceUnreadable(f"lineage source {source}: {what}{listed}", "check the path, and who may read it")
        problems.skipped.extend(unseen)
        return found
    if path.exists():
        if not os.access(path, os.R_OK):
            raise SourceUnreadable(f"lineage source {source}: permission denied", "check who may read the file")
        return [path]
    anchor = Path(path.anchor) if path.is_absolute() else Path()
    pattern = str(path.relative_to(anchor))
    found = []
    for one in sorted(anchor.glob(pattern)) if set("*?[") & set(pattern) else []:
        within, unseen = _inside(one, problems) if one.is_dir() else ([one], [])
        found += within
        problems.skipped.extend(unseen)
    if not found:
        raise SourceUnreadable(f"lineage source {source}: no such file, folder or match", "check --lineage or [lineage] sources")
    return found


def _inside(folder: Path, problems: Problems) -> tuple[list[Path], list[Skipped]]:
    """The lineage files in and below a folder, and what may hold some and was not looked into. Other files are noted."""
    found: list[Path] = []
    unseen: list[Skipped] = []

    def denied(error: OSError) -> None:
        unseen.append(Skipped(str(error.filename), 0, f"the folder could not be read: {error.strerror or error}"))

    for place, folders, names in os.walk(folder, onerror=denied):
        found += [Path(place, name) for name in names if _is_lineage(name)]
        if others := sorted(name for name in names if not _is_lineage(name) and name[0] not in "._"):
            files = f"{len(others)} files, the first {others[0]}" if len(others) > 1 else others[0]
            problems.noted.append(Skipped(place, 0, f"not read, by the ending: {files}; name a file to have it read"))
        linked = [Path(place, name) for name in folders if Path(place, name).is_symlink()]
        unseen += [Skipped(str(one), 0, "a link to a folder is not followed; name it as a source of its own") for one in linked]
    return sorted(found), sorted(unseen, key=lambda one: one.source)


def _is_lineage(name: str) -> bool:
    lowered = name.lower()
    for ending in _PACKED:
        lowered = lowered.removesuffix(ending)
    return lowered.endswith(_ENDINGS)


def _events(name: str, raw: BinaryIO, problems: Problems, tap: Tap | None) -> Iterator[Event]:
    stream = _unpacked(raw)
    head = stream.peek(4096)[:4096]
    if b"\0" in head and not _OBJECT.search(head):  # zeros among events are a torn write, and cost the lines that they are in
        problems.skipped.append(Skipped(name, 0, "a binary file, not lineage"))
        return
    if head.lstrip().startswith(b"[") or (name.lower().endswith(".json") and b"}\n{" not in head):
        body = stream.read(_WHOLE_FILE) + stream.readline()
        try:
            found = _one_value(body)
        except Unusable:
            lines: Iterable[bytes] = chain(body.split(b"\n"), _lines(stream))
        else:
            yield from _each(name, found if isinstance(found, list) else [found], problems, tap)
            return
    else:
        lines = _lines(stream)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = decode(line)
        except Unusable as error:
            problems.skipped.append(Skipped(name, number, str(error)))
            continue
        yield from _each(name, found if isinstance(found, list) else [found], problems, tap, number)


def _one_value(body: bytes) -> object:
    """The JSON value that the body is. Raises Unusable when it is none, or when its first line is one already."""
    start = len(body) - len(body.lstrip())
    end = body.find(b"\n", start)
    if end >= 0 and body[end:].strip() and _is_value(body[start:end]):
        raise Unusable("one value a line")
    return decode(body, prefixed=False)


def _is_value(line: bytes) -> bool:
    try:
        decode(line, prefixed=False)
    except Unusable:
        return False
    return True


def _lines(stream: io.BufferedReader) -> Iterator[bytes]:
    return iter(lambda: stream.readline(_LONGEST_LINE), b"")


def _each(name: str, values: list[object], problems: Problems, tap: Tap | None, line: int | None = None) -> Iterator[Event]:
    """Events of decoded values; ``line`` is theirs, or else they are counted as elements of one array."""
    for index, value in enumerate(values, 1):
        number = index if line is None else line
        try:
            made = event(value)
        except Unusable as error:
            problems.skipped.append(Skipped(name, number, str(error)))
            continue
        problems.noted.extend(Skipped(name, number, note) for note in made.notes)
        if tap is not None:
            tap(value, made)
        yield made


def _unpacked(raw: BinaryIO) -> io.BufferedReader:
    """The stream's text, unpacked by what its first bytes say."""
    buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", raw))
    magic = buffered.peek(4)[:4]
    if magic.startswith(b"\x1f\x8b"):
        import gzip

        return io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=buffered)))
    if magic == b"\x28\xb5\x2f\xfd":
        return io.BufferedReader(_Zstandard(buffered), 1 << 17)
    return buffered


class _Zstandard(io.RawIOBase):
    """Zstandard frames unpacked; the library's own reader takes a file that was cut short for a whole one."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._left = b""

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
            self._left = self._frame.decompress(chunk)
        count = min(len(view), len(self._left))
        view[:count], self._left = self._left[:count], self._left[count:]
        return count
