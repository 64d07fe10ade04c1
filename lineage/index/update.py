"""Brings an index up to its sources: only new files and the new tails of growing ones are read."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from lineage.errors import SourceUnreadable
from lineage.index.files import Files
from lineage.index.manifest import PENDING, Manifest, Note, as_skipped, latest
from lineage.sources import Problems, Skipped, StampedRemote, refuse_credentials
from lineage.sources.openlineage import PACKED, is_lineage, local_files

_CHECKPOINT = 1_000_000
"""Events between two checkpoints: what a killed ingest reads again."""


@dataclass(frozen=True, slots=True)
class Updated:
    """What an ingest did. ``events``: how many the index has read in all; ``new_events``: those of this time."""

    events: int
    new_events: int
    problems: Problems
    generation: int


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of lineage as it is now; ``stamp`` changes when it does."""

    name: str
    stamp: tuple[Any, ...]
    opener: Callable[[], BinaryIO]
    local_size: int = 0
    """Bytes of a local file that is not packed, by its name."""


def can_index(sources: Sequence[str]) -> bool:
    """Whether all sources are OpenLineage events in files; what servers and artifacts tell is not kept in an index."""
    return all(":" not in one.partition("/")[0] or one.startswith(("s3://", "file:")) for one in sources)


def source_files(sources: Sequence[str], problems: Problems, remote: StampedRemote | None) -> Iterator[SourceFile]:
    """The files of the sources as they are now. Raises SourceUnreadable as reading them does."""
    for source in sources:
        refuse_credentials(source)
        if not can_index([source]):
            raise SourceUnreadable(
                f"lineage source {source} cannot be indexed: only OpenLineage events in files can",
                "leave it out, or do without an index",
            )
        if source.startswith("s3://"):
            yield from _objects(source, remote)
            continue
        for path in local_files(source, problems):
            try:
                found = Path(path).stat()
            except OSError as error:
                problems.skipped.append(Skipped(path, 0, f"could not be read to its end: {error.strerror or error}"))
                continue
            size = 0 if path.lower().endswith(PACKED) else found.st_size
            yield SourceFile(path, (found.st_size, found.st_mtime_ns, found.st_ino), partial(_opened, path), size)


def _opened(path: str) -> BinaryIO:
    return Path(path).open("rb")


def _objects(source: str, remote: StampedRemote | None) -> Iterator[SourceFile]:
    if remote is None:
        raise SourceUnreadable(
            f"lineage source {source} needs a storage", "add a [[storage]] entry for its bucket to incident.toml"
        )
    found = sorted((name, stamp) for name, stamp in remote.stamps(source) if is_lineage(name) or name == source)
    if not found:
        raise SourceUnreadable(f"lineage source {source}: no events there", "check the bucket and prefix")
    for name, stamp in found:
        yield SourceFile(name, stamp, partial(remote.open, name))


def news(base: Manifest, files: Sequence[SourceFile]) -> list[SourceFile]:
    """The files that are new, or not as they were when they were read."""
    return [one for one in files if (known := base.known.get(one.name)) is None or known.stamp != one.stamp]


def update(
    files: Files,
    sources: Sequence[str],
    *,
    remote: StampedRemote | None = None,
    progress: Callable[[str], None] = lambda _: None,
    checkpoint: int = _CHECKPOINT,
    anew: bool = False,
) -> Updated:
    """Bring the index up to its sources; ``anew``: as if it knew nothing yet.

    Raises SourceUnreadable, IndexUnreadable, and IndexBusy when another does the same.
    """
    problems = Problems()
    there = list(source_files(sources, problems, remote))
    before = latest(files)
    unread = there if before is None or anew else news(before, there)
    if before is not None and not unread and not (files.exclusive and files.has(PENDING)):
        return _updated(before, 0, problems)
    from lineage.decoding.workers import Helper, may_pay

    with files.locked(), _uncollected(), Helper() as helper:
        told = before.known if before is not None and not anew else {}
        if any(may_pay(one.local_size - (told[one.name].offset if one.name in told else 0)) for one in unread):
            helper.begin()  # before what we import ourselves
        from lineage.decoding.filling import Filling
        from lineage.index.ingest import Ingest
        from lineage.index.resuming import read_on

        ingest = Ingest.open(files, anew=anew)
        fresh = news(ingest.base, there)
        ingest.begin()
        known, notes = dict(ingest.base.known), _by_source(ingest.base)
        new, held = 0, 0
        filling = Filling()
        for one in fresh:
            progress(one.name)
            reading, batches = read_on(
                one.name, one.stamp, one.opener, known.get(one.name), notes.get(one.name, []), filling, helper
            )
            try:
                for batch in batches:
                    ingest.take(batch)
            except OSError as error:
                notes[one.name] = [(one.name, 0, f"could not be read to its end: {error.strerror or error}", False)]
                continue
            known[one.name], notes[one.name] = reading.known, reading.problems
            new += reading.new
            held += reading.told
            if held >= checkpoint and one is not fresh[-1] and files.exclusive:
                ingest.take(filling.rest())
                ingest.checkpoint(ingest.manifest(known, _flat(notes), sources, new))
                held = new = 0
        ingest.take(filling.rest())
        made = ingest.commit(ingest.manifest(known, _flat(notes), sources, new))
    total_before = before.events if before is not None and not anew else 0
    return _updated(made, made.events - total_before, problems)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without the cyclic garbage collector, which would walk growing lists over and over; what is held here makes no cycles."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _updated(made: Manifest, new: int, problems: Problems) -> Updated:
    kept = as_skipped(made.problems)
    kept.skipped += [one for one in problems.skipped if one not in kept.skipped]
    kept.noted += problems.noted
    return Updated(made.events, new, kept, made.generation)


def _by_source(base: Manifest) -> dict[str, list[Note]]:
    found: dict[str, list[Note]] = {}
    for note in base.problems:
        found.setdefault(note[0], []).append(note)
    return found


def _flat(notes: dict[str, list[Note]]) -> list[Note]:
    return [note for _, several in sorted(notes.items()) for note in several]
