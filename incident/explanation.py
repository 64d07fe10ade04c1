"""Why a cell is in its state, as people and scripts see it."""

from __future__ import annotations

from typing import Any

from incident.language import moment
from incident.report import printable
from lineage.attempts import Attempt
from lineage.blast_radius import BlastRadius
from lineage.explain import Explanation, Step, Touch, explain
from lineage.fault import parse_cell
from lineage.history import History
from lineage.remedies import Suppose, remedies
from lineage.remedy import Remedy
from lineage.timestamps import AFTER, BEFORE, render

Explained = tuple[Explanation, tuple[Remedy, ...]]
_TRIED = 3
"""How many SUSPECT cells get remedies: each is tried on the whole history."""


def explained(history: History, radius: BlastRadius, text: str, suppose: Suppose) -> list[Explained]:
    """Each cell that ``DATASET@PARTITION`` means, with what would decide it. Raises FaultError for text that is no cell."""
    found = explain(history, radius, parse_cell(history, text))
    told: list[Explained] = []
    tried = 0
    for one in found:
        known = tried < _TRIED
        told.append((one, remedies(history, one, suppose) if known else ()))
        tried += one.state == "SUSPECT"
    return told


# --- for scripts ----------------------------------------------------------------------------------------------------------


def explanation_json(told: Explained) -> dict[str, Any]:
    one, found = told
    reached = one.reached
    return {
        "dataset": one.cell.dataset._asdict(),
        "partition": str(one.cell.partition),
        "state": one.state,
        "since": None if reached is None else render(reached.since),
        "reason": None if reached is None else reached.reason,
        "path": [_step_json(step) for step in one.steps],
        "cleansed_by": [_touch_json(touch) for touch in one.cleansed],
        "read_meanwhile": [_touch_json(touch) for touch in one.read_meanwhile],
        "writers": [_touch_json(touch) for touch in one.writers],
        "remedies": [{"words": remedy.words, "toml": remedy.toml or None, "outcome": remedy.outcome or None} for remedy in found],
    }


def _attempt_json(one: Attempt) -> dict[str, Any]:
    return {
        "run_id": one.run_id,
        "attempt": one.number,
        "job": one.job._asdict(),
        "start": render(one.start),
        "end": render(one.end),
    }


def _step_json(step: Step) -> dict[str, Any]:
    read = step.read
    return {
        **_attempt_json(step.attempt),
        "read": None if read is None else {"cell": str(read.cell), "how": read.how},
        "cell": str(step.write.cell),
        "how": step.write.how,
        "certain": not step.doubt,
        "doubt": step.doubt or None,
    }


def _touch_json(touch: Touch) -> dict[str, Any]:
    return {**_attempt_json(touch.attempt), "cell": str(touch.cell), "state": touch.reached, "notes": list(touch.notes)}


# --- for people -----------------------------------------------------------------------------------------------------------


def explanation_text(told: list[Explained]) -> str:
    """Everything about each cell; cells apart by an empty line."""
    return printable("\n\n".join("\n".join(_lines(one, found)) for one, found in told))


def _lines(one: Explanation, found: tuple[Remedy, ...]) -> list[str]:
    reached = one.reached
    if reached is None:
        return _clean(one)
    since = "an unknown time" if reached.since <= BEFORE else moment(reached.since)
    perhaps = "perhaps " if one.state == "SUSPECT" else ""
    lines = [f"{one.cell} is {one.state}, {perhaps}bad since {since} UTC."]
    for number, step in enumerate(one.steps, 1):
        lines.append(f"  {number}. {_who(step.attempt)}")
        if step.read is not None:
            lines.append(f"     read  {step.read.cell} ({step.read.how})")
        lines.append(f"     wrote {step.write.cell} ({step.write.how})")
        if step.doubt and number - 1 == one.first_doubt:
            lines.append(f"     not certain from here on: {step.doubt}")
    lines += [f"  Cleansed by {_who(touch.attempt)}" for touch in one.cleansed]
    if one.read_meanwhile:
        lines.append("  Cleaning it has not cleaned those who read it meanwhile:")
        lines += [f"    {_who(touch.attempt)}: {touch.reached or 'not reached'}" for touch in one.read_meanwhile]
    elif one.state == "CLEANED":
        lines.append("  Nobody read it meanwhile.")
    return lines + _remedies(found)


def _clean(one: Explanation) -> list[str]:
    lines = [f"{one.cell} is CLEAN: nothing that the fault reached wrote it."]
    for touch in one.writers:
        lines.append(f"  {'Written' if touch.cell.known else 'Perhaps written'} by {_who(touch.attempt)}")
        lines += [f"    which {note}" for note in touch.notes]
    if not one.writers:
        lines.append("  No run in the lineage wrote it.")
    return lines


def _remedies(found: tuple[Remedy, ...]) -> list[str]:
    lines = ["", "  To know more:"] if found else []
    for one in found:
        if one.rules:
            lines.append(f"  - If {one.words}: then it is {one.outcome or 'less uncertain'}. Declare:")
            lines += [f"      {line}".rstrip() for line in one.toml.splitlines()]
        else:
            lines.append(f"  - {one.words[0].upper()}{one.words[1:]}.")
    return lines


def _who(one: Attempt) -> str:
    begin = "an unknown start" if one.start <= BEFORE else moment(one.start)
    end = "never ended" if one.end >= AFTER else f"to {moment(one.end)}"
    if one.kind != "run":
        return f"our own {one.kind}, plan {one.run_id}, {begin} {end} UTC"
    again = f" attempt {one.number + 1}" if one.number else ""
    return f"{one.job} run {one.run_id}{again} ({one.state}), {begin} {end} UTC"
