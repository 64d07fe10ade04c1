"""Copies keep everything of their source, whatever their size, and leave nothing half done behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from incident.errors import Archived, KeyNeeded, PreconditionFailed, StorageError, StorageUnreachable
from incident.storage.port import Checksum, Described, Encryption, Upload
from incident.storage.s3 import S3Store
from incident.storage.s3_carry import etag_of_parts, grants
from incident.storage.s3_copies import MIB, MOST_PARTS
from tests.s3_server import LiveBucket, LiveServer

GIB = 1024 * MIB
NOW = datetime(2026, 11, 20, tzinfo=UTC)
PART = "a" * 32
LARGE = Described(
    "lake",
    "p/big",
    "v1",
    f'"{PART}-3"',
    12 * MIB,
    0,
    storage_class="STANDARD_IA",
    checksum=Checksum("SHA256", "abc=-3", "COMPOSITE"),
    encryption=Encryption("aws:kms", "key-1", bucket_key=True),
    headers=(("CacheControl", "max-age=1"), ("ContentType", "text/x"), ("Expires", "Wed, 21 Oct 2026 07:28:00 GMT")),
    metadata=(("team", "pricing"),),
    tags=1,
)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> S3Store:
    monkeypatch.setattr("incident.storage.s3_copies._AT_ONCE", 1)  # so that requests come in order
    made = S3Store("http://127.0.0.1:9", region="us-east-1", largest=6 * MIB, part=5 * MIB)
    made._acls["lake"] = False
    return made


@pytest.fixture
def reads(store: S3Store) -> Iterator[Stubber]:
    with Stubber(store._reads) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def effects(store: S3Store) -> Iterator[Stubber]:
    with Stubber(store._effects) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


# --- what is said, to the letter -----------------------------------------------------------------------------------------


def test_a_copy_names_what_copyobject_would_reset(store: S3Store, reads: Stubber, effects: Stubber) -> None:
    store._acls["lake"] = True
    source = Described(
        "lake",
        "p/k",
        "v1",
        f'"{PART}"',
        4,
        0,
        storage_class="GLACIER_IR",
        encryption=Encryption("aws:kms:dsse", "key-1"),
        headers=(("ContentType", "text/x"), ("WebsiteRedirectLocation", "/there")),
        metadata=(("team", "pricing"),),
        tags=2,
        checksum=Checksum("CRC64NVME", "one="),
    )
    everyone = "http://acs.amazonaws.com/groups/global/AllUsers"
    acl = {
        "Owner": {"ID": "us"},
        "Grants": [
            {"Grantee": {"Type": "CanonicalUser", "ID": "us"}, "Permission": "FULL_CONTROL"},
            {"Grantee": {"Type": "Group", "URI": everyone}, "Permission": "READ"},
            {"Grantee": {"Type": "CanonicalUser", "ID": "them"}, "Permission": "READ"},
        ],
    }
    reads.add_response("get_object_acl", acl, {"Bucket": "lake", "Key": "p/k", "VersionId": "v1"})
    sent: dict[str, Any] = {
        "Bucket": "lake",
        "Key": "p/k",
        "CopySource": {"Bucket": "lake", "Key": "p/k", "VersionId": "v1"},
        "CopySourceIfMatch": f'"{PART}"',
        "MetadataDirective": "COPY",
        "TaggingDirective": "COPY",
        "StorageClass": "GLACIER_IR",
        "ServerSideEncryption": "aws:kms:dsse",
        "SSEKMSKeyId": "key-1",
        "BucketKeyEnabled": False,
        "WebsiteRedirectLocation": "/there",
        "GrantFullControl": 'id="us"',
        "GrantRead": f'uri="{everyone}", id="them"',
        "IfMatch": '"bad"',
    }
    # The ETag under KMS is no sum of the bytes; the checksum tells that they are the same.
    result = {"ETag": '"other"', "ChecksumCRC64NVME": "one=", "ChecksumType": "FULL_OBJECT"}
    effects.add_response("copy_object", {"VersionId": "v9", "CopyObjectResult": result}, sent)
    made = store.copy_object(source, "lake", "p/k", over='"bad"')
    assert (made.version_id, made.etag, made.differs) == ("v9", '"other"', "")


def upload_responses(reads: Stubber, effects: Stubber, parts: int = 3) -> None:
    """Everything up to the completion."""
    chosen = {"Bucket": "lake", "Key": "p/big", "VersionId": "v1"}
    reads.add_response("get_object_tagging", {"TagSet": [{"Key": "a b", "Value": "c&d"}]}, chosen)
    first = {**chosen, "PartNumber": 1, "IfMatch": LARGE.etag}
    reads.add_response("head_object", {"ContentLength": 5 * MIB, "PartsCount": 3}, first)
    created = {
        "Bucket": "lake",
        "Key": "p/big",
        "StorageClass": "STANDARD_IA",
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "key-1",
        "BucketKeyEnabled": True,
        "CacheControl": "max-age=1",
        "ContentType": "text/x",
        "Expires": ANY,
        "Metadata": {"team": "pricing"},
        "Tagging": "a+b=c%26d",
        "ChecksumAlgorithm": "SHA256",
        "ChecksumType": "COMPOSITE",
    }
    effects.add_response("create_multipart_upload", {"UploadId": "u1"}, created)
    for number, (begin, end) in enumerate(((0, 5), (5, 10), (10, 12))[:parts], start=1):
        part = {
            "Bucket": "lake",
            "Key": "p/big",
            "UploadId": "u1",
            "PartNumber": number,
            "CopySource": {"Bucket": "lake", "Key": "p/big", "VersionId": "v1"},
            "CopySourceIfMatch": LARGE.etag,
            "CopySourceRange": f"bytes={begin * MIB}-{end * MIB - 1}",
        }
        answer = {"CopyPartResult": {"ETag": f'"{number}"', "ChecksumSHA256": f"sum{number}="}}
        reads.add_response("upload_part_copy", answer, part)


def complete(condition: dict[str, str]) -> dict[str, Any]:
    parts = [{"PartNumber": number, "ETag": f'"{number}"', "ChecksumSHA256": f"sum{number}="} for number in (1, 2, 3)]
    return {"Bucket": "lake", "Key": "p/big", "UploadId": "u1", "MultipartUpload": {"Parts": parts}, **condition}


@pytest.mark.parametrize(("over", "condition"), [('"bad"', {"IfMatch": '"bad"'}), (None, {"IfNoneMatch": "*"})])
def test_a_large_copy_goes_in_the_source_s_parts_and_completes_on_condition(
    store: S3Store, reads: Stubber, effects: Stubber, over: str | None, condition: dict[str, str]
) -> None:
    upload_responses(reads, effects)
    effects.add_response("complete_multipart_upload", {"VersionId": "v9", "ETag": LARGE.etag}, complete(condition))
    copy = {
        "ETag": LARGE.etag,
        "ContentLength": 12 * MIB,
        "LastModified": NOW,
        "ChecksumSHA256": "abc=-3",
        "ChecksumType": "COMPOSITE",
    }
    made = {"Bucket": "lake", "Key": "p/big", "VersionId": "v9"}
    reads.add_response("head_object", copy, {**made, "ChecksumMode": "ENABLED"})
    reads.add_response("get_object_tagging", {"TagSet": [{"Key": "a b", "Value": "c&d"}]}, made)
    told: list[Upload] = []
    copied = store.copy_object(LARGE, "lake", "p/big", over=over, told=told.append)
    assert (copied.version_id, copied.etag, copied.size, copied.differs) == ("v9", LARGE.etag, 12 * MIB, "")
    assert told == [Upload("lake", "p/big", "u1")] * 2


def test_a_copy_that_is_not_like_its_source_says_so(store: S3Store, reads: Stubber, effects: Stubber) -> None:
    upload_responses(reads, effects)
    effects.add_response("complete_multipart_upload", {"VersionId": "v9", "ETag": '"x"'})
    copy = {"ETag": '"x"', "ContentLength": 12 * MIB, "LastModified": NOW, "ChecksumSHA256": "other=-3"}
    reads.add_response("head_object", copy)
    made = store.copy_object(LARGE, "lake", "p/big", over=None)
    assert "another checksum" in made.differs


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("PreconditionFailed", 412, PreconditionFailed),
        ("InternalError", 500, StorageUnreachable),
        ("EntityTooSmall", 400, StorageError),
    ],
)
def test_an_upload_that_does_not_complete_is_aborted(
    store: S3Store, reads: Stubber, effects: Stubber, code: str, status: int, expected: type[Exception]
) -> None:
    upload_responses(reads, effects)
    effects.add_client_error("complete_multipart_upload", code, http_status_code=status)
    reads.add_response("abort_multipart_upload", {}, {"Bucket": "lake", "Key": "p/big", "UploadId": "u1"})
    with pytest.raises(expected) as caught:
        store.copy_object(LARGE, "lake", "p/big", over=None)
    assert type(caught.value) is expected


def test_a_part_that_fails_aborts_the_upload(store: S3Store, reads: Stubber, effects: Stubber) -> None:
    upload_responses(reads, effects, parts=1)
    reads.add_client_error("upload_part_copy", "PreconditionFailed", http_status_code=412)
    reads.add_client_error("abort_multipart_upload", "NoSuchUpload", http_status_code=404)
    with pytest.raises(PreconditionFailed):
        store.copy_object(LARGE, "lake", "p/big", over=None)


def test_ctrl_c_aborts_the_upload(store: S3Store, reads: Stubber, effects: Stubber) -> None:
    upload_responses(reads, effects, parts=0)
    reads.add_response("abort_multipart_upload", {}, {"Bucket": "lake", "Key": "p/big", "UploadId": "u1"})

    def interrupt(_upload: Upload) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.copy_object(LARGE, "lake", "p/big", over=None, told=interrupt)


@pytest.mark.parametrize("size", [5 * GIB + 1, 700 * GIB, 5 * 1024 * GIB, 48 * 1024 * GIB])
def test_there_are_never_more_parts_than_may_be(size: int) -> None:
    store = S3Store("http://127.0.0.1:9", region="us-east-1")
    part = store._part_size(Described("lake", "k", "v1", '"e"', size, 0))
    assert size <= part * MOST_PARTS
    assert 5 * MIB <= part <= 5 * GIB


@pytest.mark.parametrize(
    "first", [{"ContentLength": 4 * MIB}, {"ContentLength": 8 * MIB}, {"ContentLength": 5 * MIB, "PartsCount": 4}]
)
def test_unequal_parts_are_not_imitated(store: S3Store, reads: Stubber, first: dict[str, int]) -> None:
    reads.add_response("head_object", first)
    store._part = 7 * MIB
    assert store._part_size(Described("lake", "k", "v1", f'"{PART}-3"', 15 * MIB, 0)) == 7 * MIB


def test_an_unparsable_expiry_date_is_refused_only_where_it_cannot_be_kept(store: S3Store) -> None:
    source = Described("lake", "k", "v1", '"e"', 7 * MIB, 0, headers=(("Expires", "never"),))
    with pytest.raises(StorageError, match="no date"):
        store.copy_object(source, "lake", "k", over=None)


def test_what_cannot_be_read_is_refused_before_anything_is_sent(store: S3Store) -> None:
    with pytest.raises(Archived) as archived:
        store.copy_object(Described("lake", "a b", "v1", '"e"', 4, 0, "DEEP_ARCHIVE", archived=True), "lake", "k", over=None)
    assert "aws s3api restore-object --bucket lake --key 'a b' --version-id v1" in archived.value.hint
    assert "12 hours" in archived.value.message
    with pytest.raises(KeyNeeded):
        store.copy_object(Described("lake", "k", "v1", '"e"', 4, 0, customer_key=True), "lake", "k", over=None)


def test_an_acl_that_says_nothing_is_not_named() -> None:
    owner = {"Grantee": {"Type": "CanonicalUser", "ID": "us"}, "Permission": "FULL_CONTROL"}
    assert grants({"Owner": {"ID": "us"}, "Grants": [owner]}) == {}
    assert grants({"Owner": {"ID": "them"}, "Grants": [owner]}) == {"GrantFullControl": 'id="us"'}


def test_the_etag_of_parts_is_told_before_it_is_made() -> None:
    sums = [hashlib.md5(data, usedforsecurity=False) for data in (b"one", b"two")]
    whole = hashlib.md5(sums[0].digest() + sums[1].digest(), usedforsecurity=False).hexdigest()
    parts = [{"ETag": f'"{one.hexdigest()}"'} for one in sums]
    plain = Described("lake", "k", "v1", '"e"', 6, 0)
    assert etag_of_parts(parts, plain) == f'"{whole}-2"'
    assert etag_of_parts(parts, LARGE) == ""


# --- against a real server -----------------------------------------------------------------------------------------------


def put_everything(bucket: LiveBucket, key: str, data: bytes, **more: Any) -> str:
    return bucket.client.put_object(
        Bucket=bucket.name,
        Key=key,
        Body=data,
        CacheControl="max-age=1",
        ContentDisposition='attachment; filename="x"',
        ContentEncoding="identity",
        ContentLanguage="sv",
        ContentType="text/x",
        Metadata={"team": "pricing"},
        Tagging="owner=us&odd=a%26b",
        StorageClass="STANDARD_IA",
        **more,
    )["VersionId"]


@pytest.mark.parametrize("parts", [0, 1, 2])
@pytest.mark.parametrize("kms", [False, True])
def test_a_copy_keeps_everything(bucket: LiveBucket, parts: int, kms: bool) -> None:
    """In one request, in parts of a whole source, and in the parts of a source that had some."""
    data = bytes(range(256)) * (MIB // 256) * (12 if parts else 1)
    key = "p/é &+%"
    secret: dict[str, Any] = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k1", "BucketKeyEnabled": True} if kms else {}
    good = put_everything(bucket, key, data, **secret)
    store = S3Store(bucket.endpoint, largest=6 * MIB, part=5 * MIB)
    if parts == 2:
        first = store.describe(bucket.name, key)
        good = store.copy_object(first, bucket.name, key, over=first.etag).version_id or ""
    bucket.put(key, b"bad")
    source, bad = store.describe(bucket.name, key, good), store.describe(bucket.name, key)
    told: list[Upload] = []
    made = store.copy_object(source, bucket.name, key, over=bad.etag, told=told.append)
    copy = store.describe(bucket.name, key)
    assert made.differs == ""
    assert copy.version_id == made.version_id
    assert bucket.read(key) == data
    kept = ("size", "storage_class", "encryption", "headers", "metadata")
    assert {name: getattr(copy, name) for name in kept} == {name: getattr(source, name) for name in kept}
    assert ("ContentType", "text/x") in copy.headers
    tags = bucket.client.get_object_tagging(Bucket=bucket.name, Key=key)["TagSet"]
    assert {one["Key"]: one["Value"] for one in tags} == {"owner": "us", "odd": "a&b"}
    if parts != 1:
        assert copy.etag == source.etag
    assert len(told) == (2 if parts else 0)
    if parts and not kms:
        assert told[1].etag == copy.etag


def test_a_large_copy_over_what_it_must_not_cover_leaves_nothing_behind(bucket: LiveBucket) -> None:
    good = bucket.put("p/k", b"x" * 7 * MIB)
    bucket.put("p/k", b"bad")
    store = S3Store(bucket.endpoint, largest=6 * MIB, part=5 * MIB)
    before = bucket.listing()
    source = store.describe(bucket.name, "p/k", good)
    for over in (source.etag, None):
        with pytest.raises(PreconditionFailed):
            store.copy_object(source, bucket.name, "p/k", over=over)
    assert bucket.listing() == before
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)


def test_an_upload_that_a_crash_left_is_aborted_by_whoever_knows_of_it(bucket: LiveBucket) -> None:
    good = bucket.put("p/k", b"x" * 7 * MIB)
    store = S3Store(bucket.endpoint, largest=6 * MIB, part=5 * MIB)
    source = store.describe(bucket.name, "p/k", good)
    left: list[Upload] = []

    class Killed(BaseException):
        pass

    def die(upload: Upload) -> None:
        left.append(upload)
        raise Killed

    dead = S3Store(bucket.endpoint, largest=6 * MIB, part=5 * MIB)
    dead.abort_upload = lambda upload: not upload  # type: ignore[method-assign] # a kill lets nobody clean up
    with pytest.raises(Killed):
        dead.copy_object(source, bucket.name, "p/other", over=None, told=die)
    assert len(bucket.client.list_multipart_uploads(Bucket=bucket.name)["Uploads"]) == 1
    assert [store.abort_upload(left[0]), store.abort_upload(left[0])] == [True, False]
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)
    assert store.history(bucket.name, "p/other") is None


def test_grants_are_kept_where_the_bucket_has_acls(ministack: LiveServer) -> None:
    bucket = ministack.bucket()
    controls: Any = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    bucket.client.put_bucket_ownership_controls(Bucket=bucket.name, OwnershipControls=controls)
    bucket.client.delete_public_access_block(Bucket=bucket.name)
    good = bucket.client.put_object(Bucket=bucket.name, Key="p/k", Body=b"good", ACL="public-read")["VersionId"]
    bucket.put("p/k", b"bad")
    store = S3Store(bucket.endpoint)
    source = store.describe(bucket.name, "p/k", good)
    store.copy_object(source, bucket.name, "p/k", over=store.describe(bucket.name, "p/k").etag)
    found = bucket.client.get_object_acl(Bucket=bucket.name, Key="p/k")["Grants"]
    assert "READ" in [one["Permission"] for one in found]


def test_between_buckets_without_versions_too(ministack: LiveServer) -> None:
    one, other = ministack.bucket(versioned=False), ministack.bucket(versioned=False)
    one.client.put_object(Bucket=one.name, Key="p/k", Body=b"x" * 7 * MIB, Metadata={"a": "b"})
    for largest in (6 * MIB, 60 * MIB):
        store = S3Store(one.endpoint, largest=largest, part=5 * MIB)
        source = store.describe(one.name, "p/k")
        key = f"kept/{largest}"
        made = store.copy_object(source, other.name, key, over=None)
        assert (made.version_id, made.differs) == (None, "")
        copy = store.describe(other.name, key)
        assert (copy.size, copy.metadata, copy.version_id) == (source.size, (("a", "b"),), "null")
        with pytest.raises(PreconditionFailed):
            store.delete_object(other.name, key, if_match='"other"')
        assert store.delete_object(other.name, key, if_match=made.etag) is None
        assert store.history(other.name, key) is None


def test_a_put_keeps_the_headers_of_what_it_replaces_and_asks_first(bucket: LiveBucket) -> None:
    put_everything(bucket, "p/current.json", b"{}")
    store = S3Store(bucket.endpoint)
    like = store.describe(bucket.name, "p/current.json")
    with pytest.raises(PreconditionFailed):
        store.put_object(bucket.name, "p/current.json", b"{1}", over=None)
    with pytest.raises(PreconditionFailed):
        store.put_object(bucket.name, "p/current.json", b"{1}", over='"other"', like=like)
    made = store.put_object(bucket.name, "p/current.json", b"{1}", over=like.etag, like=like)
    found = store.describe(bucket.name, "p/current.json")
    assert (found.version_id, found.etag) == (made.version_id, made.etag)
    assert (found.headers, found.metadata) == (like.headers, like.metadata)
    assert len(bucket.client.get_object_tagging(Bucket=bucket.name, Key="p/current.json")["TagSet"]) == 2
    assert bucket.read("p/current.json") == b"{1}"
