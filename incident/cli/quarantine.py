"""Recover: quarantine list, quarantine expire."""

from __future__ import annotations

from typing import Annotated

import typer

from incident.cli.recover import HEADING
from incident.cli.registration import command, group
from incident.cli.root import commands
from incident.context import Context
from incident.report import Report

quarantine = group(commands, "quarantine", HEADING, "Show what was set aside where no versions are kept, or remove it for good.")


@command(quarantine, "list")
def quarantine_list(context: Context) -> Report:
    """Show what lies in quarantine, where it came from, and whether it is still needed. Read-only."""
    from incident.commands import quarantine as module

    return module.listed(context)


@command(quarantine, "expire")
def quarantine_expire(
    context: Context,
    plan_id: Annotated[
        str | None, typer.Argument(metavar="[PLAN_ID]", help="The plan whose copies are to go.", show_default=False)
    ] = None,
    all_closed: Annotated[bool, typer.Option("--all-closed", help="Those of all closed incidents.", show_default=False)] = False,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", metavar="NAME", help="PLAN_ID or all-closed, typed once more.", show_default=False),
    ] = None,
) -> Report:
    """Remove copies from quarantine for good, of closed incidents only. Cannot be undone."""
    from incident.commands import quarantine as module

    return module.expire(context, plan_id, all_closed, confirm)
