"""What a command is given: the common options, and the configuration, home and incident they lead to, each only when asked for."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from incident.errors import InputNeeded, UsageError

if TYPE_CHECKING:  # read when a command asks for them, so that --help answers at once
    from incident.config import Config
    from incident.home import Home, IncidentFolder


class Progress(Protocol):
    """Something that is told how far the work is."""

    def advance(self, n: int = 1, size: int = 0, *, earlier: bool = False) -> None: ...


@dataclass
class Context:
    """One per process. Flags > environment > project ``incident.toml`` > user configuration."""

    incident_id: str | None = None
    home_url: str | None = None
    config_path: str | None = None
    json: bool = False
    no_input: bool = False
    yes: bool = False
    quiet: bool = False
    no_color: bool = False
    events: bool = False
    lineage_override: tuple[str, ...] = ()

    @cached_property
    def config(self) -> Config:
        """The merged configuration; defaults where there is no file. Raises ConfigError."""
        from incident.config import load

        return load(self.config_path or os.environ.get("INCIDENT_CONFIG") or None)

    @cached_property
    def home(self) -> Home:
        """Where incidents live. Raises UsageError for a home that is not supported."""
        from incident.home import Home, default_home

        url = self.home_url or os.environ.get("INCIDENT_HOME") or self.config.home_url or str(default_home())
        return Home(url, clock=self.now, actor=self.actor())

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the lineage is: ``--lineage``, else the configuration's."""
        return self.lineage_override or self.config.sources

    def use(self, folder: IncidentFolder) -> IncidentFolder:
        """From here on this incident is meant (one just opened; or one that is about to be closed)."""
        self._used = folder
        return folder

    @property
    def used(self) -> IncidentFolder | None:
        """The incident that this process has been about, if any."""
        return self.__dict__.get("_used")

    def folder(self) -> IncidentFolder:
        """The incident meant: ``--incident``, ``INCIDENT_ID``, or the only open one.

        Raises InputNeeded when several are open, UsageError when none is or the named one does not exist.
        """
        if self.used is not None:
            return self.used
        if named := self.incident_id or os.environ.get("INCIDENT_ID"):
            return self.use(self.home.incident(named))
        incidents = self.home.incidents()
        match [folder for folder in incidents if folder.is_open]:
            case [only]:
                return self.use(only)
            case []:
                closed = f" ({len(incidents)} closed; name one with --incident ID)" if incidents else ""
                raise UsageError(
                    f"No incident is open in {self.home.path}{closed}", "incident declare TITLE --job JOB", code="no-incident"
                )
            case several:
                listed = "".join(f"\n  {folder.id}  {folder.title}" for folder in several)
                raise InputNeeded(
                    f"{len(several)} incidents are open; which one is meant?{listed}",
                    "--incident ID, or set INCIDENT_ID",
                    code="several-open",
                    data={"open": [folder.id for folder in several]},
                )

    # --- people ----------------------------------------------------------------------------------------------------------

    def actor(self) -> dict[str, Any]:
        """Who is acting: a name, which is kept, and a role, which is shown."""
        name = os.environ.get("INCIDENT_ACTOR", "").strip()
        if not name:
            try:
                name = getpass.getuser()
            except (KeyError, OSError):
                name = "unknown"
        return {"name": name, "role": os.environ.get("INCIDENT_ROLE", "").strip() or "engineer"}

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked."""
        return not (self.no_input or self.json or self.events) and sys.stdin.isatty() and sys.stderr.isatty()

    def confirm(self, question: str, *, flag: str = "--yes") -> bool:
        """A yes/no question on a terminal; ``--yes`` answers it. Raises InputNeeded, naming the flag, where nobody can be asked."""
        if self.yes:
            return True
        return self.ask(f"{question} [y/N] ", flag=flag).lower() in {"y", "yes"}

    def ask(self, question: str, *, flag: str) -> str:
        """A line from the person at the terminal. Raises InputNeeded, naming the flag that answers, where there is none."""
        if not self.interactive:
            raise InputNeeded(f"An answer is needed: {question.strip()}", flag)
        sys.stderr.write(question)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            sys.stderr.write("\n")
            raise InputNeeded(f"No answer was given to: {question.strip()}", flag)
        return line.strip()

    def say(self, text: str) -> None:
        """A message to people, on stderr; not with ``--quiet``."""
        if not self.quiet:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    # --- progress --------------------------------------------------------------------------------------------------------

    def event(self, event: str, **fields: Any) -> None:
        """One NDJSON line on stdout, only with ``--events``."""
        if self.events:
            # Nobody may be listening any more: that is no reason to leave an apply half done. The end finds out.
            with contextlib.suppress(OSError):
                sys.stdout.write(json.dumps({"event": event, **fields}, default=str) + "\n")
                sys.stdout.flush()

    @contextlib.contextmanager
    def progress(self, description: str, total: int | None = None, size: int | None = None) -> Iterator[Progress]:
        """How far a piece of work is: a bar on a terminal, lines with ``--events``, silent otherwise. ``size``: its bytes."""
        from incident.progress import progress

        shown = not self.quiet and sys.stderr.isatty()
        tell = self.event if self.events else None
        with progress(description, total, size, tell=tell, shown=shown, no_color=self.no_color) as found:
            yield found

    def now(self) -> int:
        """Nanoseconds UTC; the only clock commands use."""
        return time.time_ns()
