"""A run is told alike whether a decoder saw its beginning and end together or each event came by itself, whole or in pieces.

``INDEX_PAIRS=50`` asks more stories.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from lineage.decoding import attempts, filling, references
from lineage.index import ingest, lately
from lineage.index.batch import Batch
from lineage.index.files import LocalFiles
from lineage.index.ingest import Ingest
from lineage.index.rows import events_of
from lineage.index.update import update
from lineage.timestamps import SECOND, render

STORIES = int(os.environ.get("INDEX_PAIRS", "2"))
MINUTE = 60 * SECOND
FIRST = 1_794_960_000 * SECOND
TYPES = ("START", "START", "START", "RUNNING", "COMPLETE", "COMPLETE", "COMPLETE", "FAIL", "ABORT", "OTHER", "start", None)


def runs(seed: int) -> list[bytes]:
    """Lines of some runs: many as they should be, others with what producers do; not quite in the order of their times."""
    random = Random(seed)
    lines: list[tuple[int, bytes]] = []
    for number in range(60):
        at = FIRST + random.randrange(5000) * MINUTE
        told: dict[str, Any] = {"run": {"runId": f"r{random.randrange(number + 1)}", "facets": {}}, "job": _job(random)}
        if random.random() < 0.5:
            told["run"]["facets"]["nominalTime"] = {"nominalStartTime": render(at - at % (24 * 60 * MINUTE))}
        told |= {"inputs": _datasets(random, "input"), "outputs": _datasets(random, "output")}
        usual = ("START", *["RUNNING"] * random.choice((0, 0, 0, 1, 2, 4)), random.choice(("COMPLETE", "FAIL")))
        for kind in usual if random.random() < 0.6 else random.choices(TYPES, k=random.randrange(1, 5)):
            if random.random() < 0.2:
                told |= random.choice(
                    (
                        {"outputs": _datasets(random, "output")},
                        {"job": _job(random)},
                        {"run": {**told["run"], "facets": {"airflow": {"dagRun": {"partition_key": "2026-11-18"}}}}},
                    )
                )
            lines.append((at + random.randrange(30) * MINUTE, orjson.dumps({"eventTime": render(at), "eventType": kind, **told})))
            at += random.choice((0, 1, 1, 7, 3000)) * MINUTE
    lines += random.sample(lines, k=10)
    whole = [line for _, line in sorted(lines)]
    return [*whole, *whole[30:60]]  # a part of them once more


def _job(random: Random) -> dict[str, Any]:
    facets = random.choice(({}, {"ownership": {"owners": [{"name": "team"}]}}, {"sourceCodeLocation": {"version": "v2"}}))
    return {"namespace": "n", "name": f"j{random.randrange(4)}", "facets": facets}


def _datasets(random: Random, side: str) -> list[dict[str, Any]]:
    made = []
    for _ in range(random.randrange(3)):
        day = f"2026-11-{random.randrange(10, 13)}"
        one: dict[str, Any] = {"namespace": "s3://lake", "name": f"t{random.randrange(5)}", f"{side}Facets": {}}
        match random.randrange(5):
            case 0:
                one["name"] += f"/dt={day}"
            case 1:
                condition = {"partitions": [{"dimensions": {"dt": day}}, {"dimensions": {"dt": "2026-11-18"}}]}
                one[f"{side}Facets"] = {"subset": {f"{side}Condition": condition}}
            case 2:
                one[f"{side}Facets"] = {"subset": {f"{side}Condition": {"locations": [f"s3://lake/x/dt={day}"]}}}
            case 3:
                one["facets"] = {"version": {"datasetVersion": random.randrange(3)}}
        made.append(one)
    return made


def held(place: Path) -> Any:
    """All that an index holds, by names rather than numbers."""
    found = Ingest.open(LocalFiles(place))
    known = found.dimensions

    def head(number: int) -> Any:
        kind, job, inputs, outputs, *rest = known.heads[number]
        return kind, job, [known.refs[ref] for ref in inputs], [known.refs[ref] for ref in outputs], rest

    rows = list(found._days.rows())
    attempts = [
        (
            row._replace(job=0, shape=0),
            known.jobs[row.job],
            [head(one) for one in known.shapes[row.shape]],
            [(time, kind, head(one), extra) for time, kind, one, extra in events_of(row, known)],
        )
        for row in rows
    ]
    assert len(rows) == len({(row.run, row.number) for row in rows})
    counts = {number: count for number, count in enumerate(known.attempts) if count}
    assert counts == {shape: sum(row.shape == shape for row in rows) for shape in {row.shape for row in rows}}
    lately_ran = {known.jobs[job]: sorted(entries, key=repr) for job, entries in found.recent.jobs.items() if entries}
    days = {day: sum(part.rows for part in parts) for day, parts in found.base.days.items()}
    return sorted(map(repr, attempts)), lately_ran, days, sorted(known.dated), sorted(known.versioned)


@pytest.mark.parametrize("block", range(4))
def test_it_does_not_matter_which_events_of_a_run_are_seen_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    for seed in range(block * STORIES, (block + 1) * STORIES):
        lines = runs(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        for number in range(0, len(lines), 20):
            (folder / f"{number:03d}.ndjson").write_bytes(b"\n".join(lines[number : number + 20]))
        found = []
        for waiting, enough in ((2048, 80_000), (0, 80_000), (2, 80_000), (2048, 1)):
            monkeypatch.setattr(filling, "_WAITING", waiting)
            monkeypatch.setattr(ingest, "_ENOUGH", enough)
            place = tmp_path / f"{seed}-{waiting}-{enough}"
            update(LocalFiles(place), [str(folder)])
            found.append(held(place))
        assert all(one == found[0] for one in found[1:]), seed
        growing = tmp_path / f"{seed}.ndjson"
        random = Random(seed)
        while lines:
            count = random.randrange(20, 90)
            with growing.open("ab") as file:
                file.write(b"\n".join(lines[:count]) + b"\n")
            lines = lines[count:]
            update(LocalFiles(tmp_path / "growing"), [str(growing)])
        assert held(tmp_path / "growing") == found[0], seed
        shutil.rmtree(tmp_path / "growing")


@pytest.mark.parametrize("full", [1, 2, 1 << 16])
def test_runs_of_one_shape_keep_apart_which_of_their_partitions_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: int
) -> None:
    """Also when the memory of what was written before is full."""
    monkeypatch.setattr(references, "FULL", full)
    monkeypatch.setattr(attempts, "FULL", full)
    told = []
    for number, days in enumerate(("aaa", "aab", "aba", "bbb", "abc", "aab", "ccc", "bab")):
        for after, kind in ((0, "START"), (5, "COMPLETE")):
            tables = [{"namespace": "s3://lake", "name": f"t{at}/dt=2026-11-1{'abc'.index(day)}"} for at, day in enumerate(days)]
            run = {
                "run": {"runId": f"r{number}"},
                "job": {"namespace": "n", "name": "j"},
                "inputs": tables[:2],
                "outputs": tables[2:],
            }
            told.append({"eventTime": render(FIRST + (number * 60 + after) * MINUTE), "eventType": kind, **run})
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in told))
    found = []
    for waiting in (2048, 0):
        monkeypatch.setattr(filling, "_WAITING", waiting)
        update(LocalFiles(tmp_path / str(waiting)), [str(file)])
        found.append(held(tmp_path / str(waiting)))
    assert found[0] == found[1]


def test_a_run_goes_on_from_file_to_file_and_is_kept_when_nothing_else_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = runs(7)
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, line in enumerate(lines):
        (folder / f"{number:04d}.ndjson").write_bytes(line + b"\n" * (number % 2))
    taken: list[int] = []
    take = Ingest.take

    def counted(self: Ingest, batch: Batch) -> None:
        taken.append(len(batch.time))
        take(self, batch)

    monkeypatch.setattr(Ingest, "take", counted)
    done = update(LocalFiles(tmp_path / "one by one"), [str(folder)])
    assert done.events == done.new_events == sum(len(one) > 0 for one in lines)
    assert len(taken) == 1
    assert taken[0] < len(lines) - 60  # the others were seen with the rest of their runs
    (tmp_path / "whole.ndjson").write_bytes(b"\n".join(lines))
    assert update(LocalFiles(tmp_path / "whole"), [str(tmp_path / "whole.ndjson")]).events == done.events
    update(LocalFiles(tmp_path / "often"), [str(folder)], checkpoint=0)
    assert held(tmp_path / "one by one") == held(tmp_path / "whole") == held(tmp_path / "often")
    again = update(LocalFiles(tmp_path / "often"), [str(folder)])
    assert (again.events, again.new_events) == (done.events, 0)


def test_of_many_attempts_the_last_are_known_by_heart_whenever_the_others_are_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = {"namespace": "n", "name": "hourly"}
    told = [
        {"eventTime": render(FIRST + (number * 60 + after) * MINUTE), "eventType": kind, "run": {"runId": f"r{number}"}, "job": job}
        for number in range(300)
        for after, kind in ((0, "START"), (5, "COMPLETE"))
    ]
    told += [  # and one that told of runs of the other long ago
        {**told[number], "eventType": "RUNNING", "job": {"namespace": "n", "name": "other"}} for number in range(0, 40, 2)
    ]
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in told))
    found = []
    for many, enough in ((400_000, 80_000), (10, 100)):
        monkeypatch.setattr(lately, "_MANY", many)
        monkeypatch.setattr(ingest, "_ENOUGH", enough)
        update(LocalFiles(tmp_path / str(many)), [str(file)])
        recent = Ingest.open(LocalFiles(tmp_path / str(many))).recent
        found.append((recent.jobs, recent.first))
    assert found[0] == found[1]
    assert sorted(map(len, found[0][0].values())) == [20, 64]
