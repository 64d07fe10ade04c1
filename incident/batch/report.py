"""The completion report of a job, as AWS documents it: a JSON manifest that names CSV files of succeeded and of failed tasks.

Columns: Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage, without a header. AWS's own examples have the
two codes the other way round, so that the one that is a number is taken for the status. Keys are encoded as in the manifest.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from incident.errors import StorageError

Read = Callable[[str, str], bytes]
"""The bytes of an object, by bucket and key."""


@dataclass(frozen=True, slots=True)
class Task:
    """What came of one object: the marker that was put, or why none was. ``key`` as the report has it."""

    key: str
    version_id: str
    marker: str | None
    error: str = ""


def report_key(prefix: str, job_id: str) -> str:
    return f"{prefix.rstrip('/')}/job-{job_id}/manifest.json"


def tasks(read: Read, bucket: str, prefix: str, job_id: str) -> Iterator[Task]:
    """Every task of the report, file by file. Raises ObjectMissing where there is none, StorageError where it is damaged."""
    place = report_key(prefix, job_id)
    try:
        manifest = json.loads(read(bucket, place))
        results = [(str(one["Bucket"]), str(one["Key"]), str(one.get("MD5Checksum", ""))) for one in manifest["Results"]]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(bucket, place, str(error)) from error
    for where, key, checksum in results:
        data = read(where, key)
        if checksum and hashlib.md5(data, usedforsecurity=False).hexdigest() != checksum.lower():
            raise _damaged(where, key, "its checksum is not the one that the report tells")
        try:
            for row in csv.reader(io.StringIO(data.decode("utf-8"), newline="")):
                if row:
                    yield _task(row)
        except (ValueError, csv.Error) as error:
            raise _damaged(where, key, str(error)) from error


def _task(row: list[str]) -> Task:
    _bucket, key, version_id, status, one, other, *rest = row
    told = _told(rest[0] if rest else "")
    code = next((text for text in (one, other) if text and not text.isdigit()), "")
    if status.strip().lower() == "succeeded" and not told.get("error"):
        return Task(key, version_id, told.get("marker") or None)
    error, message = told.get("error") or code or one or "failed", told.get("message", "")
    return Task(key, version_id, None, f"{error}: {message}" if message else error)


def _told(message: str) -> dict[str, str]:
    """What the function said; what is not ours to read is the message itself."""
    found: Any = message
    for _ in range(2):  # it may be text within JSON
        try:
            found = json.loads(found)
        except ValueError:
            break
        if isinstance(found, dict) and {"marker", "error"} & set(found):
            return {str(name): str(value) for name, value in found.items()}
        if not isinstance(found, str):
            break
    return {"message": " ".join(message.split())} if message else {}


def _damaged(bucket: str, key: str, why: str) -> StorageError:
    return StorageError(f"the report s3://{bucket}/{key} cannot be read: {why}", "incident resume", code="batch-report")
