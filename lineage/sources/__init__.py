"""Where lineage comes from, behind one port: a source yields events and says what it could not use.

``read`` takes the words of ``--lineage`` or the configuration. A new kind of source is one file here and one row of ``_KINDS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, BinaryIO, Protocol

from lineage.errors import SourceUnreadable
from lineage.events import Event


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line (1-based; 0 for a whole file) that was not used, or not fully, and why."""

    source: str
    line: int
    reason: str


@dataclass(slots=True)
class Problems:
    """What could not be used. ``skipped`` lines gave no event; ``noted`` ones gave one that lacks something."""

    skipped: list[Skipped] = field(default_factory=list)
    noted: list[Skipped] = field(default_factory=list)


_KINDS = {
    "dbt": "dbt",
    "marquez+http": "marquez",
    "marquez+https": "marquez",
    "airflow+http": "airflow",
    "airflow+https": "airflow",
    "luigi": "luigi",
}
"""Which module of this package reads a source, by the scheme of its URL; files, folders, globs and s3:// are OpenLineage events."""


Tap = Callable[[Any, Event], None]
"""Hears every OpenLineage object beside the event made of it, for who needs more of it than taint does."""

_OPENLINEAGE = frozenset({"openlineage", "marquez"})
"""The modules that read OpenLineage objects, and so have something for a tap to hear."""


_CREDENTIALS = {
    "marquez": "set MARQUEZ_API_KEY in the environment",
    "airflow": "set AIRFLOW_TOKEN, or AIRFLOW_USERNAME and AIRFLOW_PASSWORD, in the environment",
}
_USERINFO = re.compile(r"([\w.+-]*https?:/*).*@", re.IGNORECASE | re.DOTALL)


def shown(source: str) -> str:
    """A source as it may be printed: nothing of what stands before an @ in the address of a server."""
    return _USERINFO.sub(r"\1***@", source, count=1) if _USERINFO.match(source) else source


def refuse_credentials(source: str) -> None:
    """Raises SourceUnreadable for credentials in an address, before anything prints or records it."""
    if _USERINFO.match(source):
        hint = _CREDENTIALS.get(_KINDS.get(source.partition(":")[0].lower(), ""), "name a server without them")
        raise SourceUnreadable(
            f"lineage source {shown(source)}: credentials do not belong into its address",
            f"{hint}; write an @ that is none of theirs as %40",
        )


class Remote(Protocol):
    """Reads objects for sources with a URL; ``incident`` supplies one, so that this package needs no cloud library."""

    def names(self, url: str) -> Iterable[str]:
        """The URLs of the objects at, or below, a URL."""

    def open(self, url: str) -> BinaryIO:
        """An object's bytes as a stream."""


class StampedRemote(Remote, Protocol):
    """A remote that tells what has changed, for who reads only that."""

    def stamps(self, url: str) -> Iterable[tuple[str, tuple[Any, ...]]]:
        """As ``names``, each with what changes when the object does."""


def read(
    sources: Iterable[str],
    problems: Problems,
    *,
    remote: Remote | None = None,
    progress: Callable[[str], None] = lambda _: None,
    tap: Tap | None = None,
) -> Iterator[Event]:
    """Every usable event of the sources. Raises SourceUnreadable when a source is not there at all; read-only."""
    for source in sources:
        refuse_credentials(source)
        scheme = source.partition(":")[0].lower() if ":" in source else ""
        if scheme in {"http", "https"}:
            raise SourceUnreadable(
                f"lineage source {source!r}: {scheme}: is not lineage by itself",
                "a Marquez server is named marquez+http://host:port",
            )
        kind = _KINDS.get(scheme, "openlineage")
        module: Any = import_module(f"lineage.sources.{kind}")
        tapped = {"tap": tap} if kind in _OPENLINEAGE else {}
        yield from module.read(source, problems, remote=remote, progress=progress, **tapped)
