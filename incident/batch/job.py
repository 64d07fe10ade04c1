"""A job of S3 Batch Operations: what is asked for, and what its states mean. Nothing here speaks to AWS."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Protocol

from incident.batch.manifest import FIELDS, FORMAT
from incident.errors import UsageError

REPORT = "Report_CSV_20180820"
WAITS = "Suspended"
"""A job that nobody confirmed yet."""
UNSET_ROLE = "arn:aws:iam::ACCOUNT:role/NAME"
UNSET_FUNCTION = "arn:aws:lambda:REGION:ACCOUNT:function:NAME"
ENDED = frozenset({"Complete", "Failed", "Cancelled"})

_ROLE = re.compile(r"arn:[a-z-]+:iam::(\d{12}):role/.+")
_FUNCTION = re.compile(r"arn:[a-z-]+:lambda:[a-z0-9-]+:\d{12}:function:.+")


class BatchEntry(Protocol):
    """What a ``[[storage]]`` entry says about jobs."""

    @property
    def batch_role(self) -> str | None: ...
    @property
    def batch_function(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """On whose account and behalf a job runs, and what it invokes."""

    account: str
    role: str
    function: str

    @classmethod
    def of(cls, entry: BatchEntry | None, place: str) -> Terms:
        """Raises UsageError, naming the key that is missing or wrong."""
        role, function = (entry.batch_role, entry.batch_function) if entry is not None else (None, None)
        if role is None or (match := _ROLE.fullmatch(role)) is None:
            raise UsageError(
                f"no role for S3 Batch Operations on {place}" if role is None else f"no role for S3 Batch Operations: {role}",
                'batch_role = "arn:aws:iam::ACCOUNT:role/NAME" in its [[storage]]',
                code="no-batch",
            )
        if function is None or _FUNCTION.fullmatch(function) is None:
            raise UsageError(
                f"no Lambda function for S3 Batch Operations on {place}"
                if function is None
                else f"no Lambda function for S3 Batch Operations: {function}",
                'batch_function = "arn:aws:lambda:REGION:ACCOUNT:function:NAME" in its [[storage]]; without --submit we write it',
                code="no-batch",
            )
        return cls(match.group(1), role, function)

    @classmethod
    def shown(cls, entry: BatchEntry | None, place: str) -> Terms:
        """The same to look at: what is not set yet stands as its own form, for the function is made from what is shown."""
        role, function = (entry.batch_role, entry.batch_function) if entry is not None else (None, None)
        if role is not None and function is not None:
            return cls.of(entry, place)
        match = _ROLE.fullmatch(role or "")
        return cls(match.group(1) if match else "ACCOUNT", role or UNSET_ROLE, function or UNSET_FUNCTION)


def token(plan_sha256: str, part: int) -> str:
    """What makes AWS answer a repeated request with the same job: the plan's hash; for further parts of it one made from it."""
    return plan_sha256 if part == 0 else hashlib.sha256(f"{plan_sha256}/{part}".encode()).hexdigest()


def request(terms: Terms, *, bucket: str, manifest: str, etag: str, report: str, token: str, description: str) -> dict[str, Any]:
    """``create_job`` in full. ``manifest``: its key, with its ETag; ``report``: the prefix of the report, both in ``bucket``."""
    return {
        "AccountId": terms.account,
        "ConfirmationRequired": True,
        "ClientRequestToken": token,
        "Description": description[:256],
        "Operation": {"LambdaInvoke": {"FunctionArn": terms.function, "InvocationSchemaVersion": "1.0"}},
        "Manifest": {
            "Spec": {"Format": FORMAT, "Fields": list(FIELDS)},
            "Location": {"ObjectArn": f"arn:aws:s3:::{bucket}/{manifest}", "ETag": etag.strip('"')},
        },
        "Report": {
            "Bucket": f"arn:aws:s3:::{bucket}",
            "Prefix": report.rstrip("/"),
            "Format": REPORT,
            "Enabled": True,
            "ReportScope": "AllTasks",
        },
        "Priority": 10,
        "RoleArn": terms.role,
    }


def confirmation(account: str, job_id: str) -> str:
    """The command that lets a job begin."""
    return f"aws s3control update-job-status --account-id {account} --job-id {job_id} --requested-job-status Ready"
