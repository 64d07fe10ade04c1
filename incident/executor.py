"""Applying a plan: exactly its actions, each intended in the journal before and settled after, told to the timeline.

Order, so that a crash leaves too much said and never too little: timeline "apply-started" → journal begin → per chunk intent,
effect, outcome → journal end → timeline "applied" (for an undo "undone"). Nothing happens if the first two cannot be written.
Several chunks may be in flight (see ``steps``); each keeps that order for itself.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from incident import approvals
from incident.applied import Applied, applied
from incident.errors import Drift, IncidentError, InputNeeded, Interrupted
from incident.journal import Journal, JournalState, read_journal, whole
from incident.steps import Step, walk
from lineage.timestamps import SECOND
from runbooks.plan import Plan

__all__ = ["APPLIED", "Applied", "Execution", "apply", "interrupted", "last_applied", "require_settled", "resume", "unsettled"]

APPLIED = ("applied", "undone")
"""The kinds of timeline records that end an apply; the last one's plan is what a new plan must build on."""


class Performer(Protocol):
    """Knows how to do the actions of one plan, a chunk at a time."""

    @property
    def at_once(self) -> int:
        """How many chunks may be in flight where their order allows; 1 is one after the other."""

    def chunks(self, indices: Sequence[int]) -> Iterable[Sequence[int]]:
        """The actions that are left, in chunks, in order; a ``Step`` says which of them may be in flight together."""

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        """Do one chunk: write the intent to the journal, act, write the outcomes."""

    def finish(self, journal: Journal) -> None:
        """Look once more when all chunks are through, and write down what is not as the plan says."""


class Ticker(Protocol):
    """Something that shows progress: actions done, and their bytes where they have any. ``earlier``: by an earlier try."""

    def advance(self, n: int = 1, size: int = 0, *, earlier: bool = False) -> None: ...


