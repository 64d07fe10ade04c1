"""Serving data that is chosen by a pointer, through the command line, against a real S3 server."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from incident.cli.main import run
from lineage.timestamps import render
from tests.s3_server import LiveBucket

CURRENT = '{\n  "version" : "%s",\n\t"by": "publisher",   "rows":1e3 }\n'


@dataclass
class Incident:
    """Features are published under a version each, and ``current.json`` says which one serves. Version 42 is bad."""

    bucket: LiveBucket
    folder: Path
    capsys: pytest.CaptureFixture[str]
    runs: int = 0

    @property
    def lake(self) -> str:
        return f"s3://{self.bucket.name}"

    @property
    def pointer(self) -> str:
        return f"{self.lake}/serving/current.json#version"

    def __call__(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """One command line, as a script would run it."""
        common = ["--home", str(self.folder / "home"), "--config", str(self.folder / "incident.toml"), "--json", "--no-input"]
        self.capsys.readouterr()
        exit_code = run([*arguments, *common])
        envelope: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        assert exit_code == code, json.dumps(envelope)
        return envelope

    def plan(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = self(*arguments)["data"]["plan"]
        return found

    def publish(self, version: str, job: str = "publish", data: str = "", *, swap: bool = True) -> None:
        """A run that writes a version and then points at it."""
        self.runs += 1
        at = {"run": {"runId": f"run-{self.runs}"}, "job": {"namespace": "spark", "name": job}, "inputs": []}
        output = [{"namespace": self.lake, "name": f"serving/features/v={version}"}]
        events = [{"eventType": "START", "eventTime": render(time.time_ns()), **at, "outputs": output}]
        time.sleep(0.01)
        self.bucket.put(f"serving/features/v={version}/part-0", (data or f"{job} {version}").encode())
        time.sleep(0.01)
        events.append({"eventType": "COMPLETE", "eventTime": render(time.time_ns()), **at, "outputs": output})
        with (self.folder / "events.ndjson").open("a") as file:
            file.writelines(f"{json.dumps(event)}\n" for event in events)
        if swap:
            self.bucket.put("serving/current.json", (CURRENT % version).encode())
        time.sleep(0.01)

    def current(self) -> str:
        return self.bucket.read("serving/current.json").decode()


@pytest.fixture
def incident(bucket: LiveBucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Incident:
    found = Incident(bucket, tmp_path, capsys)
    (tmp_path / "incident.toml").write_text(
        f"""
