"""What each verb of a runbook does: the same command functions that a person types, with the gate's question before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from incident.context import Context
from incident.errors import INPUT_NEEDED, OK, InputNeeded, UsageError
from incident.home import IncidentFolder
from incident.plan_options import PlanOptions
from incident.radius import fix_of
from incident.report import Problem, Report
from runbooks.format import PLANNED, Step

Outcome = Literal["done", "skipped", "failed", "stopped"]
Planning = Callable[[Context, PlanOptions], Report]


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a step. ``plan_id``: the plan that it applied."""

    outcome: Outcome
    reason: str = ""
    plan_id: str | None = None
    exit_code: int = OK
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Asking:
    """Puts a step's questions to the person, or finds their answers among the consents given."""

    context: Context
    step: Step
    params: Mapping[str, tuple[str, ...]]
    show: Callable[[Report], None]
    command: str

    @property
    def given(self) -> dict[str, tuple[str, ...]]:
        return self.step.given(self.params)

    def text(self, option: str) -> str | None:
        return self.given[option][-1] if option in self.given else None

    def yes(self, option: str) -> bool:
        return self.text(option) == "yes"

    def choose(self, question: str, accept: str) -> Answered | None:
        """None to go on, or how the step ends. On a terminal only."""
        while True:
            answer = self.context.ask(f"{question} [d]o it, [s]kip it, [q]uit: ", flag=accept).lower()
            if answer in {"d", "do", "y", "yes"}:
                return None
            if answer in {"s", "skip"}:
                if reason := self.context.ask("Why is it skipped? ", flag=accept):
                    return Answered("skipped", reason)
            elif answer in {"q", "quit", "stop"}:
                return Answered(
                    "stopped",
                    "left by the operator",
                    exit_code=INPUT_NEEDED,
                    problems=(Problem("stopped", f"The walk was left at {self.step.id}", self.command),),
                )

    def manual(self) -> Answered | None:
        """A manual gate: a person's word, or its parameter."""
        gate = self.step.gate
        if gate is None or gate.kind != "manual":
            return None
        if gate.param is not None and self.params.get(gate.param, ("",))[-1] == "yes":
            return None
        missing = f"--param {gate.param}=yes" if gate.param is not None else "a person at a terminal"
        if not self.context.interactive:
            raise InputNeeded(f"{self.step.id}: {gate.ask}", f"{self.command} {missing}", code="gate")
        return self.choose(gate.ask, missing)

    def missing_consents(self) -> str:
        """The parameters of this step that were not given, as they would be typed."""
        left = [value.strip("{}") for option, value in self.step.options.items() if option not in self.given]
        return " or ".join(f"--param {name}=…" for name in left)


def act(context: Context, folder: IncidentFolder, step: Step, asking: Asking) -> Answered:
    """Do one step. Raises InputNeeded when an answer is missing, and whatever the command raises."""
    if (ended := asking.manual()) is not None:
        return ended
    if step.verb in PLANNED:
        return _planned(context, step, asking)
    match step.verb:
        case "manual":
            return Answered("done", "confirmed" if context.interactive else "confirmed by parameter")
        case "fix":
            return _fix(context, folder, asking)
        case "verify":
            from incident.commands.verify import verify

            return _told(verify(context, (), None), asking)
        case "close":
            from incident.commands.close import close

            return _told(close(context, asking.text("unverified")), asking)
        case "note":
            from incident.commands.record import note

            return _told(note(context, asking.text("text") or step.why, asking.text("kind") or "observation", None), asking)
        case "status":
            from incident.commands.status import status

            return _told(status(context), asking)
        case "blast":
            from incident.commands.understand import blast
            from incident.fault_options import FaultOptions

            return _told(blast(context, FaultOptions()), asking)
    raise AssertionError(step.verb)


def _told(report: Report, asking: Asking) -> Answered:
    asking.show(report)
    if report.exit_code == OK:
        return Answered("done")
    reason = report.problems[0].message if report.problems else ""
    return Answered("failed", reason, exit_code=report.exit_code, problems=tuple(report.problems))


def _fix(context: Context, folder: IncidentFolder, asking: Asking) -> Answered:
    from incident.commands.fix import fix

    if fix_of(folder) is not None:
        return Answered("done", "recorded before")
    version, moment = asking.text("code_version"), asking.text("good_from")
    if version is None and moment is None:
        if not context.interactive:
            raise InputNeeded(
                "It is not recorded from where on runs of the faulty job are good",
                f"{asking.command} {asking.missing_consents() or 'after: incident fix --code-version V'}",
                code="not-fixed",
            )
        if (ended := asking.choose("Is the job fixed?", "--param code_version=V")) is not None:
            return ended
        version = context.ask("Which code version is good (empty: give a moment)? ", flag="--param code_version=V") or None
        moment = None if version else context.ask("From which moment on are runs good? ", flag="--param good_from=T")
    return _told(fix(context, asking.text("text"), version, moment), asking)


# --- verbs that show a plan ----------------------------------------------------------------------------------------------


def _planned(context: Context, step: Step, asking: Asking) -> Answered:
    planning = _planning(step)
    options = _options(asking)
    report = planning(context, options)
    asking.show(report)
    codes = {refused["code"] for refused in report.data["plan"]["refused"]}
    if report.exit_code == INPUT_NEEDED and codes == {"empty"}:
        return Answered("skipped", f"nothing to {step.verb}")
    if report.exit_code == INPUT_NEEDED:
        if not context.interactive:
            consents = asking.missing_consents()
            raise InputNeeded(
                f"{step.id}: {'; '.join(problem.message for problem in report.problems)}",
                f"{asking.command} {consents}" if consents else asking.command,
                code="refused",
            )
        ended = asking.choose("Some of it is refused. Go on with the rest?", "--param skip_refused=yes")
        if ended is not None:
            return ended
        options = _with_rest(options)
        report = planning(context, options)
        asking.show(report)
    if report.exit_code != OK:
        return _told(report, asking)
    if not report.data.get("saved"):
        return Answered("done", f"nothing to {step.verb}")
    plan_id = str(report.data["plan"]["id"])
    if not context.yes:
        if not context.interactive:
            raise InputNeeded(f"{step.id}: plan {plan_id} is shown and not accepted", f"{asking.command} --yes", code="gate")
        if (ended := asking.choose(f"Apply {plan_id}?", "--yes")) is not None:
            return ended
    applied = planning(context, PlanOptions(apply=plan_id))
    asking.show(applied)
    if applied.exit_code == OK:
        return Answered("done", plan_id=plan_id)
    reason = applied.problems[0].message if applied.problems else ""
    return Answered("failed", reason, plan_id, applied.exit_code, tuple(applied.problems))


def _planning(step: Step) -> Planning:
    match step.verb:
        case "backfill":
            from incident.commands.backfill import backfill

            return backfill
        case "revert":
            from incident.commands.recover import revert

            return revert
        case _:
            from incident.commands.recover import purge

            return purge


def _options(asking: Asking) -> PlanOptions:
    most = asking.text("max_objects")
    if most is not None and not most.isdigit():
        raise UsageError(f"max_objects is {most!r}", "--param max_objects=200000")
    return PlanOptions(
        include=asking.given.get("include", ()),
        max_objects=None if most is None else int(most),
        max_bytes=asking.text("max_bytes"),
        skip_refused=asking.yes("skip_refused"),
        before=asking.text("before"),
        writers_stopped=asking.yes("writers_stopped"),
        pointer=asking.given.get("pointer", ()),
    )


def _with_rest(options: PlanOptions) -> PlanOptions:
    from dataclasses import replace

    return replace(options, skip_refused=True)
