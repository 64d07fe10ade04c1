"""Record and tell: note, timeline, export."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from incident.cli.registration import command, group
from incident.cli.root import commands
from incident.context import Context
from incident.report import Report

HEADING = "Record and tell"


class NoteKind(enum.StrEnum):
    observation = "observation"
    hypothesis = "hypothesis"
    decision = "decision"
    status = "status"
    follow_up = "follow-up"


class Format(enum.StrEnum):
    md = "md"
    json = "json"
    ndjson = "ndjson"
    csv = "csv"


@command(commands, "note", HEADING)
def note(
    context: Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What was seen, thought, decided or said.")],
    kind: Annotated[NoteKind, typer.Option("--kind", help="What sort of note it is.")] = NoteKind.observation,
    at: Annotated[str | None, typer.Option("--at", metavar="T", help="When it happened; else now.", show_default=False)] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN_ID", help="A run that never reported its end.", show_default=False)
    ] = None,
    ended: Annotated[
        str | None, typer.Option("--ended", metavar="T", help="When that run certainly had ended.", show_default=False)
    ] = None,
) -> Report:
    """Add a note to the timeline."""
    from incident.commands import record

    return record.note(context, text, kind.value, at, run=run, ended=ended)


def timeline_alone(context: Context) -> Report:
    """Show what happened, in order; read-only."""
    from incident.commands import record

    return record.timeline_show(context)


timeline = group(commands, "timeline", HEADING, "Show what happened, in order; read-only.", alone=timeline_alone)


@command(timeline, "verify")
def timeline_verify(
    context: Context,
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="HASH", help="A head noted down earlier, which must still be on it.", show_default=False),
    ] = None,
) -> Report:
    """Check the hash chain; exit 6 when a record was changed or removed. Read-only."""
    from incident.commands import record

    return record.timeline_verify(context, head)


@command(commands, "export", HEADING)
def export(
    context: Context,
    format_: Annotated[Format, typer.Option("--format", help="The post-mortem (md), or the record for machines.")] = Format.md,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there instead of to stdout.", show_default=False)
    ] = None,
) -> Report:
    """Write the post-mortem from the record."""
    from incident.commands import export as module

    return module.export(context, format_.value, output)
