"""Applying a plan: exactly its actions, each intended in the journal before and settled after, told to the timeline.

Order, so that a crash leaves too much said and never too little: timeline "apply-started" → journal begin → per chunk intent,
effect, outcome → journal end → timeline "applied" (for an undo "undone"). Nothing happens if the first two cannot be written.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from incident.errors import DRIFTED, FAILED, OK, Drift, IncidentError, InputNeeded, Interrupted
from incident.journal import Journal, JournalState, read_journal, whole
from lineage.timestamps import SECOND
from runbooks.plan import Plan, RunJob, place_of

APPLIED = ("applied", "undone")
"""The kinds of timeline records that end an apply; the last one's plan is what a new plan must build on."""


class Performer(Protocol):
    """Knows how to do the actions of one plan, a chunk at a time."""

    def chunks(self, indices: Sequence[int]) -> Sequence[Sequence[int]]:
        """The actions that are left, in chunks, in order."""

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        """Do one chunk: write the intent to the journal, act, write the outcomes."""

    def finish(self, journal: Journal) -> None:
        """Look once more when all chunks are through, and write down what is not as the plan says."""


class Ticker(Protocol):
    """Something that shows progress."""

    def advance(self, n: int = 1) -> None: ...


class Folder(Protocol):
    """What the executor needs of an incident's folder."""

    @property
    def id(self) -> str: ...
    @property
    def journal_dir(self) -> Path: ...
    @property
    def timeline(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of an apply: actions by outcome, over all its tries; ``seconds`` of this one."""

    plan_id: str
    done: int
    failed: int
    drifted: int
    unknown: int
    objects: int
    bytes: int
    seconds: float
    already: bool = False
    notes: tuple[tuple[str, str], ...] = ()
    """What was not done, by name, and why."""
    strays: int = 0
    """Cells that hold what was written since the plan under other names."""

    @property
    def exit_code(self) -> int:
        if self.already:
            return OK
        return FAILED if self.failed or self.unknown else DRIFTED if self.drifted or self.strays else OK

    def to_json(self) -> dict[str, Any]:
        """The apply data of the contract."""
        counts = {"done": self.done, "failed": self.failed, "drifted": self.drifted, "unknown": self.unknown}
        rest = {"objects": self.objects, "bytes": self.bytes, "seconds": self.seconds, "already_applied": self.already}
        return {"plan_id": self.plan_id, **counts, **rest}


def apply(
    folder: Folder,
    plan: Plan,
    performer: Performer,
    *,
    clock: Callable[[], int],
    actor: Mapping[str, Any],
    progress: Ticker | None = None,
) -> Applied:
    """Do a plan. A second time does nothing and says so.

    Raises Drift when the plan is stale, InputNeeded when an apply was interrupted or is going on elsewhere, TimelineUnwritable
    when nothing could be written (and then nothing was done), Interrupted after Ctrl-C.
    """
    if (already := _ready(folder, plan)) is not None:
        return already
    return _run(folder, plan, performer, clock=clock, actor=actor, progress=progress, first=True)


def _ready(folder: Folder, plan: Plan) -> Applied | None:
    """Raises what ``apply`` raises while the plan may not begin; what to answer when it was applied before."""
    state = read_journal(folder.journal_dir, plan.id)
    if _told(folder, plan):
        if undo := _taken_back(folder, plan):
            raise Drift(f"{plan.id} was applied, and {undo} took it back since", f"incident {plan.phase}", code="stale")
        return Applied(plan.id, 0, 0, 0, 0, 0, 0, 0.0, already=True)
    if state.begun is not None:
        raise InputNeeded(_where(plan, state), f"incident resume --incident {folder.id}", code="interrupted-apply")
    require_settled(folder)
    last = last_applied(folder)
    if plan.previous != last:
        said = f"{last} was applied since" if last else "what it builds on is not applied"
        raise Drift(
            f"{plan.id} is stale: {said}", f"incident {plan.phase}" if plan.phase != "undo" else "incident status", code="stale"
        )
    return None


def resume(
    folder: Folder,
    plan: Plan,
    performer: Performer,
    *,
    clock: Callable[[], int],
    actor: Mapping[str, Any],
    progress: Ticker | None = None,
    take_over: bool = False,
) -> Applied:
    """Finish an interrupted apply: what is in doubt is looked at first, what failed is tried again under its conditions."""
    return _run(folder, plan, performer, clock=clock, actor=actor, progress=progress, take_over=take_over)


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
    return state.begun is not None and bool(state.unfinished(len(plan.actions)))


def last_applied(folder: Folder) -> str | None:
    """The plan that was applied or undone last."""
    found = [record.evidence.get("plan_id") for record in folder.timeline.records() if record.kind in APPLIED]
    return found[-1] if found else None


def _run(
    folder: Folder,
    plan: Plan,
    performer: Performer,
    *,
    clock: Callable[[], int],
    actor: Mapping[str, Any],
    progress: Ticker | None,
    take_over: bool = False,
    first: bool = False,
) -> Applied:
    started = clock()
    with Journal(folder.journal_dir, plan.id, actor, take_over=take_over) as journal:
        # Asked again now that nobody else can begin: another process may have been between our first look and the claim.
        if first and (already := _ready(folder, plan)) is not None:
            return already
        again = journal.state.begun is not None
        if not again or journal.state.ended is None or journal.state.unfinished(len(plan.actions)):
            text = f"{'Resuming' if again else 'Applying'} {plan.id}: {len(plan.actions)} actions"
            folder.timeline.append(
                "resumed" if again else "apply-started", text, evidence={"plan_id": plan.id, "phase": plan.phase}
            )
            journal.begin(len(plan.actions), clock())
            _walk(folder, plan, performer, journal, progress)
            _finish(folder, performer, journal)
            journal.end(clock())
        applied = _applied(plan, journal.state, round((clock() - started) / SECOND, 3))
        evidence = {key: value for key, value in applied.to_json().items() if key != "already_applied"} | {"phase": plan.phase}
        if plan.target is not None:
            evidence["target"] = plan.target
        folder.timeline.append("undone" if plan.phase == "undo" else "applied", _sentence(plan, applied), evidence=evidence)
    return applied


def _walk(folder: Folder, plan: Plan, performer: Performer, journal: Journal, progress: Ticker | None) -> None:
    left = journal.state.unfinished(len(plan.actions))
    if progress is not None:
        progress.advance(len(plan.actions) - len(left))
    chunks = performer.chunks(left)
    with _stop_between_chunks() as stop:
        for number, chunk in enumerate(chunks):
            if stop.is_set():
                raise Interrupted(
                    f"stopped before chunk {number + 1} of {len(chunks)}; what was done stays done",
                    f"incident resume --incident {folder.id}",
                    data=_applied(plan, journal.state, 0.0).to_json(),
                )
            journal.check_claim()
            try:
                performer.perform(chunk, journal)
            except IncidentError as error:
                error.data = {**_applied(plan, journal.state, 0.0).to_json(), **error.data}
                goes_on = f"incident resume --incident {folder.id}"
                error.hint = (
                    f"{error.hint}; then: {goes_on}" if error.hint and "resume" not in error.hint else error.hint or goes_on
                )
                raise
            if progress is not None:
                progress.advance(len(chunk))


def _finish(folder: Folder, performer: Performer, journal: Journal) -> None:
    try:
        performer.finish(journal)
    except IncidentError as error:
        error.hint = f"{error.hint}; then: incident resume --incident {folder.id}".removeprefix("; then: ")
        raise


@contextmanager
def _stop_between_chunks() -> Iterator[threading.Event]:
    """The first Ctrl-C finishes the chunk in hand; a second one interrupts at once, which resume can cope with."""
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


def _applied(plan: Plan, state: JournalState, seconds: float) -> Applied:
    done = [action for index, action in enumerate(plan.actions) if _status(state, index) == "done"]
    touched = [action for action in done if not isinstance(action, RunJob)]
    notes = tuple(
        (_name(plan, index), outcome.note) for index, outcome in sorted(state.outcomes.items()) if outcome.status != "done"
    )
    notes += tuple(sorted(state.strays.items()))
    doubtful = len(state.doubtful.keys() | {index for index, one in state.outcomes.items() if one.status == "unknown"})
    return Applied(
        plan.id,
        len(done),
        sum(_status(state, index) == "failed" for index in state.outcomes),
        sum(_status(state, index) == "drifted" for index in state.outcomes),
        doubtful,
        len(touched),
        sum(action.size for action in touched),
        seconds,
        notes=notes,
        strays=len(state.strays),
    )


def _status(state: JournalState, index: int) -> str:
    if index in state.doubtful:
        return "unknown"
    return state.outcomes[index].status if index in state.outcomes else "left"


def _name(plan: Plan, index: int) -> str:
    action = plan.actions[index]
    return place_of(action)


def _sentence(plan: Plan, applied: Applied) -> str:
    parts = [f"{applied.done} of {len(plan.actions)} actions done"]
    parts += [
        f"{count} {word}"
        for count, word in ((applied.failed, "failed"), (applied.drifted, "drifted"), (applied.unknown, "unknown"))
        if count
    ]
    if applied.strays:
        parts.append(f"cells that hold what was written since the plan: {applied.strays}")
    return f"{plan.id}: {', '.join(parts)}"
