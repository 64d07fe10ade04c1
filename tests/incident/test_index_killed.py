"""An ingest that is killed at any moment leaves the former index, and the next one ends where an undisturbed one would.

``INGEST_KILLS=50 pytest tests/incident/test_index_killed.py`` kills that many.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from lineage.history import History
from lineage.index import ingest
from lineage.index.files import Files, LocalFiles
from lineage.index.manifest import Manifest, commit, latest
from lineage.index.query import Query
from lineage.index.reader import Index
from lineage.index.update import update
from tests.bench.company import company

KILLS = int(os.environ.get("INGEST_KILLS", "10"))
INGEST = """
import sys
from lineage.index.files import Files, LocalFiles
from lineage.index import ingest, update
ingest._ENOUGH = 400  # many small files and checkpoints
update.update(LocalFiles(sys.argv[1]), [sys.argv[2]], checkpoint=300)
"""


@pytest.fixture(scope="module")
def made() -> Any:
    return company(7, 12, 6, odd=True)


def ingesting(place: Path, events: Path) -> subprocess.Popen[bytes]:
    with place.with_suffix(".errors").open("wb") as errors:
        return subprocess.Popen([sys.executable, "-c", INGEST, str(place), str(events)], stderr=errors)


def history(place: Path, made: Any) -> Any:
    return Query(Index.open(LocalFiles(place)), made.declarations()).whole()


def orphans(place: Path) -> set[str]:
    """Files that no generation is made of."""
    files = LocalFiles(place)
    known: set[str] = set()
    for name in files.names("generations"):
        body = json.loads(files.read(f"generations/{name}"))
        known |= {part["file"] for parts in body["days"].values() for part in parts} | set(body["tables"].values())
    there = {str(path.relative_to(place)) for path in place.rglob("*.parquet")}
    assert known <= there
    return there - known


def test_a_killed_ingest_leaves_the_former_index_and_the_next_one_ends_where_an_undisturbed_one_would(
    tmp_path: Path, made: Any
) -> None:
    random = Random(KILLS)
    told = list(made.events())
    sources = tmp_path / "events"
    sources.mkdir()

    def write(number: int, events: list[Any]) -> None:
        (sources / f"{number:02d}.ndjson").write_text("".join(json.dumps(one) + "\n" for one in events))

    cut = len(told) // 12
    write(0, told[:cut])
    base, undisturbed = tmp_path / "base", tmp_path / "undisturbed"
    assert ingesting(base, sources).wait() == 0
    former = history(base, made)
    for number in range(1, 12):
        write(number, told[number * cut : (number + 1) * cut if number < 11 else None])
    began = time.monotonic()
    assert ingesting(undisturbed, sources).wait() == 0
    takes = time.monotonic() - began
    wanted = history(undisturbed, made)
    kills = trials = 0
    while kills < KILLS:
        disturbed = tmp_path / f"disturbed{trials}"
        trials += 1
        shutil.copytree(base, disturbed)
        while kills < KILLS and killed(disturbed, sources, random.uniform(0.2, 1.1) * takes):
            kills += 1
            found = latest(LocalFiles(disturbed))
            assert found is not None
            assert history(disturbed, made).attempts == (former if found.generation == 1 else wanted).attempts
        update(LocalFiles(disturbed), [str(sources)])
        after = history(disturbed, made)
        assert comparable(after) == comparable(wanted)
        assert not orphans(disturbed)
        assert not (disturbed / "pending.json").exists()
        shutil.rmtree(disturbed)


def test_what_an_ingest_had_no_time_to_clear_up_goes_with_the_next_one(
    tmp_path: Path, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, sources = tmp_path / "index", tmp_path / "events"
    sources.mkdir()
    for number, one in zip(range(40), made.events(), strict=False):
        (sources / f"{number:02d}.ndjson").write_text(json.dumps(one) + "\n")

    def dies(files: Files, made: Manifest) -> None:
        commit(files, made)
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(ingest, "commit", dies)
        with pytest.raises(KeyboardInterrupt):
            update(LocalFiles(place), [str(sources)], checkpoint=10)
    assert orphans(place)
    assert update(LocalFiles(place), [str(sources)], checkpoint=10).new_events == 0
    assert not orphans(place)


def killed(place: Path, sources: Path, after: float) -> bool:
    """Whether an ingest was killed after some seconds, and not done before."""
    process = ingesting(place, sources)
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    assert process.returncode == 0, place.with_suffix(".errors").read_text()
    return False


def comparable(of: History) -> Any:
    return of.attempts, of.events, of.job_reads, of.job_writes, of.owners
