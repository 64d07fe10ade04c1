"""The two storage ports and what every adapter promises.

Conditional effects change nothing when their condition does not hold (``PreconditionFailed``). An adapter that cannot know
whether a request had its effect raises ``StorageUnreachable``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from lineage.timestamps import render
from runbooks.actions import Carried
from runbooks.guarantees import Guarantees
from runbooks.survey import BucketState, KeyHistory, ObjectVersion


class Current(NamedTuple):
    """What a plain read of a key gets, as a listing of current objects tells it. ``last_modified`` in ns UTC, as in a version."""

    key: str
    etag: str
    size: int
    last_modified: int


@dataclass(frozen=True, slots=True)
class Marked:
    """One key's answer to a batch of markers: the marker's version id, or the error's code and message."""

    key: str
    marker: str | None
    error: str | None = None
    """"PreconditionFailed" and "NoSuchKey" mean that the condition did not hold; any other code is the server's."""


@dataclass(frozen=True, slots=True)
class Removed:
    """One version's answer to a batch of removals; ``error`` is the server's code and message, None when it is gone."""

    key: str
    version_id: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the storage computed over an object's bytes. Comparable only with one of the same algorithm and kind.

    ``kind``: FULL_OBJECT, or COMPOSITE (of the parts that it was uploaded in, so that other parts give another value).
    """

    algorithm: str
    value: str
    kind: str = "FULL_OBJECT"


@dataclass(frozen=True, slots=True)
class Encryption:
    """How an object is encrypted at rest. ``algorithm``: "", AES256, aws:kms or aws:kms:dsse; ``key_id`` of KMS."""

    algorithm: str = ""
    key_id: str = ""
    bucket_key: bool = False


@dataclass(frozen=True, slots=True)
class Described:
    """One object, or one version of it, in full: all that a copy must carry over.

    ``version_id`` is "null" where the bucket keeps no versions. ``headers``: the content headers by the names of the S3 API
    (ContentType, CacheControl, …). ``tags``: how many, None where that is not told. ``archived``: must be restored before it can
    be copied. ``customer_key``: encrypted with a key that only its owner has. ``retention``: GOVERNANCE or COMPLIANCE, until
    ``retain_until``. Times in ns UTC.
    """

    bucket: str
    key: str
    version_id: str
    etag: str
    size: int
    last_modified: int
    storage_class: str = "STANDARD"
    checksum: Checksum | None = None
    encryption: Encryption = Encryption()
    headers: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    tags: int | None = None
    archived: bool = False
    customer_key: bool = False
    retention: str = ""
    retain_until: int = 0
    legal_hold: bool = False

    def held(self, now: int) -> str:
        """Why this version cannot be removed now (ns UTC); empty when it can. A delete marker can cover it all the same."""
        if self.legal_hold:
            return "it is under legal hold"
        return f"Object Lock retains it until {render(self.retain_until)} ({self.retention})" if now < self.retain_until else ""


@dataclass(frozen=True, slots=True)
class Planned(ObjectVersion):
    """A version as a listing shows it now, with what the plan knows it to carry, so that it need not be described again."""

    carries: Carried = field(default_factory=Carried)


@dataclass(frozen=True, slots=True)
class Made:
    """What an effect made. ``version_id``: None where the bucket keeps no versions, or the server did not tell.

    ``differs``: why it is not what it should be, as far as the storage told (size, checksum, ETag); empty when it is. Then it
    must be taken back: nothing else does.
    """

    version_id: str | None
    etag: str
    size: int
    checksum: Checksum | None = None
    differs: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload of ours that is not complete. Whoever finds one in the journal may abort it, and then it never will be.

    ``etag``: that of the object it will make, where it can be told before; empty where not.
    """

    bucket: str
    key: str
    upload_id: str
    etag: str = ""


Told = Callable[[Upload], None]
"""Is told of an upload before its first part, and again before it completes; an exception from it stops the copy."""


