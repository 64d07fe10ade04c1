"""The program itself: its help, its version, and what it says when no command is named."""

from __future__ import annotations

from typing import Annotated

import typer

from incident import __version__
from incident.cli.help import EXIT_CODES, PlainGroup
from incident.cli.registration import adapter
from incident.context import Context
from incident.errors import UsageError
from incident.report import Report

app = typer.Typer(
    name="incident",
    cls=PlainGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _alone(
    context: Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", show_default=False)] = False,
) -> Report:
    """From lineage events to blast radius, revert, purge, backfill and post-mortem: data incidents from a terminal."""
    if version:
        return Report(data={"version": __version__}, text=f"incident {__version__}")
    if context.json:
        raise UsageError("No command was named", "incident --help")
    return Report(text=_help())


def _help() -> str:
    group = typer.main.get_command(app)
    with group.make_context("incident", [], resilient_parsing=True) as ctx:
        return group.get_help(ctx)


app.callback(cls=PlainGroup, invoke_without_command=True, help=_alone.__doc__, epilog=EXIT_CODES)(adapter(_alone))
