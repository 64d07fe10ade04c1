"""A purge through S3 Batch Operations, from the command line: shown, sent, confirmed, followed, and looked at afterwards."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incident.cli.main import run
from incident.journal import Journal
from lineage.timestamps import render
from tests.batch_control import Batch
from tests.s3_server import LiveBucket

PREFIX = "clean/orders/dt=2026-11-1/"
NAMES = ("_SUCCESS", "a b", "a+b", "é😀", "x,y", "z")
ENGINE = ("--engine", "s3-batch", "--submit")


class Lake:
    """An incident on six bad objects, and S3 Batch Operations that do what the test says."""

    def __init__(self, bucket: LiveBucket, folder: Path, capsys: pytest.CaptureFixture[str], batch: Batch) -> None:
        self.bucket, self.folder, self.batch = bucket, folder, batch
        self._capsys = capsys
        self._common = ["--home", str(folder / "home"), "--config", str(folder / "incident.toml"), "--json", "--no-input"]

    def __call__(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        self._capsys.readouterr()
        ended = run([*arguments, *self._common])
        envelope: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        assert ended == code, envelope
        return envelope

    def plan(self) -> str:
        return str(self("purge")["data"]["plan"]["id"])

    def current(self) -> set[str]:
        return {key for key, versions in self.bucket.listing("clean/").items() if not versions[0].is_marker}


@pytest.fixture
def lake(bucket: LiveBucket, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lake:
    url = f"s3://{bucket.name}"
    (tmp_path / "incident.toml").write_text(
        f"""
