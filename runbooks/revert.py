"""Revert: each key of a serving cell returns to its state, absence included, just before the cell's first bad write.

"Just before" is decided by the order of the version list; times only say where in that list the bad writes begin. A server that
reports whole seconds leaves up to a second open: where that decides between two states, the cell is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from lineage.attempts import Cell
from lineage.blast_radius import ReachedCell
from lineage.timestamps import BEFORE, SECOND, render
from runbooks.consents import Consents, included
from runbooks.facts import Draft, Facts, asked, assembled, marks_completion, questions, surveyed
from runbooks.plan import CopyVersion, ObjectAction, Plan, PlannedCell, PutMarker, Refusal, RemoveMarkers, Requirement
from runbooks.survey import CellSurvey, KeyHistory, ObjectVersion, Target, rest

LARGEST_COPY = 5 * 1000**3
"""CopyObject's limit is 5 GB; larger objects are refused until multipart copies are built."""

ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_MILLISECOND = 1_000_000


class _Undecidable(Exception):
    """An answer within this module, never seen outside."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def plan_revert(facts: Facts, consents: Consents, skew: int = 0, protected: frozenset[Cell] = frozenset()) -> Plan:
    """The revert of the TAINTED serving cells, and of those named by --include. ``skew`` in nanoseconds.

    ``protected`` cells may get older data back, but nothing in them is deleted.
    """
    chosen, refused = included(facts.radius.cells, consents)
    refusals = list(refused)
    warnings = list(facts.warnings)
    drafts: list[Draft] = []
    taken: list[tuple[Cell, Target]] = []
    if not facts.radius.cells:
        refusals.append(Refusal("the radius", "is empty: no cell was reached, so there is nothing to revert", "empty"))
    for reached in facts.radius.dirty():
        if not reached.serving and reached.cell not in chosen:
            continue
        survey = surveyed(reached, facts, taken)
        if isinstance(survey, Refusal):
            refusals.append(survey)
            continue
        doubts = questions(reached, survey, facts, consents)
        if doubts and reached.cell not in chosen:
            refusals.append(asked(doubts))
            continue
        draft = _draft(reached, survey, skew, consents.before)
        if isinstance(draft, Draft) and reached.cell in protected and any(isinstance(one, PutMarker) for one in draft.actions):
            draft = Refusal(str(reached.cell), "is protected, and going back would delete objects there", "protected")
        if isinstance(draft, Refusal):
            refusals.append(draft)
            continue
        warnings += [f"{doubt.what}: {doubt.why} (included by name)" for doubt in doubts]
        taken.append((reached.cell, survey.target))
        drafts.append(draft)
    return assembled("revert", facts, drafts, consents, refused=refusals, warnings=warnings)


def _draft(reached: ReachedCell, survey: CellSurvey, skew: int, before: int | None) -> Draft | Refusal:
    name = str(reached.cell)
    if reached.since <= BEFORE and before is None:
        why = "nobody reported when its first bad write began; say up to when it was good: --before T"
        return Refusal(name, why, "unbounded")
    moment = before if reached.since <= BEFORE and before is not None else reached.since - skew
    cut = _cut(survey)
    try:
        states = [(history, _good(history, moment, cut)) for history in survey.keys]
    except _Undecidable as first:
        # Only the second that the server left open may be decided by hand; anything wider would bring bad data back.
        if before is None or not moment - SECOND <= before <= moment + SECOND:
            near = f"--before T within a second of {render(moment)}"
            return Refusal(name, f"{first.why}; if you know it, give {near}", "undecidable")
        try:
            states = [(history, _good(history, before, cut)) for history in survey.keys]
        except _Undecidable as second:
            return Refusal(name, f"{second.why}, also with --before", "undecidable")
    leaves: Literal["data", "nothing"] = "data" if any(good is not None for _, good in states) else "nothing"
    planned = PlannedCell.of(reached.cell, leaves, survey.target.url)
    actions: list[ObjectAction] = []
    for history, good in states:
        action = _action(survey.target.bucket, str(planned), history, good)
        if isinstance(action, Refusal):
            return Refusal(name, action.why, action.code)
        if action is not None:
            actions.append(action)
    acted = {action.key for action in actions}
    planned = replace(planned, rest=rest(history for history in survey.keys if history.key not in acted))
    actions.sort(key=_turn)
    return Draft(planned, tuple(actions), survey.bucket)


def _cut(survey: CellSurvey) -> int:
    """To what the server cuts its times, in nanoseconds: seconds, as AWS does, unless one of them tells more."""
    times = (version.last_modified for history in survey.keys for version in history.versions)
    return _MILLISECOND if any(time % SECOND for time in times) else SECOND


def _good(history: KeyHistory, moment: int, cut: int) -> ObjectVersion | None:
    """The object that was current just before the moment; None where the key was absent. A time stands for all of its ``cut``."""
    for at, version in enumerate(history.versions):
        if version.last_modified >= moment:
            continue
        if version.last_modified + cut > moment:
            when = render(version.last_modified)
            raise _Undecidable(f"{history.key} has a version of {when}, and nobody can say whether that is before {render(moment)}")
        following = history.versions[at + 1 :]
        tied = any(one.last_modified == version.last_modified and one.is_marker != version.is_marker for one in following)
        if tied and at > 0 and not history.ordered:
            raise _Undecidable(f"{history.key} was written and deleted in one moment, and the storage does not say in which order")
        return None if version.is_marker else version
    return None


def _action(bucket: str, cell: str, history: KeyHistory, good: ObjectVersion | None) -> ObjectAction | Refusal | None:
    """What brings a key into its good state; None where it is in it already."""
    top, current = history.top, history.current
    requires = Requirement(top.version_id, top.etag, top.is_marker)
    if good is None:
        return PutMarker(bucket, history.key, requires, top.size, cell) if current is not None else None
    if current is not None and (current.etag, current.size) == (good.etag, good.size):
        return None
    above = history.versions[: history.versions.index(good)]
    if all(version.is_marker for version in above):
        markers = tuple(version.version_id for version in above)
        return RemoveMarkers(bucket, history.key, requires, markers, good.version_id, good.etag, good.size, cell)
    if good.size > LARGEST_COPY:
        return Refusal(history.key, f"{history.key} has {good.size} bytes; more than 5 GB cannot be copied back yet", "too-large")
    if good.storage_class in ARCHIVED:
        why = f"the good version of {history.key} is archived ({good.storage_class}); restore it from there first"
        return Refusal(history.key, why, "archived")
    return CopyVersion(bucket, history.key, requires, good.version_id, good.etag, good.size, cell, storage_class=good.storage_class)


def _turn(action: ObjectAction) -> tuple[int, str, bytes]:
    """Completion markers go first and come back last, so that no reader takes half a partition for a whole one."""
    marks = marks_completion(action.key)
    goes = isinstance(action, PutMarker)
    return (0 if goes else 2) if marks else 1, action.op, action.key.encode()
