"""A rule that gives several datasets one location must not let the purge of one take the data of the others along."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_lake import CONFIG, incident_on

RULE = '\n[[dataset]]\nmatch = "s3://lake/*"\nlocation = "s3://lake/clean/orders"\n'


def test_two_datasets_with_one_location_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = incident_on(tmp_path, monkeypatch, capsys, until="declared")
    (tmp_path / "incident.toml").write_text(CONFIG + RULE)
    before = terminal.lake.contents()
    code, envelope = terminal("purge")
    whys = {one["what"]: one["why"] for one in envelope["data"]["plan"]["refused"]}
    assert (code, envelope["data"]["saved"]) == (3, False)
    assert "has the same location as the dataset s3://lake/daily/totals" in whys["s3://lake/clean/orders@dt=2026-11-17"]
    assert terminal.lake.contents() == before
