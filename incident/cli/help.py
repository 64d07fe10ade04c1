"""Plain, fast ``--help``: commands under their headings, common options apart, exit codes at the end."""

from __future__ import annotations

import inspect
from typing import Any

from typer.core import TyperCommand, TyperGroup

from incident.cli.invocation import PANEL
from incident.cli.strictness import given_once, not_empty
from incident.cli.texts import take_texts_as_they_are

HEADINGS = ("Set up", "Understand", "Recover", "Record and tell", "Runbooks")

EXIT_CODES = """\
\b
Exit codes:
  0  ok
  1  failed
  2  usage: the command line or incident.toml does not make sense
  3  input or approval needed: the message names the flag that gives it
  4  credentials are missing or refused
  5  the world moved since the plan
  6  verification failed
  7  the timeline could not be written; nothing destructive was done
  8  changes pending (only with --detailed-exitcode)
  130  interrupted
"""


class PlainCommand(TyperCommand):
    """A command whose help lists its own options before those that every command has."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        take_texts_as_they_are(self.get_params(ctx))
        given = given_once(self.make_parser(ctx), ctx, args)
        rest = super().parse_args(ctx, args)
        not_empty(given, ctx)
        return rest

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _options(self, ctx, formatter)


class PlainGroup(TyperGroup):
    """A group whose help lists its commands under CONTRACT's headings, without making them."""

    commands: Any  # Commands, given to it when it is made

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        take_texts_as_they_are(self.get_params(ctx))
        given = given_once(self.make_parser(ctx), ctx, args)
        rest = super().parse_args(ctx, args)
        not_empty(given, ctx)
        return rest

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        _options(self, ctx, formatter)

    def list_commands(self, _ctx: Any) -> list[str]:
        return list(self.commands)

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        whole = 300  # a summary is wrapped, not cut
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in HEADINGS}
        for name in self.commands:
            one = self.commands.announced[name]
            summary = PlainCommand(name, help=one.help).get_short_help_str(whole)
            sections.setdefault(one.heading or "Commands", []).append((name, summary))
        for heading, rows in sections.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        if self.epilog and ctx.parent is None:
            formatter.write_paragraph()
            formatter.write_text(inspect.cleandoc(self.epilog))


def _options(command: Any, ctx: Any, formatter: Any) -> None:
    sections: dict[str, list[Any]] = {"Arguments": [], "Options": [], PANEL: []}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            panel = getattr(parameter, "rich_help_panel", None)
            own = "Arguments" if parameter.param_type_name == "argument" else "Options"
            sections[PANEL if panel == PANEL else own].append(record)
    for heading, rows in sections.items():
        if rows:
            with formatter.section(heading):
                formatter.write_dl(rows)
