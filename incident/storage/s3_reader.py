"""Reading buckets that speak S3: what lies there, in which versions, and what a version is in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from incident.errors import ObjectMissing, StorageError
from incident.storage.listing import CurrentPage, Page, decoded, histories, read_current_page, read_page
from incident.storage.port import Checksum, Current, Described, Encryption
from incident.storage.s3_bucket import bucket_state, read_versioning, seen_again, versioning_of
from incident.storage.s3_client import S3Connection, error_code, translated
from incident.storage.s3_wire import Answer
from lineage.timestamps import SECOND
from runbooks.facts import ARCHIVED
from runbooks.guarantees import NOT_ASKED, Guarantees
from runbooks.survey import BucketState, KeyHistory

BATCH = 1_000
HEADERS = (
    *("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType"),
    "WebsiteRedirectLocation",
)
"""Content headers that a copy must name itself where S3 does not carry them over. ``Expires`` is kept as the text it was."""

_ALGORITHMS = ("CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128")


class S3Reader(S3Connection):
    """Read-only: never writes to a bucket."""

    def __init__(
        self,
        endpoint: str | None = None,
        profile: str | None = None,
        region: str | None = None,
        *,
        page: int = BATCH,
        requester_pays: bool = False,
    ) -> None:
        super().__init__(endpoint, profile, region, requester_pays=requester_pays)
        self._page = page
        self._states: dict[str, BucketState] = {}
        self._guarantees: dict[str, Guarantees] = {}

    def state(self, bucket: str, *, brief: bool = False) -> BucketState:
        known = self._states.get(bucket)
        if brief and known is not None:
            state = seen_again(known, self._versioning(bucket))
        else:
            state = bucket_state(self._reads, bucket, self.server)
        self._states[bucket] = state
        return replace(state, guarantees=self._guarantees.get(bucket, NOT_ASKED))

    def _versioning(self, bucket: str) -> Mapping[str, Any]:
        """The answer about versioning and MFA delete, with the server's time."""
        if (answer := self._asked("GetBucketVersioning", bucket, {})) is not None:
            with suppress(ValueError):
                return read_versioning(answer.body, answer.header("date"))
        with self._example(bucket):
            return versioning_of(self._reads, bucket)

    def remember(self, bucket: str, guarantees: Guarantees) -> None:
        self._guarantees[bucket] = guarantees

    def histories(
        self, bucket: str, prefix: str, after: str | None = None, upto: tuple[str, str] | None = None
    ) -> Iterator[KeyHistory]:
        return histories(self._pages(bucket, prefix, after, upto))

    def _pages(self, bucket: str, prefix: str, after: str | None, upto: tuple[str, str] | None) -> Iterator[Page]:
        key, version = after, None
        while True:
            said: dict[str, Any] = {"Prefix": prefix, "EncodingType": "url", "MaxKeys": self._page}
            if key is not None:
                said["KeyMarker"] = key
            if version is not None:
                said["VersionIdMarker"] = version
            page = self._version_page(bucket, prefix, said)
            yield page
            if not page.truncated or (upto is not None and page.reaches(upto)):
                return
            if page.next_key is None or (page.next_key, page.next_version) == (key, version):
                raise StorageError(
                    f"the listing of s3://{bucket}/{prefix} breaks off after {key!r}: the server names no next page",
                    "try again; a server that does so again cannot be used",
                )
            key, version = page.next_key, page.next_version

    def _version_page(self, bucket: str, prefix: str, said: dict[str, Any]) -> Page:
        if (answer := self._asked("ListObjectVersions", bucket, said)) is not None:
            with suppress(ValueError):
                return read_page(answer.body)
        with translated(f"s3://{bucket}/{prefix}"), self._example(bucket):
            page: Any = self._reads.list_object_versions(Bucket=bucket, **said)["Page"]  # type: ignore[typeddict-item]
        if isinstance(page, Page):
            return page
        raise _unreadable(bucket, prefix, page)

    def _asked(self, operation: str, bucket: str, said: dict[str, Any]) -> Answer | None:
        """The answer to a question about a bucket, with little ado; None: ask the client."""
        return self._short_reads.ask(operation, bucket, said) if self._short_reads is not None else None

    def _example(self, bucket: str) -> AbstractContextManager[None]:
        return self._short_reads.example(bucket) if self._short_reads is not None else nullcontext()

    def history(self, bucket: str, key: str) -> KeyHistory | None:
        # The key is the least of all that begin with it, so that it comes first or not at all.
        first = next(iter(self.histories(bucket, key)), None)
        return first if first is not None and first.key == key else None

    def describe(self, bucket: str, key: str, version_id: str | None = None) -> Described:
        from botocore.exceptions import ClientError

        chosen: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        place = f"s3://{bucket}/{key}"
        try:
            with translated(place, keep=("400", "405", "MethodNotAllowed")):
                found = self._head(bucket, key, {"ChecksumMode": "ENABLED", **chosen})
        except ClientError as error:
            if error_code(error) != "400":
                raise ObjectMissing(f"a delete marker is no object: {place}", "plan again") from error
            # The answer to a HEAD has no body that told what is bad about it: a customer's own key, our token, the region.
            with translated(place):
                self._reads.get_object(Bucket=bucket, Key=key, Range="bytes=0-0", **chosen)
            raise StorageError(f"the storage does not describe {place}, and does not say why", "run it again") from error
        return _described(bucket, key, version_id, found)

    def _head(self, bucket: str, key: str, said: dict[str, Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        if (short := self._short_reads) is None:
            return self._reads.head_object(Bucket=bucket, Key=key, **said)
        with suppress(BotoCoreError, ClientError):  # the client asks again, as often as it does, and finds the words
            if (found := short.send("HeadObject", bucket, key, said)) is not None:
                return found
        with short.example(bucket, key):
            return self._reads.head_object(Bucket=bucket, Key=key, **said)

    def read(self, bucket: str, key: str, version_id: str | None = None) -> bytes:
        chosen: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        with translated(f"s3://{bucket}/{key}"):
            return self._reads.get_object(Bucket=bucket, Key=key, **chosen)["Body"].read()

    def blocks(self, bucket: str, key: str, version_id: str | None = None) -> Iterator[bytes]:
        chosen: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        with translated(f"s3://{bucket}/{key}"):
            yield from self._reads.get_object(Bucket=bucket, Key=key, **chosen)["Body"].iter_chunks(1 << 20)

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        return (found.key for found in self.currents(bucket, prefix))

    def currents(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[Current]:
        said: dict[str, Any] = {} if after is None else {"StartAfter": after}
        while True:
            page = self._current_page(bucket, prefix, {"Prefix": prefix, "EncodingType": "url", "MaxKeys": self._page, **said})
            yield from page.objects
            if page.next_token is None:
                return
            said = {"ContinuationToken": page.next_token}

    def _current_page(self, bucket: str, prefix: str, said: dict[str, Any]) -> CurrentPage:
        if (answer := self._asked("ListObjectsV2", bucket, said)) is not None:
            with suppress(ValueError):
                return read_current_page(answer.body)
        with translated(f"s3://{bucket}/{prefix}"), self._example(bucket):
            found: Any = self._reads.list_objects_v2(Bucket=bucket, **said)
        encoded = found.get("EncodingType") == "url"
        objects = [
            Current(decoded(one["Key"], encoded), one["ETag"], one["Size"], _nanoseconds(one["LastModified"]))
            for one in found.get("Contents", [])
        ]
        return CurrentPage(objects, found.get("NextContinuationToken") if found["IsTruncated"] else None)


def _unreadable(bucket: str, prefix: str, why: object) -> StorageError:
    return StorageError(
        f"the listing of s3://{bucket}/{prefix} cannot be read: {why}",
        "a key with a control character? list it with another tool, and look at the server's version",
    )


def _described(bucket: str, key: str, version_id: str | None, found: Mapping[str, Any]) -> Described:
    storage_class = found.get("StorageClass") or "STANDARD"
    restored = 'ongoing-request="false"' in (found.get("Restore") or "")
    tier = str(found.get("ArchiveStatus") or "")  # of INTELLIGENT_TIERING, whose deepest tiers must be restored as well
    headers = [(name, str(found[name])) for name in HEADERS if found.get(name)]
    if found.get("ExpiresString"):
        headers.append(("Expires", str(found["ExpiresString"])))
    until = found.get("ObjectLockRetainUntilDate")
    return Described(
        bucket=bucket,
        key=key,
        version_id=found.get("VersionId") or version_id or "null",
        etag=found["ETag"],
        size=found["ContentLength"],
        last_modified=_nanoseconds(found["LastModified"]),
        storage_class=storage_class,
        checksum=checksum_of(found),
        encryption=Encryption(
            found.get("ServerSideEncryption") or "", found.get("SSEKMSKeyId") or "", bool(found.get("BucketKeyEnabled"))
        ),
        headers=tuple(headers),
        metadata=tuple(sorted((found.get("Metadata") or {}).items())),
        tags=found.get("TagCount"),
        archived=(storage_class in ARCHIVED or bool(tier)) and not restored,
        customer_key=bool(found.get("SSECustomerAlgorithm")),
        retention=found.get("ObjectLockMode") or "",
        retain_until=_nanoseconds(until) if until else 0,
        legal_hold=found.get("ObjectLockLegalHoldStatus") == "ON",
    )


def checksum_of(answer: Mapping[str, Any]) -> Checksum | None:
    """The checksum that an answer tells, if any."""
    for algorithm in _ALGORITHMS:
        if value := answer.get(f"Checksum{algorithm}"):
            # Only the checksum of checksums says of how many it is, where a server does not tell its kind.
            kind = answer.get("ChecksumType") or ("COMPOSITE" if "-" in value else "FULL_OBJECT")
            return Checksum(algorithm, value, kind)
    return None


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND + moment.microsecond * 1_000
