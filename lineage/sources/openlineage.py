"""OpenLineage events in files: NDJSON, JSON objects or arrays; folders, globs, ``s3://``.

Plain, gzip or zstd is told by a file's first bytes, not by its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from lineage.decoding import decoder
from lineage.decoding.streams import (
    BUFFER,
    HEAD,
    UNREADABLE,
    is_binary,
    is_packed,
    lines,
    may_be_document,
    unpacked,
    values_or_lines,
)
from lineage.errors import SourceUnreadable
from lineage.events import Event, Unusable, decode, event
from lineage.sources import Problems, Remote, Skipped, Tap

_ENDINGS = (".json", ".ndjson", ".jsonl", ".log", ".txt")
PACKED = (".gz", ".zst", ".zstd")


def read(
    source: str, problems: Problems, *, remote: Remote | None, progress: Callable[[str], None], tap: Tap | None = None
) -> Iterator[Event]:
    """Every usable event of one source, files in the order of their names."""
    for name, opener in _files(source, remote, problems):
        progress(name)
        try:
            with opener() as raw:
                yield from _events(name, raw, problems, tap)
        except UNREADABLE as error:
            problems.skipped.append(cut_short(name, error))


def _files(source: str, remote: Remote | None, problems: Problems) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
    if source.startswith("s3://"):
        if remote is None:
            raise SourceUnreadable(
                f"lineage source {source} needs a storage", "add a [[storage]] entry for its bucket to incident.toml"
            )
        names = sorted(name for name in remote.names(source) if is_lineage(name) or name == source)
        if not names:
            raise SourceUnreadable(f"lineage source {source}: no events there", "check the bucket and prefix")
        for name in names:
            yield name, lambda name=name: remote.open(name)  # type: ignore[misc]
        return
    for path in local_files(source, problems):
        yield path, partial(_opened, path)


def _opened(path: str) -> BinaryIO:
    return Path(path).open("rb", BUFFER)


def local_files(source: str, problems: Problems) -> list[str]:
    """The files that a local source means, in order. Raises SourceUnreadable."""
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
        return [str(path)]
    anchor = Path(path.anchor) if path.is_absolute() else Path()
    pattern = str(path.relative_to(anchor))
    matched: list[str] = []
    for one in sorted(anchor.glob(pattern)) if set("*?[") & set(pattern) else []:
        within, unseen = _inside(one, problems) if one.is_dir() else ([str(one)], [])
        matched += within
        problems.skipped.extend(unseen)
    if not matched:
        raise SourceUnreadable(f"lineage source {source}: no such file, folder or match", "check --lineage or [lineage] sources")
    return matched


def _inside(folder: Path, problems: Problems) -> tuple[list[str], list[Skipped]]:
    """The lineage files in and below a folder, and what may hold some and was not looked into. Other files are noted."""
    found: list[str] = []
    unseen: list[Skipped] = []

    def denied(error: OSError) -> None:
        unseen.append(Skipped(str(error.filename), 0, f"the folder could not be read: {error.strerror or error}"))

    for place, folders, names in os.walk(folder, onerror=denied):
        lineage = {name for name in names if is_lineage(name)}
        found += [os.path.join(place, name) for name in lineage]  # noqa: PTH118  # of ten thousand names, a Path each is what costs
        if others := sorted(name for name in names if name not in lineage and name[0] not in "._"):
            files = f"{len(others)} files, the first {others[0]}" if len(others) > 1 else others[0]
            problems.noted.append(Skipped(place, 0, f"not read, by the ending: {files}; name a file to have it read"))
        linked = [Path(place, name) for name in folders if Path(place, name).is_symlink()]
        unseen += [Skipped(str(one), 0, "a link to a folder is not followed; name it as a source of its own") for one in linked]
    found.sort(key=lambda path: path.split("/"))  # as their paths sort: a folder's files before those of one called longer
    return found, sorted(unseen, key=lambda one: one.source)


def is_lineage(name: str) -> bool:
    lowered = name.lower()
    for ending in PACKED:
        lowered = lowered.removesuffix(ending)
    return lowered.endswith(_ENDINGS)


def by_lines(name: str, head: bytes) -> bool:
    """Whether a file that begins like this holds one event a line, so that what is added to it can be read by itself."""
    return not (is_packed(head) or may_be_document(name, head) or is_binary(head))


def events_of(
    name: str, raw: BinaryIO, problems: Problems, tap: Tap | None = None, *, first_line: int | None = None
) -> Iterator[Event]:
    """Every usable event of one stream; ``first_line``: it begins with this line of a file of lines."""
    try:
        yield from _events(name, raw, problems, tap, first_line)
    except UNREADABLE as error:
        problems.skipped.append(cut_short(name, error))


def cut_short(name: str, error: Exception) -> Skipped:
    """A file whose end could not be read; what came before counts."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Skipped(name, 0, f"could not be read to its end: {reason}")


def _events(name: str, raw: BinaryIO, problems: Problems, tap: Tap | None, first_line: int | None = None) -> Iterator[Event]:
    quick = decoder().event if tap is None else _nothing  # a tap wants all of the object
    for number, told in enumerate(lines_or_values(name, raw, problems, first_line), first_line or 1):
        if isinstance(told, bytes) and (made := quick(told)) is not None:
            yield made
        else:
            yield from tolerantly(name, number, told, problems, tap)


def lines_or_values(name: str, raw: BinaryIO, problems: Problems, first_line: int | None = None) -> Iterable[Any]:
    """The lines of a stream as bytes; or, where it is one JSON document, its values. Both are counted from 1."""
    stream = unpacked(raw)
    if first_line is not None:
        return lines(stream)
    if is_binary(stream.peek(HEAD)[:HEAD]):
        problems.skipped.append(Skipped(name, 0, "a binary file, not lineage"))
        return ()
    values, found = values_or_lines(name, stream)
    return found if values is None else values


def _nothing(_line: bytes) -> None:
    """No event."""


def tolerantly(name: str, number: int, told: Any, problems: Problems, tap: Tap | None = None) -> Iterator[Event]:
    """The events of any line, or of a JSON value; what of it cannot be used is kept in ``problems``."""
    values = [told]
    if isinstance(told, bytes):
        if not told.strip():
            return
        try:
            found = decode(told)
        except Unusable as error:
            problems.skipped.append(Skipped(name, number, str(error)))
            return
        values = found if isinstance(found, list) else [found]
    for value in values:
        try:
            made = event(value)
        except Unusable as error:
            problems.skipped.append(Skipped(name, number, str(error)))
            continue
        problems.noted.extend(Skipped(name, number, note) for note in made.notes)
        if tap is not None:
            tap(value, made)
        yield made
