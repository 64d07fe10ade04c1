"""The AWS Lambda function that S3 Batch Operations invokes: one delete marker on one object, if it still is the planned version.

Create it with this very file as its source: runtime Python 3.12 or later, handler ``function.handler``, and a role that allows
``s3:GetObject``, ``s3:GetObjectVersion`` and ``s3:DeleteObject`` on the objects (never ``s3:DeleteObjectVersion``: it destroys
nothing). It needs nothing but the boto3 of its runtime.

A task names the version that must be current. Its ETag is asked for and becomes the condition of the deletion, so that an object
written again since is left alone. The answer to a success is the marker's version id, by which it can be taken back. What fails
for now (throttling, the server's own faults) is told so, and is tried again: a second marker cannot come of it, since then the
planned version is not current any more.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_plus

_LATER = frozenset(
    {"SlowDown", "Throttling", "ThrottlingException", "InternalError", "ServiceUnavailable", "RequestTimeout", "500", "503"}
)
_GONE = frozenset({"NoSuchKey", "404", "NotFound", "405", "MethodNotAllowed"})
_CHANGED = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})


def handler(event: dict[str, Any], _context: object = None, s3: Any = None) -> dict[str, Any]:
    """The answer that S3 Batch Operations expects, one result a task. ``s3``: a client, in tests."""
    if s3 is None:
        import boto3

        s3 = boto3.client("s3")
    return {
        "invocationSchemaVersion": event["invocationSchemaVersion"],
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": event["invocationId"],
        "results": [{"taskId": task["taskId"], **_done(s3, task)} for task in event["tasks"]],
    }


def _done(s3: Any, task: dict[str, Any]) -> dict[str, str]:
    bucket = task.get("s3Bucket") or task["s3BucketArn"].rpartition(":::")[2]
    key, planned = unquote_plus(task["s3Key"]), task["s3VersionId"]
    if not planned or planned == "null":
        return _result("PermanentFailure", error="NoVersion", message="the task names no version")
    try:
        current = s3.head_object(Bucket=bucket, Key=key)
        if current.get("VersionId") != planned:
            return _result("PermanentFailure", error="PreconditionFailed", message="written again since the plan")
        made = s3.delete_object(Bucket=bucket, Key=key, IfMatch=current["ETag"])
    except s3.exceptions.ClientError as error:
        said = error.response.get("Error", {})
        code, message = str(said.get("Code", "")), str(said.get("Message", ""))
        if code in _GONE:
            return _result("PermanentFailure", error="NoSuchKey", message="deleted since the plan")
        if code in _CHANGED:
            return _result("PermanentFailure", error="PreconditionFailed", message="written again since the plan")
        return _result("TemporaryFailure" if code in _LATER else "PermanentFailure", error=code, message=message)
    if not made.get("DeleteMarker", True) or not made.get("VersionId"):
        return _result("PermanentFailure", error="NoMarker", message="the bucket made no delete marker")
    return _result("Succeeded", marker=made["VersionId"])


def _result(code: str, **told: str) -> dict[str, str]:
    return {"resultCode": code, "resultString": json.dumps(told)}
