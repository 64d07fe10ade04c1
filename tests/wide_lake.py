"""The plain lake with several files in each cell, on every ground beneath it; and steps of recovery that end where they began."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.plain_lake import PlainLake
from tests.recovery_world import shape
from tests.s3_server import LiveBucket, LiveServer
from tests.small_lake import BAD, FAULT, Terminal

Ground = Literal["versions", "plain", "folder"]
GROUNDS: tuple[Ground, ...] = ("versions", "plain", "folder")
Step = Literal["revert", "purge", "undo purge", "undo revert"]
STEPS: tuple[Step, ...] = ("revert", "purge", "undo purge", "undo revert")
COUNTS = ("done", "failed", "drifted", "unknown")
_BAD = re.compile(rf"(serving/board|(clean/orders|daily/totals)/dt={BAD})/")


@dataclass
class WideLake(PlainLake):
    """``parts``: how many files a cell has beside its ``_SUCCESS``."""

    parts: int = 4
    versioned: bool = False

    def put(self, key: str, data: bytes) -> None:
        folder = key.rpartition("/")[0]
        for number in range(self.parts):
            super().put(f"{folder}/part-{number}.txt", data + b" %d" % number)
        super().put(f"{folder}/_SUCCESS", data)

    def back_up(self, key: str) -> None:
        folder = key.rpartition("/")[0]
        for name in self.contents():
            if not name.startswith(f"{folder}/"):
                continue
            if self.bucket is not None and self.vault is not None:
                source = {"Bucket": self.bucket.name, "Key": name}
                self.vault.client.copy_object(Bucket=self.vault.name, Key=f"backup/{name}", CopySource=source)  # type: ignore[arg-type]
            else:
                path = self.folder / "backup" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes((self.folder / "lake" / name).read_bytes())

    def contents(self) -> dict[str, str]:
        """In buckets ETags stand for bytes, which costs less to look at."""
        return super().contents() if self.bucket is None else _etags(self.bucket)

    def kept(self) -> dict[str, str]:
        if self.vault is None:
            return super().kept()
        return {key: etag for key, etag in _etags(self.vault).items() if key.startswith("incident/")}

    def clean(self) -> dict[str, str]:
        """What no plan is about."""
        return {key: data for key, data in self.contents().items() if not _BAD.match(key)}

    def everything(self) -> set[str]:
        """All that can be had back: what lies there, in quarantine, and in any version."""
        found = {*self.contents().values(), *self.kept().values()}
        if self.versioned and self.bucket is not None:
            found |= {one.etag for versions in self.bucket.listing().values() for one in versions if not one.is_marker}
        return found

    def view(self, plan: str) -> object:
        """How a plan left it: what lies there, what was kept of it, each version."""
        kept = sorted(data for name, data in self.kept().items() if plan in name)
        versions = shape(self.bucket.listing()) if self.versioned and self.bucket is not None else None
        return self.contents(), kept, versions


def _etags(bucket: LiveBucket) -> dict[str, str]:
    return {one["Key"]: one["ETag"] for one in bucket.client.list_objects_v2(Bucket=bucket.name).get("Contents", [])}


@dataclass
class Course:
    """``STEPS`` one after the other, which leave the lake as it was: each once undisturbed, and then as often as one likes."""

    lake: WideLake
    incident: Terminal
    whole: dict[Step, object] = field(default_factory=dict)
    """What an undisturbed step ends in."""
    sizes: dict[Step, int] = field(default_factory=dict)
    """How many actions it has."""
    clean: Mapping[str, str] = field(default_factory=dict)
    applied: dict[str, str] = field(default_factory=dict)

    def begin(self) -> None:
        """The undisturbed round."""
        self.clean = self.lake.clean()
        before = self.lake.contents()
        for step in STEPS:
            plan = self.plan(step)
            assert self.finished(step, plan, self.incident.ok(*self.command(step, plan)))
            self.whole[step] = self.lake.view(plan)
            if step == "revert":
                self.incident.ok("fix", "prices divided", "--code-version", "v2")
        assert self.lake.contents() == before
        views = list(self.whole.values())
        assert all(one != other for one, other in zip(views, [*views[1:], views[0]], strict=True)), "each step changes something"

    def plan(self, step: Step) -> str:
        verb, _, target = step.partition(" ")
        planned = self.incident.ok(verb, *([self.applied[target]] if target else []))["plan"]
        self.applied[step] = planned["id"]
        assert self.sizes.setdefault(step, planned["actions"]) == planned["actions"] > 0
        return str(planned["id"])

    def command(self, step: Step, plan: str) -> list[str]:
        verb, _, target = step.partition(" ")
        return [verb, *([self.applied[target]] if target else []), "--apply", plan]

    def begun(self, plan: str) -> bool:
        return any(self.lake.folder.glob(f"home/*/journal/{plan}.ndjson"))

    def finished(self, step: Step, plan: str, data: Mapping[str, Any]) -> bool:
        """Whether an answer to apply or resume accounts for each action, all of them done."""
        counts = [data[name] for name in COUNTS]
        assert (data["plan_id"], sum(counts)) == (plan, self.sizes[step]), data
        return counts == [self.sizes[step], 0, 0, 0]

    def settle(self, step: Step, plan: str) -> None:
        """What a person does once a trouble is over: resume, or apply what was not begun. Then it is as if it had not been."""
        for _ in range(3):
            code, envelope = self.incident("resume")
            if envelope["data"].get("plan_id") is None:
                break
            assert (code == 0) == self.finished(step, plan, envelope["data"]), envelope
        last = self.incident.ok(*self.command(step, plan))
        assert last["already_applied"] or self.finished(step, plan, last)
        assert self.incident.ok("resume")["plan_id"] is None
        self.equal(step, plan)

    def equal(self, step: Step, plan: str) -> None:
        assert self.lake.clean() == self.clean, "nothing clean is touched"
        assert self.lake.view(plan) == self.whole[step]


def course(
    ground: Ground,
    folder: Path,
    server: LiveServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    through: Callable[[LiveBucket], LiveBucket] = lambda bucket: bucket,
    parts: int = 4,
) -> Course:
    """A lake on such ground with an incident on it, every step of recovery run once. ``through``: how our side sees a bucket."""
    lake = WideLake(folder, parts=parts, versioned=ground == "versions")
    if ground != "folder":
        lake.bucket = through(server.bucket(versioned=lake.versioned))
        lake.vault = through(server.bucket(versioned=False))
    lake.build()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "nowhere"))
    monkeypatch.setenv("INCIDENT_HOME", str(folder / "home"))
    incident = Terminal(lake, capsys)
    incident.ok("declare", "orders in cents", *FAULT)
    found = Course(lake, incident)
    found.begin()
    return found


def behind(endpoint: str) -> Callable[[LiveBucket], LiveBucket]:
    """Buckets as they are seen through a link at ``endpoint``."""
    return lambda bucket: replace(bucket, endpoint=endpoint)
