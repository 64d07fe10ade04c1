"""What of the lineage could not be used, for people and for scripts."""

from __future__ import annotations

from typing import Any

from incident.report import Problem
from lineage.history import History

SHOWN = 20
"""How many unusable lines are shown one by one."""


def skipped(history: History) -> list[dict[str, Any]]:
    """Every line that was not used, or not fully."""
    lines = [*history.problems.skipped, *history.problems.noted]
    return [{"source": one.source, "line": one.line, "reason": one.reason} for one in lines]


def problems(history: History) -> list[Problem]:
    """The first unusable lines, and how many there are."""
    found = history.problems.skipped
    told = [Problem("skipped", f"{one.source}:{one.line}: {one.reason}") for one in found[:SHOWN]]
    if found:
        more = f" (the first {SHOWN} are shown; --json lists all)" if len(found) > SHOWN else ""
        summary = f"{len(found)} lines could not be used, {history.events} events were{more}"
        told.append(Problem("skipped", summary, "incident lineage gaps"))
    return told
