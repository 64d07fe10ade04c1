"""Revert: each key of a serving cell returns to its state, absence included, just before the cell's first bad write.

"Just before" is decided by the order of the version list; times only say where in that list the bad writes begin. A server that
reports whole seconds leaves up to a second open: where that decides between two states, the cell is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from lineage.attempts import Cell
from lineage.blast_radius import ReachedCell
from lineage.timestamps import BEFORE, SECOND, render
from runbooks.actions import BringBack, SetAside
from runbooks.aside import kept_warnings
from runbooks.consents import Consents, included
from runbooks.contents import contents_of
from runbooks.facts import ARCHIVED, Again, Draft, Facts, Unreadable, asked, assembled, marks_completion, questions, surveyed
from runbooks.kept_copies import from_copy
from runbooks.plan import CopyVersion, ObjectAction, Plan, PlannedCell, PutMarker, Refusal, RemoveMarkers, Requirement
from runbooks.serving import at_pointers
from runbooks.survey import CellSurvey, KeyHistory, ObjectVersion, Rest, Target
from runbooks.tables import reverted_tables

_MILLISECOND = 1_000_000
_BETWEEN = 1
"""The turn of all that is no completion marker."""


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
    pointed = at_pointers(facts, chosen, consents, skew)
    refusals += pointed.refused
    warnings += pointed.warnings
    tables = reverted_tables(facts, chosen, (pointed.needs, pointed.settled), consents, protected)
    refusals += tables.refused
    warnings += tables.warnings
    for reached in facts.radius.dirty():
        if reached.cell in pointed.settled | tables.settled or not (reached.serving or reached.cell in chosen | pointed.needs):
            continue
        survey = surveyed(reached, facts, taken)
        if isinstance(survey, Refusal):
            refusals.append(survey)
            continue
        doubts = questions(reached, survey, facts, consents)
        if doubts and reached.cell not in chosen:
            refusals.append(asked(doubts))
            continue
        if survey.bucket.versioning == "Enabled":
            draft = _draft(reached, survey, facts.unreadable, skew, consents.before)
        else:
            draft = from_copy(reached, survey, facts, consents, skew=skew, named=reached.cell in chosen)
        if isinstance(draft, Draft) and reached.cell in protected and _deletes(draft):
            draft = Refusal(str(reached.cell), "is protected, and going back would delete objects there", "protected")
        if isinstance(draft, Refusal):
            refusals.append(draft)
            continue
        warnings += [f"{doubt.what}: {doubt.why} (included by name)" for doubt in doubts]
        if survey.bucket.versioning != "Enabled":
            warnings += kept_warnings(survey, facts.keepings.get(reached.cell), consents)
        taken.append((reached.cell, survey.target))
        drafts.append(draft)
    planned = {reached: draft.planned for (reached, _), draft in zip(taken, drafts, strict=True)}
    swaps, unmet = pointed.drafts(planned | {draft.planned.cell: draft.planned for draft in tables.drafts})
    refusals += unmet
    return assembled("revert", facts, [*drafts, *tables.drafts, *swaps], consents, refused=refusals, warnings=warnings)


def _deletes(draft: Draft) -> bool:
    """Whether something is gone afterwards and nothing came in its place."""
    brought = {one.key for one in draft.actions if isinstance(one, BringBack)}
    return any(isinstance(one, PutMarker) or (isinstance(one, SetAside) and one.key not in brought) for one in draft.actions)


def _draft(reached: ReachedCell, survey: CellSurvey, unreadable: Unreadable, skew: int, before: int | None) -> Draft | Refusal:
    name = str(reached.cell)
    if reached.since <= BEFORE and before is None:
        why = "nobody reported when its first bad write began; say up to when it was good: --before T"
        return Refusal(name, why, "unbounded")
    moment = before if reached.since <= BEFORE and before is not None else reached.since - skew
    try:
        decided = _decide(survey, moment, unreadable)
    except _Undecidable as first:
        # Only the second that the server left open may be decided by hand; anything wider would bring bad data back.
        if before is None or not moment - SECOND <= before <= moment + SECOND:
            near = f"--before T within a second of {render(moment)}"
            return Refusal(name, f"{first.why}; if you know it, give {near}", "undecidable")
        try:
            decided = _decide(survey, before, unreadable)
        except _Undecidable as second:
            return Refusal(name, f"{second.why}, also with --before", "undecidable")
    if decided.refusal is not None:
        return Refusal(name, decided.refusal.why, decided.refusal.code)
    planned = replace(PlannedCell.of(reached.cell, decided.leaves, survey.target.url), rest=decided.rest)
    return Draft(planned, Again(lambda: _actions(survey, decided)), survey.bucket)


@dataclass(frozen=True, slots=True)
class _Decided:
    """What becomes of a cell, without what becomes of each key: that is reckoned again when it is asked for."""

    moment: int
    cut: int
    turns: tuple[tuple[int, str], ...]
    leaves: Literal["data", "nothing"]
    rest: str
    refusal: Refusal | None


def _decide(survey: CellSurvey, moment: int, unreadable: Unreadable) -> _Decided:
    """Raises _Undecidable. That all keys can be decided comes before anything else is said of the cell."""
    # To what the server cuts its times: to seconds, as AWS does, unless one of them tells more.
    cut = _MILLISECOND if contents_of(survey).fine else SECOND
    turns: set[tuple[int, str]] = set()
    beside = Rest()
    refusal: Refusal | None = None
    leaves: Literal["data", "nothing"] = "nothing"
    bucket, name = survey.target.bucket, str(survey.cell)
    for history in survey.keys:
        good = _good(history, moment, cut)
        if good is not None:
            leaves = "data"
        action = _action(bucket, name, history, good)
        if action is None:
            beside.add(history)
        else:
            turns.add(_turn(action))
        copied = good if isinstance(action, CopyVersion) and refusal is None else None
        # Only archived ones are asked about, for it takes a request each.
        if copied is not None and copied.storage_class in ARCHIVED and (why := unreadable(bucket, copied)):
            refusal = Refusal(history.key, f"the good version cannot be copied: {why}", "archived")
    return _Decided(moment, cut, tuple(sorted(turns)), leaves, str(beside), refusal)


def _actions(survey: CellSurvey, decided: _Decided) -> Iterator[ObjectAction]:
    """Turn by turn, each in the order of the keys."""
    bucket, name = survey.target.bucket, str(survey.cell)
    for turn in decided.turns:
        marks = turn[0] != _BETWEEN
        for history in survey.keys:
            if marks_completion(history.key) is not marks:
                continue
            action = _action(bucket, name, history, _good(history, decided.moment, decided.cut))
            if action is not None and _turn(action) == turn:
                yield action


def _good(history: KeyHistory, moment: int, cut: int) -> ObjectVersion | None:
    """The object that was current just before the moment; None where the key was absent. A time stands for all of its ``cut``."""
    for at, version in enumerate(history.versions):
        if version.last_modified >= moment:
            if version.version_id == "null":
                # It took the place of any null version before it, whose bytes nobody has.
                raise _Undecidable(
                    f"{history.key} was written while its bucket kept no versions, so that what it held before is gone"
                )
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


def _action(bucket: str, cell: str, history: KeyHistory, good: ObjectVersion | None) -> ObjectAction | None:
    """What brings a key into its good state; None where it is in it already."""
    top, current = history.top, history.current
    requires = Requirement(top.version_id, top.etag, top.is_marker)
    if good is None and current is None:
        return None
    if good is None:
        written = render(top.last_modified) or ""
        return PutMarker(bucket, history.key, requires, top.size, cell, written, top.storage_class)
    if current is not None and (current.etag, current.size) == (good.etag, good.size):
        return None
    above = history.versions[: history.versions.index(good)]
    if all(version.is_marker for version in above):
        markers = tuple(version.version_id for version in above)
        return RemoveMarkers(bucket, history.key, requires, markers, good.version_id, good.etag, good.size, cell)
    return CopyVersion(
        bucket,
        history.key,
        requires,
        good.version_id,
        good.etag,
        good.size,
        cell,
        storage_class=good.storage_class,
        last_modified=render(good.last_modified) or "",
    )


def _turn(action: ObjectAction) -> tuple[int, str]:
    """Completion markers go first and come back last, so that no reader takes half a partition for a whole one."""
    marks = marks_completion(action.key)
    goes = isinstance(action, PutMarker)
    return (0 if goes else 2) if marks else _BETWEEN, action.op
