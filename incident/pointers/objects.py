"""A pointer that lives in an object of a bucket, whatever its kind: conditional put of the whole object.

What we write carries our mark in its metadata, so that it is known for ours after a crash, also where the bucket keeps no
versions. On a versioned bucket a write that slipped in between is never hidden: if the version beneath ours is not the planned
one, ours is taken away by its version id. Elsewhere the condition of the put is all there is, and a server that does not honour
it needs the operator's word that nothing writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from incident.errors import ObjectMissing, PreconditionFailed, StorageError, StorageUnreachable
from incident.journal import Outcome
from incident.pointers.port import Codec, PointerUnreadable
from incident.storage.port import Described, ObjectStore
from runbooks.plan import SwapPointer
from runbooks.survey import BucketState, KeyHistory, ObjectVersion, PointerVersion

MARK = "incident-plan"
"""The name of the metadata that says which action of which plan wrote an object."""

LARGEST = 4 << 20
"""A pointer is small; anything above this many bytes is not taken for one."""

_MOST = 500
"""States of a pointer that are read at most when its past is asked for."""
_ABSENT = "absent"
_REWRITTEN = "it was written again while the plan was applied; that stays current"


class ObjectPointer:
    """One pointer in one object. ``url`` as the configuration writes it."""

    def __init__(self, store: ObjectStore, bucket: str, key: str, codec: Codec, url: str) -> None:
        self._store, self._bucket, self._key, self._codec, self._url = store, bucket, key, codec, url

    # --- reading ----------------------------------------------------------------------------------------------------------

    def now(self) -> PointerVersion:
        if self._keeps():
            history = self._history()
            return self._absence(history) if history is None or history.current is None else self._version(history.current)
        return self._unversioned()

    def past(self, until: int, more: int = 5) -> tuple[Sequence[PointerVersion], bool]:
        history = self._history() if self._keeps() else None
        if history is None:
            return (), True
        found: list[PointerVersion] = []
        for version in history.versions[1:_MOST]:
            found.append(self._version(version))
            if sum(one.written < until for one in found) >= more:
                break
        return found, history.ordered

    def spelled(self, text: str, like: str | None) -> str:
        return self._codec.spelled(text, like)

    def plain(self, value: str) -> str:
        return self._codec.plain(value)

    def where(self, value: str) -> tuple[str, ...]:
        del value
        return ()

    def others(self) -> Sequence[str]:
        return ()

    def bucket(self) -> BucketState | None:
        return self._state

    def degraded(self) -> str:
        if self._keeps() or {"put-if-match", "put-if-absent", "conditional-delete"} <= set(self._state.guarantees.honoured):
            return ""
        return f"{self._bucket} keeps no versions, and it is not certain that its server honours the condition of a put"

    @cached_property
    def _state(self) -> BucketState:
        return self._store.state(self._bucket)

    def _keeps(self) -> bool:
        """Whether every write is kept, and ours can be taken back."""
        return self._state.versioning == "Enabled" and not self._state.mfa_delete

    def _history(self) -> KeyHistory | None:
        return self._store.history(self._bucket, self._key)

    def _absence(self, history: KeyHistory | None) -> PointerVersion:
        top = None if history is None else history.top
        return PointerVersion(None, _ABSENT if top is None else top.version_id, "", 0 if top is None else top.last_modified)

    def _version(self, version: ObjectVersion) -> PointerVersion:
        if version.is_marker:
            return PointerVersion(None, version.version_id, "", version.last_modified)
        if version.size > LARGEST:
            raise PointerUnreadable(f"{self._url} has {version.size} bytes: that is no pointer")
        data = self._store.read(self._bucket, self._key, version.version_id)
        return self._held(data, version.version_id, version.etag, version.last_modified)

    def _held(self, data: bytes, version_id: str, etag: str, written: int) -> PointerVersion:
        try:
            value = self._codec.value(data)
            beside = self._codec.beside(data)
        except PointerUnreadable as error:
            raise PointerUnreadable(f"{self._url} cannot be read: {error.message}", error.hint) from error
        return PointerVersion(value, version_id, etag, written, beside, "" if value is None else self._codec.plain(value))

    def _unversioned(self) -> PointerVersion:
        """Bytes and identity of one and the same write: read between two looks that say the same."""
        for _ in range(5):
            before = self._described()
            if before is None:
                return PointerVersion(None, _ABSENT, "", 0)
            if before.size > LARGEST:
                raise PointerUnreadable(f"{self._url} has {before.size} bytes: that is no pointer")
            try:
                data = self._store.read(self._bucket, self._key)
            except ObjectMissing:
                continue
            after = self._described()
            if after is not None and _identity(after) == _identity(before) and after.last_modified == before.last_modified:
                return self._held(data, _identity(after), after.etag, after.last_modified)
        raise StorageUnreachable(f"{self._url} is being written again and again", "stop its writers; then run it again")

    def _described(self, version_id: str | None = None) -> Described | None:
        try:
            return self._store.describe(self._bucket, self._key, version_id)
        except ObjectMissing:
            return None

    # --- the swap ---------------------------------------------------------------------------------------------------------

    def swap(self, action: SwapPointer, mark: str) -> str:
        keeps, planned = self._keeps(), action.requires
        if (why := self.degraded()) and not action.writers_stopped:
            raise StorageError(f"{self._url}: {why}", "stop its writers, and plan again with --writers-stopped")
        if action.new is None:
            marker = self._store.delete_object(self._bucket, self._key, if_match=planned.etag)
            return marker or _ABSENT
        version_id = planned.version_id if keeps and not planned.is_marker else None
        data = None if planned.is_marker else self._store.read(self._bucket, self._key, version_id)
        if data is not None and self._codec.value(data) != action.old:
            raise PreconditionFailed(f"{self._url} is no longer what it was; nothing was changed", "plan again")
        like = self._like(version_id, mark, planned.is_marker)
        body = self._codec.written(data, action.new)
        made = self._store.put_object(self._bucket, self._key, body, over=None if planned.is_marker else planned.etag, like=like)
        return made.version_id if keeps and made.version_id else f"{made.etag}~{mark}"

    def _like(self, version_id: str | None, mark: str, absent: bool) -> Described:
        """What to keep of the present object, or of the last one that was there, and our mark."""
        found = self._last() if absent else self._described(version_id)
        if found is None:
            if not absent:
                raise PreconditionFailed(f"{self._url} is no longer what it was; nothing was changed", "plan again")
            found = Described(self._bucket, self._key, "", "", 0, 0)
        kept = tuple((name, value) for name, value in found.metadata if name.lower() != MARK)
        return replace(found, metadata=(*kept, (MARK, mark)))

    def _last(self) -> Described | None:
        """What was there before it was removed, as a wish: some servers do not tell the tags of what a marker covers."""
        history = self._history() if self._keeps() else None
        last = next((one for one in history.versions if not one.is_marker), None) if history is not None else None
        found = None if last is None else self._described(last.version_id)
        return None if found is None else replace(found, etag="")

    def verify(self, action: SwapPointer, mark: str, made: str) -> Outcome:
        del mark  # the server named what we made
        if self._keeps():
            return self._stands(action, self._history(), made)
        now = self._unversioned()
        if now.version_id == made:
            return Outcome("done", made) if now.value == action.new else Outcome("failed", None, "it does not hold what we wrote")
        return Outcome("drifted", None, _REWRITTEN)

    def settle(self, action: SwapPointer, mark: str, made: str | None) -> Outcome | None:
        if not self._keeps():
            return self._settled_unversioned(action, mark)
        history = self._history()
        versions = () if history is None else history.versions
        names = [one.version_id for one in versions]
        if (names[0] if names else _ABSENT) == action.requires.version_id:
            return None
        ours = made if made in names else self._ours(action, versions, mark)
        return Outcome("drifted", None, _REWRITTEN) if ours is None else self._stands(action, history, ours)

    def _ours(self, action: SwapPointer, versions: Sequence[ObjectVersion], mark: str) -> str | None:
        """What we made, by its mark; a delete marker has none and is told by its place."""
        if action.new is None:
            at = next((at for at, one in enumerate(versions) if one.version_id == action.requires.version_id), 0)
            return versions[at - 1].version_id if at and versions[at - 1].is_marker else None
        for version in versions:
            if version.version_id == action.requires.version_id:
                return None
            if not version.is_marker and _mark(self._described(version.version_id)) == mark:
                return version.version_id
        return None

    def _stands(self, action: SwapPointer, history: KeyHistory | None, made: str) -> Outcome:
        """Whether what we made lies on what was planned; where it does not, it is taken away."""
        names = [] if history is None else [one.version_id for one in history.versions]
        if made not in names:
            return Outcome("drifted", None, "what we made was removed by somebody else")
        at = names.index(made)
        if (names[at + 1] if len(names) > at + 1 else _ABSENT) == action.requires.version_id:
            return Outcome("done", made)
        try:
            self._store.remove_version(self._bucket, self._key, made)
        except ObjectMissing:
            pass  # somebody was faster; it is gone
        except StorageError as error:
            return Outcome("unknown", made, f"our version {made} hides newer data: {error.message}")
        return Outcome("drifted", None, _REWRITTEN)

    def _settled_unversioned(self, action: SwapPointer, mark: str) -> Outcome | None:
        now = self._unversioned()
        if now.version_id == action.requires.version_id:
            return None
        if action.new is None and now.value is None:
            return Outcome("done", _ABSENT)
        if action.new is not None and now.version_id.endswith(f"~{mark}"):
            return Outcome("done", now.version_id)
        return Outcome("drifted", None, _REWRITTEN)


def _identity(found: Described) -> str:
    """Where versions are not kept a write is known by its bytes and by the mark that only we leave."""
    return f"{found.etag}~{_mark(found)}"


def _mark(found: Described | None) -> str:
    return "" if found is None else next((value for name, value in found.metadata if name.lower() == MARK), "")
