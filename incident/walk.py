"""Walks a runbook: each step is shown, then done, skipped with a reason, or left; the timeline remembers how far it got.

Unattended (nobody at a terminal) it goes as far as the consents given allow, and then says which are missing: ``--yes`` accepts a
plan that is shown, a manual gate needs its parameter, and nothing else is ever taken for a yes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from incident.context import Context
from incident.errors import INPUT_NEEDED, OK, IncidentError, InputNeeded, Interrupted
from incident.home import IncidentFolder
from incident.milestones import applies
from incident.report import Problem, Report, printable
from incident.timeline import Record
from incident.walk_verbs import Answered, Asking, act
from lineage.errors import LineageError
from runbooks.format import Runbook, Step

FINISHED = frozenset({"done", "skipped"})


@dataclass(slots=True)
class StepState:
    """A step and what became of it: pending, done, skipped, failed, waiting (for an answer) or stopped."""

    step: Step
    status: str = "pending"
    reason: str = ""

    def to_json(self) -> dict[str, str]:
        return {"id": self.step.id, "verb": self.step.verb, "status": self.status, "reason": self.reason}


def progress_of(book: Runbook, records: list[Record]) -> list[StepState]:
    """How far an incident has come with a runbook. What a step did and somebody undid since is to be done again."""
    undone = {one.plan_id for one in applies(records) if one.undone}
    last: dict[str, Record] = {}
    for record in records:
        if record.kind == "step" and record.evidence.get("runbook") == book.name:
            last[str(record.evidence.get("step"))] = record
    states = []
    for step in book.steps:
        evidence = last[step.id].evidence if step.id in last else {}
        finished = evidence.get("outcome") in FINISHED and evidence.get("plan_id") not in undone
        states.append(StepState(step, str(evidence["outcome"]), str(evidence.get("reason", ""))) if finished else StepState(step))
    return states


@dataclass(slots=True)
class Walk:
    """One walk of a runbook through an incident. ``show`` puts a step's report before the person."""

    context: Context
    folder: IncidentFolder
    book: Runbook
    params: Mapping[str, tuple[str, ...]]
    show: Callable[[Report], None]
    command: str
    states: list[StepState] = field(default_factory=list)

    def go(self) -> Report:
        """Walk from the first step that is not finished. Raises Interrupted after Ctrl-C."""
        self.states = progress_of(self.book, self.folder.timeline.records())
        for number, state in enumerate(self.states, start=1):
            if state.status in FINISHED:
                continue
            self._head(number, state.step)
            ended = self._walk(state)
            if ended is not None:
                return ended
        done = sum(state.status == "done" for state in self.states)
        text = f"{self.book.name}: all {len(self.states)} steps are over, {done} done."
        return self._report(OK, text, [], [f"incident export --incident {self.folder.id} --format md"])

    def _walk(self, state: StepState) -> Report | None:
        """One step; a report when the walk ends with it."""
        step = state.step
        asking = Asking(self.context, step, self.params, self.show, self.command)
        try:
            answer = act(self.context, self.folder, step, asking)
        except (Interrupted, KeyboardInterrupt):
            raise
        except InputNeeded as error:
            state.status, state.reason = "waiting", error.message
            hint = error.hint or self.command
            return self._report(INPUT_NEEDED, self._stopped(state), [Problem(error.code, error.message, hint)], [self.command])
        except (IncidentError, LineageError) as error:
            code = error.code if isinstance(error, IncidentError) else "lineage"
            exit_code = error.exit_code if isinstance(error, IncidentError) else 2
            answer = Answered("failed", error.message, exit_code=exit_code, problems=(Problem(code, error.message, error.hint),))
        state.status, state.reason = answer.outcome, answer.reason
        self._record(step, answer)
        if answer.outcome in FINISHED:
            return None
        return self._report(answer.exit_code, self._stopped(state), list(answer.problems), [self.command])

    def _record(self, step: Step, answer: Answered) -> None:
        if not self.folder.is_open:
            return  # the step that closed the incident is told by its own record
        evidence: dict[str, Any] = {"runbook": self.book.name, "step": step.id, "outcome": answer.outcome, "reason": answer.reason}
        if answer.plan_id is not None:
            evidence["plan_id"] = answer.plan_id
        because = f": {answer.reason}" if answer.reason else ""
        self.folder.timeline.append("step", f"{self.book.name}, {step.id}: {answer.outcome}{because}", evidence=evidence)

    def _head(self, number: int, step: Step) -> None:
        self.context.say(printable(f"\n[{number}/{len(self.states)}] {step.id} ({step.verb})\n    {step.why}"))

    def _stopped(self, state: StepState) -> str:
        return f"{self.book.name} stopped at {state.step.id}: {state.status}."

    def _report(self, exit_code: int, text: str, problems: list[Problem], following: list[str]) -> Report:
        data = {"runbook": self.book.name, "steps": [state.to_json() for state in self.states]}
        lines = [f"  {state.status:<8} {state.step.id}" for state in self.states]
        return Report(data, printable("\n".join([text, *lines])), problems, following, exit_code, incident=self.folder.id)
