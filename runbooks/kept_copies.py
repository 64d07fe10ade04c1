"""Reverts where no versions are kept: a cell goes back to its kept copy, declared as ``copy``, absence included.

The copy has the layout of the dataset. What it has that is not older than the first bad write may be bad itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from lineage.blast_radius import ReachedCell
from lineage.timestamps import BEFORE
from runbooks.actions import BringBack
from runbooks.aside import ARCHIVED, accepted, set_aside
from runbooks.consents import Consents
from runbooks.contents import contents_of
from runbooks.facts import Again, Draft, Facts, Keeping, asked, marks_completion
from runbooks.plan import PlannedCell, Refusal
from runbooks.survey import LOCAL, CellSurvey, KeyHistory, ObjectVersion, Rest, Target
from runbooks.targets import inside


def from_copy(
    reached: ReachedCell, survey: CellSurvey, facts: Facts, consents: Consents, *, skew: int, named: bool
) -> Draft | Refusal:
    """A cell that keeps no versions, set back to its kept copy. ``skew`` in nanoseconds; ``named``: the operator named the cell."""
    copy = facts.copies.get(reached.cell)
    if copy is None:
        why = (
            f"{survey.target.url} keeps no versions to go back to; declare a kept copy in its [[dataset]] "
            '(copy = "s3://backup/orders"), or purge it and make it again'
        )
        return Refusal(str(survey.cell), why, "unversioned")
    if isinstance(copy, Refusal):
        return copy
    moment = good_until(reached, skew, consents.before)
    if isinstance(moment, Refusal):
        return moment
    doubts = copy_questions(reached, copy, moment)
    if doubts and not named:
        return asked(doubts)
    return revert_draft(survey, copy, facts.keepings.get(reached.cell), consents)


def copy_questions(reached: ReachedCell, copy: CellSurvey, moment: int) -> list[Refusal]:
    """What keeps a cell's kept copy from being used unless the operator names the cell. ``moment``: since when it may be bad."""
    name, found = str(reached.cell), list[Refusal]()
    if not copy.objects:
        found.append(Refusal(name, f"its kept copy {copy.target.url} holds nothing, so that nothing would be left", "nothing-kept"))
    if (new := next((one for one in copy.objects if one.last_modified >= moment), None)) is not None:
        why = f"its kept copy {copy.target.url} is not all older than its first bad write: {new.key}"
        found.append(Refusal(name, why, "copy-too-new"))
    return found


def good_until(reached: ReachedCell, skew: int, before: int | None) -> int | Refusal:
    """Until when a cell certainly was good, in nanoseconds UTC."""
    if reached.since > BEFORE:
        return reached.since - skew
    if before is None:
        why = "nobody reported when its first bad write began; say up to when it was good: --before T"
        return Refusal(str(reached.cell), why, "unbounded")
    return before


def revert_draft(survey: CellSurvey, copy: CellSurvey, keeping: Keeping | Refusal | None, consents: Consents) -> Draft | Refusal:
    """A cell as its kept copy has it, absence included: what differs is set aside, and the kept objects are brought."""
    name = str(survey.cell)
    if (survey.target.bucket == LOCAL) != (copy.target.bucket == LOCAL) or survey.bucket.server != copy.bucket.server:
        why = f"its kept copy {copy.target.url} lies on another server than {survey.target.url}"
        return Refusal(name, why, "other-server")
    if inside(survey.target, copy.target.bucket, copy.target.prefix) or inside(
        copy.target, survey.target.bucket, survey.target.prefix
    ):
        return Refusal(name, f"its kept copy {copy.target.url} and {survey.target.url} lie in each other", "overlap")
    goes = Again(lambda: (one.current for one, _ in _differing(survey, copy) if one is not None and one.current is not None))
    comes = Again(lambda: ((key, kept) for key, kept in _coming(survey, copy)))
    if isinstance(kept := accepted(survey, goes, keeping, consents), Refusal):
        return kept
    leaves = False
    for _, one in comes:
        leaves = True
        if one.storage_class in ARCHIVED:
            why = f"the kept {one.key} is archived ({one.storage_class}); restore it from there first"
            return Refusal(name, why, "archived")
    if leaves and not kept.absent and not consents.writers_stopped:
        return Refusal(name, f"{kept.why}; stop what writes there and give --writers-stopped", "no-conditional-put")
    beside = Rest()
    for history in survey.keys:
        beside.add(history)
    for other, _ in _differing(survey, copy):
        if other is not None:
            beside.remove(other)
    planned = PlannedCell.of(survey.cell, "data" if copy.objects else "nothing", survey.target.url)
    return Draft(
        replace(planned, rest=str(beside)),
        Again(lambda: chain(set_aside(survey, goes, kept), _bring(survey, copy, comes, kept))),
        survey.bucket,
    )


Kept = tuple[str, ObjectVersion]
"""A key of the cell, and the kept object that belongs there."""


def _differing(survey: CellSurvey, copy: CellSurvey) -> Iterator[tuple[KeyHistory | None, Kept | None]]:
    """Key by key, in their order: what lies in the cell, and what its kept copy has there, where that is not the same."""
    prefix = survey.target.prefix
    there = iter(history for history in survey.keys if history.current is not None)
    kept = iter((prefix + one.key.removeprefix(copy.target.prefix), one) for one in copy.objects)
    left, right = next(there, None), next(kept, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left.key.encode() < right[0].encode()):
            yield left, None
            left = next(there, None)
        elif left is None or right[0].encode() < left.key.encode():
            yield None, right
            right = next(kept, None)
        else:
            if not _alike(left.top, right[1]):
                yield left, right
            left, right = next(there, None), next(kept, None)


def _coming(survey: CellSurvey, copy: CellSurvey) -> Iterator[Kept]:
    return (kept for _, kept in _differing(survey, copy) if kept is not None)


def _bring(survey: CellSurvey, copy: CellSurvey, comes: Iterable[Kept], keeping: Keeping) -> Iterator[BringBack]:
    """Completion markers come last."""
    for last in (False, True) if contents_of(copy).completions else (False,):
        for key, one in comes:
            if marks_completion(key) is last:
                source = Target(copy.target.bucket, one.key).url
                yield BringBack(
                    bucket=survey.target.bucket,
                    key=key,
                    source=source,
                    source_etag=one.etag,
                    size=one.size,
                    cell=str(survey.cell),
                    storage_class=one.storage_class,
                    writers_stopped=not keeping.absent,
                )


def _alike(one: ObjectVersion, other: ObjectVersion) -> bool:
    return (one.etag, one.size) == (other.etag, other.size)
