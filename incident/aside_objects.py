"""Setting objects aside and bringing them back on servers that speak S3, where no version keeps what is deleted.

The order is: copy into quarantine, compare, write down that the copy is whole, and only then delete, on condition of the planned
ETag. So whatever a deletion destroys lies in quarantine: the condition lets through only the bytes that were copied.

A rewrite with identical bytes between our last look and the deletion passes the condition too. It is deleted, and nothing is lost
by that: its bytes are in quarantine, from where undo brings them back. Until our last look the time of writing gives it away, and
it stays. In a bucket that keeps versions the deletion is a marker, and the list shows what lies beneath it: if that is not the
planned version, ours is taken away again.
"""

from __future__ import annotations

from collections.abc import Callable

from incident.errors import ObjectMissing, PreconditionFailed
from incident.journal import Outcome
from incident.likeness import unlike
from incident.storage.port import Described, Made, ObjectStore
from lineage.timestamps import SECOND, parse, render
from runbooks.actions import AsideAction, BringBack, SetAside
from runbooks.aside import identity, kept_at, object_place
from runbooks.survey import BucketState, KeyHistory, ObjectVersion

LARGEST_PUT = 64 * 1024**2
"""Bytes that are brought back through this machine where a server ignores the condition of a copy, and honours that of a put."""

_WRITTEN = "it was written again since the plan; that stays"
_DELETED = "it was deleted since the plan"


