"""A store in memory, for tests: exact conditions, and a clock that only moves when told.

Buckets keep versions as far as their state says.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from incident.errors import BucketMissing, ObjectMissing, PreconditionFailed
from incident.storage.port import Current, Described, Made, Marked, Removed, Told, Upload
from lineage.timestamps import SECOND
from runbooks.facts import ARCHIVED
from runbooks.guarantees import EVERYTHING, Guarantees
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
    honours: Guarantees = EVERYTHING
    _metadata: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    # --- what a test does to it -------------------------------------------------------------------------------------------

    def create(self, bucket: str, state: BucketState | None = None) -> None:
        self.buckets[bucket] = state or BucketState(bucket, "Enabled", guarantees=self.honours)

    def tick(self, nanoseconds: int = SECOND) -> int:
        self.now += nanoseconds
        return self.now

    def put(self, bucket: str, key: str, data: bytes, storage_class: str = "STANDARD") -> str:
        """A plain write by somebody else."""
        etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        return self._push(bucket, ObjectVersion(key, "", etag, len(data), 0, storage_class=storage_class), data)

    def delete(self, bucket: str, key: str) -> str:
        """A plain deletion by somebody else. Where no versions are kept nothing is left; else the id of the marker."""
        if self.state(bucket).versioning == "Off":
            with self._lock:
                self._versions.pop((bucket, key), None)
            return "null"
        return self._push(bucket, ObjectVersion(key, "", "", 0, 0, is_marker=True))

    def listing(self, bucket: str, prefix: str = "") -> dict[str, tuple[ObjectVersion, ...]]:
        return {found.key: found.versions for found in self.histories(bucket, prefix)}

    def _push(self, bucket: str, version: ObjectVersion, data: bytes = b"") -> str:
        """A new version on top; where the bucket does not keep them it takes the place of the null version, which is lost."""
        with self._lock:
            kept = self.state(bucket).versioning == "Enabled"
            self._made += 1
            made = f"v{self._made:06d}" if kept else "null"
            versions = self._versions.setdefault((bucket, version.key), [])
            if not kept:
                versions[:] = [one for one in versions if one.version_id != "null"]
            versions.insert(0, replace(version, version_id=made, last_modified=self.now))
            self._metadata.pop(_name(bucket, version.key, made), None)
            if not version.is_marker:
                self._bytes[_name(bucket, version.key, made)] = data
            return made

    # --- the reader -------------------------------------------------------------------------------------------------------

    def probe(self, state: BucketState, prefix: str, asked: int) -> Guarantees:
        del prefix
        return replace(self.honours, asked=asked, versioned=state.versioning == "Enabled")

    def remember(self, bucket: str, guarantees: Guarantees) -> None:
        self.buckets[bucket] = replace(self.state(bucket), guarantees=guarantees)

    def state(self, bucket: str, *, brief: bool = False) -> BucketState:
        del brief
        if bucket not in self.buckets:
            raise BucketMissing(f"there is no bucket {bucket}")
        return self.buckets[bucket]

    def histories(
        self, bucket: str, prefix: str, after: str | None = None, upto: tuple[str, str] | None = None
    ) -> Iterator[KeyHistory]:
        self.state(bucket)
        floor = (after or "").encode()
        keys = (key for place, key in self._versions if place == bucket and key.startswith(prefix))
        for key in sorted(keys, key=str.encode):
            if after is None or key.encode() > floor:
                versions = tuple(self._versions[bucket, key])
                if upto is not None and key == upto[0]:
                    names = [one.version_id for one in versions]
                    yield KeyHistory(key, versions[: names.index(upto[1]) + 1] if upto[1] in names else versions)
                    return
                yield KeyHistory(key, versions)

    def currents(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[Current]:
        for found in self.histories(bucket, prefix, after):
            if (now := found.current) is not None:
                yield Current(now.key, now.etag, now.size, now.last_modified)

    def history(self, bucket: str, key: str) -> KeyHistory | None:
        self.state(bucket)
        found = self._versions.get((bucket, key))
        return KeyHistory(key, tuple(found)) if found else None

    def read(self, bucket: str, key: str, version_id: str | None = None) -> bytes:
        found = self._find(bucket, key, version_id)
        if found is None or found.is_marker:
            raise ObjectMissing(f"there is no such object or version: s3://{bucket}/{key}")
        return self._bytes[_name(bucket, key, found.version_id)]

    def blocks(self, bucket: str, key: str, version_id: str | None = None) -> Iterator[bytes]:
        yield self.read(bucket, key, version_id)

    def describe(self, bucket: str, key: str, version_id: str | None = None) -> Described:
        self.state(bucket)
        found = self._find(bucket, key, version_id)
        if found is None or found.is_marker:
            raise ObjectMissing(f"there is no such object or version: s3://{bucket}/{key}")
        archived = found.storage_class in ARCHIVED
        return Described(
            bucket,
            key,
            found.version_id,
            found.etag,
            found.size,
            found.last_modified,
            found.storage_class,
            metadata=self._metadata.get(_name(bucket, key, found.version_id), ()),
            archived=archived,
        )

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

    def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None, told: Told | None = None) -> str:
        with self._lock:
            found = Described(bucket, source.key, source.version_id, source.etag, source.size, source.last_modified)
            made = self.copy_object(found, bucket, source.key, over=over, told=told)
            return made.version_id or "null"

    def copy_object(self, source: Described, bucket: str, key: str, *, over: str | None, told: Told | None = None) -> Made:
        del told  # there is no upload to tell of
        with self._lock:
            found = self._find(source.bucket, source.key, source.version_id)
            if found is None:
                raise ObjectMissing(f"there is no such version: s3://{source.bucket}/{source.key}")
            if found.etag != source.etag:
                raise PreconditionFailed(f"s3://{source.bucket}/{source.key} is no longer what it was; nothing was changed")
            self._hold(bucket, key, over)
            data = self._bytes[_name(source.bucket, source.key, found.version_id)]
            return self._made_of(self._push(bucket, replace(found, key=key), data), found.etag, found.size)

    def put_object(self, bucket: str, key: str, data: bytes, *, over: str | None, like: Described | None = None) -> Made:
        with self._lock:
            self._hold(bucket, key, over)
            made = self.put(bucket, key, data, like.storage_class if like is not None else "STANDARD")
            self._metadata[_name(bucket, key, made)] = like.metadata if like is not None else ()
            return self._made_of(made, self._versions[bucket, key][0].etag, len(data))

    def delete_object(self, bucket: str, key: str, *, if_match: str) -> str | None:
        with self._lock:
            marked = self._mark(bucket, key, if_match)
            if marked.error == "NoSuchKey":
                raise ObjectMissing(f"there is no such object: s3://{bucket}/{key}")
            if marked.error:
                raise PreconditionFailed(f"s3://{bucket}/{key} is no longer what it was; nothing was changed")
            return None if marked.marker == "null" else marked.marker

    def abort_upload(self, upload: Upload) -> bool:
        self.state(upload.bucket)
        return False

    def _hold(self, bucket: str, key: str, over: str | None) -> None:
        """Raises PreconditionFailed unless what is current has this ETag; None: unless nothing is."""
        self.state(bucket)
        top = self._find(bucket, key, None)
        if (None if top is None or top.is_marker else top.etag) != over:
            raise PreconditionFailed(f"s3://{bucket}/{key} is no longer what it was; nothing was changed")

    def _made_of(self, made: str, etag: str, size: int) -> Made:
        return Made(None if made == "null" else made, etag, size)

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


def _name(bucket: str, key: str, version_id: str) -> str:
    """What a version's bytes are kept under."""
    return f"{bucket}/{key}" if version_id == "null" else version_id
