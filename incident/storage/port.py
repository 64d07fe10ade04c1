"""The two storage ports and what every adapter promises.

Conditional effects change nothing when their condition does not hold (``PreconditionFailed``). An adapter that cannot know
whether a request had its effect raises ``StorageUnreachable``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from runbooks.survey import BucketState, KeyHistory, ObjectVersion


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


class ObjectReader(Protocol):
    """Read-only: never writes to the bucket."""

    def state(self, bucket: str) -> BucketState:
        """Versioning and lifecycle. Raises BucketMissing, CredentialsMissing."""

    def histories(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[KeyHistory]:
        """Every key under the prefix in the server's order, with all its versions newest first (a page may split a key).

        ``after``: begin behind this key, which need not exist.
        """

    def history(self, bucket: str, key: str) -> KeyHistory | None:
        """The versions of exactly this key, or None."""

    def read(self, bucket: str, key: str, version_id: str | None = None) -> bytes:
        """An object's bytes. Raises ObjectMissing."""

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """The current keys under a prefix."""


class ObjectStore(ObjectReader, Protocol):
    """Adds the effects. Every one is conditional or names the version it removes."""

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        """A delete marker on each key whose current object has the given ETag; at most 1,000 keys."""

    def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None) -> str:
        """Copy an older version of a key over its current object (ETag ``over``; None: the key must be absent).

        Keeps metadata, tags and storage class. Returns the new version id. Raises ObjectMissing when the source is gone, and
        PreconditionFailed where the server honours the condition; callers re-list because not every server does.
        """

    def remove_version(self, bucket: str, key: str, version_id: str) -> None:
        """Remove exactly this version. Only ever called with a version that we made, or with a delete marker from a plan."""

    def remove_versions(self, bucket: str, versions: Sequence[tuple[str, str]]) -> Sequence[Removed]:
        """``remove_version`` of at most 1,000 (key, version id) pairs. One that does not exist counts as gone."""
