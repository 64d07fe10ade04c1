"""The manifest: what files make up one generation of an index, and how far each source was read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import orjson

from lineage.errors import IndexUnreadable
from lineage.index.files import Files
from lineage.index.schema import FORMAT
from lineage.sources import Problems, Skipped

OPEN = "open"
"""The "day" of attempts that never told their end."""

PENDING = "pending.json"
KEPT = 2
"""Generations whose files stay for those who read them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of attempts, with what is in it: times in ns UTC over those that are known, None where none is.

    ``moments``: the least and greatest of nominal times and partition keys' dates; ``undated``: rows that have neither.
    """

    file: str
    rows: int
    size: int
    last_start: int | None = None
    last_end: int | None = None
    last_nominal: int | None = None
    moments: tuple[int, int] | None = None
    undated: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """How far a source file was read: ``offset`` bytes, that is ``lines`` lines; ``tail``: a hash of what stands just before.

    ``stamp`` is what tells that it has not changed since: size, time of change, inode; or what a bucket says.
    ``loose``: events and problems of a last line that had no end yet, and will be read again.
    """

    stamp: tuple[Any, ...]
    offset: int = 0
    lines: int = 0
    tail: str = ""
    events: int = 0
    loose: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """One generation. ``problems``: [source, line, reason, noted] of what could not be used."""

    generation: int = 0
    days: dict[str, tuple[Part, ...]] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    known: dict[str, Known] = field(default_factory=dict)
    events: int = 0
    problems: tuple[tuple[str, int, str, bool], ...] = ()

    def files(self) -> set[str]:
        """Every file that this generation is made of."""
        return {part.file for parts in self.days.values() for part in parts} | set(self.tables.values())

    def parts(self) -> Iterator[tuple[str, Part]]:
        for day, parts in self.days.items():
            for part in parts:
                yield day, part

    def to_json(self) -> bytes:
        body = {"format": FORMAT, "made_by": "dataops-incident", **asdict(self)}
        return orjson.dumps(body)

    @classmethod
    def from_json(cls, data: bytes, place: str) -> Manifest:
        """Raises IndexUnreadable for one that a newer version made, or that is damaged."""
        try:
            body = orjson.loads(data)
            made_in = body["format"]
        except (ValueError, KeyError, TypeError):
            raise IndexUnreadable(f"the event index {place} is damaged", _AGAIN) from None
        if made_in != FORMAT:
            newer = isinstance(made_in, int) and made_in > FORMAT
            hint = "use that version, or name another place with --to" if newer else _ANOTHER
            raise IndexUnreadable(
                f"the event index {place} has format {made_in}, made by {'a newer' if newer else 'an older'} version;"
                f" this one reads format {FORMAT}",
                hint,
            )
        return cls(
            generation=body["generation"],
            days={
                day: tuple(Part(**{**part, "moments": tuple(part["moments"]) if part["moments"] else None}) for part in parts)
                for day, parts in body["days"].items()
            },
            tables=body["tables"],
            sources=tuple(body["sources"]),
            known={name: Known(**{**one, "stamp": tuple(one["stamp"])}) for name, one in body["known"].items()},
            events=body["events"],
            problems=tuple((source, line, reason, noted) for source, line, reason, noted in body["problems"]),
        )


Note = tuple[str, int, str, bool]
"""A line that was not used (or, where that is true, only noted): its file, its number, and why."""

_ANOTHER = "make another from the sources with incident lineage ingest --to PLACE; remove this one only if no source of it is gone"
_AGAIN = "remove it and run incident lineage ingest again: it is made from the sources"


def latest(files: Files) -> Manifest | None:
    """The generation that counts; None where there is no index. Raises IndexUnreadable."""
    names = generations(files)
    return Manifest.from_json(files.read(names[-1]), files.place) if names else None


def latest_generation(files: Files) -> int:
    """The number of the generation that counts, even of one that cannot be read."""
    return max((int(name.rpartition("/")[2].partition(".")[0]) for name in generations(files)), default=0)


def generations(files: Files) -> list[str]:
    """The manifests there are, oldest first."""
    return [f"generations/{name}" for name in files.names("generations") if name.endswith(".json")]


def commit(files: Files, made: Manifest) -> Manifest:
    """Make the next generation what counts, and forget those before the last but one.

    Raises IndexUnreadable when another was faster.
    """
    named = replace(made, generation=made.generation + 1)
    if not files.create(f"generations/{named.generation:08d}.json", named.to_json()):
        raise IndexUnreadable(
            f"another ingest has written the event index {files.place} meanwhile", "run incident lineage ingest again"
        )
    _forget(files, named)
    return named


def _forget(files: Files, last: Manifest) -> None:
    """Remove old generations. The new one is in place already, so that whoever dies here leaves too much."""
    names = generations(files)
    kept = set(last.files())
    for name in names[-KEPT:-1]:
        kept |= Manifest.from_json(files.read(name), files.place).files()
    for name in names[:-KEPT]:
        files.remove(sorted(Manifest.from_json(files.read(name), files.place).files() - kept))
        files.remove([name])


def published(files: Files) -> set[str]:
    """The files that a kept generation is made of."""
    return {file for name in generations(files) for file in Manifest.from_json(files.read(name), files.place).files()}


def clear(files: Files, also: Manifest) -> None:
    """Remove what a killed ingest left, but for what a kept generation or ``also`` is made of."""
    kept = also.files() | published(files)
    there = [f"tables/{name}" for name in files.names("tables")]
    for day in files.names("attempts"):
        there += [f"attempts/{day}/{name}" for name in files.names(f"attempts/{day}")]
    files.remove(name for name in there if name not in kept)


def as_skipped(notes: list[Note] | tuple[Note, ...]) -> Problems:
    """The problems that were kept."""
    found = Problems()
    for source, line, reason, noted in notes:
        (found.noted if noted else found.skipped).append(Skipped(source, line, reason))
    return found