class ObjectReader(Protocol):
    """Read-only: never writes to the bucket."""

    def state(self, bucket: str, *, brief: bool = False) -> BucketState:
        """Everything that must be known of the bucket: several requests side by side. Raises BucketMissing, CredentialsMissing.

        ``brief``: where that was asked before, ask for nothing but the versioning again.
        """

    def histories(
        self, bucket: str, prefix: str, after: str | None = None, upto: tuple[str, str] | None = None
    ) -> Iterator[KeyHistory]:
        """Every key under the prefix in the server's order, with all its versions newest first (a page may split a key).

        ``after``: begin behind this key, which need not exist. ``upto``: a key and one of its versions, behind which nothing is
        wanted: the listing may end there, and then the last history may lack what is older.
        """

    def currents(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[Current]:
        """The current objects under a prefix in the server's order; ``after`` as in ``histories``."""

    def history(self, bucket: str, key: str) -> KeyHistory | None:
        """The versions of exactly this key, or None."""

    def describe(self, bucket: str, key: str, version_id: str | None = None) -> Described:
        """One version in full; None: the current object. Raises ObjectMissing, CredentialsMissing."""

    def read(self, bucket: str, key: str, version_id: str | None = None) -> bytes:
        """An object's bytes. Raises ObjectMissing."""

    def blocks(self, bucket: str, key: str, version_id: str | None = None) -> Iterator[bytes]:
        """``read`` in pieces, for objects of any size."""

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """The current keys under a prefix."""


class ObjectStore(ObjectReader, Protocol):
    """Adds the effects. Every one is conditional or names the version it removes."""

    def probe(self, state: BucketState, prefix: str, asked: int) -> Guarantees:
        """What the bucket's server honours, tried out with scratch objects under ``prefix``, which are all removed again."""

    def remember(self, bucket: str, guarantees: Guarantees) -> None:
        """What a probe found out, at any time: ``state`` tells it from now on."""

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        """A delete marker on each key whose current object has the given ETag; at most 1,000 keys."""

    def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None, told: Told | None = None) -> str:
        """``copy_object`` of a version, as a listing knows it, over the current object of its key. Returns the new version's id.

        A copy that turned out not to be like its source was taken back by its version id; then StorageError is raised.
        """

    def copy_object(self, source: Described, bucket: str, key: str, *, over: str | None, told: Told | None = None) -> Made:
        """Copy exactly this version to a key whose current object has the ETag ``over`` (None: the key must be absent).

        Keeps storage class, metadata, content headers, tags, ACL where the bucket has ACLs, encryption, checksum algorithm; in
        parts where it is too large for one request. Raises ObjectMissing when the source or what is to be covered is gone,
        PreconditionFailed where the server honours the condition (callers look again because not every server does), Archived,
        KeyNeeded. What fails half-way leaves no upload behind unless the process dies: then ``told`` knows it.
        """

    def put_object(self, bucket: str, key: str, data: bytes, *, over: str | None, like: Described | None = None) -> Made:
        """Write these bytes to a key whose current object has the ETag ``over`` (None: the key must be absent).

        ``like``: keep the headers, metadata, storage class, encryption, tags and ACL of this object. Raises as ``copy_object``.
        """

    def delete_object(self, bucket: str, key: str, *, if_match: str) -> str | None:
        """Delete the current object if it has this ETag. Where versions are kept: the marker's id, and nothing is destroyed.

        Elsewhere None, and the object is gone. Raises PreconditionFailed, ObjectMissing, Retained.
        """

    def abort_upload(self, upload: Upload) -> bool:
        """Abort an upload of ours; false when it is there no more (it was completed, or aborted). Then it can never complete."""

    def remove_version(self, bucket: str, key: str, version_id: str) -> None:
        """Remove exactly this version. Only ever called with a version that we made, or with a delete marker from a plan."""

    def remove_versions(self, bucket: str, versions: Sequence[tuple[str, str]]) -> Sequence[Removed]:
        """``remove_version`` of at most 1,000 (key, version id) pairs. One that does not exist counts as gone."""
