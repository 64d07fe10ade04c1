"""``status`` and ``list``: where incidents stand. Read-only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from incident.context import Context
from incident.errors import OK, IncidentError
from incident.home import IncidentFolder
from incident.language import moment, plural
from incident.milestones import Applied, Milestone, applies, milestones, unfinished
from incident.report import Problem, Report, printable
from incident.timeline import Record
from lineage import timestamps


def status(context: Context) -> Report:
    """The fault, the radius, what was done and what comes next."""
    folder = context.folder()
    records = folder.timeline.records()
    revisions = folder.revisions()
    radius = revisions[-1][1] if revisions else None
    plans = applies(records)
    moments = milestones(records, radius)
    state = "open" if folder.is_open else "closed"
    fault = _fault(radius)
    saved = _plans(folder, plans)
    data = {
        "id": folder.id,
        "title": folder.title,
        "state": state,
        "fault": None if radius is None else radius.get("fault"),
        "revision": revisions[-1][0] if revisions else None,
        "summary": None if radius is None else radius.get("summary"),
        "milestones": [{"name": one.name, "at": _rendered(one.at)} for one in moments],
        "plans": saved,
        "unfinished": unfinished(records),
        "head": folder.timeline.head,
    }
    following = next_command(records, radius, state)
    if state == "closed":  # no longer the only open one
        following += f" --incident {folder.id}"
    lines = [f"{folder.id}  {state}", f"  {printable(folder.title)}", "", f"Fault     {printable(fault)}"]
    if radius is not None:
        lines.append(f"Radius    {revisions[-1][0]}: {_totals(radius.get('summary') or {})}")
    lines += ["", *_moments(moments), "", *_plan_lines(saved)]
    return Report(data=data, text="\n".join(lines), next=[following], incident=folder.id)


def next_command(records: Sequence[Record], radius: dict[str, Any] | None, state: str) -> str:
    """What the operator types next."""
    if state == "closed":
        return "incident export --format md -o post-mortem.md"
    if unfinished(records) or any(one.incomplete and not one.undone for one in applies(records)):
        return "incident resume"
    if not (radius or {}).get("cells"):
        return "incident scope --job NAMESPACE/NAME --nominal A..B"
    done = {one.phase for one in applies(records) if not (one.undone or one.incomplete or one.vain)}
    kinds = {one.kind for one in records}
    serving = any(cell["serving"] and cell["state"] != "CLEANED" for cell in (radius or {})["cells"])
    if serving and not done & {"revert", "purge"}:
        return "incident revert"
    if "fixed" not in kinds:
        return 'incident fix "what was fixed" --code-version V'
    if "purge" not in done:
        return "incident purge"
    if "backfill" not in done:
        return "incident backfill"
    passed = [one for one in records if one.kind == "verified"]
    return "incident close" if passed and passed[-1].evidence.get("ok", True) else "incident verify"


def list_incidents(context: Context) -> Report:
    """Every incident in the home, open ones first."""
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for folder in context.home.incidents():
        row: dict[str, Any] = {"id": folder.id, "title": folder.title, "state": "open", "opened_at": None, "records": 0, "head": ""}
        try:
            records = folder.timeline.records()
            row |= {"state": "open" if folder.is_open else "closed", "records": len(records), "head": folder.timeline.head}
            row["opened_at"] = _rendered(records[0].occurred_at) if records else None
        except IncidentError as error:
            row["state"] = "damaged"
            problems.append(Problem(error.code, error.message, error.hint))
        rows.append(row)
    rows.sort(key=lambda row: (row["state"] == "closed", row["id"]))
    width = max((len(row["id"]) for row in rows), default=0)
    lines = [f"{row['id']:<{width}}  {row['state']:<7}  {printable(row['title'])}" for row in rows]
    text = "\n".join(lines) if rows else f"No incidents in {context.home.path}"
    following = "incident status" if any(row["state"] == "open" for row in rows) else "incident declare TITLE --job JOB"
    return Report(
        data={"incidents": rows, "home": str(context.home.path)}, text=text, problems=problems, next=[following], exit_code=OK
    )


def _rendered(at: int | None) -> str | None:
    return None if at is None else timestamps.render(at)


def _fault(radius: dict[str, Any] | None) -> str:
    fault = (radius or {}).get("fault") or {}
    return str(fault.get("words") or "not known yet")


def _totals(summary: dict[str, Any]) -> str:
    cells, attempts = summary.get("cells") or {}, summary.get("attempts") or {}
    reached = (
        f"{plural(int(cells.get('may', 0)), 'partition')} bad or suspect"
        f" ({cells.get('must', 0)} certain), {cells.get('cleaned', 0)} cleaned"
    )
    return f"{plural(int(summary.get('datasets', 0)), 'dataset')}; {reached}; {plural(int(attempts.get('may', 0)), 'attempt')}"


def _moments(moments: Sequence[Milestone]) -> list[str]:
    return [
        f"{one.name:<15} {moment(one.at)}{' UTC' if one.at is not None else ''}"
        for one in moments
        if one.name != "contained" or one.at
    ]


def _state(one: Applied) -> str:
    if one.undone:
        return "undone"
    return "incomplete" if one.incomplete else "drifted" if one.vain else "applied"


def _plans(folder: IncidentFolder, done: Sequence[Applied]) -> list[dict[str, Any]]:
    """Saved plans and what became of them."""
    outcomes = {one.plan_id: one for one in done}
    found = []
    for plan_id in dict.fromkeys([*folder.plans(), *outcomes]):
        one = outcomes.get(plan_id)
        state = "planned" if one is None else _state(one)
        found.append(
            {
                "id": plan_id,
                "phase": one.phase if one else plan_id.partition("-")[0],
                "state": state,
                "objects": one.objects if one else None,
                "bytes": one.bytes if one else None,
                "pointers": one.pointers if one else None,
                "touched": one.touched if one else "",
                "at": _rendered(one.at) if one else None,
            }
        )
    return found


def _plan_lines(plans: list[dict[str, Any]]) -> list[str]:
    if not plans:
        return ["No plans yet"]
    lines = ["Plans"]
    for one in plans:
        figures = f"  {one['touched']}" if one["touched"] else ""
        lines.append(f"  {one['id']:<24} {one['state']:<10}{figures}")
    return lines
