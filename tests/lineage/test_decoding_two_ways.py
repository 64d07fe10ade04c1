"""Whichever way a line goes, it gives the same event: recorded lines, ten thousand broken ones, a generated company's, odd files.

``BROKEN_LINES=1000000`` breaks more of them, ``BROKEN_SEED=7`` others.
"""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
import zstandard

from lineage.decoding.batches import read_batches
from lineage.decoding.rows import Lines
from lineage.events import Event, Unusable, decode, event
from lineage.index.batch import Batch
from lineage.sources import Problems
from lineage.sources.openlineage import events_of
from tests.bench.company import company
from tests.lineage.batch_events import events_in
from tests.lineage.broken_lines import FILES, broken, lines_of

COUNT = int(os.environ.get("BROKEN_LINES", "10000"))
SEED = int(os.environ.get("BROKEN_SEED", "0"))

RUN: dict[str, Any] = {
    "eventType": "COMPLETE",
    "eventTime": "2026-11-18T03:00:00.123Z",
    "run": {"runId": "r1", "facets": {}},
    "job": {"namespace": "spark", "name": "orders", "facets": {}},
    "inputs": [],
    "outputs": [],
}


def tolerant(line: bytes) -> list[Event]:
    """What the tolerant way makes of a line."""
    made = []
    try:
        found = decode(line)
    except Unusable:
        return []
    for value in found if isinstance(found, list) else [found]:
        try:
            made.append(event(value))
        except Unusable:
            continue
    return made


def same(lines: Lines, told: Iterable[bytes]) -> tuple[int, int]:
    """How many lines went the fast way, and how many did not; each that did gives just what the other way gives."""
    fast = slow = 0
    for line in told:
        quick = lines.event(line)
        if quick is None:
            slow += 1
            continue
        fast += 1
        assert [quick] == tolerant(line), line[:2000]
        assert not quick.notes
    return fast, slow


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recorded_line_gives_the_same_event_either_way(path: Path) -> None:
    assert sum(same(Lines(), lines_of(path))) > 0


