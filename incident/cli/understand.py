"""Understand: declare, scope, blast, triage, status, list."""

from __future__ import annotations

from typing import Annotated

import typer

from incident.cli.registration import command
from incident.cli.root import commands
from incident.context import Context
from incident.fault_options import FaultOptions
from incident.report import Report

HEADING = "Understand"


@command(commands, "declare", HEADING)
def declare(
    context: Context,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What is wrong, in a few words.")],
    fault: FaultOptions,
) -> Report:
    """Open an incident; with a fault, or without one as yet."""
    from incident.commands import understand

    return understand.declare(context, title, fault)


@command(commands, "scope", HEADING)
def scope(context: Context, fault: FaultOptions) -> Report:
    """Set or revise the fault of the incident: a new revision of its radius."""
    from incident.commands import understand

    return understand.scope(context, fault)


@command(commands, "blast", HEADING)
def blast(
    context: Context,
    fault: FaultOptions,
    why: Annotated[
        str | None,
        typer.Option("--why", metavar="DATASET@PARTITION", help="Explain how this cell was reached.", show_default=False),
    ] = None,
    drafts: Annotated[
        bool, typer.Option("--drafts", help="Print a message draft for each team that must know.", show_default=False)
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Show all datasets and partitions.", show_default=False)] = False,
) -> Report:
    """Show what the fault reached, through which runs, since when; read-only, works without an incident."""
    from incident.commands import understand

    return understand.blast(context, fault, why, drafts=drafts, every=every)


@command(commands, "triage", HEADING)
def triage(
    context: Context,
    fault: FaultOptions,
    counters: Annotated[
        list[str] | None,
        typer.Option(
            "--counters",
            metavar="FILE",
            help="Counters by run, CSV (run_id,counter,value) or JSON (repeatable)",
            show_default=False,
        ),
    ] = None,
) -> Report:
    """Code, data or format? What changed with the first bad attempt, ranked; read-only, works without an incident."""
    from incident.commands import triage as module

    return module.triage(context, fault, tuple(counters or ()))


@command(commands, "status", HEADING)
def status(context: Context) -> Report:
    """Show where the incident stands and what comes next; read-only."""
    from incident.commands import status as module

    return module.status(context)


@command(commands, "list", HEADING)
def list_(context: Context) -> Report:
    """List the incidents in the home; read-only."""
    from incident.commands import status as module

    return module.list_incidents(context)
