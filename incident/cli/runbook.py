"""Runbooks: run, runbook list, show and lint."""

from __future__ import annotations

from typing import Annotated

import typer

from incident.cli.registration import command, group
from incident.cli.root import commands
from incident.context import Context
from incident.report import Report

HEADING = "Runbooks"
_Runbook = Annotated[str, typer.Argument(metavar="RUNBOOK", help="A shipped runbook's name, or a YAML file.")]


@command(commands, "run", HEADING, lineage=True)
def run(
    context: Context,
    runbook: _Runbook,
    param: Annotated[
        list[str] | None, typer.Option("--param", metavar="K=V", help="A parameter of the runbook (repeatable)", show_default=False)
    ] = None,
) -> Report:
    """Walk a runbook: each step is shown, then done, skipped with a reason, or left."""
    from incident.commands import run as module

    return module.run(context, runbook, tuple(param or ()))


runbooks = group(commands, "runbook", HEADING, "The runbooks that can be walked.")


@command(runbooks, "list")
def runbook_list(context: Context) -> Report:
    """List the shipped runbooks."""
    from incident.commands import run as module

    return module.runbook_list(context)


@command(runbooks, "show")
def runbook_show(context: Context, runbook: _Runbook) -> Report:
    """Show a runbook's steps."""
    from incident.commands import run as module

    return module.runbook_show(context, runbook)


@command(runbooks, "lint")
def runbook_lint(context: Context, runbook: _Runbook) -> Report:
    """Check a runbook strictly."""
    from incident.commands import run as module

    return module.runbook_lint(context, runbook)
