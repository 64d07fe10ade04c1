"""``note``, ``timeline`` and ``timeline verify``: the record that people add to, read and check."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from incident.context import Context
from incident.errors import OK, UNVERIFIED, UsageError
from incident.language import moment
from incident.report import Problem, Report, printable
from incident.timeline import Record
from lineage import timestamps
from lineage.timestamps import SECOND

if TYPE_CHECKING:
    from rich.table import Table

    from incident.home import IncidentFolder

_ROOM = 80
"""Columns below which a table of the timeline would be all folds."""

_LATER = 60 * SECOND
"""A record written down this much after what it tells is shown as backdated."""


def note(context: Context, text: str, kind: str, at: str | None, *, run: str | None = None, ended: str | None = None) -> Report:
    """Add what a person saw, thought, decided or said; ``at`` is when it happened, else now.

    ``run`` and ``ended`` bound an attempt that never reported its end: every later radius counts it as ended then. Raises
    UsageError for a run that the lineage does not know, or that told its end.
    """
    if not text.strip():
        raise UsageError("A note needs a text", 'incident note "p95 of order totals is 100 times the usual"')
    if (run is None) is not (ended is None):
        raise UsageError("--run and --ended go together", "incident note TEXT --run RUN_ID --ended 2026-11-18T02:00:00Z")
    occurred_at = None if at is None else _past(context, "--at", at)
    evidence: dict[str, str | None] = {"kind": kind}
    if run is not None and ended is not None:
        evidence |= {"run": run, "ended": timestamps.render(_past(context, "--ended", ended))}
    folder = context.folder()
    problems = _bounds(context, folder, run) if run is not None else []
    record = folder.timeline.append("note", text.strip(), evidence=evidence, occurred_at=occurred_at)
    return Report(
        data={"seq": record.seq, "head": record.hash},
        text=f"Noted as {record.seq} ({kind}) at {moment(record.occurred_at)} UTC",
        problems=problems,
        next=["incident timeline"],
        incident=folder.id,
    )


def _bounds(context: Context, folder: IncidentFolder, run: str) -> list[Problem]:
    """A bound on a run that nobody knows, or that told its end, would bound nothing, and nobody would notice."""
    from incident.sources import read_history
    from lineage.errors import SourceUnreadable

    try:
        attempts = [one for one in read_history(context, folder).attempts if one.run_id == run]
    except SourceUnreadable as error:
        return [Problem("unchecked", f"Whether there is such a run could not be looked up: {error.message}", error.hint)]
    if not attempts:
        raise UsageError(f"The lineage has no run {run!r}", "incident lineage show JOB; it lists a job's last runs")
    if all(one.state != "OPEN" for one in attempts):
        raise UsageError(f"Run {run} told its end: {attempts[-1].state}", "leave --run and --ended out")
    return []


def _past(context: Context, option: str, text: str) -> int:
    try:
        when = timestamps.parse(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option}: {error}", f"for example {option} 2026-11-18T02:00:00Z") from error
    if when > context.now():
        raise UsageError(f"{option} {text} lies in the future", "give a time that has passed")
    return when


def timeline_show(context: Context) -> Report:
    """What happened, by when it happened; what was recorded later is marked."""
    folder = context.folder()
    records = sorted(folder.timeline.records(), key=lambda record: (record.occurred_at, record.seq))
    return Report(
        data={"events": [record.to_json() for record in records], "head": folder.timeline.head},
        text=(lambda: _screen(records)) if records else f"Nothing is recorded for {folder.id} yet",
        next=["incident note TEXT" if folder.is_open else f"incident export --format md -o post-mortem.md --incident {folder.id}"],
        incident=folder.id,
    )


def timeline_verify(context: Context, head: str | None) -> Report:
    """Whether the chain is whole; exit 6 with what is wrong when it is not."""
    folder = context.folder()
    found = folder.timeline.verify(head)
    count = 0 if found else len(folder.timeline.records())
    whole = f"The timeline of {folder.id} is whole: {count} records, head {folder.timeline.head or '—'}" if not found else None
    return Report(
        data={"ok": not found, "records": count, "head": "" if found else folder.timeline.head},
        text=whole,
        problems=[Problem("timeline", one, "compare with a copy of the home; the record before it is still good") for one in found],
        next=["incident timeline"],
        exit_code=UNVERIFIED if found else OK,
        incident=folder.id,
    )


def kind_words(record: Record) -> str:
    """What sort of record it is: a note's own kind, or the engine's."""
    return str(record.evidence.get("kind") or "note") if record.kind == "note" else record.kind


def _screen(records: list[Record]) -> Table | str:
    """A table where there is room for one; else a paragraph a record, which the terminal may fold as it likes."""
    if shutil.get_terminal_size().columns >= _ROOM:
        return _table(records)
    return "\n".join(
        f"{moment(one.occurred_at)} UTC  {kind_words(one)} by {printable(_role(one))}\n  {_told(one)}\n" for one in records
    ).rstrip("\n")


def _role(record: Record) -> str:
    return str(record.actor.get("role", "—"))


def _told(record: Record) -> str:
    late = record.recorded_at - record.occurred_at > _LATER
    return f"{printable(record.text)} (recorded {moment(record.recorded_at)})" if late else printable(record.text)


def _table(records: list[Record]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("#", justify="right")
    table.add_column("when (UTC)", no_wrap=True)
    table.add_column("by", overflow="fold")
    table.add_column("kind", overflow="fold")
    table.add_column("what happened", overflow="fold")
    for record in records:
        table.add_row(str(record.seq), moment(record.occurred_at), printable(_role(record)), kind_words(record), _told(record))
    return table
