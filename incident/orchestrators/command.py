"""The kind ``command``: a program with arguments, run here and waited for. No shell reads any of them.

A shell only stands between us and the program, to keep its exit code in a file: should we be gone by then, whoever resumes must not
take half of its output for all of it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
from collections import deque
from pathlib import Path

from incident.orchestrators.port import RunOutcome
from runbooks.plan import RunJob

_PATIENCE = 10.0
"""Seconds that an interrupted program has to end by itself."""

_TOLD = 3
"""How many of the last lines of a failed run's output are told."""


_KEEPER = """
trap : INT TERM
"$@"
code=$?
printf %s "$code" > "$0.part" && mv "$0.part" "$0"
[ "$code" -gt 128 ] && trap - INT TERM && kill -$((code - 128)) $$
exit "$code"
"""
"""Runs its arguments, and ends as they end. A signal to the group lets the program end first."""


class CommandOrchestrator:
    """Runs the action's command in ``folder`` (that of incident.toml), in a process group of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, action: RunJob, log: Path) -> RunOutcome:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            with contextlib.suppress(OSError):
                # The program inherits the lock with its output: whoever comes after us can see whether it still runs.
                fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
            output.write(f"$ {shlex.join(action.command)}\n".encode("utf-8", "replace"))
            output.flush()
            code_file = _code_file(log)
            code_file.unlink(missing_ok=True)
            try:
                self._find(action.command[0])
                # A group of its own: Ctrl-C reaches us alone, and ending the group ends what the program started too.
                process = subprocess.Popen(
                    ["/bin/sh", "-c", _KEEPER, str(code_file.absolute()), *action.command],
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                output.write(f"not started: {reason}\n".encode("utf-8", "replace"))
                return RunOutcome(ok=False, detail=f"{action.command[0]!r} could not be started: {reason}")
            try:
                code = process.wait()
            except BaseException:
                _end(process)
                raise
        if code == 0:
            return RunOutcome(ok=True)
        ended = f"ended with exit code {code}" if code > 0 else f"was ended by {_signal(-code)}"
        return RunOutcome(ok=False, detail=f"{action.command[0]!r} {ended}{_last_words(log)}")

    def _find(self, program: str) -> None:
        """Raises OSError for what the shell would find no better."""
        if shutil.which(program if os.sep not in program else self._folder / program) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def code(self, log: Path) -> int | None:
        try:
            return int(_code_file(log).read_text())
        except (OSError, ValueError):
            return None

    def running(self, log: Path) -> bool:
        try:
            with log.open("ab") as output:
                fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False  # no log, or a file system without locks: then nobody can tell
        return False


def _code_file(log: Path) -> Path:
    return log.with_suffix(".code")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the group to end, then make it."""
    for number, patience in ((signal.SIGTERM, _PATIENCE), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            if number is signal.SIGTERM:
                # The program is gone; what it started and did not wait for goes with it.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            return


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_words(log: Path) -> str:
    with log.open(encoding="utf-8", errors="replace") as lines:
        last = [line.rstrip() for line in deque(lines, maxlen=_TOLD) if line.strip() and not line.startswith("$ ")]
    return ": " + " / ".join(last) if last else ""
