"""Revert, purge and undo through the command line, against a real S3 server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from incident.cli.main import run
from incident.storage.s3 import S3Store
from lineage.timestamps import render
from runbooks.survey import ObjectVersion
from tests.s3_server import LiveBucket

ODD = ("part 0.parquet", "a+b%2F.parquet", "é😀.parquet", "sub/", "sub/x&y", "_SUCCESS")
BAD_DAYS, CLEAN_DAY, TRAP = ("2026-11-15", "2026-11-16"), "2026-11-17", "2026-11-150"


@dataclass
class Incident:
    """An open incident over a lake whose enrichment went wrong for two days."""

    bucket: LiveBucket
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """One command line, as a script would run it."""
        common = ["--home", str(self.folder / "home"), "--config", str(self.folder / "incident.toml"), "--json", "--no-input"]
        self.capsys.readouterr()
        exit_code = run([*arguments, *common])
        envelope: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        assert exit_code == code, envelope
        assert envelope["exit_code"] == code
        return envelope

    def plan(self, *arguments: str) -> str:
        plan_id: str = self(*arguments)["data"]["plan"]["id"]
        return plan_id


Run = tuple[str, str, str, list[str], list[str]]
"""Run id, job, day, and the datasets that it reads and writes, as NAMESPACE|NAME."""


def event(kind: str, made: Run) -> dict[str, Any]:
    """An OpenLineage event of now."""
    run_id, job, day, reads, writes = made
    nominal = {"nominalStartTime": f"{day}T00:00:00Z", "nominalEndTime": f"{day}T00:00:00Z"}
    return {
        "eventType": kind,
        "eventTime": render(time.time_ns()),
        "run": {"runId": run_id, "facets": {"nominalTime": nominal}},
        "job": {"namespace": "spark", "name": job},
        "inputs": [dict(zip(("namespace", "name"), name.split("|"), strict=True)) for name in reads],
        "outputs": [dict(zip(("namespace", "name"), name.split("|"), strict=True)) for name in writes],
    }


@pytest.fixture
def incident(bucket: LiveBucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Incident:
    lake = f"s3://{bucket.name}"
    (tmp_path / "incident.toml").write_text(
        f"""
