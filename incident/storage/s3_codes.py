"""What an S3 server's error codes mean to us: nothing happened, something is missing, or nobody knows.

Each answer that a person can act on has a code of its own, says what it is about, and names the next step.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from incident.errors import (
    Archived,
    BucketMissing,
    CredentialsMissing,
    IncidentError,
    KeyNeeded,
    ObjectMissing,
    PreconditionFailed,
    Retained,
    StorageError,
    StorageUnreachable,
)
from incident.storage.s3_permissions import needed

THROTTLED = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"})
_UNCERTAIN = frozenset({"InternalError", "RequestTimeout", "500", "502", "503", "504", "ServiceUnavailable"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"})
_CREDENTIALS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "UnrecognizedClientException"})
_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "AccountProblem", "403", "Forbidden", "UnauthorizedAccess"}
)
_CONDITION = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})
_ELSEWHERE = frozenset(
    {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "TemporaryRedirect", "IllegalLocationConstraintException"}
)
MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound"})
_WHERE = "check url and endpoint of [[storage]] in incident.toml: incident doctor"
_LOCKED = re.compile(r"object lock|legal hold|\bretention\b|WORM", re.IGNORECASE)
_CUSTOMER_KEY = re.compile(r"server side encryption|customer.{0,20}key|sse-c", re.IGNORECASE)
_REGION = re.compile(r"expecting '([a-z0-9-]+)'")


def client_error(response: Mapping[str, Any], place: str, operation: str = "") -> IncidentError:
    """Our error for a server's answer. ``operation``: the name of the request in S3's API."""
    said = response.get("Error", {})
    code, message = str(said.get("Code", "")), str(said.get("Message", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _CONDITION:
        return PreconditionFailed(f"{place} is no longer what it was; nothing was changed", "plan again")
    if code == "NoSuchBucket":
        bucket = place.removeprefix("s3://").partition("/")[0]
        return BucketMissing(f"there is no bucket {bucket}", "check [[storage]] and the dataset's location in incident.toml")
    if code in MISSING:
        return ObjectMissing(f"there is no such object or version: {place}", _WHERE)
    if (refused := _refused(code, message, place, operation)) is not None:
        return refused
    if code == "InvalidObjectState":
        return archived(place, str(said.get("StorageClass", "")))
    if code in {"InvalidRequest", "InvalidArgument", "400"} and _CUSTOMER_KEY.search(message):
        return customer_key(place)
    if code in _ELSEWHERE or status == 301:
        return _elsewhere(response, place, message)
    if code in THROTTLED:
        why = f"the storage asks us to slow down ({code}) and did nothing about {place}"
        return StorageError(why, "run it again in a minute", code="slow-down")
    if code in _UNCERTAIN or status >= 500:
        return StorageUnreachable(f"the storage answered {code} about {place}: {message}", "run it again in a while")
    return StorageError(f"the storage answered {code} about {place}: {message}", _WHERE)


def _refused(code: str, message: str, place: str, operation: str) -> IncidentError | None:
    """The storage does not believe us, or does not let us."""
    if code in _EXPIRED:
        why = f"our credentials expired before {place} was through: {message}"
        return CredentialsMissing(why, "log in again", code="credentials-expired")
    if code in _CREDENTIALS:
        why = f"the storage does not accept our credentials for {place}: {message}"
        return CredentialsMissing(why, "log in again, or check the profile")
    if code == "RequestTimeTooSkewed":
        why = f"the storage refuses a request about {place} because this machine's clock is off: {message}"
        return StorageError(why, "set this machine's clock (NTP); then run it again", code="clock")
    if code.startswith("KMS.") or (code in _DENIED and "kms:" in message):
        return _kms(code, message, place)
    return _denied(message, place, operation) if code in _DENIED else None


def archived(place: str, storage_class: str, version_id: str = "") -> Archived:
    """Its bytes cannot be read now; how they can be, and how long it takes."""
    deep = storage_class == "DEEP_ARCHIVE"
    tier, hours = ("Standard", "12 hours; Bulk: 48") if deep else ("Expedited", "5 minutes; Standard: 5 hours")
    bucket, _, key = place.removeprefix("s3://").partition("/")
    chosen = f" --version-id {version_id}" if version_id not in {"", "null"} else ""
    job = f'\'{{"Days":7,"GlacierJobParameters":{{"Tier":"{tier}"}}}}\''
    command = f"aws s3api restore-object --bucket {shlex.quote(bucket)} --key {shlex.quote(key)}{chosen} --restore-request {job}"
    return Archived(
        f"{place} is archived ({storage_class or 'its storage class'}): it can be read once it is restored, after about {hours}",
        f"{command}; plan again when it is there",
    )


def customer_key(place: str) -> KeyNeeded:
    return KeyNeeded(
        f"{place} is encrypted with a key that only its owner has (SSE-C): we cannot copy it",
        "have its owner copy it, or go on with the rest: --skip-refused",
    )


def retained(place: str, why: str) -> Retained:
    return Retained(
        f"{place} cannot be removed: {why}",
        "a delete marker still covers it where versions are kept; ask whoever may lift the lock, or let it expire",
    )


def _kms(code: str, message: str, place: str) -> IncidentError:
    if code in _DENIED:
        action = re.search(r"kms:\w+", message)
        return CredentialsMissing(
            f"these credentials may not use the KMS key of {place}: {message}",
            f"ask for {action.group() if action else 'kms:Decrypt and kms:GenerateDataKey'} on that key",
            code="kms-denied",
        )
    return StorageError(f"the KMS key of {place} cannot be used ({code}): {message}", "have the key enabled", code="kms")


def _denied(message: str, place: str, operation: str) -> IncidentError:
    if _LOCKED.search(message):
        return retained(place, message)
    return CredentialsMissing(
        f"these credentials may not do {operation or 'this'} to {place}: {message}",
        f"ask for {needed(operation, message)}, or name another profile; requester pays? requester_pays = true in [[storage]]",
        code="denied",
    )


def _elsewhere(response: Mapping[str, Any], place: str, message: str) -> StorageError:
    told = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region", "")
    region = told or str(response.get("Error", {}).get("Region", ""))
    if not region and (match := _REGION.search(message)):
        region = match.group(1)
    return StorageError(
        f"{place} is in {f'the region {region}' if region else 'another region, or behind another endpoint'}: {message}",
        f'set region = "{region or "…"}" in its [[storage]] of incident.toml',
        code="region",
    )


def batch_error(error: Mapping[str, Any]) -> str:
    """One key's error in a batch: a bare code where the condition did not hold, "Unanswered…" where nobody knows."""
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    if code in {"PreconditionFailed", "NoSuchKey"}:
        return code
    if code == "ConditionalRequestConflict":
        return "PreconditionFailed"
    if code in _UNCERTAIN:
        return f"Unanswered: {code} {message}"
    if code in _DENIED:
        if _LOCKED.search(message):
            return f"{code}: {message} (locked: it cannot be removed)"
        return f"{code}: {message} (needs s3:DeleteObject{'Version' if error.get('VersionId') else ''})"
    return f"{code}: {message}"
