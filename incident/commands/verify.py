"""``verify``: is anything tainted left, and is everything purged back? Read-only but for its record on the timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident.checks import Check
from incident.context import Context
from incident.errors import OK, UNVERIFIED, UsageError
from incident.home import IncidentFolder
from incident.language import plural
from incident.losses import Losses, losses
from incident.radius import Fresh, fresh_radius
from incident.report import Problem, Report, printable
from lineage.errors import LineageError
from lineage.fault import parse_cell
from runbooks.consents import names

if TYPE_CHECKING:
    from rich.console import RenderableType

_STYLE = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def verify(context: Context, expect_empty: tuple[str, ...], reason: str | None) -> Report:
    """The checks; exit 6 when one fails. ``expect_empty`` names purged cells that are rightly gone, for the ``reason`` given."""
    folder = context.folder()
    if bool(expect_empty) != bool(reason and reason.strip()):
        raise UsageError("--expect-empty CELL and --reason R go together", "incident verify --expect-empty CELL --reason R")
    if expect_empty and not folder.is_open:
        raise UsageError(f"{folder.id} is closed, so nothing about it is changed any more", "incident verify", code="closed")
    fresh = fresh_radius(context, folder, attempts="making")
    if expect_empty:
        cells = [_named(text, losses(folder, fresh), fresh) for text in expect_empty]
        listed = ", ".join(cells)
        folder.timeline.append(
            "note",
            f"Rightly empty: {listed}. {reason}",
            evidence={"kind": "decision", "expect_empty": cells, "reason": str(reason)},
        )
    checks = run_checks(context, folder, fresh)
    failed = [one for one in checks if one.status == "fail"]
    warned = [one for one in checks if one.status == "warn"]
    if folder.is_open:
        record_result(folder, checks)
    problems = [Problem("verification", f"{one.name}: {one.detail}", one.hint) for one in failed]
    problems += [Problem("warning", f"{one.name}: {one.detail}", one.hint) for one in warned]
    following = ["incident close"] if not failed and folder.is_open else []
    return Report(
        {"ok": not failed, "checks": [one.to_json() for one in checks]},
        lambda: _screen(checks),
        problems,
        following,
        UNVERIFIED if failed else OK,
        incident=folder.id,
    )


def run_checks(context: Context, folder: IncidentFolder, fresh: Fresh | None = None) -> list[Check]:
    """Every check of the incident as it stands now. Read-only."""
    from incident.pointers.checks import served_check
    from incident.tables.outputs import all_outputs
    from incident.verification import Evidence, verification

    fresh = fresh or fresh_radius(context, folder, attempts="making")
    outputs = all_outputs(context.config)
    found = list(verification(Evidence(folder, fresh.radius, losses(folder, fresh), outputs)))
    served = served_check(context, fresh.radius, fresh.history)
    return found if served is None else [*found, served]


def record_result(folder: IncidentFolder, checks: list[Check]) -> None:
    """Tell the timeline what was found."""
    failed = [one.name for one in checks if one.status == "fail"]
    text = f"Not verified: {', '.join(failed)}" if failed else f"Verified: {plural(len(checks), 'check')} passed"
    evidence: dict[str, Any] = {"ok": not failed, "checks": [one.to_json() for one in checks]}
    folder.timeline.append("verified", text, evidence=evidence)


def _named(text: str, found: Losses, fresh: Fresh) -> str:
    """The purged cell that the operator means, as we write it. Raises UsageError when it is none."""
    ours = {str(one.cell): one.cell for one in found.standing} | {str(one): one.cell for one in found.missing}
    meant = [name for name, cell in ours.items() if names(text, cell)]
    if not meant:
        try:
            parsed = str(parse_cell(fresh.history, text))
        except LineageError:
            parsed = ""
        meant = [parsed] if parsed in ours else []
    if len(meant) != 1:
        why = f"could be any of {', '.join(meant)}" if meant else "is no cell that this incident purged or reverted"
        raise UsageError(f"{text!r} {why}", "write the cell as incident verify shows it")
    return meant[0]


def _screen(checks: list[Check]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for one in checks:
        table.add_row(Text(one.status, style=_STYLE[one.status]), one.name, printable(one.detail))
    return table
