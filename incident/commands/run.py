"""``run`` walks a runbook; ``runbook list``, ``show`` and ``lint`` are about the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident.context import Context
from incident.errors import FAILED, ConfigError, UsageError
from incident.report import Problem, Report, printable
from incident.runbook_library import runbook as load
from incident.runbook_library import shipped

if TYPE_CHECKING:
    from runbooks.format import Runbook


def run(context: Context, runbook: str, param: tuple[str, ...]) -> Report:
    """Walk a runbook from where it stopped. Raises UsageError for a parameter that it does not declare."""
    from incident.walk import FINISHED, Walk, progress_of

    book = load(runbook)
    params = _params(book, param)
    folder = context.folder()
    if not folder.is_open and any(one.status not in FINISHED for one in progress_of(book, folder.timeline.records())):
        raise UsageError(f"{folder.id} is closed, so nothing about it is changed any more", "incident list", code="closed")
    command = f"incident run {runbook} --incident {folder.id}"
    return Walk(context, folder, book, params, lambda report: _show(context, report), command).go()


def _show(context: Context, report: Report) -> None:
    """A step's screen, as the command alone would show it; its next command is the walk's business."""
    if context.json or context.events:
        return
    from dataclasses import replace

    from incident.cli.screen import show

    show(replace(report, next=[]), quiet=context.quiet, no_color=context.no_color)


def _params(book: Runbook, given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        param = book.param(name)
        known = ", ".join(one.name for one in book.params) or "none"
        if not equals or not value:
            raise UsageError(f"--param {text!r} is not NAME=VALUE", f"parameters of {book.name}: {known}")
        if param is None:
            raise UsageError(f"{book.name} has no parameter {name!r}", f"parameters of {book.name}: {known}")
        if param.type == "yes/no" and value not in {"yes", "no"}:
            raise UsageError(f"--param {name} is yes or no, and not {value!r}", f"--param {name}=yes")
        if name in found and param.type != "list":
            raise UsageError(f"--param {name} is given twice", "give it once")
        found[name] = (*found.get(name, ()), value)
    return found


def runbook_list(context: Context) -> Report:
    """The shipped runbooks."""
    del context
    books = [load(name) for name in shipped()]
    width = max((len(book.name) for book in books), default=0)
    return Report(
        {"runbooks": [{"name": book.name, "title": book.title, "steps": len(book.steps)} for book in books]},
        printable("\n".join(f"{book.name:<{width}}  {book.title}" for book in books)),
        next=[f"incident runbook show {books[0].name}"] if books else [],
    )


def runbook_show(context: Context, runbook: str) -> Report:
    """A runbook's steps, gates and parameters."""
    del context
    book = load(runbook)
    lines = [f"{book.name}: {book.title}", *([f"  {book.description}"] if book.description else []), ""]
    for number, step in enumerate(book.steps, start=1):
        lines.append(f"{number}. {step.id} ({step.verb})")
        lines.append(f"   {step.why}")
        if step.gate is not None:
            lines.append(f"   gate: {step.gate.ask or 'the plan is shown and must be accepted'}")
    if book.params:
        lines += ["", "Parameters (--param NAME=VALUE):"]
        lines += [f"  {param.name} ({param.type}): {param.description}" for param in book.params]
    return Report(_json(book), printable("\n".join(lines)), next=[f"incident run {runbook}"])


def _json(book: Runbook) -> dict[str, Any]:
    return {
        "name": book.name,
        "title": book.title,
        "description": book.description,
        "params": [{"name": param.name, "type": param.type, "description": param.description} for param in book.params],
        "steps": [
            {
                "id": step.id,
                "verb": step.verb,
                "why": step.why,
                "gate": None if step.gate is None else step.gate.kind,
                "ask": None if step.gate is None else step.gate.ask or None,
                "with": dict(step.options),
            }
            for step in book.steps
        ],
    }


def runbook_lint(context: Context, runbook: str) -> Report:
    """Whether a runbook can be walked; exit 1 with file and line when not."""
    del context
    try:
        book = load(runbook)
    except ConfigError as error:
        problem = Problem(error.code, error.message, error.hint)
        return Report({"valid": False, "problems": [error.message]}, None, [problem], exit_code=FAILED)
    return Report({"valid": True, "problems": []}, printable(f"{book.name}: {len(book.steps)} steps, no problems"))