[lineage]
sources = ["events.ndjson"]
[[storage]]
url = "{url}"
endpoint = "{bucket.endpoint}"
region = "us-east-1"
batch_role = "arn:aws:iam::123456789012:role/batch"
batch_function = "arn:aws:lambda:us-east-1:123456789012:function:mark"
[[dataset]]
match = "{url}/clean/orders"
partition = "dt={{dt}}"
write = "overwrite"
[[orchestrator]]
jobs = "spark/*"
kind = "command"
command = ["true"]
"""
    )
    started = render(time.time_ns()) or ""
    time.sleep(0.01)
    for name in NAMES:
        bucket.put(PREFIX + name, f"bad {name}".encode())
    bucket.put("clean/orders/dt=2026-11-10/a", b"good")
    time.sleep(0.01)
    job = {"namespace": "spark", "name": "enrich"}
    outputs = [{"namespace": url, "name": PREFIX.rstrip("/")}]
    ran = {"run": {"runId": str(uuid.uuid4())}, "job": job, "inputs": [], "outputs": outputs}
    times = {"START": started, "COMPLETE": render(time.time_ns())}
    lines = [json.dumps({"eventType": kind, "eventTime": at, **ran}) for kind, at in times.items()]
    (tmp_path / "events.ndjson").write_text("\n".join(lines) + "\n")
    batch = Batch(bucket)
    monkeypatch.setattr("incident.batch.engine.open_control", lambda _config, _bucket: batch)
    monkeypatch.setattr("incident.batch.engine.time.sleep", lambda _seconds: None)
    made = Lake(bucket, tmp_path, capsys, batch)
    made("declare", "orders in cents", "--job", "spark/enrich", "--since", started)
    return made


def test_a_job_is_shown_before_it_is_sent(lake: Lake) -> None:
    plan = lake.plan()
    before = lake.bucket.listing()
    data = lake("purge", "--apply", plan, "--engine", "s3-batch")["data"]
    assert lake.bucket.listing() == before
    assert lake.batch.requests == []
    [shown] = data["jobs"]
    assert (shown["objects"], data["here"], data["submitted"]) == (len(NAMES) - 1, 1, False)
    assert len(Path(shown["manifest"]).read_text().splitlines()) == len(NAMES) - 1
    assert "def handler(" in Path(data["function"]).read_text()
    lake("purge", "--apply", plan, *ENGINE, code=3)
    assert lake.batch.requests == [shown["create_job"]], "exactly what was shown is sent"


def test_it_is_shown_before_there_is_a_role_and_nothing_is_begun_without(lake: Lake) -> None:
    """The function is created from what is shown; a plan that is begun could only be finished from here."""
    plan = lake.plan()
    config = lake.folder / "incident.toml"
    text = config.read_text()
    config.write_text("\n".join(line for line in text.splitlines() if not line.startswith("batch_")) + "\n")
    shown = lake("purge", "--apply", plan, "--engine", "s3-batch")
    assert "def handler(" in Path(shown["data"]["function"]).read_text()
    assert "batch_role" in shown["data"]["missing"]
    assert shown["next"] == []
    told = lake("purge", "--apply", plan, *ENGINE, code=2)["problems"][0]
    assert (told["code"], lake.batch.requests) == ("no-batch", [])
    config.write_text(text)
    lake("purge", "--apply", plan, *ENGINE, code=3)
    assert len(lake.batch.requests) == 1, "the refusal has begun nothing"


def test_a_purge_by_a_job_ends_as_one_from_here(lake: Lake) -> None:
    before = lake.bucket.listing()
    plan = lake.plan()
    waits = lake("purge", "--apply", plan, *ENGINE, code=3)
    assert waits["problems"][0]["code"] == "confirm-job"
    assert "update-job-status --account-id 123456789012 --job-id job-1" in waits["problems"][0]["hint"]
    assert lake.current() == {PREFIX + name for name in NAMES if name != "_SUCCESS"} | {"clean/orders/dt=2026-11-10/a"}
    assert lake("resume", code=3)["problems"][0]["code"] == "confirm-job"
    lake.batch.confirmed = True
    data = lake("resume")["data"]
    assert (data["done"], data["failed"], data["drifted"], data["unknown"]) == (len(NAMES), 0, 0, 0)
    assert len(lake.batch.jobs) == 1
    assert lake.current() == {"clean/orders/dt=2026-11-10/a"}
    after = lake.bucket.listing()
    assert {key: versions[1:] for key, versions in after.items() if key.startswith(PREFIX)} == {
        key: versions for key, versions in before.items() if key.startswith(PREFIX)
    }
    undo = lake("undo", plan)["data"]["plan"]["id"]
    assert lake("undo", plan, "--apply", undo)["data"]["done"] == len(NAMES)
    assert lake.bucket.listing("clean/") == {key: one for key, one in before.items() if key.startswith("clean/")}


def test_what_was_written_since_is_drift_and_stays(lake: Lake) -> None:
    plan = lake.plan()
    lake("purge", "--apply", plan, *ENGINE, code=3)
    fresh = {lake.bucket.put(PREFIX + "a b", b"new"), lake.bucket.put(PREFIX + "z", b"bad z")}
    lake.batch.confirmed = True
    data = lake("resume", code=5)["data"]
    assert (data["done"], data["drifted"]) == (len(NAMES) - 2, 2)
    listing = lake.bucket.listing()
    assert {listing[PREFIX + name][0].version_id for name in ("a b", "z")} == fresh


def test_identical_bytes_written_in_the_last_moment_are_uncovered_again(lake: Lake) -> None:
    """Between the function's look and its deletion: only the look afterwards can tell."""

    class Late:
        """Writes the same bytes just before every deletion."""

        def __init__(self, bucket: LiveBucket) -> None:
            self._bucket, self.exceptions = bucket, bucket.client.exceptions

        def head_object(self, **said: Any) -> Any:
            return self._bucket.client.head_object(**said)

        def delete_object(self, **said: Any) -> Any:
            self._bucket.put(said["Key"], self._bucket.read(said["Key"]))
            return self._bucket.client.delete_object(**said)

    lake.batch.client = Late(lake.bucket)
    lake.batch.confirmed = True
    plan = lake.plan()
    data = lake("purge", "--apply", plan, *ENGINE, code=5)["data"]
    assert (data["done"], data["drifted"]) == (1, len(NAMES) - 1)
    assert {PREFIX + name for name in NAMES if name != "_SUCCESS"} <= lake.current()


