"""Places without versions: unversioned buckets, ``null`` versions and local folders, where what is deleted is gone.

There an object is set aside: copied into quarantine, compared, and only then taken away, on condition that it still is the planned
one. Taking back is bringing it back where nothing lies. A revert needs a kept copy of the data, declared as ``copy``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from lineage.blast_radius import ReachedCell
from lineage.timestamps import BEFORE, render
from runbooks.actions import BringBack, Requirement, SetAside
from runbooks.consents import Consents
from runbooks.contents import contents_of
from runbooks.facts import Again, Draft, Facts, Keeping, asked, marks_completion
from runbooks.plan import PlannedCell, Refusal
from runbooks.survey import LOCAL, CellSurvey, KeyHistory, ObjectVersion, Rest, Target

ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_LONGEST = 1_024
"""Bytes that a key of S3 may have."""


def versionless(survey: CellSurvey) -> bool:
    """Whether deleting what is current there could destroy it.

    In a bucket with versioning enabled a deletion only covers, but a ``null`` version is destroyed by the first deletion or write
    after versioning is suspended: it counts as unversioned. One that lies beneath a version with an id is not what we delete.
    """
    if survey.bucket.versioning != "Enabled":
        return True
    return contents_of(survey).nulls and any(version.version_id == "null" for version in survey.objects)


def identity(version: ObjectVersion) -> str:
    """What tells an object from any other that has its key. ``null`` versions are told by bytes and time."""
    if version.version_id != "null":
        return version.version_id
    return f"null {version.etag} {render(version.last_modified)}"


def planned_identity(action: SetAside) -> str:
    """The identity of the object that an action sets aside."""
    planned = action.requires
    return planned.version_id if planned.version_id != "null" else f"null {planned.etag} {action.last_modified}"


def kept_at(to: str, incident: str, plan_id: str, bucket: str, key: str) -> str:
    """The URL of an object's copy: quarantine, incident, plan, where it lay. A person finds it, and where it belongs, without us.

    A key that would be too long for S3 ends in its own hash; what it was is in the plan.
    """
    stem = f"{to}{incident}/{plan_id}/{'local' if bucket == LOCAL else bucket}/"
    prefix = stem.partition("://")[2].partition("/")[2]
    room = _LONGEST - len(prefix.encode())
    if bucket == LOCAL or len(key.encode()) <= room:
        return stem + key
    mark = f"~{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    return stem + key.encode()[: max(0, room - len(mark))].decode(errors="ignore") + mark


def object_place(url: str) -> tuple[str, str]:
    """Bucket (or ``LOCAL``) and key of an object's URL, as ``Target.url`` writes it."""
    if url.startswith("file:///"):
        return LOCAL, url.removeprefix("file:///")
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def purge_draft(survey: CellSurvey, keeping: Keeping | Refusal | None, consents: Consents) -> Draft | Refusal:
    """Every current object of a cell set aside, or why not."""
    planned = PlannedCell.of(survey.cell, "nothing", survey.target.url)
    if not survey.objects:
        return Draft(planned, (), survey.bucket)
    if isinstance(kept := _kept(survey, survey.objects, keeping, consents), Refusal):
        return kept
    return Draft(planned, Again(lambda: _set_aside(survey, survey.objects, kept)), survey.bucket)


def kept_warnings(survey: CellSurvey, keeping: Keeping | Refusal | None, consents: Consents) -> tuple[str, ...]:
    """What a plan says beside the actions on such a cell."""
    if not isinstance(keeping, Keeping) or not survey.objects:
        return ()
    name = str(survey.cell)
    found = [f"{name} has no versions: its objects go to the quarantine {keeping.to}"]
    if consents.writers_stopped and not (keeping.exact and keeping.absent):
        found.append(f"{name}: {keeping.why}; that nothing writes there is your word (--writers-stopped)")
    return tuple(found)


def _kept(
    survey: CellSurvey, goes: Iterable[ObjectVersion], keeping: Keeping | Refusal | None, consents: Consents
) -> Keeping | Refusal:
    """Where these objects can be set aside to, or why they cannot."""
    name = str(survey.cell)
    if keeping is None:
        return Refusal(name, f"nobody knows a quarantine for {survey.target.url}", "no-quarantine")
    if isinstance(keeping, Refusal):
        return Refusal(name, keeping.why, keeping.code)
    if not keeping.exact and not consents.writers_stopped:
        return Refusal(name, f"{keeping.why}; stop what writes there and give --writers-stopped", "no-conditional-delete")
    for one in goes:
        if one.storage_class in ARCHIVED:
            why = f"{one.key} is archived ({one.storage_class}) and cannot be copied to quarantine; restore it first"
            return Refusal(name, why, "archived")
    if survey.bucket.versioning == "Suspended":
        # A deletion here would put a null marker in the place of any null version, which may be the only one of its bytes.
        for history in survey.keys:
            if any(one.version_id == "null" and not one.is_marker for one in history.versions[1:]):
                why = (
                    f"{history.key} has a null version beneath, which any deletion or write destroys while versioning is suspended"
                )
                return Refusal(name, why, "null-beneath")
    return keeping


def _set_aside(survey: CellSurvey, objects: Iterable[ObjectVersion], keeping: Keeping) -> Iterator[SetAside]:
    """In the order of the keys, but completion markers first: no reader may take half a partition for a whole one."""
    for first in (True, False) if contents_of(survey).completions else (False,):
        for version in objects:
            if marks_completion(version.key) is first:
                yield SetAside(
                    bucket=survey.target.bucket,
                    key=version.key,
                    requires=Requirement(version.version_id, version.etag),
                    size=version.size,
                    cell=str(survey.cell),
                    to=keeping.to,
                    last_modified=render(version.last_modified) or "",
                    storage_class=version.storage_class,
                    writers_stopped=not keeping.exact,
                )


# --- revert from a kept copy ---------------------------------------------------------------------------------------------


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
    goes = Again(lambda: (one.current for one, _ in _differing(survey, copy) if one is not None and one.current is not None))
    comes = Again(lambda: ((key, kept) for key, kept in _coming(survey, copy)))
    if isinstance(kept := _kept(survey, goes, keeping, consents), Refusal):
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
        Again(lambda: chain(_set_aside(survey, goes, kept), _bring(survey, copy, comes, kept))),
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
