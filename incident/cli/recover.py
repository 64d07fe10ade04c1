"""Recover: revert, fix, purge, backfill, verify, resume, undo, approve, close. Plans are shown; ``--apply PLAN_ID`` does them."""

from __future__ import annotations

from typing import Annotated

import typer

from incident.cli.registration import command
from incident.cli.root import commands
from incident.context import Context
from incident.errors import UsageError
from incident.plan_options import PlanOptions
from incident.report import Report

HEADING = "Recover"
OF_OBJECTS = frozenset({"max_objects", "max_bytes", "before", "writers_stopped", "pointer"})
"""Consents to what happens to objects; a backfill runs jobs, and an undo takes back what had its consents.

But what an undo brings back, where no versions are kept, could cover what is written just now: that is a consent of its own."""

ENGINE = frozenset({"engine", "submit"})
"""Who does it, where a plan puts delete markers."""


@command(commands, "revert", HEADING)
def revert(context: Context, options: PlanOptions) -> Report:
    """Return serving datasets to their last good version."""
    from incident.commands import recover

    return options.told(recover.revert(context, options))


@command(commands, "fix", HEADING, lineage=True)
def fix(
    context: Context,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="What was fixed.", show_default=False)] = None,
    code_version: Annotated[
        str | None, typer.Option("--code-version", metavar="V", help="Attempts that run V are good.", show_default=False)
    ] = None,
    good_from: Annotated[
        str | None, typer.Option("--good-from", metavar="T", help="Attempts that start after T are good.", show_default=False)
    ] = None,
) -> Report:
    """Record the fix, and from which code version or moment on runs are good."""
    from incident.commands import fix as module

    return module.fix(context, text, code_version, good_from)


@command(commands, "purge", HEADING, without=frozenset({"before", "pointer"}))
def purge(context: Context, options: PlanOptions) -> Report:
    """Remove the faulty partitions, recoverably."""
    from incident.commands import recover

    return options.told(recover.purge(context, options))


@command(commands, "backfill", HEADING, without=OF_OBJECTS | ENGINE)
def backfill(context: Context, options: PlanOptions) -> Report:
    """Have the orchestrators make the purged partitions again, in order."""
    from incident.commands import backfill as module

    return options.told(module.backfill(context, options))


@command(commands, "verify", HEADING, lineage=True)
def verify(
    context: Context,
    expect_empty: Annotated[
        list[str] | None,
        typer.Option("--expect-empty", metavar="CELL", help="This cell is rightly empty (repeatable)", show_default=False),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="R", help="Why they are rightly empty.", show_default=False)
    ] = None,
) -> Report:
    """Prove that nothing tainted is left and everything purged is back; exit 6 otherwise."""
    from incident.commands import verify as module

    return module.verify(context, tuple(expect_empty or ()), reason)


@command(commands, "resume", HEADING, lineage=True)
def resume(
    context: Context,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Go on with what somebody else began.", show_default=False)
    ] = False,
) -> Report:
    """Finish an interrupted apply."""
    from incident.commands import recover

    return recover.resume(context, take_over)


@command(commands, "undo", HEADING, without=(OF_OBJECTS - {"writers_stopped"}) | ENGINE)
def undo(
    context: Context,
    options: PlanOptions,
    plan_id: Annotated[
        str | None, typer.Argument(metavar="[PLAN_ID]", help="The applied plan to take back.", show_default=False)
    ] = None,
) -> Report:
    """Take an applied plan back: plans the inverse; --apply UNDO_ID does it."""
    if plan_id is None and options.apply is None:
        raise UsageError("Which plan is to be taken back?", "incident undo PLAN_ID; incident status lists the applied plans")
    from incident.commands import recover

    return options.told(recover.undo(context, plan_id, options))


@command(commands, "approve", HEADING)
def approve(
    context: Context, plan_id: Annotated[str, typer.Argument(metavar="PLAN_ID", help="The plan, by its id, as it was shown.")]
) -> Report:
    """Record your consent to a plan that somebody else will apply."""
    from incident.commands import approve as module

    return module.approve(context, plan_id)


@command(commands, "close", HEADING, lineage=True)
def close(
    context: Context,
    unverified: Annotated[
        str | None, typer.Option("--unverified", metavar="REASON", help="Close although verify does not pass.", show_default=False)
    ] = None,
) -> Report:
    """Close the incident; refuses (exit 6) until verify passes."""
    from incident.commands import close as module

    return module.close(context, unverified)
