"""Copies on servers that speak S3, within a bucket or between two, that keep everything of their source.

Up to ``largest`` bytes by one CopyObject, beyond by a multipart upload. Where it can be, an upload gets the parts that its source
had, so that the ETag stays the same.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from incident.errors import CredentialsMissing, StorageError, StorageUnreachable
from incident.storage import s3_carry as carry
from incident.storage.port import Described, Made, Told, Upload
from incident.storage.s3_bucket import NONE, acls
from incident.storage.s3_client import answered, translated, unthrottled
from incident.storage.s3_codes import archived, customer_key
from incident.storage.s3_reader import BATCH, S3Reader, checksum_of

LARGEST_COPY = 5 * 1000**3
"""CopyObject's limit is 5 GB; servers differ in which giga they mean, so it is the smaller one."""

MIB = 1024**2
LEAST_PART, LARGEST_PART, MOST_PARTS = 5 * MIB, 5 * 1024 * MIB, 10_000
PART = 256 * MIB
_AT_ONCE = 8


class S3Copier(S3Reader):
    """Adds the effects that make objects. ``largest`` and ``part`` in bytes, for tests and for servers with other limits."""

    def __init__(
        self,
        endpoint: str | None = None,
        profile: str | None = None,
        region: str | None = None,
        *,
        page: int = BATCH,
        requester_pays: bool = False,
        largest: int = LARGEST_COPY,
        part: int = PART,
    ) -> None:
        super().__init__(endpoint, profile, region, page=page, requester_pays=requester_pays)
        self._largest, self._part = largest, part
        self._acls: dict[str, bool] = {}
        self._asking = threading.Lock()

    def copy_object(self, source: Described, bucket: str, key: str, *, over: str | None, told: Told | None = None) -> Made:
        place = f"s3://{source.bucket}/{source.key}"
        if source.archived:
            raise archived(place, source.storage_class, source.version_id)
        if source.customer_key:
            raise customer_key(place)
        acl = self._grants(source, bucket)
        if source.size > self._largest:
            return self._copy_in_parts(source, bucket, key, over=over, told=told, acl=acl)
        said: dict[str, Any] = {
            "CopySource": _source(source),
            "CopySourceIfMatch": source.etag,
            "MetadataDirective": "COPY",
            "TaggingDirective": "COPY",
            **carry.kept(source),
            **carry.redirect(source),
            **acl,
            **_condition(over),
        }
        with translated(f"s3://{bucket}/{key}"):
            answer = unthrottled(lambda: self._send_copy(bucket, key, said))
        if (result := answer.get("CopyObjectResult")) is None:
            raise StorageUnreachable(f"the storage does not say what it made of s3://{bucket}/{key}", "run it again")
        made = Made(_version(answer), result.get("ETag", ""), source.size, checksum_of(result))
        if carry.proven(source, made, answer.get("ServerSideEncryption")):
            return made
        return self._compared(source, bucket, key, made)

    def _send_copy(self, bucket: str, key: str, said: dict[str, Any]) -> Any:
        if (short := self._short_effects) is None:
            return self._effects.copy_object(Bucket=bucket, Key=key, **said)
        if (answer := short.send("CopyObject", bucket, key, said)) is not None:
            return answer
        with short.example(bucket, key):
            return self._effects.copy_object(Bucket=bucket, Key=key, **said)

    def put_object(self, bucket: str, key: str, data: bytes, *, over: str | None, like: Described | None = None) -> Made:
        said: dict[str, Any] = {}
        if like is not None:
            said = {**carry.kept(like), **carry.described(like)}
            if like.etag:  # without one it describes what is wanted, and not an object that has tags and grants
                said |= {**self._tags(like), **self._grants(like, bucket)}
        with translated(f"s3://{bucket}/{key}"):
            answer = unthrottled(lambda: self._effects.put_object(Bucket=bucket, Key=key, Body=data, **said, **_condition(over)))
        return Made(_version(answer), answer["ETag"], len(data), checksum_of(answer))

    def abort_upload(self, upload: Upload) -> bool:
        send = self._reads.abort_multipart_upload  # once or twice makes no difference, so that it may be tried again
        said = answered(
            lambda: send(Bucket=upload.bucket, Key=upload.key, UploadId=upload.upload_id),
            f"s3://{upload.bucket}/{upload.key}",
            *("NoSuchUpload", "404"),
        )
        return not isinstance(said, str)

    # --- in parts ---------------------------------------------------------------------------------------------------------

    def _copy_in_parts(
        self, source: Described, bucket: str, key: str, *, over: str | None, told: Told | None, acl: dict[str, Any]
    ) -> Made:
        """An upload that is not completed is aborted, whatever happens to us short of a kill; then ``told`` knows of it."""
        tell = told or (lambda _upload: None)
        place = f"s3://{bucket}/{key}"
        said = {**carry.kept(source), **carry.described(source), **self._tags(source), **acl}
        if source.checksum is not None:
            kind = "FULL_OBJECT" if source.checksum.algorithm in carry.WHOLE else "COMPOSITE"
            said |= {"ChecksumAlgorithm": source.checksum.algorithm, "ChecksumType": kind}
        size = self._part_size(source)
        with translated(place):
            upload_id = unthrottled(lambda: self._effects.create_multipart_upload(Bucket=bucket, Key=key, **said))["UploadId"]
        upload = Upload(bucket, key, upload_id)
        try:
            tell(upload)
            parts = self._send_parts(source, upload, size)
            tell(Upload(bucket, key, upload_id, carry.etag_of_parts(parts, source)))
            with translated(place):
                answer = unthrottled(
                    lambda: self._effects.complete_multipart_upload(
                        Bucket=bucket,
                        Key=key,
                        UploadId=upload_id,
                        MultipartUpload={"Parts": parts},
                        **_condition(over),
                    )
                )
        except BaseException:
            with contextlib.suppress(StorageError, CredentialsMissing):
                self.abort_upload(upload)
            raise
        made = self._compared(source, bucket, key, Made(_version(answer), answer["ETag"], source.size, checksum_of(answer)))
        return made if made.differs else replace(made, differs=self._retagged(source, bucket, key, made, said.get("Tagging", "")))

    def _retagged(self, source: Described, bucket: str, key: str, made: Made, tags: str) -> str:
        """Some servers forget the tags of an upload. Then they are put on what we made, if its version id tells it from others."""
        kept = Described(bucket, key, made.version_id or "null", made.etag, made.size, 0)
        if not tags or self._tags(kept).get("Tagging") == tags:
            return ""
        if made.version_id is None:
            return f"the copy has not the tags of s3://{source.bucket}/{source.key}"
        with translated(f"s3://{bucket}/{key}"):
            self._effects.put_object_tagging(
                Bucket=bucket, Key=key, VersionId=made.version_id, Tagging={"TagSet": carry.tag_set(tags)}
            )
        return ""

    def _send_parts(self, source: Described, upload: Upload, size: int) -> list[Any]:
        ranges = list(_ranges(source.size, size))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            sent = [pool.submit(self._send_part, source, upload, number, *one) for number, one in enumerate(ranges, start=1)]
            try:
                return [one.result() for one in sent]
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)  # what is aborted under a part in flight would come back
                raise

    def _send_part(self, source: Described, upload: Upload, number: int, first: int, last: int) -> Any:
        """One part. To send it twice makes one part, so that this may be tried again like a read."""
        with translated(f"s3://{upload.bucket}/{upload.key}"):
            answer = self._reads.upload_part_copy(
                Bucket=upload.bucket,
                Key=upload.key,
                UploadId=upload.upload_id,
                PartNumber=number,
                CopySource=_source(source),
                CopySourceIfMatch=source.etag,
                CopySourceRange=f"bytes={first}-{last}",
            )["CopyPartResult"]
        checksum = checksum_of(answer)
        told = {f"Checksum{checksum.algorithm}": checksum.value} if checksum else {}
        return {"PartNumber": number, "ETag": answer["ETag"], **told}

    def _part_size(self, source: Described) -> int:
        """That of the source where it has equal parts, so that the ETag stays; else one that makes few enough."""
        count = carry.parts_of(source.etag)
        if count:
            with translated(f"s3://{source.bucket}/{source.key}"):
                first: Any = self._reads.head_object(
                    Bucket=source.bucket, Key=source.key, PartNumber=1, IfMatch=source.etag, **_chosen(source)
                )
            size = int(first["ContentLength"])
            whole = first.get("PartsCount") in {None, count}
            if whole and LEAST_PART <= size <= LARGEST_PART and count <= MOST_PARTS and math.ceil(source.size / size) == count:
                return size
        least = math.ceil(source.size / MOST_PARTS / MIB) * MIB
        return min(max(self._part, least, LEAST_PART), LARGEST_PART)

    # --- parts ------------------------------------------------------------------------------------------------------------

    def _compared(self, source: Described, bucket: str, key: str, made: Made) -> Made:
        """What was made, having asked the storage for its size and checksum."""
        copy = self.describe(bucket, key, made.version_id)
        differs = carry.difference(source, copy)
        return Made(made.version_id, made.etag, copy.size, copy.checksum, differs)

    def _tags(self, source: Described) -> dict[str, Any]:
        """The tags to name. How many there are is told by few servers, so that they are asked for whatever it says."""
        asked = answered(
            lambda: self._reads.get_object_tagging(Bucket=source.bucket, Key=source.key, **_chosen(source)),
            f"s3://{source.bucket}/{source.key}",
            *("NoSuchTagSet", *NONE),
        )
        tags: Any = [] if isinstance(asked, str) else asked["TagSet"]
        return {"Tagging": carry.tagging(tags)} if tags else {}

    def _grants(self, source: Described, bucket: str) -> dict[str, Any]:
        """The grants to name; none where either bucket has no ACLs."""
        if not (self._has_acls(source.bucket) and self._has_acls(bucket)):
            return {}
        with translated(f"s3://{source.bucket}/{source.key}"):
            return carry.grants(self._reads.get_object_acl(Bucket=source.bucket, Key=source.key, **_chosen(source)))

    def _has_acls(self, bucket: str) -> bool:
        with self._asking:  # asked by many copies at once, and once is enough
            if bucket not in self._acls:
                self._acls[bucket] = acls(self._reads, bucket) == "on"
            return self._acls[bucket]


def _source(source: Described) -> Any:
    return {"Bucket": source.bucket, "Key": source.key, **_chosen(source)}


def _chosen(source: Described) -> Any:
    """The version to name. A null version is asked for as the current object, which the ETag holds to what is meant."""
    return {} if source.version_id == "null" else {"VersionId": source.version_id}


def _condition(over: str | None) -> Any:
    return {"IfNoneMatch": "*"} if over is None else {"IfMatch": over}


def _version(answer: Any) -> str | None:
    version_id = answer.get("VersionId")
    return None if version_id in {None, "", "null"} else str(version_id)


def _ranges(size: int, part: int) -> Iterator[tuple[int, int]]:
    """First and last byte of each part."""
    for first in range(0, size, part):
        yield first, min(first + part, size) - 1
