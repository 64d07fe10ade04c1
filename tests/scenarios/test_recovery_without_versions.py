"""Whole incidents through the command line where no versions are kept: a local folder, and an unversioned bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

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
