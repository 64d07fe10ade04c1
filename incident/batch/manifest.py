"""The manifest of a job: a line an object, bucket, key (URL-encoded) and the version that must be current."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from runbooks.actions import PutMarker

FORMAT = "S3BatchOperations_CSV_20180820"
FIELDS = ("Bucket", "Key", "VersionId")


def encoded(key: str) -> str:
    """A key as a manifest has it, and a report."""
    return quote(key, safe="/-_.~")


def lines(actions: Iterable[PutMarker]) -> Iterator[str]:
    """One for each, without holding them. Encoded keys hold neither commas nor quotes; bucket names and version ids never do."""
    for action in actions:
        yield f"{action.bucket},{encoded(action.key)},{action.requires.version_id}\n"


def write(path: Path, actions: Iterable[PutMarker]) -> int:
    """Write it, over what was there; how many lines. Raises OSError."""
    count = 0
    with path.open("w", encoding="ascii", newline="") as file:
        for line in lines(actions):
            file.write(line)
            count += 1
    return count
