"""Places without versions: unversioned buckets, ``null`` versions and local folders, where what is deleted is gone.

There an object is set aside: copied into quarantine, compared, and only then taken away, on condition that it still is the planned
one. Taking back is bringing it back where nothing lies. A revert needs a kept copy of the data: see ``kept_copies``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from lineage.timestamps import render
from runbooks.actions import Requirement, SetAside
from runbooks.consents import Consents
from runbooks.contents import contents_of
from runbooks.facts import Again, Draft, Keeping, marks_completion
from runbooks.plan import PlannedCell, Refusal
from runbooks.survey import LOCAL, CellSurvey, ObjectVersion

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
    if isinstance(kept := accepted(survey, survey.objects, keeping, consents), Refusal):
        return kept
    return Draft(planned, Again(lambda: set_aside(survey, survey.objects, kept)), survey.bucket)


def kept_warnings(survey: CellSurvey, keeping: Keeping | Refusal | None, consents: Consents) -> tuple[str, ...]:
    """What a plan says beside the actions on such a cell."""
    if not isinstance(keeping, Keeping) or not survey.objects:
        return ()
    name = str(survey.cell)
    found = [f"{name} has no versions: its objects go to the quarantine {keeping.to}"]
    if consents.writers_stopped and not (keeping.exact and keeping.absent):
        found.append(f"{name}: {keeping.why}; that nothing writes there is your word (--writers-stopped)")
    return tuple(found)


def accepted(
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


def set_aside(survey: CellSurvey, objects: Iterable[ObjectVersion], keeping: Keeping) -> Iterator[SetAside]:
    """In the order of the keys, but completion markers first: no reader may take half a partition for a whole one."""
    name = str(survey.cell)
    for first in (True, False) if contents_of(survey).completions else (False,):
        for version in objects:
            if marks_completion(version.key) is first:
                yield SetAside(
                    bucket=survey.target.bucket,
                    key=version.key,
                    requires=Requirement(version.version_id, version.etag),
                    size=version.size,
                    cell=name,
                    to=keeping.to,
                    last_modified=render(version.last_modified) or "",
                    storage_class=version.storage_class,
                    writers_stopped=not keeping.exact,
                )
