"""Manifests and completion reports of S3 Batch Operations, in the forms that AWS documents."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from urllib.parse import unquote_plus

import pytest
from botocore.stub import Stubber

from incident.batch import job, manifest
from incident.batch.report import Task, tasks
from incident.config_rules import StorageRule
from incident.errors import CredentialsMissing, StorageError, UsageError
from incident.storage.s3_control import S3Control
from runbooks.actions import PutMarker, Requirement

ROLE, FUNCTION = "arn:aws:iam::123456789012:role/batch", "arn:aws:lambda:eu-north-1:123456789012:function:mark:7"
TERMS = job.Terms.of(StorageRule("s3://lake", "lake", batch_role=ROLE, batch_function=FUNCTION), "s3://lake")
PREFIX = ".dataops-incident/batch/purge-1/0/report"


@pytest.mark.parametrize("key", ["a b", "a+b", 'a,"b"', "a\nb", "é😀", "\x01", "a%20b", "a/b/", "=1+1"])
def test_a_manifest_line_survives_every_key(tmp_path: Path, key: str) -> None:
    action = PutMarker("lake", key, Requirement("v1", '"e"'), 1, "cell")
    path = tmp_path / "manifest.csv"
    assert manifest.write(path, [action, action]) == 2
    first, second = path.read_text(encoding="ascii").splitlines()
    assert first == second
    bucket, encoded, version_id = first.split(",")
    assert (bucket, unquote_plus(encoded), version_id) == ("lake", key, "v1")


def test_a_request_is_confirmed_by_a_person_and_repeated_without_harm() -> None:
    plan = hashlib.sha256(b"plan").hexdigest()
    said = job.request(
        TERMS, bucket="lake", manifest="m.csv", etag='"abc"', report=f"{PREFIX}/", token=job.token(plan, 0), description="x" * 300
    )
    assert said == {
        "AccountId": "123456789012",
        "ConfirmationRequired": True,
        "ClientRequestToken": plan,
        "Description": "x" * 256,
        "Operation": {"LambdaInvoke": {"FunctionArn": FUNCTION, "InvocationSchemaVersion": "1.0"}},
        "Manifest": {
            "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key", "VersionId"]},
            "Location": {"ObjectArn": "arn:aws:s3:::lake/m.csv", "ETag": "abc"},
        },
        "Report": {
            "Bucket": "arn:aws:s3:::lake",
            "Prefix": PREFIX,
            "Format": "Report_CSV_20180820",
            "Enabled": True,
            "ReportScope": "AllTasks",
        },
        "Priority": 10,
        "RoleArn": ROLE,
    }
    assert len({plan, job.token(plan, 1), job.token(plan, 2)}) == 3
    assert len(job.token(plan, 1)) <= 64


@pytest.mark.parametrize(
    ("role", "function", "named"),
    [(None, FUNCTION, "batch_role"), (ROLE, None, "batch_function"), ("me", FUNCTION, "batch_role"), (ROLE, "f", "batch_function")],
)
def test_what_a_job_needs_is_named(role: str | None, function: str | None, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        job.Terms.of(StorageRule("s3://lake", "lake", batch_role=role, batch_function=function), "s3://lake")
    assert named in caught.value.hint
    assert caught.value.code == "no-batch"


def test_what_is_sent_is_what_aws_knows() -> None:
    """The client holds the request to the service's own model."""
    control = S3Control(None, None, "eu-north-1")
    said = job.request(TERMS, bucket="lake", manifest="m.csv", etag="abc", report=PREFIX, token="t" * 64, description="purge")
    with Stubber(control._control) as stub:
        stub.add_response("create_job", {"JobId": "job-1"}, said)
        assert control.create(said) == "job-1"
        stub.add_response(
            "describe_job", {"Job": {"JobId": "job-1", "Status": "Suspended"}}, {"AccountId": TERMS.account, "JobId": "job-1"}
        )
        assert control.describe(TERMS.account, "job-1")["Status"] == "Suspended"
        stub.add_client_error("create_job", "AccessDeniedException", http_status_code=403)
        with pytest.raises(CredentialsMissing):
            control.create(said)


def test_a_server_that_is_not_aws_has_no_jobs() -> None:
    with pytest.raises(UsageError, match="AWS's"):
        S3Control("http://127.0.0.1:9", None, "us-east-1").describe("1", "j")


# --- reports -------------------------------------------------------------------------------------------------------------


def report(*files: str, checksum: str | None = None) -> list[Task]:
    """A report of these files, read."""
    objects: dict[str, bytes] = {}
    listed = []
    for number, text in enumerate(files):
        data = text.encode()
        objects[f"r/{number}.csv"] = data
        told = checksum or hashlib.md5(data, usedforsecurity=False).hexdigest()
        listed.append({"TaskExecutionStatus": "?", "Bucket": "lake", "MD5Checksum": told, "Key": f"r/{number}.csv"})
    objects[f"{PREFIX}/job-j1/manifest.json"] = json.dumps({"Format": "Report_CSV_20180820", "Results": listed}).encode()
    return list(tasks(lambda bucket, key: objects[key], "lake", PREFIX, "j1"))  # noqa: ARG005 - one bucket here


def test_markers_are_read_from_what_the_function_said() -> None:
    assert report('lake,p/a%20b,v1,succeeded,200,,"{""marker"": ""m1""}"\n') == [Task("p/a%20b", "v1", "m1")]


@pytest.mark.parametrize("codes", ["200,PermanentFailure", "PermanentFailure,200"])
def test_failures_are_read_in_the_documented_order_and_in_that_of_the_examples(codes: str) -> None:
    said = '"{""error"": ""PreconditionFailed"", ""message"": ""written again since the plan""}"'
    [task] = report(f"lake,p/k,v1,failed,{codes},{said}\n")
    assert task == Task("p/k", "v1", None, "PreconditionFailed: written again since the plan")


def test_a_function_that_timed_out_is_told_in_aws_s_words() -> None:
    said = '"Lambda returned function error: {""errorMessage"":""2019-04-05T17:35:21.155Z Task timed out after 3.00 seconds""}"'
    [task] = report(f"lake,p/k,v1,failed,200,PermanentFailure,{said}\n")
    assert task.marker is None
    assert task.error.startswith("PermanentFailure: Lambda returned function error")


def test_a_success_that_names_no_marker_leaves_it_to_the_look() -> None:
    assert report("lake,p/k,v1,succeeded,200,,done\n") == [Task("p/k", "v1", None)]


@pytest.mark.parametrize("text", ["lake,p/k,v1\n", "\xff,".encode("latin-1").decode("latin-1") + "\n"])
def test_a_row_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        report(text)


def test_a_damaged_report_is_an_error() -> None:
    with pytest.raises(StorageError, match="checksum"):
        report("lake,p/k,v1,succeeded,200,,x\n", checksum="0" * 32)
    with pytest.raises(StorageError, match="cannot be read"):
        list(tasks(lambda _bucket, _key: b"{}", "lake", PREFIX, "j1"))
