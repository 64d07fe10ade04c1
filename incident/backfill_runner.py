"""Performs a backfill plan: one run after the other, wave by wave, each proved by its exit code and by its output in storage."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from incident.errors import IncidentError, Interrupted
from incident.journal import Journal, Outcome
from incident.orchestrators.port import Orchestrator
from incident.outputs import Newest, Outputs
from runbooks.plan import Plan, RunJob


class JobRuns:
    """The runs of one plan, for the executor. ``logs``: the folder for what they print; ``say`` tells the operator what runs."""

    at_once = 1

    def __init__(
        self,
        plan: Plan,
        orchestrator: Orchestrator,
        outputs: Outputs,
        logs: Path,
        *,
        clock: Callable[[], int],
        say: Callable[[str], None],
    ) -> None:
        self._plan, self._orchestrator, self._outputs, self._logs = plan, orchestrator, outputs, logs
        self._clock, self._say = clock, say
        self._cells = {str(cell): cell for cell in plan.cells}
        self._waves = max((action.wave for action in plan.actions if isinstance(action, RunJob)), default=0)
        self._failed: list[tuple[RunJob, str]] = []

    def chunks(self, indices: Sequence[int]) -> list[list[int]]:
        """One run each: what is intended and what came of it is told run by run."""
        return [[index] for index in indices]

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        """Run it, unless an earlier try turns out to have made its output.

        Raises IncidentError before the first run of a wave when a run before that wave failed: it would read what is missing.
        """
        for index in chunk:
            self._perform(index, journal)

    def finish(self, _journal: Journal) -> None:
        """Each run was proved when it ended."""

    def _perform(self, index: int, journal: Journal) -> None:
        action = self._plan.actions[index]
        if not isinstance(action, RunJob):
            raise TypeError(f"{self._plan.id} holds an action on objects; a backfill runs jobs")
        self._stop_if_failed(action)
        log = self._logs / f"{index + 1}.log"
        if (found := self._look(index, action, log, journal)) is not None:
            journal.outcome({index: found}, self._clock())
            return
        self._say(f"Wave {action.wave} of {self._waves}: {action.job} for {action.partition}")
        cells = [self._cells[name] for name in action.cells]
        before = self._outputs.newest(cells)
        journal.intent([index], self._clock(), {cell: newest.to_json() for cell, newest in before.items()})
        try:
            with _interruptible():
                outcome = self._orchestrator.run(action, log)
        except KeyboardInterrupt:
            # We ended it ourselves, so what it wrote may be half of it: it is run again.
            journal.outcome({index: Outcome("failed", None, "stopped by Ctrl-C before its end")}, self._clock())
            raise Interrupted(
                f"{action.job} for {action.partition} was stopped; what was made before stays", "incident resume"
            ) from None
        if not outcome.ok:
            self._settle(index, action, f"{outcome.detail}; its output is in {log}", journal)
            return
        lacking = self._outputs.lacking(cells, before)
        note = f"it ended well, but {'; '.join(lacking)}; its output is in {log}" if lacking else ""
        self._settle(index, action, note, journal)

    def _settle(self, index: int, action: RunJob, failure: str, journal: Journal) -> None:
        if failure:
            self._failed.append((action, failure))
            self._say(f"failed: {action.job} for {action.partition}: {failure}")
        journal.outcome({index: Outcome("failed" if failure else "done", None, failure)}, self._clock())

    def _look(self, index: int, action: RunJob, log: Path, journal: Journal) -> Outcome | None:
        """What came of a run whose end we did not see; None when there was none, or when it did not end well with its output."""
        if index not in journal.state.doubtful:
            return None
        if self._orchestrator.running(log):
            raise IncidentError(
                f"{action.job} for {action.partition}, begun by an earlier apply, is still running",
                f"wait for its end (its output is in {log}), then: incident resume",
                code="still-running",
            )
        before = {cell: Newest.from_json(raw) for cell, raw in journal.state.before.get(index, {}).items()}
        if self._orchestrator.code(log) != 0:
            return None  # it failed, or ended with its machine: what lies there may be half of it
        if set(before) != set(action.cells) or self._outputs.lacking([self._cells[name] for name in action.cells], before):
            return None
        return Outcome("done", None, "it ended well after we were gone; its output is there")

    def _stop_if_failed(self, action: RunJob) -> None:
        earlier = [(failed, why) for failed, why in self._failed if failed.wave < action.wave]
        if not earlier:
            return
        listed = "".join(f"\n  {failed.job} for {failed.partition}: {why}" for failed, why in earlier)
        runs = "1 run" if len(earlier) == 1 else f"{len(earlier)} runs"
        raise IncidentError(
            f"Stopped before wave {action.wave} of {self._waves}, which would read what is missing: {runs} failed{listed}",
            "see to it, then: incident resume",
            code="run-failed",
        )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C reaches us at once while a job runs, not only after its end: jobs take their time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
