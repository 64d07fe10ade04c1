"""declare, scope and blast: what is tainted, since when, through whom, and what we cannot know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from incident.context import Context
from incident.errors import UsageError
from incident.fault_options import FaultOptions
from incident.lineage_problems import problems, skipped
from incident.radius import Fresh, fix_of, keep, known_fault, reached
from incident.report import Report, printable
from incident.sources import absolute, read_told
from lineage.fault import Fault
from lineage.timestamps import BEFORE, render

if TYPE_CHECKING:
    from rich.console import RenderableType

    from incident.home import IncidentFolder
    from lineage.audience import Team
    from lineage.blast_radius import BlastRadius
    from lineage.cadence import NextReader
    from lineage.declarations import Declarations
    from lineage.history import History

_SHOWN = 20
"""How many changes are shown one by one."""


def _fault(options: FaultOptions) -> Fault:
    chosen = {key: getattr(options, key) for key in Fault.__dataclass_fields__}
    return Fault(**chosen)


def declare(context: Context, title: str, fault: FaultOptions) -> Report:
    """Open an incident. Without a choice of fault it is not known yet; scope sets it later."""
    chosen = _fault(fault)
    if not chosen:
        folder = context.use(context.home.create(title, context.now()))
        folder.timeline.append("declared", title, evidence={"fault": None, "revision": None, **_sources(context)})
        text = f"Opened {folder.id}. Its fault is not known yet."
        data: dict[str, Any] = {"id": folder.id, "title": folder.title, "revision": None, "fault": None}
        return Report(data, text, next=["incident scope --job NAMESPACE/NAME", "incident note TEXT"], incident=folder.id)
    known, radius = reached(context, None, chosen)  # an incident is opened only for a fault that chooses something
    folder = context.use(context.home.create(title, context.now()))
    fresh = keep(folder, known, radius)
    folder.timeline.append("declared", title, evidence={**_evidence(fresh.radius, chosen), **_sources(context)})
    return _opened(folder, fresh, f"Opened {folder.id}.")


def scope(context: Context, fault: FaultOptions) -> Report:
    """Set or revise the incident's fault: a new revision of the radius, with what changed."""
    chosen = _fault(fault)
    if not chosen:
        raise UsageError("scope needs a choice of fault", "incident scope --job NAMESPACE/NAME --nominal A..B")
    folder = context.folder()
    if not folder.is_open:
        raise UsageError(f"{folder.id} is closed", 'incident declare "TITLE"')
    fresh = keep(folder, *reached(context, folder, chosen))
    words = fresh.radius.fault["words"]
    folder.timeline.append("scoped", f"Fault: {words}", evidence={**_evidence(fresh.radius, chosen), **_sources(context)})
    return _opened(folder, fresh, f"{folder.id}, radius {fresh.radius.revision}.")


def blast(context: Context, fault: FaultOptions, why: str | None = None, *, drafts: bool = False, every: bool = False) -> Report:
    """What is tainted, since when, through whom, and what we cannot know. Read-only; works without an incident.

    ``every``: show every dataset, however many there are.
    """
    from lineage.cadence import next_readers

    chosen = _fault(fault)
    folder = None if chosen else context.folder()
    if folder is not None:
        chosen = known_fault(folder)
    told = read_told(context, folder, columns=bool(chosen.columns)) if why else None
    fix = fix_of(folder) if folder is not None else None
    if told is None:
        history, radius = reached(context, folder, chosen)
    else:
        from lineage import blast as engine

        history, radius = told.history, engine.blast(told.history, chosen, fix)
    fresh = Fresh(radius, history) if folder is None else keep(folder, history, radius)
    readers = next_readers(history, fresh.radius, context.now())
    scripted = context.json or context.events
    teams: tuple[Team, ...] = ()
    if scripted or drafts:
        from lineage.audience import audience

        teams = audience(fresh.radius, readers, folder.title if folder else "")
    data: dict[str, Any] = {}
    if scripted:  # nobody else sees it, and of a large radius it is most of the work
        data = {
            **fresh.radius.to_json(),
            "difference": list(fresh.difference),
            "skipped": skipped(history),
            "at_risk_next": [one.to_json() for one in readers],
            "drafts": [one.to_json() for one in teams],
        }
    reasons = None
    if told is not None and why:
        from incident.explanation import explained, explanation_json

        def suppose(other: Declarations) -> tuple[History, BlastRadius]:
            again = told.again(other)
            return again, engine.blast(again, chosen, fix)

        reasons = explained(history, fresh.radius, why, suppose)
        data["why"] = [explanation_json(one) for one in reasons]

    def screen() -> RenderableType:
        if reasons is not None:
            from incident.explanation import explanation_text

            return explanation_text(reasons)
        return _drafts(teams) if drafts else _screen(fresh, readers, every=every)

    following = ["incident revert", "incident purge"] if folder else ['incident declare "TITLE" with the same choice, to act on it']
    return Report(
        data,
        screen,
        problems(history),
        []
        if drafts
        else following
        if fresh.radius.overview.dirty
        else ["incident verify"]
        if folder
        else ["incident lineage gaps"],
        incident=folder.id if folder else None,
    )


def _drafts(teams: Sequence[Team]) -> str:
    """Message drafts, ready to paste, each under a line that names its team."""
    parts = [f"{'=' * 8} {team.name or 'no owner known'} {'=' * 8}\n{team.draft}" for team in teams]
    return printable("\n".join(parts) or "Nothing was reached: there is nobody to tell.")


# --- shared ---------------------------------------------------------------------------------------------------------------


def _sources(context: Context) -> dict[str, Any]:
    """The sources, where they were named by hand, so that later commands read the same."""
    return {"lineage": list(absolute(context.lineage_override))} if context.lineage_override else {}


def _evidence(radius: BlastRadius, fault: Fault) -> dict[str, Any]:
    since = radius.overview.since
    return {
        "fault": fault.to_json(),
        "words": radius.fault["words"],
        "matched": radius.fault["matched"],
        "revision": radius.revision,
        "bad_since": render(since) if since is not None and since > BEFORE else None,
        "summary": radius.summary(),
    }


def _opened(folder: IncidentFolder, fresh: Fresh, heading: str) -> Report:
    radius = fresh.radius
    data = {
        "id": folder.id,
        "title": folder.title,
        "revision": radius.revision,
        "fault": radius.fault,
        "summary": radius.summary(),
        "difference": list(fresh.difference),
    }

    def screen() -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        return Group(Text(heading), Text(), _screen(fresh))

    return Report(data, screen, problems(fresh.history), ["incident blast", "incident revert"], incident=folder.id)


def _screen(fresh: Fresh, readers: Sequence[NextReader] = (), *, every: bool = False) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from incident.radius_tree import SHOWN, radius_tree

    changed = [Text(f"Since the last revision: {printable(line)}", style="dim") for line in fresh.difference[:_SHOWN]]
    if len(fresh.difference) > _SHOWN:
        changed.append(Text(f"… and {len(fresh.difference) - _SHOWN} changes more (--json lists all)", style="dim"))
    return Group(radius_tree(fresh.radius, readers, None if every else SHOWN), *changed)
