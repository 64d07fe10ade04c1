"""S3 Batch Operations on AWS: the requests about jobs, and the upload of a manifest."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from incident.errors import UsageError
from incident.storage.s3_client import S3Connection, translated, unthrottled


class BatchControl(Protocol):
    """What sending and following a job takes."""

    def upload(self, bucket: str, key: str, path: Path) -> str:
        """Put a file at a key that is ours alone, over what is there; its ETag."""

    def create(self, request: dict[str, Any]) -> str:
        """Create a job, or find the one that an equal request created before; its id."""

    def describe(self, account: str, job_id: str) -> dict[str, Any]:
        """The job as AWS tells it."""


class S3Control(S3Connection):
    """Raises as the stores do, and UsageError where the storage is not AWS's."""

    @cached_property
    def _control(self) -> Any:
        if self._endpoint is not None and "amazonaws.com" not in self._endpoint:
            raise UsageError(
                f"S3 Batch Operations are AWS's, and the storage is {self._endpoint}", "apply it without --engine", code="no-batch"
            )
        return S3Connection(None, self._profile, self._region)._client("s3control", attempts=4)  # noqa: SLF001 - one of ours

    def upload(self, bucket: str, key: str, path: Path) -> str:
        with translated(f"s3://{bucket}/{key}"), path.open("rb") as file:
            etag: str = self._effects.put_object(Bucket=bucket, Key=key, Body=file)["ETag"]
            return etag

    def create(self, request: dict[str, Any]) -> str:
        with translated(f"the job {request['ClientRequestToken'][:12]} of account {request['AccountId']}"):
            # The token makes a repeated request harmless, so that it may be tried again.
            job_id: str = unthrottled(lambda: self._control.create_job(**request))["JobId"]
            return job_id

    def describe(self, account: str, job_id: str) -> dict[str, Any]:
        with translated(f"the job {job_id} of account {account}"):
            job: dict[str, Any] = self._control.describe_job(AccountId=account, JobId=job_id)["Job"]
            return job
