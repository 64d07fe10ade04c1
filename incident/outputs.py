"""Whether data is there: asked of storage, never of whoever says that it made it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from incident.errors import ConfigError
from incident.storage.port import ObjectReader
from lineage.timestamps import SECOND
from runbooks.plan import PlannedCell
from runbooks.survey import ObjectVersion

Readers = Callable[[str, str], ObjectReader]
"""Opens what can read a bucket and prefix."""

_ROUNDING = SECOND
"""S3 tells when an object was written in whole seconds, rounded down."""


class Outputs:
    """Looks at the current objects of cells. Read-only."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def current(self, url: str) -> Iterator[ObjectVersion]:
        """The objects that a plain read of a cell gets now; not the empty ones that only stand for a folder."""
        bucket, prefix = place(url)
        for history in self._readers(bucket, prefix).histories(bucket, prefix):
            found = history.current
            if found is not None and not (found.size == 0 and found.key.endswith("/")):
                yield found

    def lacking(self, cells: Iterable[PlannedCell], since: int) -> list[str]:
        """The cells without any object written since then (nanoseconds UTC), with what is there instead."""
        found = []
        for cell in cells:
            written = [one.last_modified for one in self.current(cell.url)]
            if not written:
                found.append(f"{cell} has no objects under {cell.url}")
            elif not is_newer(max(written), since):
                found.append(f"{cell} has only older objects under {cell.url}")
        return found


def is_newer(last_modified: int, since: int) -> bool:
    """Whether an object was written at or after a moment, as far as whole seconds tell."""
    return last_modified >= since - _ROUNDING


def place(url: str) -> tuple[str, str]:
    """Bucket and prefix of ``s3://bucket/prefix/``. Raises ConfigError where no such place is known."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket or not prefix.endswith("/"):
        raise ConfigError(f"It is not known where this data lies: {url or 'no place'!r}", "declare its location in incident.toml")
    return bucket, prefix
