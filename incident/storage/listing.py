"""Pages of ListObjectVersions, read in document order, and of ListObjectsV2.

botocore hands out versions and delete markers as two lists and so loses how S3 interleaves them; "just before T" needs exactly
that order, because several versions of a key may share one second. Reading the page with expat keeps it, at about a tenth of
botocore's cost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple
from urllib.parse import unquote_plus
from xml.parsers import expat

from incident.storage.port import Current
from lineage.timestamps import parse
from runbooks.survey import KeyHistory, ObjectVersion


class Entry(NamedTuple):
    """One version or marker, with the server's word on whether it is the key's latest."""

    key: str
    version: ObjectVersion
    latest: bool


@dataclass(slots=True)
class Page:
    """One page; ``next_key`` and ``next_version`` are only meant when ``truncated``. A page may end inside a key."""

    entries: list[Entry] = field(default_factory=list)
    truncated: bool = False
    next_key: str | None = None
    next_version: str | None = None

    def reaches(self, upto: tuple[str, str]) -> bool:
        """Whether this version of this key is here, or keys behind it are."""
        key, version_id = upto
        last = self.entries[-1].key if self.entries else ""
        return last > key or any(one.key == key and one.version.version_id == version_id for one in reversed(self.entries))

    @property
    def interleaved(self) -> bool:
        """True when versions and markers certainly stand in one list: a server that groups them changes kind once a page."""
        return sum(one.version.is_marker is not two.version.is_marker for one, two in pairwise(self.entries)) > 1


_LISTED = frozenset({"Version", "DeleteMarker"})


def read_page(body: bytes) -> Page:
    """The page in a ListObjectVersions answer. Raises ValueError when it is not well-formed."""
    try:
        raw, top = _read(body, _LISTED)
        # Only a server that says so has encoded its keys; decoding a plain "a+b" would rename it.
        encoded = top.get("EncodingType") == "url"
        return Page(
            [_entry(name == "DeleteMarker", fields, encoded) for name, fields in raw],
            truncated=top.get("IsTruncated") == "true",
            next_key=decoded(top["NextKeyMarker"], encoded) if top.get("NextKeyMarker") else None,
            next_version=top.get("NextVersionIdMarker") or None,
        )
    except (expat.ExpatError, KeyError) as error:
        raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class CurrentPage:
    """A page of current objects; ``next_token`` only where there are more."""

    objects: list[Current]
    next_token: str | None = None


def read_current_page(body: bytes) -> CurrentPage:
    """The page in a ListObjectsV2 answer. Raises ValueError when it is not well-formed."""
    try:
        raw, top = _read(body, frozenset({"Contents"}))
        encoded = top.get("EncodingType") == "url"
        found = [
            Current(_key(fields, encoded), fields.get("ETag", ""), int(fields.get("Size") or 0), parse(fields["LastModified"]))
            for _, fields in raw
        ]
    except (expat.ExpatError, KeyError) as error:
        raise ValueError(str(error)) from error
    return CurrentPage(found, top.get("NextContinuationToken") if top.get("IsTruncated") == "true" else None)


def _read(body: bytes, listed: Collection[str]) -> tuple[list[tuple[str, dict[str, str]]], dict[str, str]]:
    """The listed elements of a page in their order, each by its fields, and the page's own fields."""
    entry: dict[str, str] = {}
    top: dict[str, str] = {}
    raw: list[tuple[str, dict[str, str]]] = []
    text: list[str] = []
    depth = 0
    names = _Local()

    # Called for each of some ten thousand elements of a page: every statement here is one in ten of what a listing costs us.
    def start(_name: str, _attributes: list[str]) -> None:
        nonlocal depth
        depth += 1
        del text[:]

    def end(name: str) -> None:
        nonlocal depth, entry
        depth -= 1
        if depth == 2:
            entry[names[name]] = text[0] if len(text) == 1 else "".join(text)
        elif depth == 1:
            local = names[name]
            if local in listed:
                raw.append((local, entry))
            else:
                top[local] = "".join(text)
            entry = {}

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.Parse(body, True)
    return raw, top


class _Local(dict[str, str]):
    """A name without its namespace's prefix."""

    def __missing__(self, name: str) -> str:
        found = self[name] = name.rpartition(":")[2]
        return found


def decoded(key: str, encoded: bool) -> str:
    """A key as it is, out of a listing that may have encoded it."""
    if not encoded or ("%" not in key and "+" not in key):
        return key
    folder, slash, name = key.rpartition("/")
    return f"{_folder(folder)}{slash}{unquote_plus(name) if '%' in name or '+' in name else name}"


@lru_cache(maxsize=64)
def _folder(folder: str) -> str:
    """Decoded once for all the keys in it."""
    return unquote_plus(folder)


def _key(fields: dict[str, str], encoded: bool) -> str:
    key = decoded(fields["Key"], encoded)
    if not encoded and "\n" in key:
        # Every kind of line break looks like this one once XML was read, so that it may be another key's name.
        raise ValueError(f"the server does not encode keys, and the name of {key!r} holds a line break")
    return key


def _entry(is_marker: bool, fields: dict[str, str], encoded: bool) -> Entry:
    key = _key(fields, encoded)
    version = ObjectVersion(
        key,
        fields.get("VersionId") or "null",
        fields.get("ETag", ""),
        int(fields.get("Size") or 0),
        parse(fields["LastModified"]),
        is_marker,
        fields.get("StorageClass") or "STANDARD",
    )
    return Entry(key, version, fields.get("IsLatest") == "true")


def histories(pages: Iterable[Page]) -> Iterator[KeyHistory]:
    """Each key's versions newest first, put together over page boundaries."""
    key, found, trusted = "", list[Entry](), True
    for page in pages:
        told = page.interleaved
        for entry in _by_key(page.entries):
            if found and entry.key == key:
                found.append(entry)
                trusted = trusted and told
                continue
            if found:
                yield ordered(key, found, trusted=trusted)
            key, found, trusted = entry.key, [entry], told
    if found:
        yield ordered(key, found, trusted=trusted)


def _by_key(entries: list[Entry]) -> list[Entry]:
    """A page's entries with those of one key together. Changes nothing but where a server lists all markers after all versions."""
    first: dict[str, int] = {}
    for entry in entries:
        first.setdefault(entry.key, len(first))
    return sorted(entries, key=lambda entry: first[entry.key])


def ordered(key: str, entries: list[Entry], *, trusted: bool) -> KeyHistory:
    """One key's history.

    The server's order stands. Only where it contradicts the server's own clock or its "latest" (a server that lists versions
    and markers as two groups) it is sorted: the latest first, then by time, stably. Such a key is ``ordered`` only if no marker
    shares its moment with an object, because then nobody can say which came first.
    """
    if len(entries) == 1:
        return KeyHistory(key, (entries[0].version,))
    versions = [entry.version for entry in entries]
    times = [version.last_modified for version in versions]
    consistent = entries[0].latest and all(one >= two for one, two in pairwise(times))
    if not consistent:
        entries = sorted(entries, key=lambda entry: (not entry.latest, -entry.version.last_modified))
        versions = [entry.version for entry in entries]
    if consistent and trusted:
        return KeyHistory(key, tuple(versions))
    rest = versions[1:] if entries[0].latest else versions  # which one is on top is certain
    tied = any(
        len({version.is_marker for version in group}) > 1
        for _, group in ((moment, list(same)) for moment, same in groupby(rest, key=attrgetter("last_modified")))
    )
    return KeyHistory(key, tuple(versions), ordered=not tied)
