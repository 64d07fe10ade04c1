"""S3 Batch Operations as AWS documents them, over a real S3 server: they invoke the very function that the product ships."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from incident.batch.function import handler
from tests.s3_server import LiveBucket


@dataclass
class Batch:
    """One account's jobs. A job is made by its token, waits until it is confirmed, and runs when it is looked at."""

    bucket: LiveBucket
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    confirmed: bool = False
    ends: str = "Complete"
    most: int = 1_000_000
    """After so many objects it ends."""
    twice: bool = False
    """Every function is invoked twice, as AWS may; the second answer counts."""
    reports: bool = True
    client: Any = None

    def upload(self, bucket: str, key: str, path: Path) -> str:
        return self.bucket.client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())["ETag"]

    def create(self, request: dict[str, Any]) -> str:
        self.requests.append(request)
        token = request["ClientRequestToken"]
        if token in self.jobs:
            assert self.jobs[token]["request"] == request, "AWS refuses another request under the same token"
        else:
            self.jobs[token] = {"id": f"job-{len(self.jobs) + 1}", "request": request, "status": "Suspended"}
        return str(self.jobs[token]["id"])

    def describe(self, account: str, job_id: str) -> dict[str, Any]:
        [job] = [one for one in self.jobs.values() if one["id"] == job_id]
        assert account == job["request"]["AccountId"]
        if job["status"] == "Suspended" and self.confirmed:
            job["status"] = "Active"
        elif job["status"] == "Active":
            self._run(job)
            job["status"] = self.ends
        return {"JobId": job_id, "Status": job["status"], "ProgressSummary": {"TotalNumberOfTasks": 1}}

    def _run(self, job: dict[str, Any]) -> None:
        request = job["request"]
        where = request["Manifest"]["Location"]
        bucket, _, key = where["ObjectArn"].removeprefix("arn:aws:s3:::").partition("/")
        found = self.bucket.client.get_object(Bucket=bucket, Key=key)
        assert found["ETag"].strip('"') == where["ETag"], "AWS takes no manifest that changed"
        rows = [tuple(row) for row in csv.reader(io.StringIO(found["Body"].read().decode("ascii")))]
        results = [(row, self._invoke(*row)) for row in rows[: self.most]]
        if not self.reports:
            return
        listed = []
        for status in ("succeeded", "failed"):
            text = io.StringIO(newline="")
            writer = csv.writer(text, lineterminator="\n")
            for (place, name, version_id), result in results:
                if (result["resultCode"] == "Succeeded") == (status == "succeeded"):
                    code = "" if status == "succeeded" else result["resultCode"]
                    # As in AWS's examples: the status before the code, whatever the schema says.
                    writer.writerow([place, name, version_id, status, "200", code, result["resultString"]])
            data = text.getvalue().encode()
            if data:
                report = f"{request['Report']['Prefix']}/job-{job['id']}/results/{status}.csv"
                self.bucket.client.put_object(Bucket=bucket, Key=report, Body=data)
                checksum = hashlib.md5(data, usedforsecurity=False).hexdigest()
                listed.append({"TaskExecutionStatus": status, "Bucket": bucket, "MD5Checksum": checksum, "Key": report})
        manifest = {"Format": "Report_CSV_20180820", "ReportCreationDate": "2026-11-20T00:00:00Z", "Results": listed}
        manifest["ReportSchema"] = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"
        top = f"{request['Report']['Prefix']}/job-{job['id']}/manifest.json"
        self.bucket.client.put_object(Bucket=bucket, Key=top, Body=json.dumps(manifest).encode())

    def _invoke(self, bucket: str, key: str, version_id: str) -> dict[str, str]:
        task = {"taskId": "t1", "s3Key": key, "s3VersionId": version_id, "s3BucketArn": f"arn:aws:s3:::{bucket}"}
        event = {"invocationSchemaVersion": "1.0", "invocationId": "i1", "job": {"id": "j"}, "tasks": [task]}
        answer = handler(event, None, self.client or self.bucket.client)
        if self.twice:
            answer = handler(event, None, self.client or self.bucket.client)
        [result] = answer["results"]
        assert result["taskId"] == "t1"
        return dict(result)