class AsideObjects:
    """Does the actions of one plan in buckets. ``store``: that in which the cell was surveyed; ``state``: a bucket as last seen."""

    def __init__(
        self, incident: str, plan_id: str, store: Callable[[AsideAction], ObjectStore], state: Callable[[str], BucketState]
    ) -> None:
        self._incident, self._plan_id, self._store, self._state = incident, plan_id, store, state

    def sync(self) -> None:
        """What a server answered is durable."""

    def changed(self, action: SetAside) -> str:
        """Objects are written whole, so that nobody can go on writing to one that was set aside."""
        del action
        return ""

    def keep(self, action: AsideAction) -> Outcome | str:
        """The half that takes nothing away: the ETag of a whole copy in quarantine, or why there is none. "" to bring back."""
        if isinstance(action, BringBack):
            return ""
        store = self._store(action)
        planned = action.requires.version_id
        try:
            source = store.describe(action.bucket, action.key, None if planned == "null" else planned)
        except ObjectMissing:
            return Outcome("drifted", None, _DELETED)
        same = (source.etag, source.size) == (action.requires.etag, action.size)
        if not same or source.last_modified // SECOND != parse(action.last_modified) // SECOND:
            # To the second, as this answer tells it; the look before the deletion tells more.
            return Outcome("drifted", None, _WRITTEN)
        copy = self._copy(store, source, action)
        if isinstance(copy, Outcome):
            return copy
        if why := unlike(store, source, copy):
            return Outcome("failed", None, f"what lies at s3://{copy.bucket}/{copy.key} is not a copy of it: {why}")
        return copy.etag

    def do(self, action: AsideAction, made: str) -> Outcome:
        """``made``: what ``keep`` said, by now on disk."""
        return self._take(action, made) if isinstance(action, SetAside) else self._bring_back(action)

    def settled(self, action: AsideAction, made: str | None) -> Outcome | None:
        """What came of an earlier try; None when it changed nothing, so that it may be tried again."""
        store = self._store(action)
        history = store.history(action.bucket, action.key)
        now = _current(history)
        if isinstance(action, BringBack):
            if now is None:
                return None
            same = self._is_source(store, action, now)
            return Outcome("done", identity(now)) if same else None
        if made is None or (now is not None and _planned(action, now)):
            return None  # nothing is deleted before the copy is written down, and the planned object is still there
        if not self._is_kept(store, action, made):
            return Outcome("unknown", None, f"its copy is not in quarantine: {self._url(action)}")
        if now is not None:
            return Outcome("drifted", made, _WRITTEN)
        return self._uncovered(store, action, history, None, made) or Outcome("done", made)

    # --- set aside --------------------------------------------------------------------------------------------------------

    def _copy(self, store: ObjectStore, source: Described, action: SetAside) -> Described | Outcome:
        """The copy as it is in quarantine, made unless it is there. Its name is this plan's alone: what is there is ours."""
        bucket, key = object_place(self._url(action))
        try:
            # Where the condition is ignored a second try writes the same bytes once more: the source is held to its ETag.
            made = store.copy_object(source, bucket, key, over=None)
        except ObjectMissing:
            return Outcome("drifted", None, _DELETED)
        except PreconditionFailed:
            try:
                return store.describe(bucket, key)  # it is there from an earlier try
            except ObjectMissing:
                return Outcome("drifted", None, _WRITTEN)
        if made.differs:
            store.delete_object(bucket, key, if_match=made.etag)
            return Outcome("failed", None, f"its copy in quarantine is not like it: {made.differs}")
        return store.describe(bucket, key)

    def _take(self, action: SetAside, made: str) -> Outcome:
        store = self._store(action)
        now = _current(store.history(action.bucket, action.key))
        if now is None or not _planned(action, now):
            return Outcome("drifted", made, _DELETED if now is None else _WRITTEN)
        try:
            marker = store.delete_object(action.bucket, action.key, if_match=action.requires.etag)
        except PreconditionFailed:
            return Outcome("drifted", made, _WRITTEN)
        except ObjectMissing:
            return Outcome("drifted", made, _DELETED)
        history = store.history(action.bucket, action.key)
        if (hidden := self._uncovered(store, action, history, marker, made)) is not None:
            return hidden
        after = _current(history)
        if after is None:
            return Outcome("done", made)
        # What is there may be as old as our plan says, or newer: either way the cell is not empty, so that this is not done.
        return Outcome("failed", made, "it is still there") if _planned(action, after) else Outcome("drifted", made, _WRITTEN)

    def _uncovered(
        self, store: ObjectStore, action: SetAside, history: KeyHistory | None, marker: str | None, made: str
    ) -> Outcome | None:
        """Where versions are kept: our marker taken away if it hides anything but the planned version. None where it does not.

        ``marker`` None: its id is not known. Then the top one is taken for ours: rather uncover once too often than hide.
        """
        versions = history.versions if history is not None else ()
        if marker is None:
            at = 0 if versions and versions[0].is_marker else None
        else:
            at = next((at for at, one in enumerate(versions) if one.version_id == marker), None)
        if at is None or versions[at].version_id == "null" or at + 1 >= len(versions):
            return None
        if versions[at + 1].is_marker or _planned(action, versions[at + 1]):
            return None
        store.remove_version(action.bucket, action.key, versions[at].version_id)
        return Outcome("drifted", made, _WRITTEN)

    def _is_kept(self, store: ObjectStore, action: SetAside, made: str) -> bool:
        try:
            copy = store.describe(*object_place(self._url(action)))
        except ObjectMissing:
            return False
        return (copy.etag, copy.size) == (made, action.size)

    def _url(self, action: SetAside) -> str:
        return kept_at(action.to, self._incident, self._plan_id, action.bucket, action.key)

    # --- bring back -------------------------------------------------------------------------------------------------------

    def _bring_back(self, action: BringBack) -> Outcome:
        store = self._store(action)
        history = store.history(action.bucket, action.key)
        if _current(history) is not None:
            return Outcome("drifted", None, "something lies there again; that stays")
        state = self._state(action.bucket)
        if state.versioning == "Suspended" and any(one.version_id == "null" and not one.is_marker for one in _versions(history)):
            return Outcome("failed", None, "a null version lies beneath, which a write would destroy while versioning is suspended")
        bucket, key = object_place(action.source)
        try:
            source = store.describe(bucket, key)
        except ObjectMissing:
            return Outcome("failed", None, f"the kept copy is gone: {action.source}")
        if (source.etag, source.size) != (action.source_etag, action.size):
            return Outcome("failed", None, f"the kept copy is not what it was when the plan was made: {action.source}")
        try:
            made = self._copy_back(store, source, action, state)
        except PreconditionFailed:
            now = _current(store.history(action.bucket, action.key))
            if now is not None and self._is_source(store, action, now):
                return Outcome("done", identity(now))  # a request of an earlier try has arrived after all
            return Outcome("drifted", None, "it was written again while the plan was applied; that stays")
        if isinstance(made, Outcome):
            return made
        return self._verified(store, source, action, made)

    def _copy_back(self, store: ObjectStore, source: Described, action: BringBack, state: BucketState) -> Made | Outcome:
        if "copy-if-absent" in state.guarantees or action.writers_stopped:
            return store.copy_object(source, action.bucket, action.key, over=None)
        if "put-if-absent" not in state.guarantees:
            why = f"{action.bucket} is not known to honour conditions, so that it could cover what is written just now"
            return Outcome("failed", None, f"{why}; plan again with --writers-stopped")
        if source.size > LARGEST_PUT:
            why = f"{action.bucket} ignores the condition of a copy, and {source.size} bytes are too many to put"
            return Outcome("failed", None, f"{why}; plan again with --writers-stopped")
        return store.put_object(action.bucket, action.key, store.read(source.bucket, source.key), over=None, like=source)

    def _verified(self, store: ObjectStore, source: Described, action: BringBack, made: Made) -> Outcome:
        history = store.history(action.bucket, action.key)
        top = _current(history)
        ours = top is not None and (made.version_id or "null", made.etag) == (top.version_id, top.etag)
        if top is None or not ours:
            return Outcome("drifted", None, "it was written or deleted right after; that stays")
        beneath = _versions(history)[1:2]
        if made.version_id is not None and beneath and not beneath[0].is_marker:
            store.remove_version(action.bucket, action.key, made.version_id)
            return Outcome("drifted", None, "it was written again while the plan was applied; that stays")
        why = made.differs or unlike(store, source, store.describe(action.bucket, action.key))
        if not why:
            return Outcome("done", identity(top))
        if made.version_id is not None:
            store.remove_version(action.bucket, action.key, made.version_id)
        else:
            store.delete_object(action.bucket, action.key, if_match=made.etag)
        return Outcome("failed", None, f"what came is not like the kept copy: {why}")

    def _is_source(self, store: ObjectStore, action: BringBack, now: ObjectVersion) -> bool:
        """Whether what lies there are the bytes that we were to bring: then it is ours, or as good."""
        if now.size != action.size:
            return False
        if now.etag == action.source_etag:
            return True
        try:
            source = store.describe(*object_place(action.source))
            return not unlike(store, source, store.describe(action.bucket, action.key))
        except ObjectMissing:
            return False


def _versions(history: KeyHistory | None) -> tuple[ObjectVersion, ...]:
    return history.versions if history is not None else ()


def _current(history: KeyHistory | None) -> ObjectVersion | None:
    return history.current if history is not None else None


def _planned(action: SetAside, now: ObjectVersion) -> bool:
    """Whether this is the very object of the plan: a rewrite with the same bytes has another time."""
    same = (now.version_id, now.etag, now.size) == (action.requires.version_id, action.requires.etag, action.size)
    return same and not now.is_marker and render(now.last_modified) == action.last_modified