[lineage]
sources = ["events.ndjson"]
[[storage]]
url = "{lake}"
endpoint = "{bucket.endpoint}"
region = "us-east-1"
[[dataset]]
match = "{lake}/clean/orders"
partition = "dt=%Y-%m-%d"
nominal = true
write = "overwrite"
[[dataset]]
match = "{lake}/serving/prices"
partition = false
serving = true
write = "overwrite"
[[edge]]
job = "spark/publish"
reads = "{lake}/clean/orders"
window = "all"
[[orchestrator]]
jobs = "spark/*"
kind = "command"
command = ["true", "{{job}}", "{{partition}}"]
"""
    )
    for day in (*BAD_DAYS, CLEAN_DAY, TRAP):
        for name in ODD:
            bucket.put(f"clean/orders/dt={day}/{name}", f"good {name} {day}".encode())
    for name in ("changed", "same", "dropped", "gone"):
        bucket.put(f"serving/prices/{name}", f"good {name}".encode())
    bucket.delete("serving/prices/gone")
    bucket.put("other/untouched", b"1")
    time.sleep(0.05)
    events = []
    for number, day in enumerate(BAD_DAYS):
        enrich: Run = (f"bad-{number}", "enrich", day, [], [f"{lake}|clean/orders"])
        events.append(event("START", enrich))
        for name in ODD:
            bucket.put(f"clean/orders/dt={day}/{name}", f"bad! {name} {day}".encode())
        time.sleep(0.01)
        events.append(event("COMPLETE", enrich))
        time.sleep(0.01)
    publish: Run = ("publish-1", "publish", CLEAN_DAY, [f"{lake}|clean/orders"], [f"{lake}|serving/prices"])
    events.append(event("START", publish))
    bucket.put("serving/prices/changed", b"bad! changed")
    bucket.put("serving/prices/added", b"bad! added")
    bucket.delete("serving/prices/dropped")
    time.sleep(0.01)
    events.append(event("COMPLETE", publish))
    (tmp_path / "events.ndjson").write_text("".join(json.dumps(one) + "\n" for one in events))
    made = Incident(bucket, tmp_path, capsys)
    made("declare", "orders priced in cents", "--job", "spark/enrich", "--nominal", f"{BAD_DAYS[0]}..{BAD_DAYS[1]}")
    return made


def serving_cell(incident: Incident) -> str:
    return f"s3://{incident.bucket.name}/serving/prices@*"


def apply_both(incident: Incident) -> tuple[str, str]:
    """Revert, then purge; the ids of the two plans."""
    revert = incident.plan("revert", "--include", serving_cell(incident))
    assert incident("revert", "--apply", revert)["data"]["failed"] == 0
    purge = incident.plan("purge")
    data = incident("purge", "--apply", purge)["data"]
    assert (data["done"], data["drifted"], data["unknown"]) == (2 * len(ODD), 0, 0)
    return revert, purge


def currents(listing: dict[str, tuple[ObjectVersion, ...]]) -> dict[str, str]:
    return {key: versions[0].version_id for key, versions in listing.items() if not versions[0].is_marker}


def test_a_plan_is_all_that_happens_and_a_purge_keeps_everything(incident: Incident) -> None:
    before = incident.bucket.listing()
    apply_both(incident)
    after = incident.bucket.listing()
    for key, versions in before.items():
        if not key.startswith((*(f"clean/orders/dt={day}/" for day in BAD_DAYS), "serving/prices/")):
            assert after[key] == versions, "objects of clean cells keep their version ids"
        for version in versions:
            if not version.is_marker:
                assert len(incident.bucket.read(key, version.version_id)) == version.size, "every version is retrievable"
    for day in BAD_DAYS:
        assert not [key for key in currents(after) if key.startswith(f"clean/orders/dt={day}/")]
    serving = {key: incident.bucket.read(key) for key in currents(after) if key.startswith("serving/prices/")}
    assert serving == {f"serving/prices/{name}": f"good {name}".encode() for name in ("changed", "same", "dropped")}


def test_undo_restores_the_former_listing_of_purge_and_of_revert(incident: Incident) -> None:
    before = incident.bucket.listing()
    revert, purge = apply_both(incident)
    for target in (purge, revert):
        undo = incident.plan("undo", target)
        assert incident("undo", target, "--apply", undo)["data"]["failed"] == 0
    after = incident.bucket.listing()
    assert currents(after) == currents(before)
    changed = {key for key in before if after[key] != before[key]}
    assert changed == {"serving/prices/dropped"}, "only a removed delete marker cannot come back as itself"
    assert not [version for version in after["serving/prices/dropped"][:1] if not version.is_marker]
    assert incident.bucket.listing().keys() == before.keys()


def test_applying_twice_says_so_and_does_nothing(incident: Incident) -> None:
    _, purge = apply_both(incident)
    listing = incident.bucket.listing()
    data = incident("purge", "--apply", purge)["data"]
    assert (data["already_applied"], data["done"]) == (True, 0)
    assert incident.bucket.listing() == listing
    assert incident("resume")["data"]["done"] == 0


def test_a_plan_id_that_is_not_this_incident_s_is_a_usage_error(incident: Incident) -> None:
    envelope = incident("purge", "--apply", "purge-000000000000", code=2)
    assert envelope["problems"][0]["code"] == "no-plan"


@pytest.mark.parametrize("data", [b"new data", None])
def test_requirements_an_object_written_between_plan_and_apply_is_left_alone_and_current(
    incident: Incident, data: bytes | None
) -> None:
    key = f"clean/orders/dt={BAD_DAYS[0]}/{ODD[0]}"
    purge = incident.plan("purge", "--skip-refused")
    written = incident.bucket.put(key, incident.bucket.read(key) if data is None else data)
    envelope = incident("purge", "--apply", purge, code=5)
    assert envelope["data"]["drifted"] == 1
    assert envelope["problems"][0]["code"] == "drift"
    assert currents(incident.bucket.listing())[key] == written


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("phase", ["purge", "revert"])
def test_an_object_written_during_apply_is_left_alone_and_current(
    incident: Incident, monkeypatch: pytest.MonkeyPatch, phase: str, same: bool
) -> None:
    """Just between our look and our request; identical bytes pass every ETag condition."""
    bucket = incident.bucket
    key = f"clean/orders/dt={BAD_DAYS[0]}/{ODD[0]}" if phase == "purge" else "serving/prices/changed"
    options = ["--skip-refused"] if phase == "purge" else ["--include", serving_cell(incident)]
    plan = incident.plan(phase, *options)
    written: list[str] = []

    def interfering(effect: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any, **more: Any) -> Any:
            about = arguments[2] if isinstance(arguments[2], dict) else (arguments[1].key,)
            if not written and key in about:  # other chunks are in flight beside it
                written.append(bucket.put(key, bucket.read(key) if same else b"fresh"))
            return effect(*arguments, **more)

        return act

    monkeypatch.setattr(S3Store, "put_markers", interfering(S3Store.put_markers))
    monkeypatch.setattr(S3Store, "copy_version", interfering(S3Store.copy_version))
    envelope = incident(phase, "--apply", plan, code=5)
    assert envelope["data"]["drifted"] == 1
    assert currents(bucket.listing())[key] == written[0]


def test_what_was_backfilled_is_never_undone(incident: Incident) -> None:
    _, purge = apply_both(incident)
    key = f"clean/orders/dt={BAD_DAYS[0]}/{ODD[0]}"
    fresh = incident.bucket.put(key, b"made again")
    refused = incident("undo", purge, code=3)
    assert refused["data"]["plan"]["refused"][0]["code"] == "rewritten"
    undo = incident.plan("undo", purge, "--skip-refused")
    incident("undo", purge, "--apply", undo)
    assert currents(incident.bucket.listing())[key] == fresh


def test_caps_and_detailed_exit_codes(incident: Incident) -> None:
    envelope = incident("purge", "--skip-refused", "--max-objects", "1", code=3)
    assert envelope["problems"][0]["hint"] == "--max-objects N"
    assert envelope["ok"] is False
    envelope = incident("purge", "--skip-refused", "--detailed-exitcode", code=8)
    assert envelope["next"] == [f"incident purge --apply {envelope['data']['plan']['id']}"]
    assert len(envelope["data"]["plan"]["sample"]) == 2 * len(ODD)
    incident("purge", "--apply", envelope["data"]["plan"]["id"])
    assert incident("purge", "--skip-refused", "--detailed-exitcode")["data"]["plan"]["actions"] == 0


def test_it_can_be_killed_resume_finishes_it_and_undo_takes_it_back_whole(incident: Incident) -> None:
    """Killed after the server acted and before we could write that down; the claim it leaves behind is of a dead process."""
    before = incident.bucket.listing()
    purge = incident.plan("purge", "--skip-refused")
    program = (
        "import os, sys, threading\n"
        "from incident.cli.main import run\n"
        "from incident.storage.s3 import S3Store\n"
        "whole, dying_once = S3Store.put_markers, threading.Lock()\n"
        "def dying(self, bucket, etags):\n"
        "    if len(etags) == 1:\n"
        "        return whole(self, bucket, etags)\n"  # the completion marker, which goes first and alone
        "    with dying_once:\n"  # the other day's chunk may be in flight beside it, and dies with it unsent
        "        whole(self, bucket, dict(list(etags.items())[:3]))\n"
        "        os._exit(9)\n"
        "S3Store.put_markers = dying\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    common = ["--home", str(incident.folder / "home"), "--config", str(incident.folder / "incident.toml")]
    ended = subprocess.run([sys.executable, "-c", program, "purge", "--apply", purge, *common], cwd=Path.cwd(), check=False)
    assert ended.returncode == 9
    assert len(currents(before)) - len(currents(incident.bucket.listing())) in {1 + 3, 2 + 3}
    envelope = incident("purge", "--apply", purge, code=3)
    assert envelope["next"][0].startswith("incident resume")
    data = incident("resume")["data"]
    assert (data["done"], data["failed"], data["drifted"], data["unknown"]) == (2 * len(ODD), 0, 0, 0)
    undo = incident.plan("undo", purge)
    incident("undo", purge, "--apply", undo)
    assert incident.bucket.listing() == before
