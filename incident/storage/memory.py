"""A versioned store in memory, for tests: exact conditions, and a clock that only moves when told."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from incident.errors import BucketMissing, ObjectMissing, PreconditionFailed
from incident.storage.port import Marked, Removed
from lineage.timestamps import SECOND
from runbooks.survey import BucketState, KeyHistory, ObjectVersion


@dataclass(slots=True)
class MemoryStore:
    """Buckets of versioned keys. ``now`` in nanoseconds is what new versions get; ``tick`` moves it."""

    buckets: dict[str, BucketState] = field(default_factory=dict)
    now: int = 1_700_000_000 * SECOND
    _versions: dict[tuple[str, str], list[ObjectVersion]] = field(default_factory=dict)
    _bytes: dict[str, bytes] = field(default_factory=dict)
    _made: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    # --- what a test does to it -------------------------------------------------------------------------------------------

    def create(self, bucket: str, state: BucketState | None = None) -> None:
        self.buckets[bucket] = state or BucketState(bucket, "Enabled")

    def tick(self, nanoseconds: int = SECOND) -> int:
        self.now += nanoseconds
        return self.now

    def put(self, bucket: str, key: str, data: bytes, storage_class: str = "STANDARD") -> str:
        """A plain write by somebody else."""
        etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        made = self._push(bucket, ObjectVersion(key, "", etag, len(data), 0, storage_class=storage_class))
        self._bytes[made] = data
        return made

    def delete(self, bucket: str, key: str) -> str:
        """A plain deletion by somebody else."""
        return self._push(bucket, ObjectVersion(key, "", "", 0, 0, is_marker=True))

    def listing(self, bucket: str, prefix: str = "") -> dict[str, tuple[ObjectVersion, ...]]:
        return {found.key: found.versions for found in self.histories(bucket, prefix)}

    def _push(self, bucket: str, version: ObjectVersion) -> str:
        with self._lock:
            self.state(bucket)
            self._made += 1
            made = f"v{self._made:06d}"
            self._versions.setdefault((bucket, version.key), []).insert(
                0, replace(version, version_id=made, last_modified=self.now)
            )
            return made

    # --- the reader -------------------------------------------------------------------------------------------------------

    def state(self, bucket: str) -> BucketState:
        if bucket not in self.buckets:
            raise BucketMissing(f"there is no bucket {bucket}")
        return self.buckets[bucket]

    def histories(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[KeyHistory]:
        self.state(bucket)
        floor = (after or "").encode()
        keys = (key for place, key in self._versions if place == bucket and key.startswith(prefix))
        for key in sorted(keys, key=str.encode):
            if after is None or key.encode() > floor:
                yield KeyHistory(key, tuple(self._versions[bucket, key]))

    def history(self, bucket: str, key: str) -> KeyHistory | None:
        self.state(bucket)
        found = self._versions.get((bucket, key))
        return KeyHistory(key, tuple(found)) if found else None

    def read(self, bucket: str, key: str, version_id: str | None = None) -> bytes:
        found = self._find(bucket, key, version_id)
        if found is None or found.is_marker:
            raise ObjectMissing(f"there is no such object or version: s3://{bucket}/{key}")
        return self._bytes[found.version_id]

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        return (found.key for found in self.histories(bucket, prefix) if found.current)

    def _find(self, bucket: str, key: str, version_id: str | None) -> ObjectVersion | None:
        versions = self._versions.get((bucket, key), [])
        return next((one for one in versions if version_id in {None, one.version_id}), None)

    # --- the effects ------------------------------------------------------------------------------------------------------

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        with self._lock:
            return [self._mark(bucket, key, etag) for key, etag in etags.items()]

    def _mark(self, bucket: str, key: str, etag: str) -> Marked:
        top = self._find(bucket, key, None)
        if top is None or top.is_marker:
            return Marked(key, None, "NoSuchKey")
        return Marked(key, self.delete(bucket, key)) if top.etag == etag else Marked(key, None, "PreconditionFailed")

    def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None) -> str:
        with self._lock:
            found, top = self._find(bucket, source.key, source.version_id), self._find(bucket, source.key, None)
            if found is None:
                raise ObjectMissing(f"there is no such version: s3://{bucket}/{source.key}")
            current = None if top is None or top.is_marker else top.etag
            if found.etag != source.etag or current != over:
                raise PreconditionFailed(f"s3://{bucket}/{source.key} is no longer what it was; nothing was changed")
            made = self._push(bucket, found)
            self._bytes[made] = self._bytes[found.version_id]
            return made

    def remove_version(self, bucket: str, key: str, version_id: str) -> None:
        with self._lock:
            self.state(bucket)
            left = [one for one in self._versions.get((bucket, key), []) if one.version_id != version_id]
            self._versions[bucket, key] = left
            if not left:
                del self._versions[bucket, key]

    def remove_versions(self, bucket: str, versions: Sequence[tuple[str, str]]) -> Sequence[Removed]:
        for key, version_id in versions:
            self.remove_version(bucket, key, version_id)
        return [Removed(key, version_id) for key, version_id in versions]
