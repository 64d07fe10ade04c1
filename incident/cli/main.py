"""The console script ``incident``: parses, calls one function, prints one report. Exit codes are decided here."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from incident.cli.invocation import Invocation
from incident.errors import FAILED, INTERRUPTED, USAGE, IncidentError
from incident.report import Problem, Report
from lineage.errors import LineageError

_PARSING = tuple(kind for kind in typer.BadParameter.__mro__ if hasattr(kind, "format_message"))
"""What typer raises for a command line it cannot parse; older versions take these classes from click."""

_RESUMABLE = frozenset({"revert", "purge", "backfill", "undo", "resume"})

_OF_NONE = frozenset({"init", "doctor", "demo", "lineage", "declare", "list", "runbook", "--help"})
"""Commands that are about no incident in particular."""


def main() -> None:
    """The console script. Nobody looks for garbage at its end: all memory is given back at once anyway.

    That took an eighth of a ``blast``. What must be done at exit is done as ever, unlike with ``os._exit``.
    """
    try:
        code = run(sys.argv[1:])
    finally:
        gc.freeze()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line. Returns its exit code; never raises for anything a user can cause."""
    invocation = Invocation()
    invocation.common.json = _asks_for(arguments, "--json")
    invocation.common.events = _asks_for(arguments, "--events")
    context = None
    try:
        code = _parse(invocation, arguments)
        if invocation.call is None:
            return code
        context = invocation.context()
        report = invocation.call(context)
    except BrokenPipeError:
        return _pipe_closed(FAILED)
    except BaseException as error:
        if isinstance(error, SystemExit | GeneratorExit):
            raise
        report = _failure(invocation, error, arguments)
    if report.incident is None and context is not None and context.used is not None:
        report.incident = context.used.id
    report.next = [_complete(one, invocation.common.incident) for one in report.next]
    try:
        _print(invocation, report)
    except BrokenPipeError:
        return _pipe_closed(report.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:  # a full disk, most likely
        return _unprinted(error, report.exit_code)
    return report.exit_code


def _parse(invocation: Invocation, arguments: Sequence[str]) -> int:
    from incident.cli.app import program

    outcome = program().main(args=list(arguments), prog_name="incident", standalone_mode=False, obj=invocation)
    return outcome if isinstance(outcome, int) else 0


def _print(invocation: Invocation, report: Report) -> None:
    common = invocation.common
    if common.json or common.events:
        from incident.cli.envelope import write

        write(invocation.command, report, one_line=common.events)
        return
    from incident.cli.screen import show

    show(report, quiet=common.quiet, no_color=common.no_color)


def _failure(invocation: Invocation, error: BaseException, arguments: Sequence[str]) -> Report:
    """What went wrong, as a report."""
    match error:
        case IncidentError():
            problem, code, data = Problem(error.code, error.message, error.hint), error.exit_code, error.data
        case LineageError():
            problem, code, data = Problem("lineage", error.message, error.hint), USAGE, {}
        case KeyboardInterrupt() | typer.Abort() | typer.Exit():
            problem, code, data = _interrupted(invocation), INTERRUPTED, {}
        case _ if isinstance(error, _PARSING):
            problem, code, data = _usage(invocation, error, arguments), USAGE, {}
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            problem, code, data = Problem("os", f"{place}{error.strerror or error}", "incident doctor"), FAILED, {}
        case _:
            told = " ".join(str(error).split())[:300]
            problem = Problem(
                "bug",
                f"This is a bug in incident: {type(error).__name__}: {told}",
                "set INCIDENT_DEBUG=1 to see where, and report it",
            )
            code, data = FAILED, {}
    if os.environ.get("INCIDENT_DEBUG"):
        import traceback

        traceback.print_exception(error)
    typed = problem.hint.partition("; ")[0]  # what follows is for people
    following = [typed] if typed.startswith("incident ") else []
    return Report(data=dict(data), problems=[problem], next=following, exit_code=code)


def _interrupted(invocation: Invocation) -> Problem:
    if invocation.command == "run":
        return Problem("interrupted", "Interrupted. The same command goes on where the walk stopped", "incident status")
    if invocation.command in _RESUMABLE:
        return Problem("interrupted", "Interrupted. What was done so far is in the journal; resume finishes it", "incident resume")
    if invocation.command == "lineage ingest":
        told = "Interrupted. What the index held before still counts; the same command goes on"
        return Problem("interrupted", told, "incident lineage ingest")
    return Problem("interrupted", "Interrupted", "incident status")


def _usage(invocation: Invocation, error: Any, arguments: Sequence[str]) -> Problem:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else _path(arguments)
    invocation.command = path.partition(" ")[2] or "incident"
    return Problem("usage", error.format_message().replace("Value error, ", ""), f"{path} --help")


def _path(arguments: Sequence[str]) -> str:
    """The command that a command line names, where the parser's error does not say."""
    from incident.cli.app import program

    path, here = "incident", program()
    for word in arguments:
        inner = getattr(here, "commands", {}).get(word)
        if inner is not None:
            path, here = f"{path} {word}", inner
    return path


def _complete(following: str, named: str | None) -> str:
    """The next command about the same incident, when this one had to name it."""
    words = following.split()
    about = len(words) > 1 and words[0] == "incident" and words[1] not in _OF_NONE
    return (
        f"{following} --incident {named}" if named and about and "--incident" not in words and "--help" not in words else following
    )


def _asks_for(arguments: Sequence[str], flag: str) -> bool:
    """Known before parsing, so that a command line that cannot be parsed is answered in JSON too."""
    before = list(arguments)[: list(arguments).index("--")] if "--" in arguments else arguments
    return flag in before


def _pipe_closed(code: int) -> int:
    """Whoever read our output has gone; what was done is done, and nobody wants to hear of it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _unprinted(error: OSError, code: int) -> int:
    sys.stderr.write(f"error: the output could not be written: {error.strerror or error}\nhint: incident status\n")
    return _pipe_closed(code or FAILED)


if __name__ == "__main__":
    main()
