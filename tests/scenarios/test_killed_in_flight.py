"""Real processes with several chunks in flight, killed by SIGKILL at random moments, on a real S3 server.

``KILLS`` in the environment asks for more than the few that every run does.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from lineage.timestamps import render
from tests.s3_server import LiveBucket

KILLS = int(os.environ.get("KILLS", "4"))
DAYS = tuple(f"2026-11-{day}" for day in range(11, 17))
NAMES = ("_SUCCESS", *(f"part-{number}" for number in range(20)))
CONFIG = """
[lineage]
sources = ["events.ndjson"]
[[storage]]
url = "s3://{bucket}"
endpoint = "{endpoint}"
region = "us-east-1"
[[dataset]]
match = "s3://{bucket}/clean/orders"
partition = "dt=%Y-%m-%d"
nominal = true
write = "overwrite"
[[orchestrator]]
jobs = "spark/*"
kind = "command"
command = ["true", "{{job}}"]
"""


def event(kind: str, day: str, bucket: str) -> dict[str, object]:
    nominal = {"nominalStartTime": f"{day}T00:00:00Z", "nominalEndTime": f"{day}T00:00:00Z"}
    return {
        "eventType": kind,
        "eventTime": render(time.time_ns()),
        "run": {"runId": f"bad-{day}", "facets": {"nominalTime": nominal}},
        "job": {"namespace": "spark", "name": "enrich"},
        "inputs": [],
        "outputs": [{"namespace": f"s3://{bucket}", "name": "clean/orders"}],
    }


class Incident:
    """An incident over some days, all bad."""

    def __init__(self, bucket: LiveBucket, folder: Path) -> None:
        self.bucket, self.folder = bucket, folder
        (folder / "incident.toml").write_text(CONFIG.format(bucket=bucket.name, endpoint=bucket.endpoint))
        events = [event("START", day, bucket.name) for day in DAYS]
        for day in DAYS:
            for name in NAMES:
                bucket.put(f"clean/orders/dt={day}/{name}", b"bad!")
        events += [event("COMPLETE", day, bucket.name) for day in DAYS]
        (folder / "events.ndjson").write_text("".join(json.dumps(one) + "\n" for one in events))
        self.whole = bucket.listing()

    def command(self, *arguments: str) -> list[str]:
        common = ["--home", str(self.folder / "home"), "--config", str(self.folder / "incident.toml"), "--json", "--no-input"]
        return [sys.executable, "-m", "incident", *arguments, *common]

    def __call__(self, *arguments: str) -> dict[str, object]:
        ran = subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        found: dict[str, object] = json.loads(ran.stdout)["data"]
        return found

    def killed(self, seconds: float, *arguments: str) -> None:
        """Run it, and kill it after so long, unless it ended before."""
        process = subprocess.Popen(self.command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def current(self) -> set[str]:
        return {key for key, versions in self.bucket.listing().items() if not versions[0].is_marker}


def test_whenever_it_is_killed_resume_finishes_it_and_undo_takes_it_back_whole(bucket: LiveBucket, tmp_path: Path) -> None:
    incident = Incident(bucket, tmp_path)
    chance = random.Random(len(DAYS))
    incident("declare", "cents", "--job", "spark/enrich", "--nominal", f"{DAYS[0]}..{DAYS[-1]}")
    plan = incident("purge")["plan"]["id"]  # type: ignore[index]
    began = time.monotonic()
    incident("list")
    startup = time.monotonic() - began
    apply = ("purge", "--apply", plan)
    for _ in range(KILLS):
        begun = list((tmp_path / "home").glob(f"INC-*/journal/{plan}.ndjson"))
        incident.killed(startup * chance.uniform(1.0, 6.0), *(("resume",) if begun else apply))
        for day in DAYS:
            left = {key.rpartition("/")[2] for key in incident.current() if f"dt={day}/" in key}
            assert "_SUCCESS" not in left or left == set(NAMES), "no part of a folder goes before the word that it is complete"
    if list((tmp_path / "home").glob(f"INC-*/journal/{plan}.ndjson")):
        incident("resume")
    found = incident(*apply)
    assert found["already_applied"] or found["done"] == len(DAYS) * len(NAMES)
    assert incident.current() == set()
    assert {len(versions) for versions in bucket.listing().values()} == {2}, "each key is covered once"
    undo = incident("undo", plan)["plan"]["id"]  # type: ignore[index]
    incident("undo", plan, "--apply", undo)
    assert bucket.listing() == incident.whole
