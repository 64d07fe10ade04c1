"""A lake on ministack for the storage benches, an incident on it, and the way back to how it was."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from incident.storage.s3 import S3Store
from lineage.timestamps import render
from tests.bench.runs import incident, measure
from tests.s3_server import LiveBucket

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
FIRST = date(2026, 11, 1)
_CONFIG = """
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
serving = {serving}
write = "overwrite"
[[orchestrator]]
jobs = "spark/*"
kind = "command"
command = ["true", "{{job}}", "{{partition}}"]
"""


def day(number: int) -> str:
    """Of which the partition ``number`` is."""
    return (FIRST + timedelta(days=number)).isoformat()


@dataclass
class Lake:
    """``days`` partitions of ``each`` objects; with ``rewritten`` each has a good version below the bad one."""

    bucket: LiveBucket
    folder: Path
    days: int
    each: int
    rewritten: bool = False
    good_until: str = ""
    kept: set[tuple[str, str]] = field(default_factory=set)

    @property
    def count(self) -> int:
        return self.days * self.each

    def build(self) -> None:
        """Slow: object by object, through the server's front door."""
        if self.rewritten:
            self._write(b"good")
            time.sleep(1.5)
            self.good_until = render(time.time_ns()) or ""
            time.sleep(1.5)
        events = [self._event("START", number) for number in range(self.days)]
        self._write(b"bad!!")
        events += [self._event("COMPLETE", number) for number in range(self.days)]
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "events.ndjson").write_text("".join(json.dumps(one) + "\n" for one in events))
        self.kept = set(self._versions())

    def _write(self, data: bytes) -> None:
        keys = [f"clean/orders/dt={day(number)}/part-{part:05}.parquet" for number in range(self.days) for part in range(self.each)]
        with ThreadPoolExecutor(4) as pool:
            for _ in pool.map(lambda key: self.bucket.put(key, data), keys):
                pass

    def _event(self, kind: str, number: int) -> dict[str, Any]:
        midnight = f"{day(number)}T00:00:00Z"
        nominal = {"nominalStartTime": midnight, "nominalEndTime": midnight}
        return {
            "eventType": kind,
            "eventTime": render(time.time_ns()),
            "run": {"runId": f"bad-{number}", "facets": {"nominalTime": nominal}},
            "job": {"namespace": "spark", "name": "enrich"},
            "inputs": [],
            "outputs": [{"namespace": f"s3://{self.bucket.name}", "name": "clean/orders"}],
        }

    # --- between two runs -------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Every version that was not there at first goes: markers and copies."""
        client = self.bucket.client
        made = [{"Key": key, "VersionId": version} for key, version in self._versions() if (key, version) not in self.kept]
        for start in range(0, len(made), 1_000):
            client.delete_objects(Bucket=self.bucket.name, Delete={"Objects": made[start : start + 1_000], "Quiet": True})  # type: ignore[typeddict-item]

    def _versions(self) -> Iterator[tuple[str, str]]:
        for found in S3Store(self.bucket.endpoint).histories(self.bucket.name, "clean/"):
            yield from ((found.key, one.version_id) for one in found.versions)

    def currents(self) -> int:
        """How many objects are there to be read."""
        found = S3Store(self.bucket.endpoint).histories(self.bucket.name, "clean/")
        return sum(one.current is not None for one in found)

    # --- the incident -----------------------------------------------------------------------------------------------------

    def options(self) -> list[str]:
        return ["--home", str(self.folder / "home"), "--config", str(self.folder / "incident.toml"), "--no-input"]

    def declare(self, endpoint: str) -> None:
        """A new incident about all of it, which reaches the storage at ``endpoint``. What is known of the server stays at home."""
        for old in (self.folder / "home").glob("INC-*"):
            shutil.rmtree(old)
        serving = "true" if self.rewritten else "false"
        (self.folder / "incident.toml").write_text(_CONFIG.format(bucket=self.bucket.name, endpoint=endpoint, serving=serving))
        nominal = f"{day(0)}..{day(self.days - 1)}"
        told = incident("declare", "orders in cents", "--job", "spark/enrich", "--nominal", nominal, *self.options())
        measure(told, environment=KEYS)

    def plan(self, phase: str) -> str:
        """Make the phase's plan. Its id is the same as long as bucket and incident are the same."""
        told = measure(incident(phase, "--json", "--quiet", *self.options()), environment=KEYS)
        plan_id: str = json.loads(told.output)["data"]["plan"]["id"]
        return plan_id
