"""The port to what runs jobs. Deliberately thin: whether the data is there is asked of storage, never of an orchestrator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runbooks.plan import RunJob


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What the orchestrator says came of a run. ``ok`` is its word and no proof; ``detail`` is for people."""

    ok: bool
    detail: str = ""


class Orchestrator(Protocol):
    """Runs one job for one period and waits for its end."""

    def run(self, action: RunJob, log: Path) -> RunOutcome:
        """Run it, with all that it prints appended to ``log``.

        Returns also when the run failed or could not be started. When interrupted (KeyboardInterrupt) the run is stopped before
        the interrupt goes on, so that nothing writes any more once the operator has the terminal back.
        """

    def code(self, log: Path) -> int | None:
        """The exit code of the last run that wrote to this log; None when it has not ended, or nobody saw how."""

    def running(self, log: Path) -> bool:
        """Whether a run that writes to this log, begun by a process that is gone, is still going on."""
