"""Set up: init, doctor, demo, lineage."""

from __future__ import annotations

from typing import Annotated

import typer

from incident.cli.registration import command, group
from incident.cli.root import commands
from incident.context import Context
from incident.report import Report

HEADING = "Set up"


@command(commands, "init", HEADING)
def init(context: Context) -> Report:
    """Write a commented incident.toml here; never overwrites one."""
    from incident.commands import setup

    return setup.init(context)


@command(commands, "doctor", HEADING, lineage=True)
def doctor(context: Context) -> Report:
    """Check lineage, storage, orchestrators and home; read-only."""
    from incident.commands import setup

    return setup.doctor(context)


@command(commands, "demo", HEADING)
def demo(
    context: Context,
    runbook: Annotated[str | None, typer.Option("--runbook", metavar="NAME", help="Play this runbook.", show_default=False)] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="DIR", help="Leave lake, configuration and incident there.", show_default=False)
    ] = None,
    step: Annotated[bool, typer.Option("--step", help="Pause before each command.", show_default=False)] = False,
) -> Report:
    """Play a whole incident on a throw-away lake served by a local S3 server."""
    from incident.commands import demo as demonstration

    return demonstration.demo(context, runbook, keep, step)


lineage = group(commands, "lineage", HEADING, "Keep an index of the lineage, and look at it as it was understood.")


@command(lineage, "ingest", lineage=True)
def lineage_ingest(
    context: Context,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="DIR|s3://BUCKET/PREFIX", help="Where the index lies; else beside the home.", show_default=False
        ),
    ] = None,
    anew: Annotated[
        bool,
        typer.Option("--anew", help="Forget what the index knows, and read the sources from their beginning.", show_default=False),
    ] = False,
) -> Report:
    """Read what is new in the lineage into an index, from which blast answers at once."""
    from incident.commands import lineage as module

    return module.lineage_ingest(context, to, anew=anew)


@command(lineage, "show", lineage=True)
def lineage_show(
    context: Context, name: Annotated[str, typer.Argument(metavar="NAME", help="A job or dataset; unique suffixes are accepted.")]
) -> Report:
    """Show what a job or dataset reads, writes and is read by; read-only."""
    from incident.commands import lineage as module

    return module.lineage_show(context, name)


@command(lineage, "gaps", lineage=True)
def lineage_gaps(
    context: Context,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Print configuration to paste, from what the lineage shows.", show_default=False)
    ] = False,
) -> Report:
    """List what the lineage leaves open and what to do about it; read-only."""
    from incident.commands import lineage as module

    return module.lineage_gaps(context, suggest=suggest)
