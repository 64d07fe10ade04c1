"""What must be known of a bucket before anything in it is changed, asked in one round of requests side by side.

What we may not read is named in ``hidden``, never taken for absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree as ET

from incident.errors import CredentialsMissing
from incident.storage.s3_client import answered, translated
from lineage.timestamps import SECOND
from runbooks.facts import ARCHIVED
from runbooks.survey import BucketState, Expiry, Versioning

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NONE = ("NotImplemented", "MethodNotAllowed", "501", "405", "UnsupportedOperation")
"""How servers say that they have no such thing at all."""

_HIDDEN = "hidden"
_Acls = Literal["on", "off", "unknown"]


def bucket_state(client: S3Client, bucket: str, server: str) -> BucketState:
    """Raises BucketMissing, CredentialsMissing where not even the versioning may be read."""
    asked: tuple[Callable[[], Any], ...] = (
        lambda: _asked(client.get_bucket_lifecycle_configuration, bucket, "NoSuchLifecycleConfiguration"),
        lambda: _asked(client.get_object_lock_configuration, bucket, "ObjectLockConfigurationNotFoundError"),
        lambda: _asked(client.get_bucket_replication, bucket, "ReplicationConfigurationNotFoundError"),
        lambda: _asked(client.get_bucket_request_payment, bucket),
        lambda: acls(client, bucket),
        lambda: _asked(client.get_bucket_encryption, bucket, "ServerSideEncryptionConfigurationNotFoundError"),
    )
    found = versioning_of(client, bucket)
    with ThreadPoolExecutor(len(asked)) as pool:
        lifecycle, lock, replication, payment, has_acls, encryption = pool.map(lambda ask: ask(), asked)
    rules = [rule for rule in _part(lifecycle, "Rules", []) if rule.get("Status") == "Enabled"]
    names = {"object lock": lock, "replication": replication, "requester pays": payment, "default encryption": encryption}
    locked = _part(lock, "ObjectLockConfiguration", {})
    return BucketState(
        bucket,
        versioning=_versioning(found),
        expiries=tuple(_covered(rule) for rule in rules if "NoncurrentVersionExpiration" in rule),
        lifecycle_known=lifecycle != _HIDDEN,
        mfa_delete=found.get("MFADelete") == "Enabled",
        server=server,
        told=_time(found),
        expirations=tuple(Expiry(_prefix(rule), _days(rule["Expiration"])) for rule in rules if _expires(rule)),
        archives=tuple(one for rule in rules for one in _archived(rule)),
        lock=locked.get("ObjectLockEnabled") == "Enabled",
        retains=_retains(locked.get("Rule", {}).get("DefaultRetention", {})),
        replicated=tuple(_prefix(rule) for rule in _replications(replication) if rule.get("Status") == "Enabled"),
        requester_pays=_part(payment, "Payer", "") == "Requester",
        acls=has_acls,
        encryption=_encryption(encryption),
        hidden=tuple(name for name, answer in names.items() if answer == _HIDDEN),
    )


def versioning_of(client: S3Client, bucket: str) -> Mapping[str, Any]:
    """The answer about versioning and MFA delete, with the server's time."""
    with translated(f"s3://{bucket}"):
        return client.get_bucket_versioning(Bucket=bucket)


def read_versioning(body: bytes, date: str | None) -> Mapping[str, Any]:
    """An answer about versioning, as botocore tells it. Raises ValueError when it is none."""
    try:
        root = ET.fromstring(body)  # noqa: S314  # of the storage that we trust with the data
    except ET.ParseError as error:
        raise ValueError(str(error)) from error
    if not root.tag.endswith("VersioningConfiguration"):
        raise ValueError(root.tag)
    fields = {one.tag.rpartition("}")[2]: one.text for one in root}
    told = {"Status": fields.get("Status"), "MFADelete": fields.get("MfaDelete")}
    found: dict[str, Any] = {name: value for name, value in told.items() if value}
    return {**found, "ResponseMetadata": {"HTTPHeaders": {} if date is None else {"date": date}}}


