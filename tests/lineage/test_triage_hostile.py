"""Whatever facets hold, triage never crashes; and every job of every shared corpus has a verdict."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lineage.declarations import Declarations
from lineage.errors import LineageError
from lineage.events import Unusable, event
from lineage.facets import told
from lineage.fault import Fault
from lineage.history import build
from lineage.signals import Signals
from lineage.sources import Problems, read
from lineage.triage import triage
from tests.lineage.triage_histories import BAD, day, enrich, ingest

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
FILES = sorted(CORPORA.glob("*.ndjson")) if CORPORA.is_dir() else []

ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)

FULL: dict[str, Any] = {
    "processing_engine": {"name": "spark", "version": "3.5", "openlineageAdapterVersion": "1.54"},
    "dbt_version": {"version": "1.10"},
    "dbt_run": {"invocation_id": "x", "project_version": "1"},
    "airflow": {"dagRun": {"dag_version_number": 1}, "task": {"image": "a:1"}, "taskInstance": {"dag_bundle_version": "b"}},
    "environmentVariables": {"environmentVariables": [{"name": "APP_VERSION", "value": "1"}]},
    "unknownSourceAttribute": {"unknownItems": [{"properties": {"image": "b"}}]},
    "tags": {"tags": [{"key": "GIT_SHA", "value": "c"}]},
    "errorMessage": {"message": "no"},
}


def full(number: int) -> list[dict[str, Any]]:
    """A day with every facet that is read."""
    events = [*ingest(day(number), facets=FULL), *enrich(day(number), facets=FULL)]
    for one in events:
        one["job"]["facets"]["sql"] = {"query": "select 1"}
        for side in ("input", "output"):
            for dataset in one[f"{side}s"]:
                dataset[f"{side}Facets"] |= {
                    "dataQualityMetrics": {"rowCount": 5, "bytes": 9, "columnMetrics": {"a": {"nullCount": 0, "sum": 1.5}}},
                    "dataQualityAssertions": {"assertions": [{"assertion": "x", "success": number % 5 > 0, "column": "a"}]},
                }
    return events


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in items for place in places(one, (*path, key)))][0 if path else 1 :]


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    changed = copy.deepcopy(value)
    target = changed
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = other
    return changed


def verdict(raw: list[Any], fault: Fault) -> None:
    signals, events = Signals(), []
    for one in raw:
        try:
            made = event(one)
        except Unusable:
            continue
        signals.hear(one, made)
        events.append(made)
    try:
        found = triage(build(events, Declarations()), fault, signals)
    except LineageError:
        return
    json.dumps(found.to_json(), allow_nan=False)
    assert found.verdict in {"code", "data", "format", "unclear"}
    assert all(0 <= one.strength <= 1 for one in found.evidence)
    assert (found.verdict == "unclear") == (found.confidence == "none")


HISTORY = [one for number in range(6) for one in full(number)]
PLACES = places(HISTORY[-1])


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=3), which=st.integers(1, 8))
def test_no_facet_makes_it_crash(changes: list[tuple[tuple[Any, ...], Any]], which: int) -> None:
    raw = list(HISTORY)
    for path, value in changes:
        try:
            raw[-which] = replaced(raw[-which], path, value)
        except (KeyError, IndexError, TypeError):
            continue  # the place is in another event, or went with an earlier change
    verdict(raw, Fault(job="*enrich", since=f"{day(5)}"))


@given(ANYTHING)
def test_anything_can_be_heard(value: Any) -> None:
    assert not told(value)
    told({"run": {"facets": value}, "job": {"facets": value}, "inputs": value, "outputs": [value]})
    told({"inputs": [{"name": "x", "facets": value, "inputFacets": value}]})


def test_a_thousand_random_mutations_of_real_events() -> None:
    rng = random.Random(20261118)
    for path in FILES:
        raw: list[Any] = []
        for line in path.read_bytes().splitlines()[:40]:
            try:
                raw.append(json.loads(line))
            except ValueError:
                continue
        usable = [one for one in raw if isinstance(one, dict)]
        for _ in range(60):
            events = list(usable)
            for _ in range(3):
                at = rng.randrange(len(events))
                there = places(events[at])
                if there:
                    events[at] = replaced(
                        events[at], rng.choice(there), rng.choice([None, 1, -1.5, "x", [], {}, [None], {"x": []}, True])
                    )
            jobs = sorted(
                {str(one["job"].get("name")) for one in events if isinstance(one, dict) and isinstance(one.get("job"), dict)}
            )
            if jobs:
                verdict(events, Fault(job=f"*{rng.choice(jobs)}"))


@pytest.mark.skipif(not FILES, reason="the shared corpora lie beside a work tree, not in it")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_run_of_a_corpus_has_a_verdict(path: Path) -> None:
    signals = Signals()
    history = build(read([str(path)], Problems(), tap=signals.hear), Declarations())
    runs = list(dict.fromkeys(one.run_id for one in history.attempts))
    for run_id in runs[:: max(1, len(runs) // 25)]:
        found = triage(history, Fault(runs=(run_id,)), signals)
        json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.skipif(not FILES, reason="the shared corpora lie beside a work tree, not in it")
class TestTheDbtCorpus:
    """Seven runs of one project: the fourth ran with a bug switched on, a test failed in the sixth, the seventh put it right."""

    @pytest.fixture
    def judged(self) -> Callable[..., Any]:
        signals = Signals()
        history = build(read([str(CORPORA / "dbt_7runs_generated.ndjson")], Problems(), tap=signals.hear), Declarations())
        return lambda **fault: triage(history, Fault(**fault), signals)

    def test_the_bug_day_points_to_the_code_with_the_words_that_changed(self, judged: Callable[..., Any]) -> None:
        found = judged(job="dbt-prod/shop.main.shop.stg_orders", until="2026-11-20T12:03:50Z")
        assert (found.verdict, found.evidence[0].kind) == ("code", "code-text")
        assert found.evidence[0].words == "SQL text and '0'='1' then → and '1'='1' then"

    def test_the_model_whose_test_failed_shows_it(self, judged: Callable[..., Any]) -> None:
        found = judged(
            job="dbt-prod/shop.main.shop.stg_orders.build.run", since="2026-11-20T12:04:00Z", until="2026-11-20T12:04:13Z"
        )
        assert [(one.kind, one.after) for one in found.shown] == [("assertion", "failed (actual 24)")]

    def test_the_failed_test_points_to_the_data(self, judged: Callable[..., Any]) -> None:
        found = judged(job="*stg_orders.build.test", since="2026-11-20T12:04:14Z", until="2026-11-20T12:04:15Z")
        assert found.verdict == "data"
        assert found.evidence[0].before == "passed"


def test_the_bad_day_of_the_made_up_history_is_judged_with_every_facet() -> None:
    verdict([*HISTORY, *ingest(BAD), *enrich(BAD)], Fault(job="test/enrich", nominal=str(BAD)))
