"""What a storage refuses is told with a code of its own, what it is about, and the next step."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from incident.errors import (
    Archived,
    CredentialsMissing,
    IncidentError,
    KeyNeeded,
    ObjectMissing,
    PreconditionFailed,
    Retained,
    StorageError,
    StorageUnreachable,
)
from incident.storage.s3 import S3Store
from incident.storage.s3_client import translated
from incident.storage.s3_codes import batch_error
from incident.storage.s3_permissions import needed
from lineage.timestamps import SECOND
from tests.s3_server import LiveBucket, LiveServer

PLACE = "s3://lake/clean/a b"
NOT_AUTHORIZED = (
    "User: arn:aws:sts::1:assumed-role/oncall is not authorized to perform: s3:DeleteObjectVersion on resource: x because no …"
)
KMS = "User: arn is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:k because no …"
LOCKED = "Access Denied because object protected by object lock."


@pytest.mark.parametrize(
    ("operation", "code", "status", "message", "expected", "told", "hint"),
    [
        ("CopyObject", "InvalidObjectState", 403, "not valid", Archived, "archived", "restore-object"),
        ("CopyObject", "AccessDenied", 403, "Access Denied", CredentialsMissing, "denied", "s3:GetObjectVersionTagging"),
        ("DeleteObject", "AccessDenied", 403, NOT_AUTHORIZED, CredentialsMissing, "denied", "ask for s3:DeleteObjectVersion,"),
        ("DeleteObject", "AccessDenied", 403, LOCKED, Retained, "retained", "delete marker"),
        ("ListObjectVersions", "AccessDenied", 403, "no", CredentialsMissing, "denied", "s3:ListBucketVersions"),
        ("HeadObject", "403", 403, "Forbidden", CredentialsMissing, "denied", "requester_pays = true"),
        ("CopyObject", "AccessDenied", 403, KMS, CredentialsMissing, "kms-denied", "kms:GenerateDataKey"),
        ("GetObject", "KMS.DisabledException", 400, "key is disabled", StorageError, "kms", "enabled"),
        ("GetObject", "KMS.NotFoundException", 400, "no such key", StorageError, "kms", "key"),
        (
            "GetObject",
            "InvalidRequest",
            400,
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided …",
            KeyNeeded,
            "customer-key",
            "--skip-refused",
        ),
        ("CopyObject", "ExpiredToken", 400, "The provided token has expired.", CredentialsMissing, "credentials-expired", "log in"),
        ("CopyObject", "InvalidAccessKeyId", 403, "unknown", CredentialsMissing, "credentials", "log in"),
        ("PutObject", "RequestTimeTooSkewed", 403, "The difference is too large.", StorageError, "clock", "NTP"),
        ("GetObject", "PermanentRedirect", 301, "use another endpoint", StorageError, "region", "eu-north-1"),
        ("HeadObject", "301", 301, "Moved Permanently", StorageError, "region", "eu-north-1"),
        (
            "GetObject",
            "AuthorizationHeaderMalformed",
            400,
            "the region 'us-east-1' is wrong; expecting 'eu-west-3'",
            StorageError,
            "region",
            "eu-west-3",
        ),
        ("CopyObject", "SlowDown", 503, "Please reduce your request rate.", StorageError, "slow-down", "minute"),
        ("CopyObject", "InternalError", 500, "oops", StorageUnreachable, "unreachable", "again"),
        ("CopyObject", "PreconditionFailed", 412, "no", PreconditionFailed, "precondition", "plan again"),
        ("HeadObject", "404", 404, "Not Found", ObjectMissing, "no-object", "doctor"),
        ("PutObject", "InvalidStorageClass", 400, "no such class", StorageError, "storage", "doctor"),
    ],
)
def test_each_refusal_has_its_code_and_its_next_step(
    operation: str, code: str, status: int, message: str, expected: type[IncidentError], told: str, hint: str
) -> None:
    headers = {"x-amz-bucket-region": "eu-north-1"} if status == 301 else {}
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    with pytest.raises(expected) as caught, translated(PLACE):
        raise ClientError(response, operation)
    assert type(caught.value) is expected
    assert caught.value.code == told
    assert PLACE in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == (4 if expected is CredentialsMissing else 1)


def test_permissions_are_named_for_every_request_that_we_send() -> None:
    from incident.storage import s3_permissions

    sent = {
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "CopyObject",
        "CreateMultipartUpload",
        "DeleteObject",
        "DeleteObjects",
    }
    sent |= {"GetBucketVersioning", "GetObject", "HeadObject", "ListObjectVersions", "ListObjectsV2", "PutObject", "UploadPartCopy"}
    assert sent <= set(s3_permissions._ACTIONS)
    assert needed("CopyObject", NOT_AUTHORIZED) == "s3:DeleteObjectVersion"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"Code": "AccessDenied", "Message": "Access Denied"}, "(needs s3:DeleteObject)"),
        ({"Code": "AccessDenied", "Message": "Access Denied", "VersionId": "v1"}, "(needs s3:DeleteObjectVersion)"),
        ({"Code": "AccessDenied", "Message": LOCKED, "VersionId": "v1"}, "(locked: it cannot be removed)"),
        ({"Code": "InternalError", "Message": "oops"}, "Unanswered: InternalError oops"),
        ({"Code": "ConditionalRequestConflict", "Message": "x"}, "PreconditionFailed"),
    ],
)
def test_errors_of_single_keys_in_a_batch_say_as_much(error: dict[str, str], told: str) -> None:
    assert told in batch_error(error)


def test_requester_pays_is_said_with_every_request() -> None:
    store = S3Store("http://127.0.0.1:9", region="us-east-1", requester_pays=True)
    with Stubber(store._reads) as stub:
        sent = {"Bucket": "lake", "Key": "k", "RequestPayer": "requester"}
        stub.add_client_error("get_object", "NoSuchKey", expected_params=sent)
        with pytest.raises(ObjectMissing):
            store.read("lake", "k")
        stub.add_response("get_bucket_versioning", {"Status": "Enabled"}, {"Bucket": "lake"})  # which has no such parameter
        store._reads.get_bucket_versioning(Bucket="lake")
    with Stubber(store._effects) as stub:
        stub.add_response(
            "delete_objects",
            {"Deleted": [{"Key": "k", "DeleteMarkerVersionId": "m"}]},
            {
                "Bucket": "lake",
                "Delete": {"Objects": [{"Key": "k", "ETag": '"e"'}], "Quiet": False},
                "RequestPayer": "requester",
            },
        )
        assert store.put_markers("lake", {"k": '"e"'})[0].marker == "m"


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("ExpiredToken", "The provided token has expired.", CredentialsMissing),
        ("InvalidRequest", "The object was stored using a form of Server Side Encryption.", KeyNeeded),
        ("AuthorizationHeaderMalformed", "the region is wrong; expecting 'eu-west-3'", StorageError),
    ],
)
def test_a_bare_bad_request_is_asked_again_for_its_reason(code: str, message: str, expected: type[IncidentError]) -> None:
    """The answer to a HEAD has no body: an expired token looks there like an object under a key of its own."""
    store = S3Store("http://127.0.0.1:9", region="us-east-1")
    with Stubber(store._reads) as stub:
        stub.add_client_error("head_object", "400", "Bad Request", http_status_code=400)
        sent = {"Bucket": "lake", "Key": "k", "VersionId": "v1", "Range": "bytes=0-0"}
        stub.add_client_error("get_object", code, message, http_status_code=400, expected_params=sent)
        with pytest.raises(expected) as caught:
            store.describe("lake", "k", "v1")
    assert type(caught.value) is expected


# --- against a real server -----------------------------------------------------------------------------------------------


def test_an_archived_object_is_refused_until_it_is_restored(bucket: LiveBucket) -> None:
    good = bucket.client.put_object(Bucket=bucket.name, Key="p/k", Body=b"good", StorageClass="GLACIER")["VersionId"]
    store = S3Store(bucket.endpoint)
    found = store.describe(bucket.name, "p/k")
    assert (found.archived, found.storage_class) == (True, "GLACIER")
    with pytest.raises(Archived, match="5 minutes"):
        store.copy_object(found, bucket.name, "p/other", over=None)
    bucket.client.restore_object(Bucket=bucket.name, Key="p/k", RestoreRequest={"Days": 1})
    for _ in range(100):
        if not (found := store.describe(bucket.name, "p/k")).archived:
            break
        time.sleep(0.1)
    made = store.copy_object(found, bucket.name, "p/other", over=None)
    copy = store.describe(bucket.name, "p/other", made.version_id)
    assert (bucket.read("p/other"), copy.storage_class, found.version_id) == (b"good", "STANDARD", good)


def test_an_object_under_a_customer_s_key_is_refused(bucket: LiveBucket) -> None:
    key = "k" * 32
    bucket.client.put_object(Bucket=bucket.name, Key="p/k", Body=b"x", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    store = S3Store(bucket.endpoint)
    with pytest.raises(KeyNeeded) as caught:
        store.describe(bucket.name, "p/k")
    assert f"s3://{bucket.name}/p/k" in caught.value.message


@pytest.fixture
def locked(ministack: LiveServer) -> LiveBucket:
    """A bucket with Object Lock, which has versions for good."""
    name = f"locked-{time.time_ns()}"
    ministack.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return LiveBucket(name, ministack.endpoint, ministack.client)


@pytest.mark.parametrize("how", ["retention", "legal hold"])
def test_what_is_locked_can_be_covered_and_uncovered_but_not_removed(locked: LiveBucket, how: str) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    how_locked: Any = (
        {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
        if how == "retention"
        else {"ObjectLockLegalHoldStatus": "ON"}
    )
    made = locked.client.put_object(Bucket=locked.name, Key="p/k", Body=b"x", **how_locked)["VersionId"]
    store = S3Store(locked.endpoint)
    assert store.state(locked.name).lock
    found = store.describe(locked.name, "p/k")
    assert ("Object Lock retains it until" if how == "retention" else "legal hold") in found.held(time.time_ns())
    assert (found.held(time.time_ns() + 2 * 24 * 3_600 * SECOND) == "") is (how == "retention")
    with pytest.raises(Retained) as caught:
        store.remove_version(locked.name, "p/k", made)
    assert (caught.value.code, caught.value.exit_code) == ("retained", 1)
    [removed] = store.remove_versions(locked.name, [("p/k", made)])
    assert "locked: it cannot be removed" in (removed.error or "")
    marker = store.put_markers(locked.name, {"p/k": found.etag})[0].marker
    assert marker is not None
    assert store.history(locked.name, "p/k").current is None  # type: ignore[union-attr]
    store.remove_version(locked.name, "p/k", marker)
    assert locked.read("p/k") == b"x"


def test_a_bucket_that_retains_every_version_is_told_with_for_how_long(locked: LiveBucket) -> None:
    rule: Any = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}}}
    locked.client.put_object_lock_configuration(Bucket=locked.name, ObjectLockConfiguration=rule)
    assert S3Store(locked.endpoint).state(locked.name).retains == "30 days (GOVERNANCE)"