def seen_again(known: BucketState, found: Mapping[str, Any]) -> BucketState:
    """A state seen before, with what one more look at the versioning says."""
    return replace(known, versioning=_versioning(found), mfa_delete=found.get("MFADelete") == "Enabled", told=_time(found))


def acls(client: S3Client, bucket: str) -> _Acls:
    """Whether objects of the bucket have ACLs of their own. A server that knows no ownership controls has none to speak of."""
    none = "OwnershipControlsNotFoundError"
    found = _asked(client.get_bucket_ownership_controls, bucket, none)
    match found:
        case str() if found == _HIDDEN:
            return "unknown"
        case str():
            return "on" if found == none else "off"
        case _:
            rules = found["OwnershipControls"]["Rules"]
            return "off" if any(rule["ObjectOwnership"] == "BucketOwnerEnforced" for rule in rules) else "on"


def _asked(ask: Callable[..., Any], bucket: str, *none: str) -> Any:
    """The answer; the code where there is no such thing; ``_HIDDEN`` where we may not know."""
    try:
        return answered(lambda: ask(Bucket=bucket), f"s3://{bucket}", *none, *NONE)
    except CredentialsMissing as error:
        if error.code != "denied":
            raise
        return _HIDDEN


def _part(answer: Any, name: str, otherwise: Any) -> Any:
    return otherwise if isinstance(answer, str) else answer.get(name, otherwise)


def _versioning(found: Mapping[str, Any]) -> Versioning:
    versioning: Versioning = found.get("Status", "Off")
    return versioning


def _prefix(rule: Mapping[str, Any]) -> str:
    """The prefix of a rule. Tags and sizes narrow it further, which we leave aside: rather a rule too many than one too few."""
    chosen = rule.get("Filter") or {}
    return str(rule.get("Prefix") or chosen.get("Prefix") or (chosen.get("And") or {}).get("Prefix") or "")


def _covered(rule: Mapping[str, Any]) -> Expiry:
    """Versions are expired so many days after they were covered; that some newer ones are kept first is left aside."""
    return Expiry(_prefix(rule), int(rule["NoncurrentVersionExpiration"].get("NoncurrentDays", 0)))


def _expires(rule: Mapping[str, Any]) -> bool:
    """Whether a rule expires current objects. One that only takes away markers without versions beneath takes nothing of ours."""
    return bool({"Days", "Date"} & set(rule.get("Expiration") or {}))


def _days(expiration: Mapping[str, Any]) -> int:
    return int(expiration.get("Days", 0))  # at a date: it may be today


def _archived(rule: Mapping[str, Any]) -> Sequence[Expiry]:
    moves = rule.get("NoncurrentVersionTransitions") or ()
    days = [int(one.get("NoncurrentDays", 0)) for one in moves if one.get("StorageClass") in ARCHIVED]
    return [Expiry(_prefix(rule), min(days))] if days else []


def _replications(answer: Any) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = _part(answer, "ReplicationConfiguration", {}).get("Rules", [])
    return found


def _retains(default: Mapping[str, Any]) -> str:
    if not default:
        return ""
    length = f"{default['Days']} days" if "Days" in default else f"{default.get('Years')} years"
    return f"{length} ({default.get('Mode')})"


def _encryption(answer: Any) -> str:
    rules = _part(answer, "ServerSideEncryptionConfiguration", {}).get("Rules", [])
    by_default = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules]
    return " ".join(f"{one.get('SSEAlgorithm', '')} {one.get('KMSMasterKeyID', '')}".strip() for one in by_default)


def _time(answer: Mapping[str, Any]) -> int | None:
    """When the server answered, by its own clock, in nanoseconds; None where it does not tell."""
    try:
        told = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, TypeError, ValueError):
        return None
    return round(told.timestamp()) * SECOND
