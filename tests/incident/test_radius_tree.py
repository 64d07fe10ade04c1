"""The radius on the screen: whole paths, ranges of partitions, and no more lines than a person reads."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from incident.cli.main import run
from incident.radius_tree import SHOWN

JOBS = 20
DAYS = 9


def told(job: int, day: int) -> list[dict[str, object]]:
    """Job 0 writes each day; the others read all of what it wrote and say no more."""
    name = f"day dt=2026-11-{day:02d}"
    inputs = [{"namespace": "s3://lake", "name": "clean/orders"}] if job else []
    output = {"namespace": "s3://lake", "name": f"{'clean/orders' if not job else f'out/{job}'}/{name[4:]}"}
    base = {"run": {"runId": f"{job}-{day}"}, "job": {"namespace": "n", "name": f"j{job}"}, "inputs": inputs, "outputs": [output]}
    hour = f"2026-11-{day:02d}T{1 + job % 20:02d}"
    return [
        {**base, "eventType": "START", "eventTime": f"{hour}:00:00Z"},
        {**base, "eventType": "COMPLETE", "eventTime": f"{hour}:10:00Z"},
    ]


def test_a_large_radius_is_shown_in_few_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [one for day in range(1, DAYS + 1) for job in range(JOBS) for one in told(job, day)]
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join(map(orjson.dumps, events)))
    assert run(["blast", "--lineage", str(path), "--job", "n/j0", "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "dt=2026-11-01 … dt=2026-11-09 (9)" in shown
    assert shown.count("SUSPECT  dt=") == JOBS - 1, "one line a dataset and state, however many reasons there are"
    assert shown.count("Not known: ") == 13
    assert f"Not known: {JOBS - 1 - 12} things more" in shown


def test_a_tree_shows_the_nearest_datasets_and_names_all_that_serves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [one for job in range(SHOWN + 5) for one in told(job, 1)]
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join(map(orjson.dumps, events)))
    config = tmp_path / "incident.toml"
    config.write_text('[[dataset]]\nmatch = "s3://lake/out/9"\nserving = true\n')
    asked = ["blast", "--lineage", str(path), "--job", "n/j0", "--quiet", "--config", str(config)]
    assert run(asked) == 0
    shown = capsys.readouterr().out
    words = " ".join(shown.split())
    assert shown.count("s3://lake/out/") == SHOWN, "the dataset of the fault, and one by name below"
    assert "… and 5 datasets farther from the fault: incident blast --all shows them. SERVING among them: s3://lake/out/9." in words
    assert run([*asked, "--all"]) == 0
    assert "farther from the fault" not in (everything := capsys.readouterr().out)
    assert everything.count("s3://lake/out/") == SHOWN + 4


def test_many_stretches_of_partitions_are_shown_only_to_who_wants_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [one for day in range(1, 29, 3) for one in told(0, day)]
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join(map(orjson.dumps, events)))
    asked = ["blast", "--lineage", str(path), "--job", "n/j0", "--quiet"]
    assert run(asked) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "dt=2026-11-19, and 3 more in 3 stretches until dt=2026-11-28 (--all) since" in shown
    assert run([*asked, "--all"]) == 0
    assert "dt=2026-11-19, dt=2026-11-22, dt=2026-11-25, dt=2026-11-28 since" in " ".join(capsys.readouterr().out.split())
