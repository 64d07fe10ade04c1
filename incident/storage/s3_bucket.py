"""What must be known of a bucket before anything in it is changed."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from incident.errors import CredentialsMissing
from incident.storage.s3_client import answered, translated
from lineage.timestamps import SECOND
from runbooks.survey import BucketState, Expiry, Versioning

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def bucket_state(client: S3Client, bucket: str, server: str) -> BucketState:
    with translated(f"s3://{bucket}"):
        found = client.get_bucket_versioning(Bucket=bucket)
    versioning: Versioning = found.get("Status", "Off")
    expiries, known = _expiries(client, bucket)
    return BucketState(bucket, versioning, expiries, known, found.get("MFADelete") == "Enabled", server, _time(found))


def acls(client: S3Client, bucket: str) -> Literal["on", "off", "unknown"]:
    """Whether objects of the bucket have ACLs of their own. A server that knows no ownership controls has none to speak of."""
    try:
        found = answered(
            lambda: client.get_bucket_ownership_controls(Bucket=bucket),
            f"s3://{bucket}",
            *("OwnershipControlsNotFoundError", "NotImplemented", "MethodNotAllowed", "NoSuchOwnershipControls"),
        )
    except CredentialsMissing:
        return "unknown"
    if isinstance(found, str):
        return "on" if found == "OwnershipControlsNotFoundError" else "off"
    rules = found["OwnershipControls"]["Rules"]
    return "off" if any(rule["ObjectOwnership"] == "BucketOwnerEnforced" for rule in rules) else "on"


def _expiries(client: S3Client, bucket: str) -> tuple[tuple[Expiry, ...], bool]:
    from botocore.exceptions import ClientError

    try:
        with translated(f"s3://{bucket}", keep=("NoSuchLifecycleConfiguration", "NotImplemented", "MethodNotAllowed")):
            rules = client.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules", [])
    except ClientError:
        return (), True  # no rules, or a server that has none
    except CredentialsMissing:
        return (), False
    return tuple(_expiry(rule) for rule in rules if rule["Status"] == "Enabled" and "NoncurrentVersionExpiration" in rule), True


def _expiry(rule: Mapping[str, Any]) -> Expiry:
    chosen = rule.get("Filter", {})
    prefix = rule.get("Prefix") or chosen.get("Prefix") or chosen.get("And", {}).get("Prefix") or ""
    return Expiry(prefix, rule["NoncurrentVersionExpiration"].get("NoncurrentDays", 0))


def _time(answer: Mapping[str, Any]) -> int | None:
    """When the server answered, by its own clock, in nanoseconds; None where it does not tell."""
    try:
        told = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, TypeError, ValueError):
        return None
    return round(told.timestamp()) * SECOND
