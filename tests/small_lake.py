"""A small lake for whole incidents in one process: storage in memory, events in a file, a pipeline that can be told to misbehave.

``orders`` writes a day of clean/orders, ``totals`` a day of daily/totals from it, ``board`` the serving board from two days of
totals. On 17 November ``orders`` ran a bad version.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from incident.context import Context
from incident.orchestrators.port import RunOutcome
from incident.storage.memory import MemoryStore
from lineage.timestamps import SECOND, parse, render
from runbooks.plan import RunJob
from runbooks.survey import ObjectVersion

CONFIG = """
[lineage]
sources = ["events.ndjson"]

[[storage]]
url = "s3://lake"

[[dataset]]
match = "s3://lake/*"
partition = "dt=%Y-%m-%d"
write = "overwrite"

[[dataset]]
match = "s3://lake/serving/board"
partition = false
serving = true

[[edge]]
job = "shop/board"
reads = "s3://lake/daily/totals"
window = [-1, 0]

[[orchestrator]]
jobs = "shop/*"
kind = "command"
command = ["make-it", "{job}", "{partition}"]
"""
DAYS = ("2026-11-16", "2026-11-17", "2026-11-18")
FAULT = ("--job", "shop/orders", "--nominal", "2026-11-17")
BAD = "2026-11-17"


class TickingStore(MemoryStore):
    """A store that tells the time of the lake's clock."""

    clock: Callable[[], int]

    def _push(self, bucket: str, version: ObjectVersion, data: bytes = b"") -> str:
        self.now = self.clock()
        return super()._push(bucket, version, data)


@dataclass
class Lake:
    """The clock moves a second whenever anybody looks at it. The pipeline is the orchestrator of the backfill."""

    folder: Path
    store: TickingStore = field(default_factory=TickingStore)
    now: int = parse("2026-11-20T08:00:00Z")
    version: str = "v2"
    broken: set[str] = field(default_factory=set)
    lying: set[str] = field(default_factory=set)
    interrupted: set[str] = field(default_factory=set)
    silent: bool = False
    ended: dict[str, int] = field(default_factory=dict)
    """How runs ended that nobody waited for, by the stem of their logs."""
    runs: list[str] = field(default_factory=list)

    def tick(self) -> int:
        self.now += SECOND
        return self.now

    def build(self) -> None:
        """The days as they were: the board is good until the bad day, and bad after it."""
        self.store.clock = self.tick
        self.store.create("lake")
        (self.folder / "incident.toml").write_text(CONFIG)
        later, self.now = self.now, parse("2026-11-16T00:30:00Z")
        for day in DAYS:
            self.now = parse(f"{day}T00:30:00Z")
            version = "v1-bad" if day == BAD else "v1"
            self.make("shop/orders", f"dt={day}", version, f"{version} {day}")
            self.make("shop/totals", f"dt={day}", "v1", f"{version} {day}")
            self.make("shop/board", "*", "v1", f"{version} {day}", day)
        self.now = later

    def make(self, job: str, partition: str, version: str, data: str, day: str | None = None) -> None:
        """One run: its object and its events."""
        name = {"shop/orders": "clean/orders", "shop/totals": "daily/totals", "shop/board": "serving/board"}[job]
        place = name if partition == "*" else f"{name}/{partition}"
        inputs = {
            "shop/orders": [],
            "shop/totals": [f"clean/orders/{partition}"],
            "shop/board": ["daily/totals"],
        }[job]
        number = len(self.runs) + 1
        self.runs.append(f"{job} {partition}")
        day = day or partition.removeprefix("dt=")
        namespace, name = job.split("/")
        nominal = {"nominalStartTime": f"{day}T00:00:00Z", "nominalEndTime": f"{day}T00:00:00Z"}
        event = {
            "producer": "https://example.org/pipeline",
            "run": {"runId": f"00000000-0000-4000-8000-{number:012d}", "facets": {"nominalTime": nominal}},
            "job": {"namespace": namespace, "name": name, "facets": {"sourceCodeLocation": {"version": version}}},
            "inputs": [{"namespace": "s3://lake", "name": one} for one in inputs],
            "outputs": [{"namespace": "s3://lake", "name": place}],
        }
        self._event("START", event)
        self.store.put("lake", f"{place}/part-0.txt", data.encode())
        self._event("COMPLETE", event)

    def _event(self, kind: str, event: dict[str, Any]) -> None:
        if not self.silent:
            with (self.folder / "events.ndjson").open("a") as file:
                file.write(json.dumps({"eventType": kind, "eventTime": render(self.tick()), **event}) + "\n")

    # --- the orchestrator ------------------------------------------------------------------------------------------------

    def run(self, action: RunJob, log: Path) -> RunOutcome:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(" ".join(action.command))
        name = f"{action.job} {action.partition}"
        self.ended.pop(log.stem, None)
        if name in self.interrupted:
            self.interrupted.discard(name)
            raise KeyboardInterrupt
        if name in self.broken:
            return RunOutcome(ok=False, detail="'make-it' ended with exit code 1: table is locked")
        if name in self.lying:
            self.ended[log.stem] = 0
            return RunOutcome(ok=True)
        self.make(action.job, action.partition, self.version, f"{self.version} {name}", action.start[:10] or None)
        self.ended[log.stem] = 0
        return RunOutcome(ok=True)

    def code(self, log: Path) -> int | None:
        return self.ended.get(log.stem)

    def running(self, log: Path) -> bool:
        return log.with_suffix(".running").exists()

    def contents(self) -> dict[str, str]:
        return {key: self.store.read("lake", key).decode() for key in self.store.list_keys("lake", "")}


@dataclass
class Terminal:
    """Types commands at the lake. Each answer is the exit code and the envelope."""

    lake: Lake
    capture: pytest.CaptureFixture[str]
    stderr: str = ""

    def __call__(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        from incident.cli.main import run

        code = run([*arguments, "--json"])
        out, self.stderr = self.capture.readouterr()
        envelope: dict[str, Any] = json.loads(out)
        assert envelope["exit_code"] == code
        return code, envelope

    def ok(self, *arguments: str) -> dict[str, Any]:
        code, envelope = self(*arguments)
        assert code == 0, envelope
        data: dict[str, Any] = envelope["data"]
        return data

    def plan_and_apply(self, *arguments: str) -> dict[str, Any]:
        planned = self.ok(*arguments)
        return self.ok(arguments[0], "--apply", planned["plan"]["id"])


def incident_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, until: str = "nothing"
) -> Terminal:
    """A lake, and an incident on it that has come as far as ``until``."""
    lake = Lake(folder)
    lake.build()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "nowhere"))
    monkeypatch.setenv("INCIDENT_HOME", str(folder / "home"))
    monkeypatch.setattr(Context, "now", lambda _self: lake.tick())
    monkeypatch.setattr("incident.storage._store", lambda *_: lake.store)
    monkeypatch.setattr("incident.commands.backfill.opened", lambda _config: lake)
    terminal = Terminal(lake, capsys)
    steps: list[Callable[[], Any]] = [
        lambda: terminal.ok("declare", "orders in cents", *FAULT),
        lambda: terminal.plan_and_apply("revert"),
        lambda: terminal.ok("fix", "prices divided", "--code-version", "v2"),
        lambda: terminal.plan_and_apply("purge"),
        lambda: terminal.plan_and_apply("backfill"),
    ]
    for name, step in zip(("declared", "reverted", "fixed", "purged", "backfilled"), steps, strict=True):
        if until == "nothing":
            break
        step()
        if until == name:
            break
    lake.runs.clear()
    return terminal
