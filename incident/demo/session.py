"""A terminal session as the reader sees it: each command line, then what it printed."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from incident.errors import OK, IncidentError

_PROGRAMS = {"incident": "incident", "lake": "incident.demo.lake"}


class Unexpected(IncidentError):
    """A command of the demo ended otherwise than the story says, or a figure does not agree."""

    code = "demo"


@dataclass(slots=True)
class Session:
    """Runs commands in the demo's folder. ``shown``: to people, on stdout; else silently. ``pause`` is called before each."""

    folder: Path
    environment: dict[str, str]
    shown: bool
    pause: Callable[[], None] | None = None
    commands: list[str] = field(default_factory=list)

    def heading(self, text: str) -> None:
        self._print(f"\n━━ {text} ━━\n")

    def tell(self, text: str) -> None:
        self._print(f"{text}\n")

    def incident(self, *arguments: str) -> str:
        """Type an ``incident`` command. Returns what it printed. Raises Unexpected unless it exits 0."""
        return self._type("incident", arguments, f"incident {shlex.join(arguments)}")

    def lake(self, *arguments: str) -> str:
        """Type a command of the lake's own pipeline."""
        line = ("--lake", "lake.json", *arguments)
        return self._type("lake", line, f"python -m incident.demo.lake {shlex.join(line)}")

    def data(self, *arguments: str) -> dict[str, Any]:
        """The data of an ``incident`` command's envelope, asked for behind the scenes."""
        done = self._run("incident", (*arguments, "--json"))
        self._check(done, f"incident {shlex.join(arguments)} --json")
        found: dict[str, Any] = json.loads(done.stdout)["data"]
        return found

    def audit(self) -> dict[str, Any]:
        """The demo's own reading of the lake, in a process of its own."""
        done = self._run("lake", ("--lake", "lake.json", "audit"))
        self._check(done, "python -m incident.demo.lake audit")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _type(self, program: str, arguments: tuple[str, ...], line: str) -> str:
        self.commands.append(line)
        self._print(f"\n$ {line}\n")
        if self.pause is not None:
            self.pause()
        done = self._run_shown(program, arguments) if self.shown else self._run(program, arguments)
        self._check(done, line)
        return done.stdout

    def _run(self, program: str, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", _PROGRAMS[program], *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def _run_shown(self, program: str, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        """Output is shown as it comes, so that it stays in order with messages and progress, which go straight to stderr."""
        command = [sys.executable, "-m", _PROGRAMS[program], *arguments]
        printed: list[str] = []
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        ) as process:
            try:
                for line in process.stdout or ():
                    printed.append(line)
                    self._print(line)
            except BaseException:
                process.terminate()  # nobody reads it any more; it must not go on alone
                raise
        return subprocess.CompletedProcess(command, process.returncode, "".join(printed))

    @staticmethod
    def _check(done: subprocess.CompletedProcess[str], line: str) -> None:
        if done.returncode != OK:
            told = f":\n{(done.stderr or done.stdout).strip()}" if done.stderr is not None else ""
            raise Unexpected(
                f"`{line}` exited {done.returncode}, the demo expects 0{told}", "incident demo --keep DIR, to look at it"
            )

    def _print(self, text: str) -> None:
        if self.shown:
            encoding = sys.stdout.encoding or "utf-8"
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
            sys.stdout.flush()
