"""What of the lineage could not be used, for people and for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from incident.report import Problem

if TYPE_CHECKING:
    from lineage.sources import Problems

SHOWN = 20
"""How many unusable lines are shown one by one."""


class Read(Protocol):
    """What was read: a history, or what an ingest did."""

    @property
    def events(self) -> int: ...
    @property
    def problems(self) -> Problems: ...


def skipped(history: Read) -> list[dict[str, Any]]:
    """Every line that was not used, or not fully."""
    lines = [*history.problems.skipped, *history.problems.noted]
    return [{"source": one.source, "line": one.line, "reason": one.reason} for one in lines]


def problems(history: Read) -> list[Problem]:
    """The first unusable lines, and how many there are."""
    found = history.problems.skipped
    told = [Problem("skipped", f"{one.source}:{one.line}: {one.reason}") for one in found[:SHOWN]]
    if found:
        more = f" (the first {SHOWN} are shown; --json lists all)" if len(found) > SHOWN else ""
        summary = f"{len(found)} lines could not be used, {history.events} events were{more}"
        told.append(Problem("skipped", summary, "incident lineage gaps"))
    return told
