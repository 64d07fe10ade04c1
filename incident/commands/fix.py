"""``fix``: record what was fixed, and from which code version or moment on runs are good."""

from __future__ import annotations

from typing import Any

from incident.changeable import changeable
from incident.context import Context
from incident.errors import UsageError
from incident.home import IncidentFolder
from incident.radius import fault_of
from incident.report import Problem, Report, printable
from incident.sources import read_history
from lineage.errors import SourceUnreadable
from lineage.fault import Fix
from lineage.timestamps import parse, render

_HINT = 'incident fix "what was fixed" --code-version V; or --good-from T'


def fix(context: Context, text: str | None, code_version: str | None, good_from: str | None) -> Report:
    """Record the fix on the timeline. Runs of that code version, or that start after that moment, never count as faulty again.

    Raises UsageError when it is not exactly one of the two, or when it would clear every attempt that the fault chose.
    """
    folder = changeable(context)
    if (code_version is None) == (good_from is None):
        raise UsageError("A fix is either a code version or a moment from which on runs are good", _HINT)
    if code_version is not None and not code_version.strip():
        raise UsageError("The code version is empty", _HINT)
    moment = _moment(good_from) if good_from is not None else None
    recorded = Fix(code_version, moment)
    problems = _check(context, folder, recorded)
    evidence: dict[str, Any] = {"code_version": code_version} if moment is None else {"good_from": render(moment)}
    since = f"code version {code_version}" if moment is None else f"{render(moment)}"
    record = folder.timeline.append("fixed", text or f"Fixed from {since} on", evidence=evidence)
    data = {"seq": record.seq, "head": record.hash, **evidence}
    following = ["incident purge", "incident backfill"]
    return Report(data, printable(f"Recorded: runs are good from {since} on."), problems, following, incident=folder.id)


def _moment(text: str) -> int:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"--good-from: {error}", "write for example 2026-11-20T08:00:00Z") from error


def _check(context: Context, folder: IncidentFolder, recorded: Fix) -> list[Problem]:
    """A fix that clears the whole fault would make the radius empty, and an empty radius is no permission for anything."""
    from lineage.fault import choose

    fault = fault_of(folder)
    if not fault or fault.cells:
        return []
    try:
        history = read_history(context, folder)
    except SourceUnreadable as error:
        return [Problem("unchecked", f"The fix could not be compared with the faulty runs: {error.message}", error.hint)]
    before, after = choose(history, fault), choose(history, fault, recorded)
    if before.count and not after.count:
        what = "ran that very code version" if recorded.code_version is not None else "started after that moment"
        raise UsageError(
            f"That cannot be the fix: every attempt that the fault chose ({before.count}) {what}",
            "give the version, or the moment, from which on the job is good",
            code="fix-clears-fault",
        )
    if cleared := before.count - after.count:
        return [Problem("cleared", f"{cleared} of {before.count} attempts that the fault chose count as good from now on")]
    return []
