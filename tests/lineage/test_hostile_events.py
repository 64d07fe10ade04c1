"""Nothing a producer sends can make us crash, and nothing that we could not use is dropped silently."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lineage.blast import blast
from lineage.declarations import DatasetRule, Declarations, EdgeRule
from lineage.errors import LineageError
from lineage.events import Event, Unusable, event
from lineage.fault import Fault
from lineage.gaps import gaps
from lineage.history import build
from lineage.layouts import Layout
from lineage.sources import Problems, read
from lineage.windows import Window

CHECKS = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

RICH: dict[str, Any] = {
    "eventType": "COMPLETE",
    "eventTime": "2026-11-18T03:00:00.123456789Z",
    "run": {
        "runId": "0198f000-0000-7000-8000-000000000001",
        "facets": {
            "nominalTime": {"nominalStartTime": "2026-11-18T00:00:00Z", "nominalEndTime": "2026-11-18T00:00:00Z"},
            "airflow": {
                "dagRun": {"partition_key": "2026-11-18"},
                "task": {"inlets": "[{'uri': 's3://lake/raw/a', 'name': 'a'}]", "outlets": "[{'uri': 's3://lake/made/b'}]"},
            },
        },
    },
    "job": {"namespace": "spark", "name": "orders", "facets": {"sourceCodeLocation": {"version": "v1"}}},
    "inputs": [
        {"namespace": "s3a://Lake", "name": "/raw/orders/dt=2026-11-18/", "facets": {"version": {"datasetVersion": "7"}}},
        {
            "namespace": "s3://lake",
            "name": "raw/clicks",
            "inputFacets": {"subset": {"inputCondition": {"type": "location", "locations": ["s3://lake/raw/clicks/20261118"]}}},
        },
    ],
    "outputs": [
        {
            "namespace": "s3://lake",
            "name": "clean/orders",
            "facets": {
                "symlinks": {"identifiers": [{"namespace": "glue", "name": "db.orders", "type": "TABLE"}]},
                "lifecycleStateChange": {
                    "lifecycleStateChange": "RENAME",
                    "previousIdentifier": {"namespace": "s3://lake", "name": "old/orders"},
                },
                "dbt_model": {"config": {"materialized": "incremental", "incremental": {"strategy": "append"}}},
                "dbt_exposures": {"exposures": [{"name": "board"}]},
                "ownership": {"owners": [{"name": "team-orders"}]},
            },
            "outputFacets": {
                "subset": {
                    "outputCondition": {
                        "type": "partition",
                        "partitions": [{"dimensions": {"dt": "2026-11-18", "hour": 3}}, {"identifier": "dt=2026-11-18/hour=04"}],
                    }
                }
            },
        }
    ],
}

JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    0.5,
    "",
    "\ud800",
    "\x00",
    "*",
    "/",
    "=",
    "s3://",
    "%",
    [],
    {},
    [[]],
    [None],
    {"name": None},
    "x" * 5000,
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999999-14:00",
    "2026-02-30",
    "2026-W60",
    "99999999",
    "offset=5-3",
    10**400,
    "dt=2026-11-18/dt=2026-11-19",
    "year=2026/month=13",
    "9999-12-31T00:00",
    "2116-12-31T23",
    "²",
    "9" * 5000,
    "offset=1-" + "9" * 5000,
    "٢٠٢٦-١١-١٨",
    {"startOffset": "²", "endOffset": "9"},
    {"year": "²²²²", "month": "9" * 5000, "hour": "²"},
    {"dt": "2026-11-18", "hour": "²"},
    {"dt": "2026-11-18", "hour": "9" * 5000},
    {"": "", "=": "/", "*": "*"},
    {"dt": "2100-12-31T23:59:59.999999+14:00"},
    "[{'uri': 's3://b/" + "(" * 500,
)

DECLARED = Declarations(
    datasets=(
        DatasetRule("*", partition=Layout("dt=%Y-%m-%d"), nominal=True),
        DatasetRule("*clean*", partition=Layout("month=%Y-%m"), nominal=True, write="overwrite"),
    ),
    edges=(EdgeRule("*", "*raw*", Window("offsets", -6, 0)), EdgeRule("*", "*", Window("contained"))),
)


def _spots(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) inside a JSON value."""
    here: list[tuple[Any, Any]] = []
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        here.append((value, key))
        here += _spots(inner)
    return here


def mutated(base: dict[str, Any], random: Random) -> dict[str, Any]:
    """The event with one to three of its parts replaced, removed or doubled."""
    changed = copy.deepcopy(base)
    for _ in range(random.randint(1, 3)):
        spots = _spots(changed)
        if not spots:
            break
        container, key = random.choice(spots)
        match random.randrange(4):
            case 0 | 1:
                container[key] = copy.deepcopy(random.choice(JUNK))
            case 2:
                del container[key]
            case _:
                container[key] = [container[key], copy.deepcopy(container[key])]
    return changed


def answered(raw: list[Any]) -> None:
    """Everything a person could ask of these events is answered, or refused in words."""
    events: list[Event] = []
    for one in raw:
        with suppress(Unusable):
            events.append(event(one))
    for declared in (Declarations(), DECLARED):
        history = build(events, declared)
        gaps(history)
        for job in history.jobs:
            for fault in (Fault(job=str(job)), Fault(job=str(job), nominal="2026-11-17..2026-11-18")):
                with suppress(LineageError):
                    json.dumps(blast(history, fault).to_json()).encode()
        for dataset in history.datasets:
            with suppress(LineageError):
                json.dumps(blast(history, Fault(cells=(f"{dataset}@*",))).to_json()).encode()


@pytest.mark.parametrize("block", range(4))
def test_nothing_a_producer_sends_can_make_us_crash(block: int) -> None:
    random = Random(block)
    for _ in range(400):
        answered([RICH, *(mutated(RICH, random) for _ in range(3))])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(CHECKS, max_examples=200)
@given(JSON)
def test_no_json_value_at_all_makes_us_crash(value: Any) -> None:
    answered([value])


@settings(CHECKS, max_examples=300)
@given(st.lists(st.binary(max_size=60), max_size=5), st.integers(0, 10_000))
def test_every_line_is_used_or_counted_with_its_file_and_number(
    tmp_path_factory: pytest.TempPathFactory, junk: list[bytes], seed: int
) -> None:
    random = Random(seed)
    lines = [json.dumps(mutated(RICH, random)).encode() for _ in range(3)]
    lines += [one.replace(b"\n", b"").replace(b"\0", b"") for one in junk]
    random.shuffle(lines)
    path = _file(tmp_path_factory, b"\n".join(lines))
    problems = Problems()
    used = list(read([str(path)], problems))
    there = [number for number, line in enumerate(lines, 1) if line.strip()]
    counted = [one.line for one in problems.skipped]
    assert all(one.source == str(path) and one.reason for one in problems.skipped)
    assert len(used) + len(counted) == len(there)
    assert set(counted) <= set(there)


def _file(factory: pytest.TempPathFactory, content: bytes) -> Path:
    path = factory.mktemp("lines") / "events.ndjson"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("cut", range(0, 1600, 7))
def test_a_file_cut_anywhere_in_its_last_line_gives_what_came_before(tmp_path: Path, cut: int) -> None:
    whole = json.dumps(RICH).encode()
    path = tmp_path / "events.ndjson"
    path.write_bytes(whole + b"\n" + whole[:cut])
    problems = Problems()
    used = list(read([str(path)], problems))
    if 0 < cut < len(whole):
        assert len(used) == 1
        assert [one.line for one in problems.skipped] == [2]
    else:
        assert len(used) == (1 if cut == 0 else 2)
