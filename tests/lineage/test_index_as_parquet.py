"""The index is plain Parquet: another engine reads what the README says is there, and finds the same attempts and edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lineage.events import event
from lineage.index.batch import Batch
from lineage.index.files import LocalFiles
from lineage.index.ingest import Ingest
from lineage.index.query import Query
from lineage.index.reader import Index
from lineage.timestamps import AFTER, BEFORE
from tests.bench.company import company

duckdb: Any = pytest.importorskip("duckdb")


def test_duckdb_reads_the_index_as_it_is(tmp_path: Path) -> None:
    made = company(5, 12, 4)
    files = LocalFiles(tmp_path)
    ingest, batch = Ingest.open(files), Batch()
    for one in made.events():
        batch.event(event(one))
    ingest.take(batch)
    ingest.commit(ingest.manifest({}, [], (), len(batch)))
    index = Index.open(files)
    whole = Query(index, made.declarations()).whole()
    attempts = [str(tmp_path / part.file) for _, part in index.manifest.parts()]
    tables = {name: str(tmp_path / file) for name, file in index.manifest.tables.items()}
    with duckdb.connect() as engine:
        found = engine.execute(
            'select j.namespace, j.name, run, number, start, "end", state, day'
            " from read_parquet(?, hive_partitioning = true) a join read_parquet(?) j using (job)",
            [attempts, tables["jobs"]],
        ).fetchall()
        edges = engine.execute(
            "select distinct j.name, d.name from read_parquet(?) e join read_parquet(?) j using (job) join read_parquet(?) d"
            " using (dataset) where direction = 'write'",
            [tables["edges"], tables["jobs"], tables["datasets"]],
        ).fetchall()
    assert {row[:7] for row in found} == {
        (
            *one.job,
            one.run_id,
            one.number,
            None if one.start == BEFORE else one.start,
            None if one.end == AFTER else one.end,
            one.state[0],
        )
        for one in whole.attempts
    }
    assert all((row[7] == "open") == (row[5] is None) for row in found)
    assert set(edges) == {(job.name, dataset.name) for job, datasets in whole.job_writes.items() for dataset in datasets}
