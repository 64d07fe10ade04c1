"""A plan, and what came of applying it, as the contract's JSON and as a screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from incident.errors import INPUT_NEEDED, PENDING, IncidentError
from incident.executor import Applied
from incident.home import IncidentFolder
from incident.language import plural
from incident.report import Problem, Report, printable
from incident.sizes import render_size
from lineage.timestamps import render
from runbooks.actions import ACTIONS
from runbooks.consents import Consents, blocking
from runbooks.plan import ChangeTable, Plan, Refusal, SwapPointer, place_of
from runbooks.pointers import shown, swaps_of

if TYPE_CHECKING:
    from rich.console import RenderableType

SAMPLE = 20
NO_OBJECTS = frozenset({"run-job", "swap-pointer"})
_OBJECTS = tuple(kind for op, kind in ACTIONS.items() if op not in NO_OBJECTS)


def plan_data(plan: Plan, created_at: int) -> dict[str, Any]:
    """The plan data of the contract. ``created_at`` in nanoseconds UTC."""
    return {
        "id": plan.id,
        "sha256": plan.sha256,
        "phase": plan.phase,
        "revision": plan.revision,
        "created_at": render(created_at),
        "actions": len(plan.actions),
        "objects": objects_of(plan),
        "bytes": plan.bytes,
        "cells": [{"cell": str(cell), "url": cell.url, "leaves": cell.leaves} for cell in plan.cells],
        "refused": [{"what": one.what, "why": one.why, "code": one.code} for one in plan.refused],
        "warnings": list(plan.warnings),
        "pointers": [
            {"pointer": one.pointer, "kind": one.kind, "old": one.old, "new": one.new, "told": one.told, "cell": one.cell}
            for one in swaps_of(plan)
        ],
        "sample": [place_of(action) for _, action in islice(plan.of(*_OBJECTS), SAMPLE)],
    }


def objects_of(plan: Plan) -> int:
    """How many objects, or parts of tables, a plan acts on; runs and pointers are none."""
    return sum(one.count for one in plan.stretches if one.op not in NO_OBJECTS)


def show_plan(folder: IncidentFolder, plan: Plan, consents: Consents, now: int, apply: str, *, detailed: bool = False) -> Report:
    """The plan as a report; saved, so that it can be applied, unless something in it is refused or it answers for nothing.

    ``apply``: the command line that applies it, without the id.
    """
    blocked = blocking(plan, consents)
    saved = not blocked and bool(plan.cells)
    if saved:
        if plan.id not in folder.plans():
            swaps = len(swaps_of(plan))
            also = f" and {plural(swaps, 'pointer')}" if swaps else ""
            objects = f"{len(plan.actions) - swaps} objects, {render_size(plan.bytes)}"
            text = f"Planned {plan.id}: {objects}, in {len(plan.cells)} cells{also}"
            folder.timeline.append("planned", text, evidence=_evidence(plan))
        folder.save_plan(plan, now)
    command = f"{apply} --apply {plan.id}"
    problems = [Problem("refused", f"{one.what}: {one.why}", _hint(one.code)) for one in blocked]
    return Report(
        data={"plan": plan_data(plan, now), "saved": saved},
        text=lambda: _screen(plan, command if saved else "", blocked),
        problems=problems,
        next=[command] if saved else ["incident blast"] if blocked else [],
        exit_code=INPUT_NEEDED if blocked else PENDING if detailed and plan.actions else 0,
        incident=folder.id,
    )


def as_shown(folder: IncidentFolder, plan: Plan) -> None:
    """Raises IncidentError when the timeline says that another plan was shown under this id: its file was put there since.

    An id is the beginning of a hash; the timeline, whose records cannot be changed unnoticed, has all of it.
    """
    for record in folder.timeline.records():
        told = record.evidence.get("sha256") if record.evidence.get("plan_id") == plan.id else None
        if record.kind == "planned" and told not in {None, plan.sha256}:
            raise IncidentError(
                f"{plan.id} is not the plan that was shown: the timeline has {told}, its file {plan.sha256}",
                f"incident {plan.phase}" if plan.target is None else f"incident undo {plan.target}",
                code="plan-damaged",
            )


def _evidence(plan: Plan) -> dict[str, Any]:
    return {
        "plan_id": plan.id,
        "sha256": plan.sha256,
        "phase": plan.phase,
        "revision": plan.revision,
        "objects": len(plan.actions),
        "bytes": plan.bytes,
        "cells": [str(cell) for cell in plan.cells],
        "refused": [{"what": one.what, "why": one.why} for one in plan.refused],
    }


def _hint(code: str) -> str:
    match code:
        case "cap-objects":
            return "--max-objects N"
        case "cap-bytes":
            return "--max-bytes N"
        case "empty" | "not-included":
            return "incident blast"
        case "unbounded" | "undecidable":
            return "--before T, or --skip-refused to go on with the rest"
        case "drops-commits":
            return "--include CELL gives those commits up; --skip-refused goes on with the rest"
        case "unconditional" | "no-conditional-delete" | "no-conditional-put":
            return "--writers-stopped, or --skip-refused to go on with the rest"
        case "no-quarantine":
            return "set [policy] quarantine in incident.toml, or --skip-refused to go on with the rest"
        case "no-good-value" | "no-target" | "tainted-target":
            return "--pointer URL=VALUE, or --skip-refused to go on with the rest"
        case (
            "suspect"
            | "unresolved"
            | "open-writer"
            | "not-remakeable"
            | "expiring"
            | "nothing-there"
            | "contains"
            | "rewritten"
            | "copy-too-new"
            | "nothing-kept"
        ):
            return "--include CELL, or --skip-refused to go on with the rest"
        case _:
            return "--skip-refused to go on with the rest"


def _screen(plan: Plan, command: str, blocked: Sequence[Refusal]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for one in plan.stretches:
        if one.op not in NO_OBJECTS:
            counts[one.cell] += one.count
            sizes[one.cell] += one.bytes
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("where", overflow="fold")
    table.add_column("objects", justify="right")
    table.add_column("size", justify="right")
    table.add_column("leaves")
    for cell in plan.cells:
        shown = Text(printable(cell.url or str(cell)))
        table.add_row(shown, str(counts[str(cell)]), render_size(sizes[str(cell)]), cell.leaves)
    parts: list[RenderableType] = []
    if plan.cells:
        total = f"{plural(objects_of(plan), 'object')}, {render_size(plan.bytes)}, in {plural(len(plan.cells), 'cell')}"
        if swapped := len(swaps_of(plan)):
            total = f"{plural(swapped, 'pointer')}, {total}"
        parts += [Text(f"Plan {plan.id}: {total}", style="bold"), table]
    else:
        parts.append(Text(f"Nothing to {plan.phase}.", style="bold"))
    if swaps := swaps_of(plan):
        parts += [Text("\nPointers:", style="bold"), *(Text(printable(f"  {_swap(one)}")) for one in swaps)]
    if tables := [action for _, action in plan.of(ChangeTable)]:
        parts += [Text("\nTables:", style="bold"), *(Text(printable(f"  {_change(one)}")) for one in tables)]
    # What keeps the plan from being saved is told among the problems, each with what helps.
    if left_out := [one for one in plan.refused if one not in blocked]:
        parts += [Text("\nLeft out:", style="bold"), *(Text(printable(f"  {one.what}: {one.why}")) for one in left_out)]
    if plan.warnings:
        parts += [Text("\nMind:", style="bold"), *(Text(printable(f"  {warning}")) for warning in plan.warnings)]
    if command:
        parts.append(Text(f"\nNothing was changed. To do exactly this: {command}"))
    elif blocked and plan.cells:
        parts.append(Text("\nNothing was changed, and this plan is not saved: what is refused needs your consent first."))
    return Group(*parts)


def _swap(one: SwapPointer) -> str:
    return f"{one.pointer}: {shown(one.old)} → {shown(one.new)}{f' ({one.told})' if one.told else ''}"


def _change(one: ChangeTable) -> str:
    """What a commit does to a table, from which version and to which."""
    now = f"at version {one.requires.version_id}" if one.requires.version_id else "without a version"
    match one.change:
        case "version":
            what = f"all of the table goes to version {one.target}"
        case "files" if one.target:
            what = f"its files become those of version {one.target}"
        case _:
            what = "its files leave the table, in a version of their own"
    return f"{one.cell} ({now}): {what}"


def show_applied(folder: IncidentFolder, plan: Plan, applied: Applied, following: str) -> Report:
    """What came of an apply. ``following``: the command to type next when all went well."""
    resume = f"incident resume --incident {folder.id}"
    again = f"incident {plan.phase}" if plan.target is None else f"incident undo {plan.target}"
    problems = []
    if applied.failed or applied.unknown:
        message = f"{applied.failed} actions failed and {applied.unknown} are unknown{_examples(applied)}"
        problems.append(Problem("failed", message, resume))
    if applied.drifted:
        message = f"{applied.drifted} objects changed since the plan and were left alone{_examples(applied)}"
        problems.append(Problem("drift", message, again))
    if applied.strays:
        more = "" if applied.drifted else _examples(applied)  # they were named just above
        problems.append(
            Problem("drift", f"{applied.strays} cells hold what was written since the plan; that was left alone{more}", again)
        )
    if applied.already:
        text = f"{plan.id} was applied already; nothing was done."
    else:
        text = f"{plan.id}: {applied.done} of {len(plan.actions)} done, {render_size(applied.bytes)}, in {applied.seconds:.1f} s"
    incomplete = applied.failed or applied.unknown
    next_step = (
        resume
        if incomplete
        else f"incident {plan.phase}"
        if (applied.drifted or applied.strays) and plan.phase != "undo"
        else following
    )
    notes = [{"what": what, "why": why} for what, why in applied.notes]
    return Report(
        data={**applied.to_json(), "notes": notes},
        text=text,
        problems=problems,
        next=[next_step],
        exit_code=applied.exit_code,
        incident=folder.id,
    )


def _examples(applied: Applied) -> str:
    return "".join(f"\n  {what}: {why}" for what, why in applied.notes[:SAMPLE])