@pytest.mark.parametrize("setting", [{"twice": True}, {"reports": False}])
def test_a_report_that_tells_too_little_leaves_it_to_the_look(lake: Lake, setting: dict[str, bool]) -> None:
    """Invoked twice, the function reports failures of what it had done; and a report may be missing altogether."""
    for name, value in setting.items():
        setattr(lake.batch, name, value)
    lake.batch.confirmed = True
    data = lake("purge", "--apply", lake.plan(), *ENGINE)["data"]
    assert (data["done"], data["failed"], data["unknown"]) == (len(NAMES), 0, 0)
    assert lake.current() == {"clean/orders/dt=2026-11-10/a"}


@pytest.mark.parametrize("ends", ["Failed", "Cancelled", "Complete"])
def test_what_a_job_left_undone_is_finished_by_resume_from_here(lake: Lake, ends: str) -> None:
    lake.batch.confirmed, lake.batch.ends, lake.batch.most = True, ends, 2
    data = lake("purge", "--apply", lake.plan(), *ENGINE, code=1)["data"]
    left = len(NAMES) - 3
    assert (data["done"], data["failed"] + data["unknown"]) == (3, left)
    assert data["unknown"] == (0 if ends == "Complete" else left), "of a job that was cut short one may still be under way"
    again = lake("resume")["data"]
    assert (again["done"], again["failed"], again["unknown"]) == (len(NAMES), 0, 0)
    assert len(lake.batch.requests) == 1, "there is no second job"
    assert lake.current() == {"clean/orders/dt=2026-11-10/a"}


class Killed(BaseException):
    """The process ends here."""


def before(effect: Callable[..., Any]) -> Callable[..., Any]:
    def act(*_arguments: Any, **_more: Any) -> Any:
        raise Killed(effect)

    return act


def after(effect: Callable[..., Any]) -> Callable[..., Any]:
    def act(*arguments: Any, **more: Any) -> Any:
        effect(*arguments, **more)
        raise Killed(effect)

    return act


@pytest.mark.parametrize(
    ("what", "where"),
    [
        ("upload", before),
        ("create", before),
        ("create", after),
        ("job", after),
        ("describe", after),
        ("made", before),
        ("job_ended", before),
    ],
)
def test_a_crash_at_any_moment_ends_in_one_job_and_the_same_purge(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, what: str, where: Callable[..., Any]
) -> None:
    plan = lake.plan()
    lake.batch.confirmed = True
    on: Any = Batch if what in {"upload", "create", "describe"} else Journal
    with monkeypatch.context() as patch:
        patch.setattr(on, what, where(getattr(on, what)))
        lake("purge", "--apply", plan, *ENGINE, code=1)
    data = lake("resume")["data"]
    assert (data["done"], data["failed"], data["drifted"], data["unknown"]) == (len(NAMES), 0, 0, 0)
    assert len(lake.batch.jobs) <= 1
    assert lake.current() == {"clean/orders/dt=2026-11-10/a"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("purge", "--engine", "s3-batch"), "--apply"),
        (("purge", "--submit"), "--apply"),
        (("purge", "--apply", "PLAN", "--engine", "other"), "--engine s3-batch"),
        (("purge", "--apply", "PLAN", "--submit"), "--engine s3-batch"),
    ],
)
def test_an_engine_belongs_to_an_apply(lake: Lake, arguments: tuple[str, ...], named: str) -> None:
    plan = lake.plan()
    told = lake(*(plan if one == "PLAN" else one for one in arguments), code=2)["problems"][0]
    assert named in f"{told['message']} {told['hint']}"
