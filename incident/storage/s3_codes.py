"""What an S3 server's error codes mean to us: nothing happened, something is missing, or nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incident.errors import (
    BucketMissing,
    CredentialsMissing,
    IncidentError,
    ObjectMissing,
    PreconditionFailed,
    StorageError,
    StorageUnreachable,
)

THROTTLED = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"})
_UNCERTAIN = frozenset({"InternalError", "RequestTimeout", "500", "502", "503", "504", "ServiceUnavailable"})
_CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"}
)
_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden", "UnauthorizedAccess"})
_CONDITION = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})
MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound"})
_WHERE = "check url and endpoint of [[storage]] in incident.toml: incident doctor"


def client_error(response: Mapping[str, Any], place: str) -> IncidentError:
    said = response.get("Error", {})
    code, message = str(said.get("Code", "")), said.get("Message", "")
    if code == "NoSuchBucket":
        bucket = place.removeprefix("s3://").partition("/")[0]
        return BucketMissing(f"there is no bucket {bucket}", "check [[storage]] and the dataset's location in incident.toml")
    if code in _CREDENTIALS:
        return CredentialsMissing(
            f"the storage does not accept our credentials for {place}: {message}", "log in again, or check the profile"
        )
    if code in _DENIED:
        return CredentialsMissing(
            f"these credentials may not do this to {place}: {message}", "ask for the permission, or name another profile"
        )
    if code in _CONDITION:
        return PreconditionFailed(f"{place} is no longer what it was; nothing was changed", "plan again")
    if code in MISSING:
        return ObjectMissing(f"there is no such object or version: {place}", _WHERE)
    if code == "InvalidObjectState":
        return StorageError(f"{place} is archived: {message}", "restore it from its storage class first")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code not in THROTTLED and (code in _UNCERTAIN or status >= 500):
        return StorageUnreachable(f"the storage answered {code} about {place}: {message}", "run it again in a while")
    return StorageError(f"the storage answered {code} about {place}: {message}", _WHERE)


def batch_error(error: Mapping[str, Any]) -> str:
    code, message = error.get("Code", ""), error.get("Message", "")
    if code in {"PreconditionFailed", "NoSuchKey"}:
        return str(code)
    if code == "ConditionalRequestConflict":
        return "PreconditionFailed"
    return f"Unanswered: {code} {message}" if code in _UNCERTAIN else f"{code}: {message}"
