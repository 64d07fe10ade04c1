"""The function that S3 Batch Operations invoke: one marker, only on the planned version, and an answer in the documented form."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from incident.batch.engine import source
from incident.batch.function import handler
from tests.s3_server import LiveBucket

KEY = "p/é a+b%"
ENCODED = "p/%C3%A9%20a%2Bb%25"


def invoke(s3: Any, bucket: str, version_id: str, key: str = ENCODED, **more: str) -> tuple[str, dict[str, str]]:
    task = {"taskId": "t1", "s3Key": key, "s3VersionId": version_id, "s3BucketArn": f"arn:aws:s3:::{bucket}", **more}
    answer = handler({"invocationSchemaVersion": "1.0", "invocationId": "i1", "tasks": [task]}, None, s3)
    assert answer.keys() == {"invocationSchemaVersion", "treatMissingKeysAs", "invocationId", "results"}
    assert (answer["invocationId"], answer["results"][0]["taskId"]) == ("i1", "t1")
    return answer["results"][0]["resultCode"], json.loads(answer["results"][0]["resultString"])


def test_the_planned_version_is_covered_and_the_marker_named(bucket: LiveBucket) -> None:
    planned = bucket.put(KEY, b"bad")
    code, told = invoke(bucket.client, bucket.name, planned)
    marker, covered = bucket.listing()[KEY]
    assert (code, told) == ("Succeeded", {"marker": marker.version_id})
    assert marker.is_marker
    assert covered.version_id == planned


@pytest.mark.parametrize("same", [True, False])
def test_what_was_written_since_is_left_alone(bucket: LiveBucket, same: bool) -> None:
    planned = bucket.put(KEY, b"bad")
    bucket.put(KEY, b"bad" if same else b"new")
    before = bucket.listing()
    code, told = invoke(bucket.client, bucket.name, planned)
    assert (code, told["error"]) == ("PermanentFailure", "PreconditionFailed")
    assert bucket.listing() == before


def test_a_second_invocation_puts_no_second_marker(bucket: LiveBucket) -> None:
    planned = bucket.put(KEY, b"bad")
    invoke(bucket.client, bucket.name, planned)
    before = bucket.listing()
    code, told = invoke(bucket.client, bucket.name, planned)
    assert (code, told["error"]) == ("PermanentFailure", "NoSuchKey")
    assert bucket.listing() == before


@pytest.mark.parametrize("version_id", ["", "null"])
def test_a_task_without_a_version_of_its_own_does_nothing(bucket: LiveBucket, version_id: str) -> None:
    bucket.put(KEY, b"bad")
    before = bucket.listing()
    assert invoke(bucket.client, bucket.name, version_id)[0] == "PermanentFailure"
    assert bucket.listing() == before


class Refusing:
    """A client whose deletions are refused with a code."""

    def __init__(self, inner: Any, code: str, *, first: bool = True) -> None:
        self._inner, self._code, self.exceptions, self._first = inner, code, inner.exceptions, first

    def head_object(self, **said: Any) -> Any:
        return self._inner.head_object(**said)

    def delete_object(self, **said: Any) -> Any:
        assert "IfMatch" in said
        assert "VersionId" not in said, "it destroys nothing"
        if not self._first:
            self._inner.delete_object(**said)
        raise ClientError({"Error": {"Code": self._code, "Message": "no"}}, "DeleteObject")


@pytest.mark.parametrize(
    ("code", "expected", "told"),
    [
        ("SlowDown", "TemporaryFailure", "SlowDown"),
        ("InternalError", "TemporaryFailure", "InternalError"),
        ("AccessDenied", "PermanentFailure", "AccessDenied"),
        ("PreconditionFailed", "PermanentFailure", "PreconditionFailed"),
        ("ConditionalRequestConflict", "PermanentFailure", "PreconditionFailed"),
        ("NoSuchKey", "PermanentFailure", "NoSuchKey"),
    ],
)
def test_what_may_succeed_later_is_told_from_what_never_will(bucket: LiveBucket, code: str, expected: str, told: str) -> None:
    planned = bucket.put(KEY, b"bad")
    found, said = invoke(Refusing(bucket.client, code), bucket.name, planned)
    assert (found, said["error"]) == (expected, told)


def test_the_newer_form_of_a_task_names_the_bucket_itself(bucket: LiveBucket) -> None:
    planned = bucket.put(KEY, b"bad")
    assert invoke(bucket.client, bucket.name, planned, s3Bucket=bucket.name)[0] == "Succeeded"


def test_what_is_uploaded_stands_alone() -> None:
    tree = ast.parse(source())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"__future__", "json", "typing", "urllib.parse", "boto3"}
