"""Whole incidents through the command line where no versions are kept: a local folder, and an unversioned bucket."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from incident.storage import _store
from tests.plain_lake import PlainLake, plain_incident
from tests.s3_server import LiveServer
from tests.small_lake import BAD, DAYS, Terminal


@pytest.fixture(params=["folder", "bucket"])
def scene(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[PlainLake, Terminal]:
    buckets = None
    if request.param == "bucket":
        server: LiveServer = request.getfixturevalue("ministack")
        buckets = lambda: server.bucket(versioned=False)  # noqa: E731
    return plain_incident(tmp_path, monkeypatch, capsys, buckets)


def test_an_incident_is_recovered_undone_and_recovered_again(scene: tuple[PlainLake, Terminal]) -> None:
    lake, incident = scene
    bad = lake.contents()
    assert bad["serving/board/part-0.txt"] == f"v1 {DAYS[-1]}"
    reverted = incident.plan_and_apply("revert")
    assert (reverted["done"], reverted["failed"], reverted["drifted"]) == (2, 0, 0)
    assert lake.contents()["serving/board/part-0.txt"] == f"v1 {DAYS[0]}", "the kept copy"
    incident.ok("fix", "prices divided", "--code-version", "v2")
    planned = incident.ok("purge")
    assert any("quarantine" in warning for warning in planned["plan"]["warnings"])
    plan = planned["plan"]["id"]
    assert incident.ok("purge", "--apply", plan)["done"] == 2
    left = lake.contents()
    assert f"clean/orders/dt={BAD}/part-0.txt" not in left
    assert f"clean/orders/dt={DAYS[0]}/part-0.txt" in left
    assert sorted(lake.kept().values()) == sorted([bad["serving/board/part-0.txt"], f"v1-bad {BAD}", f"v1-bad {BAD}"])
    code, _ = incident("verify")
    assert code == 6
    undo = incident.ok("undo", plan)["plan"]["id"]
    assert incident.ok("undo", plan, "--apply", undo)["done"] == 2
    assert lake.contents() == {**bad, "serving/board/part-0.txt": f"v1 {DAYS[0]}"}
    again = incident.ok("purge")["plan"]["id"]
    assert again != plan
    incident.ok("purge", "--apply", again)
    incident.plan_and_apply("backfill")
    now = lake.contents()
    assert now[f"clean/orders/dt={BAD}/part-0.txt"] == f"v2 shop/orders dt={BAD}"
    assert incident.ok("verify")["ok"]
    held = incident.ok("quarantine", "list")["quarantine"]
    assert [(one["objects"], one["needed"]) for one in held] == [(1, True)] * 5
    code, envelope = incident("quarantine", "expire", again, "--confirm", again)
    assert (code, envelope["problems"][0]["code"]) == (2, "open")
    incident.ok("close")
    before = lake.contents()
    code, envelope = incident("quarantine", "expire", again)
    assert (code, envelope["problems"][0]["hint"]) == (3, f"--confirm {again}")
    assert incident("quarantine", "expire", again, "--confirm", plan)[0] == 2
    assert len(lake.kept()) == 5, "nothing goes unless its name was typed"
    assert incident.ok("quarantine", "expire", again, "--confirm", again)["removed"] == 2
    assert len(lake.kept()) == 3
    assert incident.ok("quarantine", "expire", "--all-closed", "--confirm", "all-closed")["removed"] == 3
    assert (lake.kept(), lake.contents()) == ({}, before)
    assert incident.ok("quarantine", "list")["quarantine"] == []
    kinds = [one["kind"] for one in incident.ok("timeline", "--incident", held[0]["incident"])["events"]]
    assert kinds.count("quarantine-expired") == kinds.count("quarantine-expiring") == 3
    assert incident.ok("timeline", "verify", "--incident", held[0]["incident"])


def test_what_an_unverified_incident_set_aside_goes_only_by_its_plan_s_name(scene: tuple[PlainLake, Terminal]) -> None:
    """Nobody saw that its data was made again: its copies may be the last of their bytes."""
    lake, incident = scene
    plan = incident.ok("purge", "--skip-refused")["plan"]["id"]
    incident.ok("purge", "--apply", plan)
    held = lake.kept()
    incident.ok("close", "--unverified", "the team takes it from here")
    assert all(one["needed"] for one in incident.ok("quarantine", "list")["quarantine"])
    assert incident.ok("quarantine", "expire", "--all-closed", "--confirm", "all-closed")["removed"] == 0
    assert lake.kept() == held
    assert incident.ok("quarantine", "expire", plan, "--confirm", plan)["removed"] == len(held)


DYING = """
import os, sys
from incident.aside_files import AsideFiles
from incident.cli.main import run
from incident.storage.s3 import S3Store
shelve, delete, taken = AsideFiles._shelve, S3Store.delete_object, []
def dying_shelve(self, *arguments):
    taken.append(arguments)
    if len(taken) > 1:
        os._exit(9)
    return shelve(self, *arguments)
