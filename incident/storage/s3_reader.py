"""Reading buckets that speak S3: what lies there, in which versions, and what a version is in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from incident.errors import ObjectMissing, StorageError
from incident.storage.listing import Page, histories
from incident.storage.port import Checksum, Described, Encryption
from incident.storage.s3_bucket import bucket_state, seen_again, versioning_of
from incident.storage.s3_client import S3Connection, error_code, translated
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
            state = seen_again(known, versioning_of(self._reads, bucket))
        else:
            state = bucket_state(self._reads, bucket, self.server)
        self._states[bucket] = state
        return replace(state, guarantees=self._guarantees.get(bucket, NOT_ASKED))

    def remember(self, bucket: str, guarantees: Guarantees) -> None:
        self._guarantees[bucket] = guarantees

    def histories(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[KeyHistory]:
        return histories(self._pages(bucket, prefix, after))

    def _pages(self, bucket: str, prefix: str, after: str | None) -> Iterator[Page]:
        key, version = after, None
        while True:
            markers: dict[str, Any] = {}
            if key is not None:
                markers["KeyMarker"] = key
            if version is not None:
                markers["VersionIdMarker"] = version
            with translated(f"s3://{bucket}/{prefix}"):
                answer: Any = self._reads.list_object_versions(
                    Bucket=bucket, Prefix=prefix, EncodingType="url", MaxKeys=self._page, **markers
                )
            page = answer["Page"]
            if not isinstance(page, Page):
                raise StorageError(
                    f"the listing of s3://{bucket}/{prefix} cannot be read: {page}",
                    "a key with a control character? list it with another tool, and look at the server's version",
                )
            yield page
            if not page.truncated:
                return
            if page.next_key is None or (page.next_key, page.next_version) == (key, version):
                raise StorageError(
                    f"the listing of s3://{bucket}/{prefix} breaks off after {key!r}: the server names no next page",
                    "try again; a server that does so again cannot be used",
                )
            key, version = page.next_key, page.next_version

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
        with translated(f"s3://{bucket}/{prefix}"):
            for page in self._reads.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                yield from (found["Key"] for found in page.get("Contents", []))


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
