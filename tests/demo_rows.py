"""The events of the demo's lake without its storage: the real jobs over rows in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest

from incident.demo import lake
from incident.demo.settings import FIXED, Settings
from incident.demo.store import Missing, Row


@dataclass
class Rows:
    """Stands in for ``incident.demo.store.Store``."""

    settings: Settings
    kept: dict[tuple[str, str], list[Row]] = field(default_factory=dict)

    def read(self, dataset: str, partition: str = "*") -> list[Row]:
        found = self.kept.get((dataset, partition))
        if not found:
            raise Missing(f"{dataset}@{partition} is not there")
        return found

    def write(self, dataset: str, partition: str, parts: list[list[Row]]) -> None:
        self.kept[dataset, partition] = [row for part in parts for row in part]

    def write_json(self, dataset: str, _name: str, value: Row) -> None:
        self.kept[dataset, "*"] = [value]


def build(folder: Path, monkeypatch: pytest.MonkeyPatch, *, again: tuple[str, ...] = ()) -> Settings:
    """Four weeks of events in ``folder/events``; for the days ``again``, ``enrich`` was made again by the fixed release."""
    settings = Settings(folder / "lake.json", "http://127.0.0.1:1")
    settings.save()
    rows = Rows(settings)
    monkeypatch.setattr(lake, "Store", lambda _settings: rows)
    lake.build(settings)
    settings.deploy("enrich", FIXED)
    for day in again:
        following = str(date.fromisoformat(day) + timedelta(days=1))
        assert lake.main(["--lake", str(settings.path), "run", "demo/enrich", f"dt={day}", day, following]) == 0
    return settings
