"""What a key's version list proves about an action of ours. Pure: it reads a listing and says what to conclude.

``check``   before acting: is everything as planned?
``verify``  after acting, the server having named the version that we made
``settle``  after a crash or a lost answer: did our request have its effect?
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from incident.journal import Outcome
from runbooks.plan import CopyVersion, ObjectAction, PutMarker, RemoveMarkers, RemoveOwn
from runbooks.survey import KeyHistory, ObjectVersion


@dataclass(frozen=True, slots=True)
class Look:
    """A conclusion; ``outcome`` None: our request had no effect. ``take_back``: remove this version of ours first."""

    outcome: Outcome | None
    take_back: str | None = None


_REWRITTEN = "written again since the plan"


def check(action: ObjectAction, found: KeyHistory | None, *, begun: bool = False) -> str:
    """Why the action must not be done now; empty when everything is as planned. ``begun``: a part of it may be done already."""
    if found is None:
        return "the object and all its versions are gone"
    if begun and isinstance(action, RemoveMarkers) and settle(action, found, None).outcome is None:
        return ""
    top, planned = found.top, action.requires
    if (top.version_id, top.etag, top.is_marker) != (planned.version_id, planned.etag, planned.is_marker):
        return "deleted since the plan" if top.is_marker else "written again since the plan"
    match action:
        case PutMarker():
            return ""
        case CopyVersion():
            source = _version(found, action.source_version_id)
            same = source is not None and source.etag == action.source_etag and not source.is_marker
            return "" if same else "the version to go back to is gone"
        case RemoveMarkers():
            above = tuple(one.version_id for one in found.versions[: len(action.version_ids)] if one.is_marker)
            beneath = found.versions[len(above)] if len(found.versions) > len(above) else None
            as_planned = above == action.version_ids and beneath is not None and beneath.version_id == action.uncovers
            return "" if as_planned else "its delete markers are not those of the plan"
        case RemoveOwn():
            if action.keeps is not None and _version(found, action.keeps) is None:
                return "the version it was copied from is gone, so that ours is the last of its bytes"
            return "" if _beneath(found, 0) == action.uncovers else "what lies beneath is not what it was"
        case _:
            assert_never(action)


def verify(action: ObjectAction, found: KeyHistory | None, made: str | None) -> Look:
    """What our request did, the server having said that it did it."""
    match action:
        case PutMarker() | CopyVersion():
            return _stands(action, found, made or "")
        case RemoveMarkers():
            if found is not None and found.top.version_id == action.uncovers:
                return Look(Outcome("done"))
            left = found and any(_version(found, marker) for marker in action.version_ids)
            return Look(Outcome("failed", None, "a marker is still there") if left else Outcome("drifted", None, _REWRITTEN))
        case RemoveOwn():
            gone = found is None or _version(found, action.requires.version_id) is None
            return Look(Outcome("done") if gone else Outcome("failed", None, "our version is still there"))
        case _:
            assert_never(action)


def _stands(action: PutMarker | CopyVersion, found: KeyHistory | None, made: str) -> Look:
    at = _place(found, made)
    if found is None or at is None:
        return Look(Outcome("drifted", None, "what we made was removed by somebody else"))
    if isinstance(action, CopyVersion) and _version(found, action.source_version_id) is None:
        return Look(Outcome("unknown", made, "the version it was copied from is gone, so that ours is the last of its bytes"))
    if _beneath(found, at) != action.requires.version_id:
        # Identical bytes pass an ETag condition, and some servers ignore it: only the list proves what we covered.
        return Look(Outcome("drifted", None, _REWRITTEN), take_back=made)
    if isinstance(action, CopyVersion) and found.versions[at].size != action.size:
        return Look(Outcome("failed", None, "the copy is not of the same size"), take_back=made)
    return Look(Outcome("done", made))


def settle(
    action: ObjectAction, found: KeyHistory | None, made: str | None, since: int | None = None, *, honoured: bool = False
) -> Look:
    """Whether a request that was sent had its effect. ``made``: the id of the version that it made, if known.

    ``since``: it was sent without a look just before it, after the server's clock showed this (ns UTC). ``honoured``: the server
    was seen to honour the condition that it carried.
    """
    match action:
        case PutMarker() | CopyVersion():
            if made is None:
                return _guess(action, found, since, honoured=honoured)
            if _place(found, made) is None and found is not None and found.top.version_id == action.requires.version_id:
                return Look(None)
            return _stands(action, found, made)
        case RemoveMarkers():
            if found is None:
                return Look(Outcome("drifted", None, "the object and all its versions are gone"))
            if found.top.version_id == action.uncovers:
                return Look(Outcome("done"))
            left = [version_id for version_id in action.version_ids if _version(found, version_id)]
            above = [version.version_id for version in found.versions[: len(left)] if version.is_marker]
            if left and above == left and _beneath(found, len(left) - 1) == action.uncovers:
                return Look(None)  # none or only some are gone; removing what is gone changes nothing
            return Look(Outcome("drifted", None, _REWRITTEN))
        case RemoveOwn():
            gone = found is None or _version(found, action.requires.version_id) is None
            return Look(Outcome("done") if gone else None)
        case _:
            assert_never(action)


def uploaded(action: ObjectAction, found: KeyHistory | None, uploads: Mapping[str, str]) -> str | None:
    """The version that an upload of ours made, told by the ETag that it was to have; None where none is there.

    Only above the planned version: the source lies beneath, and may have that very ETag.
    """
    at = _place(found, action.requires.version_id)
    if found is None or at is None:
        return None
    etags = {etag for etag in uploads.values() if etag}
    return next((one.version_id for one in found.versions[:at][::-1] if one.etag in etags and not one.is_marker), None)


def _guess(action: PutMarker | CopyVersion, found: KeyHistory | None, since: int | None, *, honoured: bool) -> Look:
    """The id of what we made was lost.

    We send after seeing the planned version on top, so whatever lies above it came later: the order of the list says so, and no
    clock is asked, ours or the server's. Where only the condition stood between plan and request, the server's clock says what
    certainly lay there before (``since``). A version is taken for ours only directly above the planned one. A copy must carry the
    source's ETag, so that removing it one day loses no byte.
    """
    if found is None:
        return Look(Outcome("drifted", None, "the object and all its versions are gone"))
    planned = action.requires.version_id
    if found.top.version_id == planned:
        return Look(None)
    hidden = found.versions[1] if len(found.versions) > 1 else None
    covers = hidden is not None and not hidden.is_marker and hidden.version_id != planned and _like_ours(action, found.top, since)
    if honoured and isinstance(action, PutMarker) and hidden is not None and hidden.etag != action.requires.etag:
        covers = False  # a marker of ours would never have covered that: the one on top is somebody else's
    at = _place(found, planned)
    if not (covers and isinstance(action, PutMarker)) and at is not None and _like_ours(action, found.versions[at - 1], since):
        # A marker is not ours just for lying there while the one on top may be: theirs, before they wrote the same bytes again.
        return Look(Outcome("done", found.versions[at - 1].version_id))
    if isinstance(action, CopyVersion) and _version(found, action.source_version_id) is None:
        return Look(Outcome("drifted", None, _REWRITTEN))  # whoever made the top one, it may be the last of its bytes
    if covers:
        # Somebody wrote just before our request. Rather uncover it once too often than hide it.
        return Look(Outcome("drifted", None, _REWRITTEN), take_back=found.top.version_id)
    return Look(Outcome("drifted", None, _REWRITTEN))


def _like_ours(action: PutMarker | CopyVersion, version: ObjectVersion, since: int | None) -> bool:
    if since is not None and version.last_modified < since:
        # The storage had made it before we sent anything. Both times are its own, ``since`` a whole second that had begun;
        # where its machines disagree by more, ours stays and is told as drift, and nothing of anybody else is taken away.
        return False
    if isinstance(action, PutMarker):
        return version.is_marker
    return (version.etag, version.size, version.is_marker) == (action.source_etag, action.size, False)


def _version(found: KeyHistory, version_id: str) -> ObjectVersion | None:
    return next((version for version in found.versions if version.version_id == version_id), None)


def _place(found: KeyHistory | None, version_id: str) -> int | None:
    if found is None:
        return None
    return next((at for at, version in enumerate(found.versions) if version.version_id == version_id), None)


def _beneath(found: KeyHistory, at: int) -> str | None:
    return found.versions[at + 1].version_id if len(found.versions) > at + 1 else None
