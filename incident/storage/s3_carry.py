"""What a copy must say of its source so that nothing of it is lost, and how a copy is compared with its source.

CopyObject carries over user metadata, content headers and tags; it resets storage class, ACL and encryption, and forgets the
website redirect. A multipart upload carries over nothing at all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from incident.errors import StorageError
from incident.storage.port import Checksum, Described, Encryption, Made, Planned
from runbooks.facts import ARCHIVED

WHOLE = frozenset({"CRC32", "CRC32C", "CRC64NVME"})
"""Checksums that a multipart upload can have of the whole object; the others are of the parts' checksums."""

_MD5 = frozenset({"", "AES256"})
"""Encryptions under which the ETag of an object of one part is the MD5 sum of its bytes."""
_PLAIN = re.compile(r'"?[0-9a-f]{32}"?')
_PARTS = re.compile(r'"?[0-9a-f]{32}-(\d+)"?')
_GRANTS = {"FULL_CONTROL": "GrantFullControl", "READ": "GrantRead", "READ_ACP": "GrantReadACP", "WRITE_ACP": "GrantWriteACP"}


def kept(source: Described) -> dict[str, Any]:
    """What every kind of copy must name: storage class and encryption.

    An archived object that was restored goes back as STANDARD: as an archive nobody could read it.
    """
    said: dict[str, Any] = {"StorageClass": "STANDARD" if source.storage_class in ARCHIVED else source.storage_class}
    if source.encryption.algorithm:
        said["ServerSideEncryption"] = source.encryption.algorithm
    if source.encryption.key_id:
        said["SSEKMSKeyId"] = source.encryption.key_id
    if source.encryption.algorithm.startswith("aws:kms"):
        said["BucketKeyEnabled"] = source.encryption.bucket_key
    return said


def recalled(source: Planned, bucket: str) -> Described | None:
    """The version in full, from what a plan knows and a listing told now; None where that does not suffice.

    Under its id a version never changes but for its storage class, which the listing tells, and its tags and ACL, which are not
    taken from here. A null version may have been written anew under the same id; an archived one must be looked at.
    """
    if source.version_id == "null" or source.storage_class in ARCHIVED:
        return None
    known = source.carries
    checksum = Checksum(*_three(known.checksum)) if known.checksum else None
    algorithm, _, key_id = (known.encryption or "").partition(" ")
    return Described(
        bucket,
        source.key,
        source.version_id,
        source.etag,
        source.size,
        source.last_modified,
        source.storage_class,
        checksum=checksum,
        encryption=Encryption(algorithm, key_id, known.bucket_key),
        headers=(("WebsiteRedirectLocation", known.redirect),) if known.redirect else (),
        tags=known.tags,
    )


def _three(text: str) -> tuple[str, str, str]:
    algorithm, kind, value = text.split(" ", 2)
    return algorithm, value, kind


def redirect(source: Described) -> dict[str, Any]:
    """The website redirect, which CopyObject leaves behind."""
    return {name: value for name, value in source.headers if name == "WebsiteRedirectLocation"}


def described(source: Described) -> dict[str, Any]:
    """Headers and metadata, for a request that starts from nothing. Raises StorageError for what cannot be said in one."""
    said: dict[str, Any] = dict(source.headers)
    if "Expires" in said:
        try:
            said["Expires"] = parsedate_to_datetime(said["Expires"])
        except ValueError:
            raise StorageError(
                f"s3://{source.bucket}/{source.key} has an Expires header that is no date: {said['Expires']!r}",
                "correct its metadata, or go on with the rest: --skip-refused",
                code="metadata",
            ) from None
    if source.metadata:
        said["Metadata"] = dict(source.metadata)
    return said


def parts_of(etag: str) -> int:
    """In how many parts an object was uploaded, as its ETag says; 0 where it was whole."""
    match = _PARTS.fullmatch(etag)
    return int(match.group(1)) if match else 0


def etag_of_parts(parts: Sequence[Mapping[str, Any]], source: Described) -> str:
    """The ETag that an upload of these parts will have; empty where it cannot be told before."""
    etags = [str(part["ETag"]).strip('"') for part in parts]
    if source.encryption.algorithm not in _MD5 or not all(_PLAIN.fullmatch(etag) for etag in etags):
        return ""
    whole = hashlib.md5(b"".join(map(bytes.fromhex, etags)), usedforsecurity=False).hexdigest()
    return f'"{whole}-{len(etags)}"'


def tagging(tags: Iterable[Mapping[str, str]]) -> str:
    """Tags as a request header has them."""
    return urlencode([(one["Key"], one["Value"]) for one in tags])


def tag_set(text: str) -> Any:
    """Tags out of a request header, as a request body has them."""
    return [{"Key": key, "Value": value} for key, value in parse_qsl(text, keep_blank_values=True)]


def grants(acl: Mapping[str, Any]) -> dict[str, str]:
    """An ACL as the headers of a request; nothing where it says no more than what every new object has."""
    owner = acl.get("Owner", {}).get("ID")
    found: dict[str, list[str]] = {}
    for one in acl.get("Grants", []):
        who = one.get("Grantee", {})
        name, value = ("uri", who.get("URI")) if who.get("URI") else ("id", who.get("ID"))
        if value and one.get("Permission") in _GRANTS:
            found.setdefault(_GRANTS[one["Permission"]], []).append(f'{name}="{value}"')
    if set(found) <= {"GrantFullControl"} and found.get("GrantFullControl", []) in ([], [f'id="{owner}"']):
        return {}
    return {permission: ", ".join(who) for permission, who in found.items()}


def comparable(one: Checksum | None, other: Checksum | None) -> bool:
    """Whether two checksums would be equal for equal bytes."""
    return one is not None and other is not None and (one.algorithm, one.kind) == (other.algorithm, other.kind)


def proven(source: Described, made: Made, algorithm: str | None) -> bool:
    """Whether the answer to a copy alone proves it to be like its source. ``algorithm``: how the copy is encrypted.

    Where both are MD5 sums (one part, no KMS) the ETag does; a comparable checksum does everywhere.
    """
    if comparable(source.checksum, made.checksum):
        return source.checksum == made.checksum
    md5 = _PLAIN.fullmatch(source.etag) and (algorithm or "") in _MD5 and source.encryption.algorithm in _MD5
    return bool(md5) and source.etag.strip('"') == made.etag.strip('"')


def difference(source: Described, copy: Described) -> str:
    """Why a copy is not like its source, by all that the storage tells of both; empty when nothing speaks against it."""
    if copy.size != source.size:
        return f"the copy has {copy.size} bytes, its source {source.size}"
    if comparable(source.checksum, copy.checksum):
        return "" if source.checksum == copy.checksum else "the copy has another checksum than its source"
    md5 = all(_PLAIN.fullmatch(one.etag) and one.encryption.algorithm in _MD5 for one in (source, copy))
    return "the copy has another ETag than its source" if md5 and source.etag != copy.etag else ""
