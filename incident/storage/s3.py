"""Buckets on AWS and on servers that speak S3: reading (``s3_reader``), copies (``s3_copies``), and here what takes away.

Connections and errors are in ``s3_client`` and ``s3_codes``, what is known of a bucket in ``s3_bucket``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from incident.errors import ObjectMissing, PreconditionFailed, StorageError, StorageUnreachable
from incident.storage.port import Described, Marked, Planned, Removed, Told
from incident.storage.s3_carry import recalled
from incident.storage.s3_client import CONNECTIONS, translated, unthrottled
from incident.storage.s3_codes import MISSING, batch_error
from incident.storage.s3_copies import S3Copier
from runbooks.guarantees import Guarantees
from runbooks.survey import BucketState, ObjectVersion

__all__ = ["CONNECTIONS", "S3Store", "create_versioned_bucket"]

_ALONE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]|^\s|\s$")
"""Keys that XML 1.0 cannot carry, or that a parser might change on the way: each fails its whole batch, or names another key."""


class S3Store(S3Copier):
    """Reader and store of the buckets that one ``[[storage]]`` entry reaches. Costs nothing until it is used."""

    def probe(self, state: BucketState, prefix: str, asked: int) -> Guarantees:
        from incident.storage.s3_probe import probe

        return probe(self, state, prefix, asked)

    def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None, told: Told | None = None) -> str:
        found = self._known(source, bucket) or self.describe(bucket, source.key, source.version_id)
        if found.etag != source.etag:
            raise PreconditionFailed(f"s3://{bucket}/{source.key} is no longer what it was; nothing was changed", "plan again")
        made = self.copy_object(found, bucket, source.key, over=over, told=told)
        if made.version_id is None:
            raise StorageUnreachable(f"the storage does not say what it made of s3://{bucket}/{source.key}", "run it again")
        if made.differs:
            self.remove_version(bucket, source.key, made.version_id)
            raise StorageError(f"{made.differs}; the copy of s3://{bucket}/{source.key} was taken back", "run it again")
        return made.version_id

    def _known(self, source: ObjectVersion, bucket: str) -> Described | None:
        """What need not be asked again. A copy in parts must be told everything of its source, so that this asks."""
        return recalled(source, bucket) if isinstance(source, Planned) and source.size <= self._largest else None

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        together = {key: etag for key, etag in etags.items() if not _ALONE.search(key)}
        found = {key: self._mark_alone(bucket, key, etag) for key, etag in etags.items() if key not in together}
        if together:
            objects = [(key, "", etag) for key, etag in together.items()]
            with translated(f"s3://{bucket}"):
                answer = unthrottled(lambda: self._delete_batch(bucket, objects))
            for one in answer.get("Deleted", []):
                found[one["Key"]] = Marked(one["Key"], one.get("DeleteMarkerVersionId"))
            for error in answer.get("Errors", []):
                found[error["Key"]] = Marked(error["Key"], None, batch_error(error))
        return [found.get(key, Marked(key, None, "Unanswered: the server did not mention this key")) for key in etags]

    def _mark_alone(self, bucket: str, key: str, etag: str) -> Marked:
        try:
            return Marked(key, self.delete_object(bucket, key, if_match=etag))
        except PreconditionFailed:
            return Marked(key, None, "PreconditionFailed")
        except ObjectMissing:
            return Marked(key, None, "NoSuchKey")
        except StorageUnreachable as error:
            return Marked(key, None, f"Unanswered: {error.message}")
        except StorageError as error:
            return Marked(key, None, f"Failed: {error.message}")

    def delete_object(self, bucket: str, key: str, *, if_match: str) -> str | None:
        with translated(f"s3://{bucket}/{key}"):
            answer = unthrottled(lambda: self._effects.delete_object(Bucket=bucket, Key=key, IfMatch=if_match))
        made = answer.get("VersionId") if answer.get("DeleteMarker", True) else None
        return None if made == "null" else made

    def remove_version(self, bucket: str, key: str, version_id: str) -> None:
        _never_null(version_id, bucket, key)
        with translated(f"s3://{bucket}/{key}"):
            unthrottled(lambda: self._effects.delete_object(Bucket=bucket, Key=key, VersionId=version_id))

    def remove_versions(self, bucket: str, versions: Sequence[tuple[str, str]]) -> Sequence[Removed]:
        found: dict[tuple[str, str], Removed] = {}
        together = [pair for pair in versions if not _ALONE.search(pair[0])]
        for key, version_id in versions:
            _never_null(version_id, bucket, key)
            if _ALONE.search(key):
                found[key, version_id] = self._remove_alone(bucket, key, version_id)
        if together:
            objects = [(key, version_id, "") for key, version_id in together]
            with translated(f"s3://{bucket}"):
                answer = unthrottled(lambda: self._delete_batch(bucket, objects))
            for one in answer.get("Deleted", []):
                found[one["Key"], one.get("VersionId", "")] = Removed(one["Key"], one.get("VersionId", ""))
            for error in answer.get("Errors", []):
                pair = (error["Key"], error.get("VersionId", ""))
                gone = error.get("Code") in MISSING
                found[pair] = Removed(*pair, None if gone else batch_error(error))
        unanswered = "Unanswered: the server did not mention this version"
        return [found.get(pair, Removed(*pair, unanswered)) for pair in versions]

    def _remove_alone(self, bucket: str, key: str, version_id: str) -> Removed:
        try:
            self.remove_version(bucket, key, version_id)
        except ObjectMissing:
            return Removed(key, version_id)
        except StorageUnreachable as error:
            return Removed(key, version_id, f"Unanswered: {error.message}")
        except StorageError as error:
            return Removed(key, version_id, f"Failed: {error.message}")
        return Removed(key, version_id)


def _never_null(version_id: str, bucket: str, key: str) -> None:
    """Without a version id a removal would hit whatever is current; the ``null`` version may be the only one there is."""
    if not version_id or version_id == "null":
        raise StorageError(
            f"refusing to remove version {version_id!r} of s3://{bucket}/{key}: it names no version of its own",
            "make sure that versioning of the bucket is enabled, and plan again",
        )


def create_versioned_bucket(endpoint: str, region: str, bucket: str) -> None:
    """A new bucket that keeps versions, for the demo's throw-away lake."""
    client = S3Store(endpoint, region=region)._effects  # noqa: SLF001 - the one client that retries nothing
    with translated(f"s3://{bucket}"):
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
