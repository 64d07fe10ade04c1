"""Puts commands on the command line: each gets the common options, and its options dataclass spread into flags.

A command is made when it is named: making all of them takes longer than most of them take to answer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_type_hints

import typer

from incident.cli.announced import Announced, Commands
from incident.cli.help import PlainCommand, PlainGroup
from incident.cli.invocation import COMMON, COMMON_DEFAULTS, Invocation
from incident.cli.options import SPREAD, Lineage
from incident.report import Report

Command = Callable[..., Report]
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def command(
    commands: Commands, name: str, heading: str | None = None, *, lineage: bool = False, without: frozenset[str] = frozenset()
) -> Callable[[Command], Command]:
    """Register ``function(context, ...)`` as a command. ``lineage``: it also takes ``--lineage``, kept on the context.

    ``without``: fields of its options dataclass that mean nothing to it, and so are no flags of it.
    """

    def register(function: Command) -> Command:
        told = inspect.getdoc(function) or ""

        def make() -> Any:
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            adapted = adapter(function, lineage=lineage, without=without)
            alone.command(name, cls=PlainCommand, rich_help_panel=heading, help=told)(adapted)
            return typer.main.get_command(alone)

        commands.announce(name, Announced(heading, told, make))
        return function

    return register


def group(commands: Commands, name: str, heading: str, help_text: str, *, alone: Command | None = None) -> Commands:
    """A command with subcommands. ``alone`` is what it does without one; else a subcommand must be named."""
    inner = Commands()

    def make() -> Any:
        typed = typer.Typer(name=name, add_completion=False, rich_markup_mode=None)
        typed.callback(cls=PlainGroup, invoke_without_command=alone is not None, help=help_text, rich_help_panel=heading)(
            adapter(alone or _nothing)
        )
        return made(typed, inner)

    commands.announce(name, Announced(heading, help_text, make, group=True))
    return inner


def made(typed: typer.Typer, commands: Commands) -> Any:
    """The group that typer makes from its callback alone, with the commands it is to have."""
    found: Any = typer.main.get_command(typed)
    found.commands = commands
    return found


def _nothing(_context: Any) -> Report:
    raise AssertionError("a group without a command of its own is never called")


def adapter(function: Command, *, lineage: bool = False, without: frozenset[str] = frozenset()) -> Callable[..., None]:
    """What typer calls: it only notes down what is to be done."""
    hints = get_type_hints(function, include_extras=True)
    own = list(inspect.signature(function).parameters.values())[1:]
    parameters = [inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)]
    spread: dict[str, Any] = {}
    for one in own:
        kind = hints[one.name]
        if kind in SPREAD:
            spread[one.name] = kind
            parameters += [
                inspect.Parameter(f"{one.name}_{name}", _KEYWORD, default=default, annotation=annotation)
                for name, (annotation, default) in SPREAD[kind].items()
                if name not in without
            ]
        else:
            parameters.append(inspect.Parameter(one.name, _KEYWORD, default=one.default, annotation=kind))
    if lineage:
        parameters.append(inspect.Parameter("lineage", _KEYWORD, default=None, annotation=Lineage))
    parameters += [
        inspect.Parameter(f"common_{name}", _KEYWORD, default=COMMON_DEFAULTS[name], annotation=annotation)
        for name, annotation in COMMON.items()
    ]

    def note_down(ctx: typer.Context, **given: Any) -> None:
        invocation: Invocation = ctx.obj
        invocation.common.merge({name: given.pop(f"common_{name}") for name in COMMON})
        path = ctx.command_path.partition(" ")[2]
        invocation.command = path or invocation.command
        if ctx.invoked_subcommand is not None:
            return
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
        if lineage:
            invocation.lineage = values.pop("lineage") or ()
        arguments: dict[str, Any] = {}
        for name, kind in spread.items():
            options = {one.name: values.pop(f"{name}_{one.name}", None) for one in fields(kind)}
            defaults = {one.name: one.default for one in fields(kind)}
            arguments[name] = kind(**{key: defaults[key] if value is None else value for key, value in options.items()})
            invocation.lineage = getattr(arguments[name], "lineage", invocation.lineage)
        arguments |= values
        invocation.call = lambda context: function(context, **arguments)

    note_down.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # typer reads it instead of **given
    note_down.__annotations__ = {one.name: one.annotation for one in parameters}
    note_down.__doc__ = None
    return note_down
