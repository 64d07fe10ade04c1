"""``quarantine list`` and ``quarantine expire``: what was set aside, and removing it for good."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from incident.config import Config
from incident.context import Context
from incident.errors import FAILED, OK, InputNeeded, UsageError
from incident.home import IncidentFolder
from incident.language import plural
from incident.quarantined import EXPIRED, EXPIRING, Kept, expired, holdings, remove
from incident.report import Problem, Report, printable
from incident.sizes import render_size
from incident.storage import open_store
from lineage.timestamps import render

if TYPE_CHECKING:
    from rich.console import RenderableType

ALL_CLOSED = "all-closed"


def listed(context: Context) -> Report:
    """Everything in quarantine, of all incidents in the home or of the one named. Read-only."""
    setting = context.config.policy.quarantine
    rows = [(folder, kept) for folder in _folders(context) for kept in holdings(folder)]
    data = [_row(folder, kept) for folder, kept in rows]
    closed = any(not _needed(folder) for folder, _ in rows)
    following = [f"incident quarantine expire --{ALL_CLOSED}"] if closed else ["incident status"] if rows else []
    return Report({"quarantine": data, "setting": setting}, lambda: _screen(rows), next=following)


def expire(context: Context, plan_id: str | None, all_closed: bool, confirm: str | None) -> Report:
    """The copies of one plan, or of all plans of incidents that were closed verified, removed for good.

    Raises UsageError for a plan of an incident that is open (its undo needs them), InputNeeded where nobody confirmed.
    """
    if (plan_id is None) == (not all_closed):
        raise UsageError("Which copies are to go?", f"incident quarantine expire PLAN_ID, or --{ALL_CLOSED}")
    config = context.config
    chosen = _closed(context) if plan_id is None else [(_of_plan(context, plan_id), plan_id)]
    kept = [(folder, one) for folder, name in chosen for one in holdings(folder) if one.plan_id == name]
    if not kept:
        return Report({"plans": [], "removed": 0, "bytes": 0, "left": 0}, "Nothing of this lies in quarantine.", next=[_LIST])
    objects, size = sum(one.objects for _, one in kept), sum(one.bytes for _, one in kept)
    _confirmed(context, plan_id or ALL_CLOSED, confirm, f"{plural(objects, 'object')}, {render_size(size)}", kept)
    results = [_expire(context, config, folder, name) for folder, name in chosen]
    left = [one for result in results for one in result["left"]]
    removed = sum(result["removed"] for result in results)
    return Report(
        {"plans": results, "removed": removed, "bytes": sum(result["bytes"] for result in results), "left": len(left)},
        f"{plural(removed, 'object')} removed from quarantine for good, {len(left)} left.",
        [Problem("left", f"{one['what']}: {one['why']}", _LIST) for one in left],
        [_LIST],
        FAILED if left else OK,
    )


_LIST = "incident quarantine list"


def _expire(context: Context, config: Config, folder: IncidentFolder, plan_id: str) -> dict[str, Any]:
    """Said before it begins, so that nobody wonders later who removed them; a second time finishes what was left."""
    plan = folder.load_plan(plan_id)
    kept = [one for one in holdings(folder) if one.plan_id == plan_id]
    count, size = sum(one.objects for one in kept), sum(one.bytes for one in kept)
    evidence = {"plan_id": plan_id, "objects": count, "bytes": size}
    folder.timeline.append(EXPIRING, f"Removing {count} copies of {plan_id} from quarantine for good", evidence=evidence)
    with context.progress(f"expire {plan_id}", count) as bar:
        done = remove(folder, plan, lambda bucket, key: open_store(config, bucket, key), bar.advance)
    left = [{"what": what, "why": why} for what, why in done.left]
    told = {"plan_id": plan_id, "removed": done.removed, "bytes": done.bytes, "gone": done.gone, "left": left}
    text = f"Removed {done.removed} copies of {plan_id} from quarantine for good; {len(left)} are left"
    folder.timeline.append(EXPIRED, text, evidence=told)
    return {"incident": folder.id, **told}


def _confirmed(context: Context, name: str, confirm: str | None, what: str, kept: Iterable[tuple[IncidentFolder, Kept]]) -> None:
    """A typed confirmation: --yes does not give it."""
    given = confirm
    if given is None:
        context.say(f"This removes {what} from quarantine for good. It cannot be undone.")
        if not context.interactive:
            raise InputNeeded(
                f"This removes {what} from quarantine for good and cannot be undone; type its name to confirm",
                f"--confirm {name}",
                code="confirm",
                data={"quarantine": [_row(folder, one) for folder, one in kept]},
            )
        given = context.ask(f"Type {name} to go on: ", flag=f"--confirm {name}")
    if given != name:
        raise UsageError(f"{given!r} is not {name!r}; nothing was removed", f"--confirm {name}", code="confirm")


def _folders(context: Context) -> list[IncidentFolder]:
    named = context.used is not None or context.incident_id or os.environ.get("INCIDENT_ID")
    return [context.folder()] if named else context.home.incidents()


def _closed(context: Context) -> list[tuple[IncidentFolder, str]]:
    closed = [folder for folder in _folders(context) if not _needed(folder)]
    return [(folder, name) for folder in closed for name in dict.fromkeys(one.plan_id for one in holdings(folder))]


def _of_plan(context: Context, plan_id: str) -> IncidentFolder:
    found = [folder for folder in _folders(context) if plan_id in folder.plans()]
    if not found:
        raise UsageError(f"No incident here has a plan {plan_id!r}", _LIST, code="no-plan")
    if found[0].is_open:
        raise UsageError(
            f"{found[0].id} is open: undoing {plan_id} needs what it set aside", "incident close; then expire it", code="open"
        )
    if plan_id in expired(found[0]):
        raise UsageError(f"The copies of {plan_id} are removed already", _LIST, code="expired")
    return found[0]


def _needed(folder: IncidentFolder) -> str:
    """Why the copies of an incident may be the last of their bytes; empty where they are not.

    Nobody saw that an incident that was closed without verification made its data again: its copies go only by their plan's name.
    """
    if folder.is_open:
        return "its incident is open"
    closed = folder.timeline.last("closed")
    return "" if closed is not None and closed.evidence.get("verified") else "perhaps: closed unverified"


def _row(folder: IncidentFolder, kept: Kept) -> dict[str, Any]:
    return {
        "incident": folder.id,
        "plan_id": kept.plan_id,
        "cell": kept.cell,
        "from": kept.source,
        "to": kept.to,
        "objects": kept.objects,
        "bytes": kept.bytes,
        "since": render(kept.since),
        "needed": bool(_needed(folder)),
    }


def _screen(rows: list[tuple[IncidentFolder, Kept]]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return Text("Nothing is in quarantine.")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("from", "objects", "size", "since", "plan", "needed"):
        table.add_column(name, overflow="fold", justify="right" if name in {"objects", "size"} else "left")
    for folder, kept in rows:
        needed = _needed(folder) or "no"
        since = (render(kept.since) or "").partition(".")[0].rstrip("Z") + "Z"
        table.add_row(printable(kept.source), str(kept.objects), render_size(kept.bytes), since, kept.plan_id, needed)
    places = dict.fromkeys(kept.to for _, kept in rows)
    return Group(table, Text("\nThe copies lie in:"), *(Text(printable(f"  {place}"), overflow="fold") for place in places))
