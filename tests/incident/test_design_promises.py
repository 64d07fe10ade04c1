"""The promises of recovery that need a whole incident to be seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_lake import incident_on


def test_purge_leaves_what_revert_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = incident_on(tmp_path, monkeypatch, capsys, until="declared")
    board = "serving/board/part-0.txt"
    assert terminal.ok("purge")["plan"]["objects"] == 3, "the board is bad, and would be purged"
    bad = terminal.lake.contents()[board]
    terminal.plan_and_apply("revert")
    restored = terminal.lake.contents()[board]
    assert restored != bad
    plan = terminal.ok("purge")["plan"]
    assert [one["cell"] for one in plan["cells"]] == [
        "s3://lake/clean/orders@dt=2026-11-17",
        "s3://lake/daily/totals@dt=2026-11-17",
    ]
    terminal.ok("purge", "--apply", plan["id"])
    assert terminal.lake.contents()[board] == restored
