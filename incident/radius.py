"""The radius of an incident, computed afresh and kept as a named revision with its difference to the last."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from incident.context import Context
from incident.errors import InputNeeded
from incident.sources import ask_index, read_history
from lineage.blast_radius import BlastRadius
from lineage.datasets import DatasetId
from lineage.fault import Fault, Fix
from lineage.history import History
from lineage.timestamps import parse

if TYPE_CHECKING:
    from incident.home import IncidentFolder


@dataclass(frozen=True, slots=True)
class Fresh:
    """A radius as of now. ``difference``: sentences on what changed since the last revision."""

    radius: BlastRadius
    history: History
    difference: tuple[str, ...] = ()


Needed = Literal["all", "deciding", "making", "telling"]
"""Which attempts a history must hold at least: all, those that decide the radius, or all that ever made what we changed.

``telling``: those that decide the radius, and only the jobs and datasets that it can be about.
"""


def fresh_radius(context: Context, folder: IncidentFolder, *, attempts: Needed) -> Fresh:
    """Compute the incident's radius and keep it. Raises InputNeeded when its fault is not known yet.

    The history holds all jobs and datasets, but perhaps no more ``attempts`` than needed; all where the good value of a pointer may
    be an older one's.
    """
    config = context.config
    pointers = [rule.pointer for rule in config.serving] + [rule.pointer for rule in config.declarations.datasets]
    return keep(folder, *reached(context, folder, known_fault(folder), attempts="all" if any(pointers) else attempts))


def reached(
    context: Context, folder: IncidentFolder | None, fault: Fault, *, attempts: Needed = "telling"
) -> tuple[History, BlastRadius]:
    """What a fault reached, by an event index where there is one, with a history as ``fresh_radius`` says. Read-only."""
    fix = fix_of(folder) if folder is not None else None
    query = None if fault.columns else ask_index(context, folder)
    if query is not None and attempts != "all":
        history, radius = query.blast(fault, fix, narrow=attempts == "telling")
        return (replace(history, attempts=query.makers()) if attempts == "making" else history), radius
    from lineage.blast import blast

    history = query.whole() if query is not None else read_history(context, folder, columns=bool(fault.columns))
    return history, blast(history, fault, fix)


def keep(folder: IncidentFolder, history: History, radius: BlastRadius) -> Fresh:
    """The radius saved as the incident's latest revision, unless that says the same."""
    saved = folder.revisions()
    content = radius.to_json()
    name = folder.save_revision(content)
    difference = _difference(saved[-1][1], content) if saved and saved[-1][0] != name else ()
    return Fresh(replace(radius, revision=name), history, difference)


def known_fault(folder: IncidentFolder) -> Fault:
    """The incident's fault. Raises InputNeeded when nobody chose one yet."""
    if fault := fault_of(folder):
        return fault
    raise InputNeeded(f"The fault of {folder.id} is not known yet", "incident scope --job NAMESPACE/NAME", code="no-fault")


def fault_of(folder: IncidentFolder) -> Fault:
    """The fault as last declared or scoped; empty when nobody chose one."""
    chosen = [one for one in folder.timeline.records() if one.kind in {"declared", "scoped"} and one.evidence.get("fault")]
    return Fault.from_json(chosen[-1].evidence["fault"]) if chosen else Fault()


FIX = 'incident fix "what was fixed" --code-version V'


def lacks_fix(folder: IncidentFolder) -> bool:
    """Whether what the faulty job makes now would count as bad again: it was chosen by job, and nobody recorded a fix."""
    fault = fault_of(folder)
    return bool(fault) and not fault.cells and fix_of(folder) is None


def fix_of(folder: IncidentFolder) -> Fix | None:
    """The fix as last recorded."""
    record = folder.timeline.last("fixed")
    if record is None:
        return None
    good_from = record.evidence.get("good_from")
    return Fix(record.evidence.get("code_version"), parse(good_from) if good_from else None)


def _difference(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """What changed from one revision to the next, cell by cell."""
    old, new = _states(before), _states(after)
    changes = [
        f"{cell}: {old.get(cell, 'CLEAN')} → {new.get(cell, 'CLEAN')}"
        for cell in sorted(old | new)
        if old.get(cell) != new.get(cell)
    ]
    attempts = len(after["attempts"]) - len(before["attempts"])
    return (*changes, *([f"{attempts:+d} attempts reached"] if attempts else []))


def _states(radius: dict[str, Any]) -> dict[str, str]:
    return {f"{DatasetId(**one['dataset'])}@{one['partition']}": one["state"] for one in radius["cells"]}
