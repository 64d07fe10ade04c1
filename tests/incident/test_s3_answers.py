"""What the S3 adapter sends, and how it tells what the server answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from incident.errors import (
    Archived,
    ConfigError,
    CredentialsMissing,
    IncidentError,
    PreconditionFailed,
    StorageError,
    StorageUnreachable,
)
from incident.storage.batch_delete import written
from incident.storage.port import Described, Made
from incident.storage.s3 import S3Store

GOOD = f'"{hashlib.md5(b"good", usedforsecurity=False).hexdigest()}"'
SOURCE = Described("bkt", "p/k", "v1", GOOD, 4, 0, storage_class="STANDARD_IA")
COPIED = {"VersionId": "v9", "CopyObjectResult": {"ETag": GOOD}}


@pytest.fixture
def store() -> S3Store:
    made = S3Store("http://127.0.0.1:9", region="us-east-1")
    made._acls["bkt"] = False  # as asked once a bucket
    return made


@pytest.fixture
def stub(store: S3Store) -> Iterator[Stubber]:
    with Stubber(store._effects) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(("over", "condition"), [('"bad"', {"IfMatch": '"bad"'}), (None, {"IfNoneMatch": "*"})])
def test_a_copy_names_its_source_exactly_and_its_destination_conditionally(
    store: S3Store, stub: Stubber, over: str | None, condition: dict[str, str]
) -> None:
    sent: dict[str, Any] = {
        "Bucket": "bkt",
        "Key": "p/k",
        "CopySource": {"Bucket": "bkt", "Key": "p/k", "VersionId": "v1"},
        "CopySourceIfMatch": GOOD,
        "MetadataDirective": "COPY",
        "TaggingDirective": "COPY",
        "StorageClass": "STANDARD_IA",
        **condition,
    }
    stub.add_response("copy_object", COPIED, sent)
    assert store.copy_object(SOURCE, "bkt", "p/k", over=over) == Made("v9", GOOD, 4)


def test_a_key_that_xml_cannot_carry_is_marked_alone_and_conditionally(store: S3Store, stub: Stubber) -> None:
    stub.add_response(
        "delete_object", {"DeleteMarker": True, "VersionId": "m1"}, {"Bucket": "bkt", "Key": "p/\x01", "IfMatch": '"a"'}
    )
    stub.add_client_error("delete_object", "PreconditionFailed", http_status_code=412)
    batch = [{"Key": "p/plain", "ETag": '"c"'}, {"Key": "p/lost", "ETag": '"d"'}]
    stub.add_response(
        "delete_objects",
        {"Deleted": [{"Key": "p/plain", "DeleteMarkerVersionId": "m2"}]},
        {
            "Bucket": "bkt",
            "Delete": {"Objects": batch[:1], "Quiet": False},  # for botocore's checks; all of it is in the body
        },
    )
    marked = store.put_markers("bkt", {"p/\x01": '"a"', "p/plain": '"c"', "p/\x02": '"b"', "p/lost": '"d"'})
    assert [(one.key, one.marker) for one in marked] == [("p/\x01", "m1"), ("p/plain", "m2"), ("p/\x02", None), ("p/lost", None)]
    assert marked[2].error == "PreconditionFailed"
    assert (marked[3].error or "").startswith("Unanswered")
    assert store._batch.body == written([(one["Key"], "", one["ETag"]) for one in batch])


def test_errors_of_single_keys_are_told_apart(store: S3Store, stub: Stubber) -> None:
    stub.add_response(
        "delete_objects",
        {
            "Errors": [
                {"Key": "a", "Code": "PreconditionFailed", "Message": "x"},
                {"Key": "b", "Code": "AccessDenied", "Message": "no"},
                {"Key": "c", "Code": "InternalError", "Message": "oops"},
            ]
        },
    )
    errors = [one.error for one in store.put_markers("bkt", dict.fromkeys("abc", '"e"'))]
    assert errors == ["PreconditionFailed", "AccessDenied: no (needs s3:DeleteObject)", "Unanswered: InternalError oops"]


def test_an_effect_is_sent_once_unless_it_was_throttled(store: S3Store, stub: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incident.storage.s3_client.time.sleep", lambda _seconds: None)
    stub.add_client_error("copy_object", "SlowDown", http_status_code=503)
    stub.add_response("copy_object", COPIED)
    assert store.copy_object(SOURCE, "bkt", "p/k", over=None).version_id == "v9"
    stub.add_client_error("copy_object", "InternalError", http_status_code=500)
    with pytest.raises(StorageUnreachable):
        store.copy_object(SOURCE, "bkt", "p/k", over=None)


@pytest.mark.parametrize(
    ("code", "status", "expected", "exit_code"),
    [
        ("AccessDenied", 403, CredentialsMissing, 4),
        ("ExpiredToken", 400, CredentialsMissing, 4),
        ("InvalidAccessKeyId", 403, CredentialsMissing, 4),
        ("PreconditionFailed", 412, PreconditionFailed, 1),
        ("ConditionalRequestConflict", 409, PreconditionFailed, 1),
        ("InvalidObjectState", 403, Archived, 1),
        ("SomethingNew", 500, StorageUnreachable, 1),
        ("SomethingNew", 400, StorageError, 1),
    ],
)
def test_server_errors_become_ours(
    store: S3Store, stub: Stubber, code: str, status: int, expected: type[IncidentError], exit_code: int
) -> None:
    stub.add_client_error("copy_object", code, "said so", http_status_code=status)
    with pytest.raises(expected) as caught:
        store.copy_object(SOURCE, "bkt", "p/k", over=None)
    assert type(caught.value) is expected
    assert caught.value.exit_code == exit_code
    assert "s3://bkt/p/k" in caught.value.message


def test_nobody_there_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    store = S3Store("http://127.0.0.1:9", region="us-east-1")
    with pytest.raises(StorageUnreachable):
        store.remove_version("bkt", "p/k", "v1")


def test_a_missing_profile_and_a_bad_endpoint_are_named() -> None:
    with pytest.raises(CredentialsMissing, match="'nobody'"):
        S3Store(profile="nobody").state("bkt")
    with pytest.raises(ConfigError, match="not a url"):
        S3Store("not a url").state("bkt")


def test_without_credentials_we_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsMissing, match="no credentials"):
        S3Store("http://127.0.0.1:9").state("bkt")
