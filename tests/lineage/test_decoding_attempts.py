"""Which events of a run a decoder makes one attempt of: a beginning, an end and those between, in order, that do not disagree."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from lineage.decoding import filling
from lineage.decoding.filling import Filling
from lineage.index.batch import Batch
from lineage.index.dimensions import Dimensions
from lineage.index.rows import Row, rows_of
from lineage.index.schema import pairs_table, rows_in

KEYED: dict[str, Any] = {"run": {"runId": "r", "facets": {"airflow": {"dagRun": {"partition_key": "2026-11-18"}}}}}
OTHERWISE: dict[str, Any] = {"run": {"runId": "r", "facets": {"airflow": {"dagRun": {"partition_key": "2026-11-19"}}}}}


def told(kind: str, second: int, **more: Any) -> bytes:
    """An event of the run ``r``."""
    one = {"name": "t/dt=2026-11-18", "namespace": "s3://lake"}
    plain = {"run": {"runId": "r"}, "job": {"namespace": "n", "name": "j"}, "inputs": [one], "outputs": [one]}
    return orjson.dumps({"eventTime": f"2026-11-18T03:00:{second:02d}Z", "eventType": kind, **plain, **more})


def decoded(*lines: bytes) -> Batch:
    made = Filling()
    assert all(map(made.add, lines))
    made.settle()
    return made.taken()


def generally(*lines: bytes) -> tuple[list[Row], Dimensions]:
    """The attempts of the same events, each by itself."""
    known, made = Dimensions(), Filling()
    events = []
    for line in lines:
        made.add(line)
        made.settle()
        batch = made.taken()
        heads, _ = known.take(batch)
        events += [
            (time, batch.heads[head].kind, heads[head], extra)
            for time, head, extra in zip(batch.time, batch.head, batch.extra, strict=True)
        ]
    return rows_of("r", events, known), known


OTHER = {"outputs": [{"name": "u/dt=2026-11-17", "namespace": "s3://lake"}]}
RUNS: dict[str, tuple[bytes, ...]] = {
    "as Spark tells": (told("START", 1), told("RUNNING", 2), told("COMPLETE", 3)),
    "at one moment": (told("START", 1), told("RUNNING", 1), told("RUNNING", 2), told("FAIL", 2)),
    "more is read and written": (told("START", 1, inputs=[]), told("RUNNING", 2, **OTHER), told("COMPLETE", 3)),
    "begun again": (told("START", 1), told("START", 2), told("COMPLETE", 3)),
    "the key comes last": (told("START", 1, **OTHER), told("COMPLETE", 3, **KEYED)),
    "the key comes between": (told("START", 1, **OTHER), told("RUNNING", 2, **KEYED), told("ABORT", 3, inputs=[])),
}


@pytest.mark.parametrize("lines", RUNS.values(), ids=list(RUNS))
def test_a_run_told_in_order_is_one_attempt_the_same_as_of_its_events(lines: tuple[bytes, ...]) -> None:
    batch = decoded(*lines)
    assert len(batch) == len(lines)
    assert batch.time == []
    assert batch.pairs is not None
    known = Dimensions()
    _, shapes = known.take(batch)
    (row,) = rows_in(pairs_table([batch.pairs], shapes, known))
    (expected,), others = generally(*lines)
    assert row._replace(shape=0) == expected._replace(shape=0)
    for ours, theirs in zip(known.shapes[row.shape], others.shapes[expected.shape], strict=True):
        assert known.heads[ours].kind == others.heads[theirs].kind
        assert [known.refs[one] for one in known.heads[ours].outputs] == [others.refs[one] for one in others.heads[theirs].outputs]
    assert known.dated == others.dated


ODD: dict[str, tuple[bytes, ...]] = {
    "out of order": (told("START", 2), told("RUNNING", 1), told("COMPLETE", 3)),
    "twice": (told("START", 1), told("RUNNING", 2), told("RUNNING", 2), told("COMPLETE", 3)),
    "another before the beginning": (told("START", 1), told("OTHER", 1), told("COMPLETE", 3)),
    "without an end": (told("START", 1), told("RUNNING", 2)),
    "no time at all": (told("START", 1), told("RUNNING", 1), told("COMPLETE", 1)),
    "two keys": (told("START", 1, **KEYED), told("COMPLETE", 2, **OTHERWISE)),
}


@pytest.mark.parametrize("lines", ODD.values(), ids=list(ODD))
def test_whatever_else_is_told_of_a_run_is_events_by_themselves(lines: tuple[bytes, ...]) -> None:
    batch = decoded(*lines)
    assert batch.pairs is None
    assert len(batch) == len(batch.time) == len(lines)


def test_a_run_that_goes_on_and_on_and_many_that_never_end_are_held_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "_BETWEEN", 5)
    assert len(decoded(told("START", 0), *(told("RUNNING", second) for second in range(1, 30))).time) == 30
    monkeypatch.setattr(filling, "_WAITING", 8)
    made = Filling()
    for number in range(100):
        run = {"run": {"runId": f"r{number}"}}
        for second, kind in enumerate(("START", "RUNNING", "RUNNING")):
            made.add(told(kind, second, **run))
        assert sum(map(len, made._earlier.values())) == made._between <= 8
        assert len(made._waiting) <= 8
    made.settle()
    assert made._between == 0
    assert len(made.taken()) == 300
