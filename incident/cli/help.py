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
    """A group whose help lists its commands under CONTRACT's headings."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        take_texts_as_they_are(self.get_params(ctx))
        given = given_once(self.make_parser(ctx), ctx, args)
        rest = super().parse_args(ctx, args)
        not_empty(given, ctx)
        return rest

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        _options(self, ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        names = self.list_commands(ctx)
        whole = 300  # a summary is wrapped, not cut
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in HEADINGS}
        for name in names:
            found: Any = self.get_command(ctx, name)
            panel = found.rich_help_panel
            sections.setdefault(panel if isinstance(panel, str) else "Commands", []).append((name, found.get_short_help_str(whole)))
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
