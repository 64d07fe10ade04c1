"""Where event indexes lie, and which questions they answer here.

One lies beside the home for each set of sources; ``incident lineage ingest`` makes it, and so does the first question to sources
that are large. From then on what a fault reached is read from it: it is brought up to its sources first, so that the answer is that
of reading them. ``index:PLACE`` as a source reads an index by itself, as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from incident.context import Context
from incident.errors import UsageError
from lineage.errors import IndexBusy, SourceUnreadable

if TYPE_CHECKING:
    from lineage.index.files import Files
    from lineage.index.reader import Index
    from lineage.sources import StampedRemote

LARGE = 256 * 1024 * 1024
"""Bytes of events from which an index is made without being asked: reading them takes longer than anybody wants to wait twice."""

SCHEME = "index:"


def home_index(context: Context, sources: Sequence[str]) -> Files:
    """The index of these sources, beside the home, whether it is there or not."""
    from lineage.index.files import LocalFiles

    name = hashlib.blake2b("\0".join(sorted(sources)).encode(), digest_size=6).hexdigest()
    home = context.home.path
    return LocalFiles(home.with_name(f"{home.name}-index") / name)


def index_at(context: Context, place: str) -> Files:
    """The index at a directory or s3:// URL. Raises UsageError for other places, and buckets that no [[storage]] entry covers."""
    if place.startswith("s3://"):
        from incident.storage import open_files

        bucket, _, prefix = place.removeprefix("s3://").partition("/")
        return open_files(context.config, bucket, prefix.strip("/"))
    if "://" in place and not place.startswith("file://"):
        raise UsageError(f"An event index cannot lie at {place}", "name a directory or s3://bucket/prefix")
    from lineage.index.files import LocalFiles

    return LocalFiles(Path(place.removeprefix("file://")).expanduser().absolute())


def named_index(sources: Sequence[str]) -> str | None:
    """The place that ``index:PLACE`` names as the only source. Raises SourceUnreadable for one among others."""
    named = [one for one in sources if one.startswith(SCHEME)]
    if named and len(sources) > 1:
        raise SourceUnreadable(
            f"an event index holds what its own sources told: {named[0]} cannot be read with other sources",
            "name it alone, or name the sources that it was made from",
        )
    return named[0].removeprefix(SCHEME) if named else None


def open_index(context: Context, sources: Sequence[str], remote: StampedRemote) -> Index | None:
    """The index that answers for these sources, brought up to them; None where they are read themselves.

    Raises IndexUnreadable for one that is damaged: it may know of files that were rotated away, and without it an answer would be
    smaller and look whole.
    """
    from lineage.index.reader import Index

    if (place := named_index(sources)) is not None:
        return Index.open(index_at(context, place))
    from lineage.index.update import can_index, update

    if not can_index(sources):
        return None
    files = home_index(context, sources)
    if not files.names("generations") and not _large(sources):
        return None
    try:
        with context.progress("lineage") as progress:
            update(files, sources, remote=remote, progress=lambda _: progress.advance(1))
        return Index.open(files)
    except (IndexBusy, OSError) as error:
        context.say(f"The event index is not used: {getattr(error, 'message', error)}")
        return None


def _large(sources: Sequence[str]) -> bool:
    """Whether local sources hold so much that an index pays at once."""
    from lineage.index.update import source_files
    from lineage.sources import Problems

    total = 0
    for source in sources:
        if source.startswith("s3://"):
            continue
        for one in source_files([source], Problems(), None):
            total += int(one.stamp[0])
            if total >= LARGE:
                return True
    return False
