"""The small lake where no versions are kept: in a local folder, or in a bucket of a real S3 server. Times are the storage's own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from lineage.timestamps import render
from tests.s3_server import LiveBucket
from tests.small_lake import BAD, DAYS, FAULT, Lake, Terminal

CONFIG = """
[lineage]
sources = ["events.ndjson"]

{storage}
[[dataset]]
match = "{name}/*"
partition = "dt=%Y-%m-%d"
write = "overwrite"

[[dataset]]
match = "{name}/serving/board"
partition = false
serving = true
copy = "{backup}/serving/board"

[[edge]]
job = "shop/board"
reads = "{url}/daily/totals"
window = [-1, 0]

[[orchestrator]]
jobs = "shop/*"
kind = "command"
command = ["make-it", "{{job}}", "{{partition}}"]
{policy}
"""


@dataclass
class PlainLake(Lake):
    """``bucket`` None: everything lies below ``folder``/lake."""

    bucket: LiveBucket | None = None
    vault: LiveBucket | None = None

    def tick(self) -> int:
        time.sleep(0.002)  # so that the storage's milliseconds tell what came first
        self.now = time.time_ns()
        return self.now

    @property
    def url(self) -> str:
        """What the datasets' names begin with, as declarations write it."""
        return f"s3://{self.bucket.name}" if self.bucket else f"file://{self.folder}/lake"

    def build(self) -> None:
        local = self.bucket is None
        names = [] if self.bucket is None or self.vault is None else [self.bucket, self.vault]
        text = CONFIG.format(
            storage="\n".join(f'[[storage]]\nurl = "s3://{one.name}"\nendpoint = "{one.endpoint}"\n' for one in names),
            name=f"file://{self.folder}/lake" if local else self.url,
            url=f"file:{self.folder}/lake" if local else self.url,
            backup=f"file://{self.folder}/backup" if local else f"s3://{self.vault.name if self.vault else ''}/backup",
            policy=f'[policy]\nquarantine = "s3://{self.vault.name}/incident/"' if self.vault else "",
        )
        (self.folder / "incident.toml").write_text(text)
        for day in DAYS:
            version = "v1-bad" if day == BAD else "v1"
            if day == BAD:
                self.back_up("serving/board/part-0.txt")
            self.make("shop/orders", f"dt={day}", version, f"{version} {day}")
            self.make("shop/totals", f"dt={day}", "v1", f"{version} {day}")
            self.make("shop/board", "*", "v1", f"{version} {day}", day)

    def make(self, job: str, partition: str, version: str, data: str, day: str | None = None) -> None:
        name = {"shop/orders": "clean/orders", "shop/totals": "daily/totals", "shop/board": "serving/board"}[job]
        place = name if partition == "*" else f"{name}/{partition}"
        inputs = {"shop/orders": [], "shop/totals": [f"clean/orders/{partition}"], "shop/board": ["daily/totals"]}[job]
        self.runs.append(f"{job} {partition}")
        self.count = getattr(self, "count", 0) + 1
        nominal = f"{day or partition.removeprefix('dt=')}T00:00:00Z"
        job_namespace, job_name = job.split("/")
        event = {
            "producer": "https://example.org/pipeline",
            "run": {
                "runId": f"00000000-0000-4000-8000-{self.count:012d}",
                "facets": {"nominalTime": {"nominalStartTime": nominal, "nominalEndTime": nominal}},
            },
            "job": {"namespace": job_namespace, "name": job_name, "facets": {"sourceCodeLocation": {"version": version}}},
            "inputs": [self._dataset(one) for one in inputs],
            "outputs": [self._dataset(place)],
        }
        self._event("START", event)
        self.put(f"{place}/part-0.txt", data.encode())
        self._event("COMPLETE", event)

    def _dataset(self, name: str) -> dict[str, str]:
        if self.bucket is None:
            return {"namespace": "file", "name": f"{self.folder}/lake/{name}"}
        return {"namespace": f"s3://{self.bucket.name}", "name": name}

    def _event(self, kind: str, event: dict[str, Any]) -> None:
        if not self.silent:
            with (self.folder / "events.ndjson").open("a") as file:
                file.write(json.dumps({"eventType": kind, "eventTime": render(self.tick()), **event}) + "\n")
                self.tick()

    # --- what lies there --------------------------------------------------------------------------------------------------

    def put(self, key: str, data: bytes) -> None:
        if self.bucket is not None:
            self.bucket.client.put_object(Bucket=self.bucket.name, Key=key, Body=data)
            return
        path = self.folder / "lake" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".writing")
        temporary.write_bytes(data)
        temporary.replace(path)

    def back_up(self, key: str) -> None:
        data = self.contents()[key].encode()
        if self.vault is not None:
            self.vault.client.put_object(Bucket=self.vault.name, Key=f"backup/{key}", Body=data)
        else:
            path = self.folder / "backup" / key
            path.parent.mkdir(parents=True)
            path.write_bytes(data)

    def contents(self) -> dict[str, str]:
        if self.bucket is None:
            root = self.folder / "lake"
            return {
                path.relative_to(root).as_posix(): path.read_text()
                for path in sorted(root.rglob("*"))
                if path.is_file() and ".incident-quarantine" not in path.parts
            }
        return {key: self.bucket.read(key).decode() for key in _keys(self.bucket)}

    def kept(self) -> dict[str, str]:
        """What is in quarantine, by the end of its name."""
        if self.vault is not None:
            return {key: self.vault.read(key).decode() for key in _keys(self.vault) if key.startswith("incident/")}
        found = [path for path in self.folder.rglob(".incident-quarantine/*/*/local/**/*") if path.is_file()]
        return {str(path): path.read_text() for path in sorted(found)}


def _keys(bucket: LiveBucket) -> list[str]:
    return [one["Key"] for one in bucket.client.list_objects_v2(Bucket=bucket.name).get("Contents", [])]


Kind = Literal["folder", "bucket"]


def plain_incident(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    buckets: Callable[[], LiveBucket] | None,
) -> tuple[PlainLake, Terminal]:
    """A lake without versions, and an incident declared on it."""
    lake = PlainLake(folder, bucket=buckets() if buckets else None, vault=buckets() if buckets else None)
    lake.build()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "nowhere"))
    monkeypatch.setenv("INCIDENT_HOME", str(folder / "home"))
    monkeypatch.setattr("incident.commands.backfill.opened", lambda _config: lake)
    terminal = Terminal(lake, capsys)
    terminal.ok("declare", "orders in cents", *FAULT)
    lake.runs.clear()
    return lake, terminal