[lineage]
sources = ["events.ndjson"]
[[storage]]
url = "{found.lake}"
endpoint = "{bucket.endpoint}"
region = "us-east-1"
[[dataset]]
match = "{found.lake}/serving/features"
partition = "v={{v}}"
write = "overwrite"
pointer = "{found.pointer}"
[[orchestrator]]
jobs = "spark/*"
kind = "command"
command = ["true", "{{job}}", "{{partition}}"]
"""
    )
    for version in ("40", "41"):
        found.publish(version)
    found.publish("42", job="bad-publish")
    found("declare", "bad features", "--job", "spark/bad-publish")
    return found


def test_a_revert_swaps_the_pointer_and_touches_no_object(incident: Incident) -> None:
    before = incident.bucket.listing("serving/features/")
    plan = incident.plan("revert")
    assert plan["pointers"] == [
        {
            "pointer": incident.pointer,
            "kind": "json",
            "old": '"42"',
            "new": '"41"',
            "told": plan["pointers"][0]["told"],
            "cell": f"{incident.lake}/serving/features@v=42",
        }
    ]
    assert (plan["actions"], plan["objects"], plan["bytes"]) == (1, 0, 0)
    assert incident.current() == CURRENT % "42"
    applied = incident("revert", "--apply", plan["id"])["data"]
    assert (applied["done"], applied["objects"], applied["bytes"]) == (1, 0, 0)
    assert incident.current() == CURRENT % "41"
    assert incident.bucket.listing("serving/features/") == before
    assert incident("revert", "--apply", plan["id"])["data"]["already_applied"]


def test_the_data_behind_a_swapped_pointer_is_as_bad_as_before(incident: Incident) -> None:
    incident("revert", "--apply", incident.plan("revert")["id"])
    cells = {one["partition"]: one["state"] for one in incident("blast")["data"]["cells"]}
    assert cells == {"v=42": "TAINTED"}
    purge = incident.plan("purge")
    assert [cell["cell"] for cell in purge["cells"]] == [f"{incident.lake}/serving/features@v=42"]
    incident("purge", "--apply", purge["id"])
    assert incident.bucket.listing("serving/features/v=42/")["serving/features/v=42/part-0"][0].is_marker


def test_an_undo_swaps_it_back(incident: Incident) -> None:
    plan = incident.plan("revert")["id"]
    incident("revert", "--apply", plan)
    undo = incident.plan("undo", plan)
    assert [(one["old"], one["new"]) for one in undo["pointers"]] == [('"41"', '"42"')]
    incident("undo", "--apply", undo["id"])
    assert incident.current() == CURRENT % "42"
    again = incident.plan("revert")
    assert again["id"] != plan
    incident("revert", "--apply", again["id"])
    assert incident.current() == CURRENT % "41"


def test_an_undo_never_swaps_over_what_somebody_published_since(incident: Incident) -> None:
    plan = incident.plan("revert")["id"]
    incident("revert", "--apply", plan)
    incident.publish("43")
    undone = incident("undo", plan)
    assert undone["data"]["plan"]["actions"] == 0
    assert incident.current() == CURRENT % "43"


def test_an_identical_rewrite_by_somebody_else_is_not_undone(incident: Incident) -> None:
    plan = incident.plan("revert")["id"]
    incident("revert", "--apply", plan)
    incident.bucket.put("serving/current.json", (CURRENT % "41").encode())
    assert incident("undo", plan)["data"]["plan"]["actions"] == 0


def test_a_pointer_that_moved_since_the_plan_is_left_alone(incident: Incident) -> None:
    plan = incident.plan("revert")["id"]
    incident.publish("43")
    applied = incident("revert", "--apply", plan, code=5)["data"]
    assert (applied["done"], applied["drifted"]) == (0, 1)
    assert incident.current() == CURRENT % "43"


def test_a_pointer_that_names_something_clean_is_not_touched(incident: Incident) -> None:
    incident.publish("43")
    envelope = incident("revert")
    assert envelope["data"]["plan"]["actions"] == 0
    assert "is not what is served" in " ".join(envelope["data"]["plan"]["warnings"])


def test_where_the_value_before_is_gone_the_operator_names_one(incident: Incident) -> None:
    incident.bucket.delete("serving/features/v=41/part-0")
    refused = incident("revert", code=3)["data"]["plan"]["refused"]
    assert [one["code"] for one in refused] == ["no-target"]
    assert "clean by lineage: 41, 40" in refused[0]["why"]
    bad = incident("revert", "--pointer", f"{incident.pointer}=41", code=3)["data"]["plan"]["refused"]
    assert [one["code"] for one in bad] == ["no-target"]
    plan = incident.plan("revert", "--pointer", f"{incident.pointer}=40")
    assert [(one["new"], one["told"]) for one in plan["pointers"]] == [('"40"', "named with --pointer")]
    incident("revert", "--apply", plan["id"])
    assert incident.current() == CURRENT % "40"


def test_a_value_that_names_something_tainted_is_refused(incident: Incident) -> None:
    incident.publish("43", job="bad-publish")
    plan = incident.plan("revert")
    assert [(one["old"], one["new"]) for one in plan["pointers"]] == [('"43"', '"41"')]
    refused = incident("revert", "--pointer", f"{incident.pointer}=42", code=3)["data"]["plan"]["refused"]
    assert [one["code"] for one in refused] == ["tainted-target"]


def test_a_pointer_that_serves_nothing_here_cannot_be_named(incident: Incident) -> None:
    refused = incident("revert", "--pointer", "s3://elsewhere/x=1", code=3)["data"]["plan"]["refused"]
    assert [one["code"] for one in refused] == ["not-included"]
    assert incident.pointer in refused[0]["why"]


def test_where_data_was_overwritten_in_place_objects_go_back_and_the_pointer_stays(incident: Incident) -> None:
    incident("revert", "--apply", incident.plan("revert")["id"])
    incident.publish("41", job="bad-publish", swap=False)
    plan = incident.plan("revert")
    assert plan["pointers"] == []
    assert plan["objects"] == 1
    incident("revert", "--apply", plan["id"])
    assert incident.bucket.read("serving/features/v=41/part-0") == b"publish 41"
    assert incident.current() == CURRENT % "41"


def test_a_pointer_is_not_swapped_to_what_could_not_be_set_back(incident: Incident) -> None:
    incident.publish("41", job="bad-publish", swap=False)
    plan = incident.plan("revert")
    incident.bucket.put("serving/features/v=41/part-0", b"somebody else's")
    applied = incident("revert", "--apply", plan["id"], code=5)["data"]
    assert (applied["done"], applied["drifted"]) == (0, 2)
    assert incident.bucket.read("serving/features/v=41/part-0") == b"somebody else's"
    assert incident.current() == CURRENT % "42"


def test_where_both_were_overwritten_objects_go_back_before_the_pointer(incident: Incident) -> None:
    """Blue and green: the one that served before went bad later, so that it has to be set back as well."""
    incident.publish("41", job="bad-publish", swap=False)
    plan = incident.plan("revert")
    assert [(one["old"], one["new"]) for one in plan["pointers"]] == [('"42"', '"41"')]
    assert (plan["objects"], plan["actions"]) == (1, 2)
    incident("revert", "--apply", plan["id"])
    assert incident.bucket.read("serving/features/v=41/part-0") == b"publish 41"
    assert incident.current() == CURRENT % "41"
    undo = incident.plan("undo", plan["id"])
    incident("undo", "--apply", undo["id"])
    assert incident.current() == CURRENT % "42"
    assert incident.bucket.read("serving/features/v=41/part-0") == b"bad-publish 41"
