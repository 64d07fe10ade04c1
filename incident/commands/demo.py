"""``demo``: a whole incident, played on a throw-away lake."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from incident.context import Context
from incident.errors import FAILED, IncidentError, UsageError
from incident.report import Problem, Report

if TYPE_CHECKING:
    from incident.demo.play import Play
    from incident.demo.server import LocalServer


def demo(context: Context, runbook: str | None, keep: str | None, step: bool) -> Report:
    """Play the incident through the commands a person types. ``data``: ``phases``, ``verify``, and where the post-mortem is.

    Everything lies in a temporary folder that is removed at the end, unless ``keep`` names a new one. Exit 1 at the first thing
    that is not as it should be.
    """
    from incident.demo.kept import new_folder
    from incident.demo.server import LocalServer

    if step and not context.interactive:
        raise UsageError("--step waits for a person at a terminal, and there is none", "leave --step out")
    name, params = _runbook(runbook) if runbook is not None else (None, frozenset[str]())
    with ExitStack() as stack:
        stack.enter_context(_terminable())
        if keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="incident-demo-", ignore_cleanup_errors=True)))
        else:
            folder = new_folder(keep)
        server = stack.enter_context(LocalServer(folder, keep=folder / "s3" if keep else None))
        play = _play(context, folder, server, step=step)
        problems = []
        try:
            play.all(name, params)
        except IncidentError as error:
            problems = [Problem(error.code, error.message, error.hint)]
        return _report(play, server, problems, kept=keep is not None)


def _runbook(named: str) -> tuple[str, frozenset[str]]:
    """A runbook's name, or its file as seen from anywhere, and its parameters. Raises UsageError and ConfigError."""
    from incident.runbook_library import runbook, shipped

    params = frozenset(param.name for param in runbook(named).params)
    return named if named in shipped() else str(Path(named).expanduser().absolute()), params


def _play(context: Context, folder: Path, server: LocalServer, *, step: bool) -> Play:
    from incident.demo.configuration import write_configuration
    from incident.demo.environment import isolated
    from incident.demo.play import Play
    from incident.demo.session import Session
    from incident.demo.settings import Settings

    settings = Settings(folder / "lake.json", server.endpoint, whole_seconds=server.whole_seconds)
    settings.save()
    write_configuration(settings)
    environment = isolated(os.environ, folder)
    if sys.stdout.isatty() and not context.json:
        # What the commands print goes through us to the person's terminal; they cannot ask it for its width and colours.
        environment["COLUMNS"] = str(shutil.get_terminal_size().columns)
        if not context.no_color and "NO_COLOR" not in environment:
            environment["FORCE_COLOR"] = "1"
    shown = not (context.json or context.quiet)
    session = Session(folder, environment, shown, (lambda: _wait(context)) if step else None)
    return Play(session, lambda phase: context.event("phase", **phase))


def _report(play: Play, server: LocalServer, problems: list[Problem], *, kept: bool) -> Report:
    from incident.demo.kept import write_hints

    folder = play.session.folder
    following = ["incident demo --keep DIR, to go on by hand", "incident init, for a lake of your own"]
    if kept:
        write_hints(folder, server, play.incident)
        following = [f"cd {folder} && cat README.md"]
    destination = None
    if not kept:  # the folder goes; what the demo was for stays
        number, name = tempfile.mkstemp(prefix="incident-demo-post-mortem-", suffix=".md")
        os.close(number)
        destination = Path(name)
    written = play.post_mortem(destination)
    if written is None and destination is not None:
        destination.unlink()
    failed = bool(problems)
    done = f"{len(play.session.commands)} commands, each as you would type it. The post-mortem: {written}"
    return Report(
        data={"phases": play.phases, "verify": play.verified, "report": str(written) if written else None},
        text=None if failed else f"\n{done}",
        problems=problems,
        next=following,
        exit_code=FAILED if failed else 0,
        incident=play.incident or None,
    )


def _wait(context: Context) -> None:
    context.ask("  [Enter] runs it, Ctrl-C stops the demo ", flag="leave --step out")


@contextmanager
def _terminable() -> Iterator[None]:
    """While inside, SIGTERM unwinds as an exit does, so that the server is stopped and the folder removed."""

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    try:
        former = signal.signal(signal.SIGTERM, leave)
    except ValueError:  # not the main thread: whoever owns it decides
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
