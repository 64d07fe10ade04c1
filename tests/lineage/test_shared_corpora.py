"""Recorded events of many producers: every file answers for every job, or says what is missing, without a traceback."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest

from lineage.blast import blast
from lineage.declarations import Declarations
from lineage.errors import LineageError
from lineage.fault import Fault
from lineage.gaps import gaps
from lineage.history import build
from lineage.sources import Problems, read

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
FILES = sorted(CORPORA.glob("*.ndjson")) if CORPORA.is_dir() else []

pytestmark = pytest.mark.skipif(not FILES, reason="the shared corpora lie beside a work tree, not in it")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_job_of_a_corpus_has_a_radius(path: Path) -> None:
    problems = Problems()
    events = list(read([str(path)], problems))
    lines = [line for line in path.read_bytes().splitlines() if line.strip()]
    assert len(events) + len(problems.skipped) == len(lines)
    assert all(one.reason and one.line for one in problems.skipped)
    history = build(events, Declarations(), problems=problems)
    assert history.jobs
    json.dumps([str(gap.subject) + gap.reason for gap in gaps(history)])
    ran = {job for one in history.attempts for job in (one.job, *one.aliases)}
    for job in history.jobs:
        if job in ran:
            found = blast(history, Fault(job=str(job)))
            json.dumps(found.to_json())
            assert {one.run_id for one in history.attempts if job in (one.job, *one.aliases)} <= {
                one.run_id for one in found.attempts
            }
            assert {one.cell.dataset for one in found.cells} <= set(history.datasets)
            assert found.static_datasets >= len(found.datasets)
        else:
            with pytest.raises(LineageError):
                blast(history, Fault(job=str(job)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_dataset_of_a_corpus_can_be_bad_data(path: Path) -> None:
    history = build(read([str(path)], Problems()), Declarations())
    for dataset in history.datasets:
        with suppress(LineageError):
            json.dumps(blast(history, Fault(cells=(f"{dataset}@*",))).to_json())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_order_of_a_corpus_decides_nothing(path: Path) -> None:
    events = list(read([str(path)], Problems()))
    forward, backward = build(events, Declarations()), build([*reversed(events), *events[::2]], Declarations())
    for job in forward.jobs[:5]:
        fault = Fault(job=str(job))
        try:
            expected = blast(forward, fault).to_json()
        except LineageError:
            continue
        assert blast(backward, fault).to_json() == expected
