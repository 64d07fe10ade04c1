"""What the demo's lake is: where it lies, which days it has, and which code each job runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

FIRST, LAST = date(2026, 10, 19), date(2026, 11, 15)
"""Four whole weeks across the end of a month."""

BAD_FIRST, BAD_LAST = date(2026, 10, 30), date(2026, 11, 1)
"""The days for which ``enrich`` ran the faulty release; on the day after it was rolled back, and its data was left."""

GOOD, BAD, FIXED = "1.4.0", "1.4.1", "1.4.2"
BUCKET = "lake"
NAMESPACE = "demo"
REGION = "us-east-1"
ACCESS_KEY, SECRET_KEY = "demo", "demo-secret"
"""Of a server that lives as long as the demo."""


def days(first: date, last: date) -> list[date]:
    """Every day from first to last, both included."""
    return [first + timedelta(days=count) for count in range((last - first).days + 1)]


@dataclass(frozen=True, slots=True)
class Settings:
    """The lake as its jobs know it; kept as ``lake.json``, with the code versions in ``deployed.json`` beside it.

    ``whole_seconds``: the server cuts the times of objects to seconds, as AWS does.
    """

    path: Path
    endpoint: str
    bucket: str = BUCKET
    first: date = FIRST
    last: date = LAST
    whole_seconds: bool = False

    @classmethod
    def load(cls, path: Path) -> Settings:
        raw = json.loads(path.read_text(encoding="utf-8"))
        dates = (date.fromisoformat(raw["first"]), date.fromisoformat(raw["last"]))
        return cls(path, raw["endpoint"], raw["bucket"], *dates, whole_seconds=raw["whole_seconds"])

    def save(self) -> None:
        raw = {
            "endpoint": self.endpoint,
            "bucket": self.bucket,
            "first": str(self.first),
            "last": str(self.last),
            "whole_seconds": self.whole_seconds,
        }
        self.path.write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")

    @property
    def namespace(self) -> str:
        """The datasets' namespace in lineage."""
        return f"s3://{self.bucket}"

    @property
    def events(self) -> Path:
        """Where the jobs append their lineage events."""
        return self.path.parent / "events" / "openlineage.ndjson"

    @property
    def releases(self) -> Path:
        return self.path.parent / "deployed.json"

    def deployed(self, job: str) -> str:
        """The code version that a run of the job uses now."""
        versions: dict[str, str] = json.loads(self.releases.read_text(encoding="utf-8")) if self.releases.exists() else {}
        return versions.get(job, GOOD)

    def deploy(self, job: str, version: str) -> None:
        versions = json.loads(self.releases.read_text(encoding="utf-8")) if self.releases.exists() else {}
        self.releases.write_text(json.dumps(versions | {job: version}, indent=2) + "\n", encoding="utf-8")
