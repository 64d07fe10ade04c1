"""Whether data is there, and whether it was made anew: asked of storage, never of whoever says that it made it.

"Anew" is decided by versions and by the storage's own times, never by our clock, which may be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from incident.errors import ConfigError
from incident.storage.port import ObjectReader
from lineage.timestamps import parse, render
from runbooks.aside import identity
from runbooks.plan import PlannedCell
from runbooks.survey import LOCAL, KeyHistory, ObjectVersion
from runbooks.table_survey import TablePlace

Readers = Callable[[str, str], ObjectReader]
"""Opens what can read a bucket and prefix."""
Tables = Callable[[TablePlace], Iterable[KeyHistory]]
"""What a cell of a table holds."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The moment of the newest that lies in a cell, by the storage's clock, and all versions of that moment.

    Several may share it, because S3 tells whole seconds. ``moment`` 0: the cell never held anything.
    """

    moment: int = 0
    version_ids: frozenset[str] = frozenset()

    @classmethod
    def of(cls, histories: Iterable[KeyHistory]) -> Self:
        versions = [version for history in histories for version in history.versions]
        moment = max((version.last_modified for version in versions), default=0)
        return cls(moment, frozenset(identity(one) for one in versions if one.last_modified == moment))

    def precedes(self, found: ObjectVersion) -> bool:
        """Whether an object was written later than all that lay there."""
        return found.last_modified > self.moment or (found.last_modified == self.moment and identity(found) not in self.version_ids)

    def to_json(self) -> list[Any]:
        return [render(self.moment), sorted(self.version_ids)]

    @classmethod
    def from_json(cls, raw: Any) -> Self:
        moment, version_ids = raw
        return cls(parse(moment), frozenset(version_ids))


class Outputs:
    """Looks at cells. Read-only."""

    def __init__(self, readers: Readers, tables: Tables | None = None) -> None:
        self._readers, self._tables = readers, tables

    def histories(self, url: str) -> Iterator[KeyHistory]:
        """Every key of a cell; not the empty ones that only stand for a folder. All files of a table's cell count as one key."""
        if self._tables is not None and (table := TablePlace.parse(url)) is not None:
            yield from self._tables(table)
            return
        bucket, prefix = place(url)
        for history in self._readers(bucket, prefix).histories(bucket, prefix):
            if not (history.key.endswith("/") and all(version.size == 0 for version in history.versions)):
                yield history

    def newest(self, cells: Iterable[PlannedCell]) -> dict[str, Newest]:
        """What lies in each cell before a run, so that its output can be told from that."""
        return {str(cell): Newest.of(self.histories(cell.url)) for cell in cells}

    def lacking(self, cells: Iterable[PlannedCell], before: Mapping[str, Newest]) -> list[str]:
        """The cells without any object that is newer than what lay there before, with what is there instead."""
        found = []
        for cell in cells:
            current = [one.current for one in self.histories(cell.url) if one.current is not None]
            if not current:
                found.append(f"{cell} has no objects under {cell.url}")
            elif not any(before.get(str(cell), Newest()).precedes(one) for one in current):
                found.append(f"{cell} has only older objects under {cell.url}")
        return found


def place(url: str) -> tuple[str, str]:
    """Bucket (or ``LOCAL``) and prefix of ``s3://bucket/prefix/`` or ``file:///folder/``.

    Raises ConfigError where no such place is known.
    """
    if url.startswith("file:///"):
        bucket, prefix = LOCAL, url.removeprefix("file:///")
    else:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not url.startswith(("s3://", "file:///")) or not bucket or not prefix.endswith("/"):
        raise ConfigError(f"It is not known where this data lies: {url or 'no place'!r}", "declare its location in incident.toml")
    return bucket, prefix