class Folder(Protocol):
    """What the executor needs of an incident's folder."""

    @property
    def id(self) -> str: ...
    @property
    def journal_dir(self) -> Path: ...
    @property
    def timeline(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Execution:
    """All that an apply or a resume of one plan needs. ``clock`` in ns UTC.

    ``approvals``: so many people other than ``actor`` must have consented to this very plan.
    """

    folder: Folder
    plan: Plan
    performer: Performer
    clock: Callable[[], int]
    actor: Mapping[str, Any]
    progress: Ticker | None = None
    approvals: int = 0

    @property
    def goes_on(self) -> str:
        """The command that finishes it."""
        return f"incident resume --incident {self.folder.id}"


def apply(run: Execution) -> Applied:
    """Do a plan. A second time does nothing and says so.

    Raises Drift when the plan is stale, InputNeeded when an apply was interrupted or is going on elsewhere or approvals are
    missing, TimelineUnwritable when nothing could be written (and then nothing was done), Interrupted after Ctrl-C.
    """
    if (already := _ready(run)) is not None:
        return already
    return _run(run, first=True)


def resume(run: Execution, *, take_over: bool = False) -> Applied:
    """Finish an interrupted apply: what is in doubt is looked at first, what failed is tried again under its conditions."""
    _require_approvals(run)
    return _run(run, take_over=take_over)


def _ready(run: Execution) -> Applied | None:
    """Raises what ``apply`` raises while the plan may not begin; what to answer when it was applied before."""
    folder, plan = run.folder, run.plan
    state = read_journal(folder.journal_dir, plan.id)
    if _told(folder, plan):
        if undo := _taken_back(folder, plan):
            raise Drift(f"{plan.id} was applied, and {undo} took it back since", f"incident {plan.phase}", code="stale")
        return Applied(plan.id, 0, 0, 0, 0, 0, 0, 0.0, already=True)
    if state.begun is not None:
        raise InputNeeded(_where(plan, state), run.goes_on, code="interrupted-apply")
    require_settled(folder)
    last = last_applied(folder)
    if plan.previous != last:
        said = f"{last} was applied since" if last else "what it builds on is not applied"
        raise Drift(
            f"{plan.id} is stale: {said}", f"incident {plan.phase}" if plan.phase != "undo" else "incident status", code="stale"
        )
    _require_approvals(run)
    return None


def _require_approvals(run: Execution) -> None:
    approvals.require(run.folder.timeline.records(), run.plan.id, run.approvals, run.actor)


def interrupted(folder: Folder) -> list[str]:
    """The plans whose journal was begun and not ended, or ended without the timeline knowing; oldest first."""
    records = folder.timeline.records()
    told = {record.evidence.get("plan_id") for record in records if record.kind in APPLIED}
    whole(folder.journal_dir, (str(one.evidence.get("plan_id")) for one in records if one.kind == "apply-started"))
    paths = sorted(folder.journal_dir.glob("*.ndjson"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    states = {path.stem: read_journal(folder.journal_dir, path.stem) for path in paths}
    return [name for name, state in states.items() if state.begun is not None and (state.ended is None or name not in told)]


def require_settled(folder: Folder) -> None:
    """Nothing new is planned or begun on top of what is half done. Raises InputNeeded."""
    if others := interrupted(folder):
        raise InputNeeded(
            f"{others[0]} was begun and is not finished", f"incident resume --incident {folder.id}", code="interrupted-apply"
        )


def unsettled(folder: Folder, plan: Plan) -> bool:
    """Whether an apply left actions failed or unknown, so that a resume has something to do."""
    state = read_journal(folder.journal_dir, plan.id)
    return state.begun is not None and not state.finished(len(plan.actions))


def last_applied(folder: Folder) -> str | None:
    """The plan that was applied or undone last."""
    found = [record.evidence.get("plan_id") for record in folder.timeline.records() if record.kind in APPLIED]
    return found[-1] if found else None


def _run(run: Execution, *, take_over: bool = False, first: bool = False) -> Applied:
    folder, plan = run.folder, run.plan
    count = len(plan.actions)
    started = run.clock()
    with Journal(folder.journal_dir, plan.id, run.actor, take_over=take_over) as journal:
        # Asked again now that nobody else can begin: another process may have been between our first look and the claim.
        if first and (already := _ready(run)) is not None:
            return already
        again = journal.state.begun is not None
        if not again or journal.state.ended is None or not journal.state.finished(count):
            text = f"{'Resuming' if again else 'Applying'} {plan.id}: {count} actions"
            folder.timeline.append(
                "resumed" if again else "apply-started", text, evidence={"plan_id": plan.id, "phase": plan.phase}
            )
            journal.begin(count, run.clock())
            _walk(run, journal)
            with _going_on(run):
                run.performer.finish(journal)
            journal.end(run.clock())
        found = applied(plan, journal.state, round((run.clock() - started) / SECOND, 3))
        evidence = {key: value for key, value in found.to_json().items() if key != "already_applied"} | {"phase": plan.phase}
        if plan.target is not None:
            evidence["target"] = plan.target
        folder.timeline.append("undone" if plan.phase == "undo" else "applied", found.sentence(count), evidence=evidence)
    return found


def _walk(run: Execution, journal: Journal) -> None:
    plan, state = run.plan, journal.state
    count = len(plan.actions)
    left = state.unfinished(count)
    if run.progress is not None and (before := count - len(left)):
        run.progress.advance(before, applied(plan, state, 0.0).bytes, earlier=True)
    begun = 0

    def perform(step: Step) -> None:
        journal.check_claim()
        run.performer.perform(step, journal)

    def ended(step: Step) -> None:
        nonlocal begun
        begun += len(step)
        if run.progress is not None:
            size = step.size if step.size is not None else sum(getattr(plan.actions[index], "size", 0) for index in step)
            run.progress.advance(len(step), size)
        if stop.is_set() and begun < len(left):
            raise _Stopped

    with _going_on(run, state), _stop_between_chunks() as stop:
        try:
            walk(run.performer.chunks(left), perform, ended, at_once=run.performer.at_once)
        except _Stopped:
            if begun < len(left):
                message = (
                    f"stopped with {len(left) - begun} of {count} actions not begun; what was begun was finished, and stays done"
                )
                raise Interrupted(message, run.goes_on) from None
        except KeyboardInterrupt:
            journal.keep_claim()  # requests may still be under way: who follows must see this process end first
            raise


class _Stopped(Exception):
    """Somebody pressed Ctrl-C, and a chunk has ended since."""


@contextmanager
def _going_on(run: Execution, state: JournalState | None = None) -> Iterator[None]:
    """Errors on the way say how far it came, and how to go on."""
    try:
        yield
    except IncidentError as error:
        if state is not None:
            error.data = {**applied(run.plan, state, 0.0).to_json(), **error.data}
        if "resume" not in error.hint:
            error.hint = f"{error.hint}; then: {run.goes_on}".removeprefix("; then: ")
        raise


@contextmanager
def _stop_between_chunks() -> Iterator[threading.Event]:
    """The first Ctrl-C finishes the chunks in hand; a second one interrupts at once, which resume can cope with."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    former = signal.getsignal(signal.SIGINT)

    def heard(_number: int, _frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, former)

    signal.signal(signal.SIGINT, heard)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, former)


def _told(folder: Folder, plan: Plan) -> bool:
    return any(record.kind in APPLIED and record.evidence.get("plan_id") == plan.id for record in folder.timeline.records())


def _taken_back(folder: Folder, plan: Plan) -> str | None:
    """The undo of an applied plan, if there was one; an undo itself is never taken back."""
    undone = [
        record for record in folder.timeline.records() if record.kind == "undone" and record.evidence.get("target") == plan.id
    ]
    return str(undone[-1].evidence.get("plan_id")) if undone else None


def _where(plan: Plan, state: JournalState) -> str:
    left = len(state.unfinished(len(plan.actions)))
    return f"{plan.id} was begun and is not finished: {left} of {len(plan.actions)} actions are left"
