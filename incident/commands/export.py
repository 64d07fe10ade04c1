"""``export``: the incident as a post-mortem for people, or as a record for machines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from incident import files
from incident.context import Context
from incident.errors import IncidentError, TimelineUnwritable, UsageError
from incident.home import IncidentFolder
from incident.post_mortem import Story, markdown
from incident.report import Problem, Report
from incident.sizes import render_size
from lineage import timestamps

SCHEMA = "incident/export/v1"


def export(context: Context, form: str, output: str | None) -> Report:
    """Write an incident's story to stdout, or whole to a file. Raises UsageError for a form that is not known."""
    folder = context.folder()
    if form not in _FORMS:
        raise UsageError(f"There is no export format {form!r}", f"one of {', '.join(_FORMS)}")
    story = _story(context, folder)
    document = _FORMS[form](story)
    if output is None or output == "-":
        return Report(data={"format": form, "content": document}, text=document, incident=folder.id)
    path = Path(output).expanduser().resolve()
    data = document.encode("utf-8", "backslashreplace")
    try:
        if path.is_file() or path.is_dir() or not path.exists():
            files.replace(path, data)
        else:  # a pipe or device is written to, never replaced
            path.write_bytes(data)
    except OSError as error:
        raise IncidentError(f"{path} cannot be written: {error.strerror or error}", "name another file with -o FILE") from error
    report = Report(
        data={"format": form, "path": str(path), "bytes": len(data)},
        text=f"Wrote {path} ({render_size(len(data))})",
        next=["incident status"] if folder.is_open else ["incident list"],
        incident=folder.id,
    )
    try:
        folder.timeline.append("exported", f"Exported as {form}", evidence={"format": form, "file": path.name, "bytes": len(data)})
    except TimelineUnwritable as error:
        report.problems.append(Problem(error.code, f"The export is written, but not recorded: {error.message}", error.hint))
    return report


def _story(context: Context, folder: IncidentFolder) -> Story:
    revisions = folder.revisions()
    return Story(
        id=folder.id,
        title=folder.title,
        is_open=folder.is_open,
        records=tuple(folder.timeline.records()),
        radius=revisions[-1][1] if revisions else None,
        now=context.now(),
    )


def _json(story: Story) -> str:
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "incident": story.id,
        "title": story.title,
        "state": "open" if story.is_open else "closed",
        "milestones": {one.name: None if one.at is None else timestamps.render(one.at) for one in story.moments},
        "impact": story.impact(),
        "plans": [
            {
                "id": one.plan_id,
                "phase": one.phase,
                "at": timestamps.render(one.at),
                "done": one.done,
                "failed": one.failed,
                "drifted": one.drifted,
                "unknown": one.unknown,
                "objects": one.objects,
                "bytes": one.bytes,
                "undone": one.undone,
            }
            for one in story.plans
        ],
        "radius": story.radius,
        "events": [record.to_json() for record in story.records],
        "head": story.records[-1].hash if story.records else "",
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _ndjson(story: Story) -> str:
    return "".join(json.dumps(record.to_json(), ensure_ascii=False) + "\n" for record in story.records)


def _csv(story: Story) -> str:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(("seq", "occurred_at", "recorded_at", "kind", "role", "name", "text", "evidence"))
    for record in story.records:
        shown = record.to_json()
        evidence = json.dumps(record.evidence, ensure_ascii=False) if record.evidence else ""
        actor = (str(record.actor.get("role", "")), str(record.actor.get("name", "")))
        row = (record.seq, shown["occurred_at"], shown["recorded_at"], record.kind, *actor, record.text, evidence)
        writer.writerow([_harmless(value) for value in row])
    return sink.getvalue()


def _harmless(value: Any) -> Any:
    """A spreadsheet would run text that begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


_FORMS: dict[str, Callable[[Story], str]] = {"md": markdown, "json": _json, "ndjson": _ndjson, "csv": _csv}
