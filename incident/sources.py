"""Reads the lineage that an incident is about: sources, effects and declarations into one history."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from incident.context import Context
from lineage.datasets import split_url
from lineage.errors import SourceUnreadable

if TYPE_CHECKING:
    from incident.home import IncidentFolder
    from lineage.declarations import Declarations
    from lineage.effects import Effect
    from lineage.events import Event
    from lineage.history import History
    from lineage.index.query import Query
    from lineage.index.reader import Index
    from lineage.sources import Tap


@dataclass(frozen=True, slots=True)
class Told:
    """A history with what it was made from, so that it can be told again as other declarations would have it."""

    history: History
    events: list[Event]
    effects: tuple[Effect, ...]
    ended: dict[str, int]

    def again(self, declarations: Declarations) -> History:
        """The same events, by other declarations."""
        from lineage.history import build

        return replace(build(self.events, declarations, effects=self.effects, ended=self.ended), columns=self.history.columns)


def read_history(
    context: Context, folder: IncidentFolder | None = None, tap: Tap | None = None, *, columns: bool = False
) -> History:
    """Everything that the sources and our own journals say; ``tap`` hears their OpenLineage objects too. Read-only.

    ``columns``: also what they say of columns, which only a fault narrowed to columns needs.
    Raises SourceUnreadable when there is no source, or not one usable event in them.
    """
    if not columns:
        return _read(context, folder, None, tap).history
    from lineage.columns import ColumnLineage

    lineage = ColumnLineage()
    return replace(_read(context, folder, None, lineage.hear).history, columns=lineage)


def read_told(context: Context, folder: IncidentFolder | None = None, *, columns: bool = False) -> Told:
    """As ``read_history``, with the events kept."""
    from lineage.columns import ColumnLineage

    lineage = ColumnLineage() if columns else None
    told = _read(context, folder, [], lineage.hear if lineage is not None else None)
    return replace(told, history=replace(told.history, columns=lineage))


def ask_index(context: Context, folder: IncidentFolder | None) -> Query | None:
    """The index that answers for the sources; None where they are read themselves.

    Raises SourceUnreadable, and IndexUnreadable for an index that was named.
    """
    from incident.event_index import open_index

    sources = named_sources(context, folder)
    if not sources:
        raise nothing_configured()
    index = open_index(context, sources, Buckets(context))
    return None if index is None else _query(context, folder, index)


def _query(context: Context, folder: IncidentFolder | None, index: Index) -> Query:
    from lineage.index.query import Query

    if not index.manifest.events:
        raise SourceUnreadable(f"the event index {index.files.place} holds no event", "incident lineage ingest")
    effects = _effects(folder) if folder is not None else ()
    context.say(f"Reading lineage from the event index {index.files.place} …")
    return Query(index, context.config.declarations, effects, _ended(folder))


def nothing_configured() -> SourceUnreadable:
    return SourceUnreadable("no lineage is configured", "give --lineage PATH, or [lineage] sources in incident.toml")


def _read(context: Context, folder: IncidentFolder | None, kept: list[Event] | None, tap: Tap | None) -> Told:
    from incident.event_index import index_at, named_index
    from lineage.history import build
    from lineage.index.reader import Index
    from lineage.sources import Problems, read

    sources = named_sources(context, folder)
    if not sources:
        raise nothing_configured()
    if (place := named_index(sources)) is not None:
        if kept is not None or tap is not None:
            raise SourceUnreadable(
                "an event index does not keep what this needs of the events", "name the sources themselves with --lineage"
            )
        query = _query(context, folder, Index.open(index_at(context, place)))
        return Told(query.whole(), [], query.effects, dict(query.ended))
    problems = Problems()
    context.say(f"Reading lineage from {', '.join(sources)} …")
    effects = _effects(folder) if folder is not None else ()
    ended = _ended(folder)
    with context.progress("lineage") as progress:
        events = read(sources, problems, remote=Buckets(context), progress=lambda _: progress.advance(1), tap=tap)
        told = events if kept is None else _keeping(events, kept)
        history = build(told, context.config.declarations, effects=effects, ended=ended, problems=problems)
    if not history.events:
        skipped = problems.skipped
        first = f"; {skipped[0].source}:{skipped[0].line}: {skipped[0].reason}" if skipped else ""
        raise SourceUnreadable(
            f"{', '.join(sources)}: no usable lineage event ({len(skipped)} lines skipped{first})",
            "give OpenLineage events as NDJSON or JSON with --lineage",
        )
    return Told(history, kept or [], effects, ended)


def _keeping(events: Iterator[Event], kept: list[Event]) -> Iterator[Event]:
    for one in events:
        kept.append(one)
        yield one


def named_sources(context: Context, folder: IncidentFolder | None) -> tuple[str, ...]:
    """``--lineage``, else what the incident was declared with, else the configuration's.

    Raises SourceUnreadable for one with credentials in it.
    """
    if context.lineage_override:
        return absolute(context.lineage_override)
    declared = [] if folder is None else [one.evidence.get("lineage") for one in folder.timeline.records()]
    recorded: list[str] = next((one for one in reversed(declared) if one), [])
    return absolute(recorded or context.sources)


def absolute(sources: Iterable[str]) -> tuple[str, ...]:
    """Plain paths made absolute, so that they still mean the same from another folder; nobody's credentials among them."""
    from lineage.sources import refuse_credentials

    found = tuple(map(_absolute, sources))
    for one in found:
        refuse_credentials(one)
    return found


def _absolute(source: str) -> str:
    kind, colon, rest = source.partition(":")
    if colon and kind == "index":
        return f"index:{_absolute(rest)}"
    if colon and kind == "dbt":
        folder, question, options = rest.partition("?")
        return f"dbt:{_absolute(folder)}{question}{options}"
    return source if ":" in source.partition("/")[0] else str(Path(source).expanduser().absolute())


def _effects(folder: IncidentFolder) -> tuple[Effect, ...]:
    from incident.effects import effects

    return effects(folder)


def _ended(folder: IncidentFolder | None) -> dict[str, int]:
    """Ends that people gave to runs which never reported theirs (``note --run ID --ended T``)."""
    from lineage.timestamps import parse

    records = folder.timeline.records() if folder is not None else []
    return {one.evidence["run"]: parse(one.evidence["ended"]) for one in records if one.evidence.get("ended")}


class Buckets:
    """Lineage that lies in buckets, through the same storage entries as the data."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def names(self, url: str) -> Iterator[str]:
        from incident.storage import open_reader

        bucket, key = _place(url)
        keys = open_reader(self._context.config, bucket, key).list_keys(bucket, key)
        return (
            f"s3://{bucket}/{name}" for name in keys if name == key or not key or key.endswith("/") or name.startswith(f"{key}/")
        )

    def stamps(self, url: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
        from incident.storage import open_files

        bucket, key = _place(url)
        for name, stamp in open_files(self._context.config, bucket, key).stamps(key):
            if name == key or not key or key.endswith("/") or name.startswith(f"{key}/"):
                yield f"s3://{bucket}/{name}", stamp

    def open(self, url: str) -> BinaryIO:
        from incident.storage import open_reader

        bucket, key = _place(url)
        return io.BytesIO(open_reader(self._context.config, bucket, key).read(bucket, key))


def _place(url: str) -> tuple[str, str]:
    found = split_url(url)
    key = url.removeprefix("s3://").partition("/")[2]
    return found.namespace.removeprefix("s3://"), key