def test_most_lines_of_real_producers_go_the_fast_way() -> None:
    recorded = [path for path in FILES if path.stem.startswith(("airflow_self", "dbt_shop_openlineage"))]
    counted = [same(Lines(), lines_of(path)) for path in recorded]
    assert all(fast > 9 * slow for fast, slow in counted), counted


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_broken_lines_give_the_same_events_either_way(path: Path) -> None:
    random = Random(f"two ways {SEED} {path.stem}")
    told, lines = lines_of(path), Lines()
    same(lines, (broken(random.choice(told), random) for _ in range(-(-COUNT // len(FILES)))))


@pytest.mark.parametrize("seed", range(3))
def test_a_company_gives_the_same_events_either_way(seed: int) -> None:
    told = [orjson.dumps(one) for one in company(seed, 20, 2, odd=True).events()]
    fast, slow = same(Lines(), told)
    assert fast > 9 * slow
    full = [orjson.dumps(one) for one in company(seed, 10, 1).events(full=True)]
    assert same(Lines(), full)[1] == 0


def _variants() -> Iterable[dict[str, Any]]:
    """Events that differ from a plain one in a way that the two could take differently."""
    subsets: tuple[Any, ...] = (
        {"partitions": [{"dimensions": {"dt": "2026-11-18", "hour": 3}}]},
        {"partitions": [{"identifier": "dt=2026-11-18"}, {"dimensions": {}}]},
        {"partitions": None, "locations": ["s3://lake/x/dt=2026-11-18"]},
        {"partitions": [], "locations": []},
        {"locations": ["dt=2026-11-18"]},
        {"locations": ["x/dt=2026-11-18/"]},
        {"locations": ["x/y=/dt=2026-11-18", "x/2026/11/18"]},
        {"locations": ["s3://lake/a=b/c/dt=2026-11-18"]},
        {"locations": ["s3://lake/x/dt=2026-11-18", "s3://lake/x"]},
        {"partitions": [{"dimensions": {"dt": "2026-11-18"}}], "locations": ["s3://lake/x/dt=2026-11-19"]},
        {"partitions": [{"dimensions": {"big": 2**70, "f": 1.0}}]},
    )
    names = (
        "x",
        "x/dt=2026-11-18",
        "x//dt=2026-11-18",
        "/x/dt=2026-11-18/",
        "dt=2026-11-18",
        "x/2026/11/18",
        "x/dt=a/y",
        "é=1/ü=2",
    )
    odd_names = (
        "s3a://Other/x/dt=2026-11-18",
        "x/2026-11-18/dt=2026-11-18",
        "a=b/x/dt=2026-11-18",
        "/dt=2026-11-18",
        "x/=1",
        "x/dt=",
    )
    for name in (*names, *odd_names):
        for namespace in ("s3://lake", "S3A://Lake/", "file", "hdfs://Host:1/", "duckdb", "", " s3://lake "):
            yield {**RUN, "inputs": [{"namespace": namespace, "name": name}], "outputs": [{"namespace": namespace, "name": name}]}
    for subset in subsets:
        for where in ("facets", "inputFacets", "both"):
            told = {"subset": {"inputCondition": subset}}
            one: dict[str, Any] = {"namespace": "s3://lake", "name": "x/dt=2026-11-17"}
            one |= {"facets": told, "inputFacets": told} if where == "both" else {where: told}
            yield {**RUN, "inputs": [one, one]}
    versions: tuple[Any, ...] = (7, "7", 1.0, True, None, 2**63, 2**64, -(2**63) - 1, [], {"a": 1}, "")
    for version in versions:
        facets: dict[str, Any] = {"version": {"datasetVersion": version}}
        yield {**RUN, "inputs": [{"namespace": "n", "name": "x", "facets": facets}]}
        report = {"snapshotId": version, "operation": "Append" if version else None}
        yield {**RUN, "outputs": [{"namespace": "n", "name": "x", "outputFacets": {"icebergCommitReport": report}}]}
        yield {
            **RUN,
            "inputs": [
                {"namespace": "n", "name": "x", "inputFacets": {"icebergScanReport": report, "icebergCommitReport": report}}
            ],
        }
    telling: tuple[dict[str, Any], ...] = (
        {"symlinks": {"identifiers": [{"namespace": "glue", "name": "db.x"}, {"name": None}, 5]}},
        {
            "lifecycleStateChange": {
                "lifecycleStateChange": "rename",
                "previousIdentifier": {"namespace": "n", "name": "old/dt=2026-11-18"},
            }
        },
        {"dbt_model": {"config": {"materialized": "incremental", "incremental": {"strategy": "append"}}}},
        {"dbt_model": {"config": {"incremental": 5}}},
        {"dbt_exposures": {"exposures": [{}]}},
        {"ownership": {"owners": [{"name": "a"}, {"name": ""}]}},
        {"storage": {"storageLayer": "Iceberg"}},
        {"storage": None, "ownership": [], "symlinks": "x"},
    )
    for facets in telling:
        for name in ("x", "x/dt=2026-11-18"):
            one = {"namespace": "n", "name": name, "facets": facets}
            yield {**RUN, "inputs": [one], "outputs": [one]}
    for facets in (
        {"nominalTime": {"nominalStartTime": "2026-11-18T00:00:00Z"}},
        {"nominalTime": {"nominalStartTime": "2026-11-18T00:00:00Z", "nominalEndTime": "2026-11-17T00:00:00Z"}},
        {"nominalTime": {"nominalStartTime": "x"}},
        {"nominalTime": {"nominalStartTime": 5, "nominalEndTime": []}},
        {"airflow": {"dagRun": {"partition_key": "2026-11-18"}}, "airflowDagRun": {"dagRun": {"partition_key": "other"}}},
        {"airflow": {"dagRun": {"partition_key": 5}}, "airflowDagRun": {"dagRun": {"partition_key": "other"}}},
        {
            "airflow": {
                "task": {"inlets": "[{'uri': 's3://lake/x/dt=2026-11-18'}, {'uri': 's3://lake/y'}]", "outlets": "[{'uri': 1}]"}
            }
        },
        {"airflow": {"task": {"inlets": [{"uri": "s3://lake/x"}], "outlets": "uri"}}},
        {"airflow": None, "airflowDagRun": {"dagRun": None}, "sourceCodeLocation": {"version": "", "tag": "t"}},
        {"sourceCodeLocation": {"version": ["v"], "tag": None}},
    ):
        yield {**RUN, "run": {"runId": "r1", "facets": facets}, "inputs": [{"namespace": "s3://lake", "name": "y"}]}
    changes: tuple[dict[str, Any], ...] = (
        {"eventType": "start"}, {"eventType": None}, {"eventType": 5}, {"eventType": "ﬁnish"}, {"eventType": "Fail"},
        {"inputs": None}, {"inputs": {}}, {"inputs": [None]}, {"inputs": [{"namespace": "n", "name": ""}]},
        {"inputs": [{"namespace": 5, "name": "x"}]}, {"run": {"runId": ""}}, {"run": None}, {"dataset": {"name": "x"}},
        {"job": {"name": "j"}}, {"job": {"name": ""}}, {"job": {"name": "j", "facets": {"sourceCodeLocation": {"version": "1"}}}},
        {"job": {"namespace": "n", "name": "j", "facets": {"ownership": {"owners": [{"name": "o"}]}}}},
    )  # fmt: skip
    times = (
        "2026-11-18T03:00:60Z", "2026-11-18T03:00:0512Z", "2026-11-18T03:00:05.Z", "2026-11-18T03:00:05.1234567891Z",
        "2026-11-18T03:00:05.123456789+00:00", "9" * 30, "2026-11-18+01:00:00Z", "2026-02-30T00:00:00Z", "٢٠٢٦-11-18T03:00:05Z",
        "2026-11-18T03:00:٠٥.٥Z", " 2026-11-18T03:00:05Z", "2026-11-18T25:00:05Z", "0001-01-01T00:00:00Z", "2500-01-01T00:00:00Z",
    )  # fmt: skip
    for change in (*changes, *({"eventTime": time} for time in times)):
        yield {**RUN, **change}


def test_what_the_two_ways_could_take_differently_they_do_not() -> None:
    lines = Lines()
    told = [json.dumps(one).encode() for one in _variants()]
    same(lines, told)
    same(lines, told)  # from memory too
    same(lines, (json.dumps(one, ensure_ascii=False).encode() for one in _variants()))


@pytest.mark.parametrize(
    "junk",
    [
        b'"\xff"',
        b'"\\ud800"',
        b'"\\q"',
        b"1e999",
        b"9" * 400,
        b"9" * 5000,
        b"NaN",
        b"01",
        b"[1,]",
        b"[" * 2000 + b"]" * 2000,
        b'"\x01"',
    ],
    ids=lambda junk: repr(junk[:8]),
)
def test_junk_in_a_field_that_nobody_needs_is_taken_alike(junk: bytes) -> None:
    line = json.dumps({**RUN, "zzz": "HERE"}).encode().replace(b'"HERE"', junk)
    quick = Lines().event(line)
    assert quick is None or [quick] == tolerant(line)


@pytest.mark.parametrize("huge", [2**63, 2**64, -(2**63) - 1, -(2**64)])
@pytest.mark.parametrize("elsewhere", [b"1", b"1e999"])
def test_a_number_too_large_for_most_parsers_names_the_same_partition_either_way(huge: int, elsewhere: bytes) -> None:
    subset = {"inputCondition": {"partitions": [{"dimensions": {"partition": huge}}]}}
    one = {"namespace": "n", "name": "x", "inputFacets": {"subset": subset}}
    line = json.dumps({**RUN, "inputs": [one], "zzz": "HERE"}).encode().replace(b'"HERE"', elsewhere)
    quick = Lines().event(line)
    assert quick is None or [quick] == tolerant(line)


def test_what_a_dataset_told_last_is_not_taken_for_what_it_tells_now() -> None:
    random = Random("told last")
    links = {"identifiers": [{"namespace": "glue", "name": "db.x"}]}
    subset = {"inputCondition": {"partitions": [{"dimensions": {"dt": "2026-11-20"}}]}}
    report = {"snapshotId": 5, "operation": "append"}
    told = []
    for _ in range(600):
        facets: dict[str, Any] = {"symlinks": links} if random.random() < 0.5 else {"storage": {"storageLayer": "Iceberg"}}
        facets |= random.choice(({}, {}, {"version": {"datasetVersion": random.randrange(3)}}, {"subset": subset}))
        one = {
            "namespace": "s3://lake",
            "name": random.choice(("x", "x/dt=2026-11-18", "x/dt=2026-11-19", "x//dt=2026-11-18", "y")),
        }
        own = random.choice(({}, {"icebergScanReport": report}, {"icebergScanReport": {**report, "operation": None}}))
        told.append(json.dumps({**RUN, "inputs": [{**one, "facets": random.choice((facets, {})), "inputFacets": own}]}).encode())
    assert same(Lines(), told) == (600, 0)


def test_memories_that_fill_up_forget_and_stay_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lineage.decoding.references.FULL", 3)
    told = [json.dumps(one).encode() for one in _variants()]
    lines = Lines()
    same(lines, told)
    same(lines, reversed(told))


def _content() -> bytes:
    random = Random("two ways of a file")
    lines = [random.choice(lines_of(path)) for path in FILES for _ in range(10)]
    lines += [broken(random.choice(lines), random) for _ in range(200)]
    lines += [json.dumps(one).encode() for one in _variants()]
    random.shuffle(lines)
    return b"\n \n".join(lines[:300]) + b"\n" + b"\r\n".join(lines[300:])


@pytest.mark.parametrize("size", [1, 7, 20_000])
@pytest.mark.parametrize("first_line", [None, 1, 1000])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_batches_of_a_file_hold_its_events_and_tell_its_problems(size: int, first_line: int | None, pack: Any) -> None:
    content = pack(_content())
    one_by_one, in_batches = Problems(), Problems()
    events = list(events_of("f.ndjson", io.BytesIO(content), one_by_one, lambda *_: None, first_line=first_line))
    plain = Batch()
    for made in events:
        plain.event(made)
    batches = list(read_batches("f.ndjson", io.BytesIO(content), in_batches, first_line=first_line, size=size))
    assert events_in(batches) == events_in([plain])
    assert in_batches == one_by_one
    assert in_batches.skipped
    assert all(len(one) for one in batches)
    assert all(one.line >= (first_line or 1) for one in in_batches.skipped)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\0" * 100, gzip.compress(b"x" * 9000, mtime=0)[:-20], b"\x28\xb5\x2f\xfd", b"{", b"[" + b" " * 5000 + b"{"],
    ids=["empty", "no events", "zeros", "torn gzip", "torn zstd", "torn object", "torn array"],
)
def test_files_without_events_tell_the_same_problems_either_way(content: bytes) -> None:
    one_by_one, in_batches = Problems(), Problems()
    assert not list(events_of("f.json", io.BytesIO(content), one_by_one, lambda *_: None))
    assert not list(read_batches("f.json", io.BytesIO(content), in_batches))
    assert in_batches == one_by_one