def dying_delete(self, bucket, key, *, if_match):
    made = delete(self, bucket, key, if_match=if_match)
    if not key.startswith(("incident/", ".dataops-incident/")):
        taken.append(key)
        if len(taken) > 1:
            os._exit(9)
    return made
AsideFiles._shelve, S3Store.delete_object = dying_shelve, dying_delete
sys.exit(run(sys.argv[1:]))
"""


def test_it_can_be_killed_and_resume_finishes_it(scene: tuple[PlainLake, Terminal]) -> None:
    """Killed after the second file was taken, or the second object deleted, and before anybody could write that down."""
    lake, incident = scene
    bad = lake.contents()
    plan = incident.ok("purge", "--skip-refused")["plan"]["id"]
    ended = subprocess.run([sys.executable, "-c", DYING, "purge", "--apply", plan], cwd=lake.folder, env=environment(), check=False)
    assert ended.returncode == 9
    code, envelope = incident("purge", "--apply", plan)
    assert (code, envelope["problems"][0]["code"]) == (3, "interrupted-apply")
    done = incident.ok("resume")
    assert (done["done"], done["failed"], done["drifted"], done["unknown"]) == (3, 0, 0, 0)
    assert sorted(lake.kept().values()) == sorted([f"v1 {DAYS[-1]}", f"v1-bad {BAD}", f"v1-bad {BAD}"])
    undo = incident.ok("undo", plan)["plan"]["id"]
    assert incident.ok("undo", plan, "--apply", undo)["done"] == 3
    assert lake.contents() == bad


def test_another_day_and_machine_can_undo_without_stopping_writers(scene: tuple[PlainLake, Terminal]) -> None:
    """An undo asks what the server honours as planning does: not only the process that planned the purge may rely on it."""
    lake, incident = scene
    bad = lake.contents()
    incident.plan_and_apply("revert")
    plan = incident.ok("purge")["plan"]["id"]
    incident.ok("purge", "--apply", plan)
    forget()
    shutil.rmtree(lake.folder / "home" / "guarantees", ignore_errors=True)
    undo = incident.ok("undo", plan)["plan"]
    assert undo["refused"] == []
    forget()
    assert incident.ok("undo", plan, "--apply", undo["id"])["done"] == 2
    assert lake.contents() == {**bad, "serving/board/part-0.txt": f"v1 {DAYS[0]}"}


def forget() -> None:
    """As in another process: no store is open, and none knows what its server honours."""
    _store.cache_clear()


def environment() -> dict[str, str]:
    """That of the test, with what is imported found from another folder."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def test_bad_bytes_that_come_back_are_told(scene: tuple[PlainLake, Terminal]) -> None:
    lake, incident = scene
    key = f"clean/orders/dt={BAD}/part-0.txt"
    bad = lake.contents()[key]
    incident.plan_and_apply("revert")
    incident.ok("fix", "prices divided", "--code-version", "v2")
    incident.plan_and_apply("purge")
    incident.plan_and_apply("backfill")
    assert incident.ok("verify")["ok"]
    lake.put(key, bad.encode())
    checks = {one["name"]: one["status"] for one in incident.ok("verify")["checks"]}
    assert checks["no object is as it was"] == "warn"
    assert checks["no bad version is current"] == "ok", "it is another object with the same bytes"
