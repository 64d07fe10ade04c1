"""The program itself: its help, its version, and what it says when no command is named."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from incident import __version__
from incident.cli.announced import Commands
from incident.cli.help import EXIT_CODES, PlainGroup
from incident.cli.registration import adapter, made
from incident.context import Context
from incident.errors import UsageError
from incident.report import Report

commands = Commands()

_typed = typer.Typer(
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
    group = program()
    with group.make_context("incident", [], resilient_parsing=True) as ctx:
        told: str = group.get_help(ctx)
    return told


_typed.callback(cls=PlainGroup, invoke_without_command=True, help=_alone.__doc__, epilog=EXIT_CODES)(adapter(_alone))


def program() -> Any:
    """The whole command line, as far as it is made before a command is named."""
    return made(_typed, commands)
