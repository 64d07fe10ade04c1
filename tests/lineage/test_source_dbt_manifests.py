"""dbt manifests of every version since v7, and broken artifacts."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from pathlib import Path
from typing import Any

from lineage.errors import SourceUnreadable
from tests.lineage.dbt_artifacts import SEED, STAGED, manifest, node, reads, told

SHOP = Path(__file__).parent / "data" / "dbt_shop"


def test_v7_and_v8_name_refs_as_lists_and_know_no_groups(tmp_path: Path) -> None:
    for version in (7, 8):
        metric = {"unique_id": "metric.shop.revenue", "model": "ref('daily')", "depends_on": {"nodes": ["model.shop.daily"]}}
        daily = node("model", "daily", "model.shop.stg", refs=[["stg"]], meta={"owner": "team-bi"})
        board = node("model", "board", "metric.shop.revenue", refs=[], metrics=[["revenue"]])
        exposure = {"unique_id": "exposure.shop.exec", "owner": {"email": "bi@example.com", "name": None}} | {
            "depends_on": {"nodes": ["metric.shop.revenue"]}
        }
        found = manifest(
            version,
            SEED,
            STAGED,
            daily,
            board,
            metrics={"metric.shop.revenue": metric},
            exposures={"exposure.shop.exec": exposure},
        )

        history, problems = told(tmp_path, found)

        assert reads(history, "daily") == {"db.main.raw"}, "an ephemeral model holds no data"
        assert reads(history, "board") == {"db.main.daily"}, "neither does a metric"
        assert {one.name: owners for one, owners in history.owners.items()} == {
            "db.main.daily": ("team-bi", "bi@example.com")[::-1]
        }
        assert [one.name for one in history.exposed] == ["db.main.daily"]
        assert problems.noted == []


def test_v9_has_groups_and_refs_with_versions_and_seeds_without_nodes(tmp_path: Path) -> None:
    seed = SEED | {"depends_on": {"macros": []}, "config": {"materialized": "seed", "group": "ingest"}}
    dim = node("model", "dim", "seed.shop.raw", refs=[{"name": "raw", "package": None, "version": None}], version=2) | {
        "unique_id": "model.shop.dim.v2",
        "alias": "dim_v2",
        "group": "ingest",
    }
    groups = {"group.shop.ingest": {"name": "ingest", "package_name": "shop", "owner": {"email": "ingest@example.com"}}}

    history, _ = told(tmp_path, manifest(9, seed, dim, groups=groups))

    assert [job.name for job in history.jobs] == ["db.main.shop.dim.v2", "db.main.shop.raw.seed"]
    assert {one.name: owners for one, owners in history.owners.items()} == {
        "db.main.dim_v2": ("ingest@example.com",),
        "db.main.raw": ("ingest@example.com",),
    }


def test_v10_to_v12_hold_semantic_models_saved_queries_and_functions(tmp_path: Path) -> None:
    for version, part, kind in (
        (10, "semantic_models", "semantic_model"),
        (11, "saved_queries", "saved_query"),
        (12, "functions", "function"),
    ):
        between = {f"{kind}.shop.x": {"unique_id": f"{kind}.shop.x", "depends_on": {"nodes": ["model.shop.daily"]}}}
        exposure = {
            "exposure.shop.e": {"owner": {"name": "BI", "email": "b@example.com"}, "depends_on": {"nodes": [f"{kind}.shop.x"]}}
        }
        unit_tests = {"unit_test.shop.daily.t": {"depends_on": {"nodes": ["model.shop.daily"]}}}
        found = manifest(version, node("model", "daily"), exposures=exposure, unit_tests=unit_tests, **{part: between})

        history, problems = told(tmp_path, found)

        assert {one.name: owners for one, owners in history.owners.items()} == {"db.main.daily": ("BI",)}
        assert (problems.skipped, problems.noted) == ([], [])


def test_a_version_we_never_saw_is_read_and_noted(tmp_path: Path) -> None:
    history, problems = told(tmp_path, manifest(13, SEED, node("model", "daily", "seed.shop.raw")))

    assert reads(history, "daily") == {"db.main.raw"}
    assert ["manifest version v13" in one.reason for one in problems.noted] == [True]


def test_a_namespace_that_nobody_gave_is_derived_and_said(tmp_path: Path) -> None:
    for version in (7, 12):
        history, problems = told(tmp_path, manifest(version, SEED), options="")

        assert [str(one) for one in history.datasets] == ["postgres://shop/db.main.raw"]
        assert "?namespace=" in problems.noted[0].reason


def test_parents_are_taken_from_the_parent_map_where_a_node_names_none(tmp_path: Path) -> None:
    daily = node("model", "daily") | {"depends_on": None}

    history, problems = told(
        tmp_path, manifest(12, SEED, daily, parent_map={"model.shop.daily": ["seed.shop.raw", "model.shop.gone"]})
    )

    assert reads(history, "daily") == {"db.main.raw"}
    assert ["model.shop.daily depends on model.shop.gone" in one.reason for one in problems.noted] == [True]


def test_a_source_whose_dbt_name_is_another_tables_real_one_goes_by_its_own(tmp_path: Path) -> None:
    source = node("source", "daily") | {"unique_id": "source.shop.raw.daily", "identifier": "daily_import"}
    daily = node("model", "daily", "source.shop.raw.daily")

    history, _ = told(tmp_path, manifest(12, daily, sources={"source.shop.raw.daily": source}))

    assert reads(history, "daily") == {"db.main.daily_import"}
    assert history.identities.merges == []


JUNK: list[Any] = [None, 0, -1.5, True, "", "\ud800", "x" * 50, [], {}, [None], {"nodes": 7}, [[]], {"owner": {"name": []}}]


def spoiled(value: Any, rng: random.Random) -> Any:
    """The JSON value with one thing somewhere in it replaced, removed or doubled."""
    at = value
    while isinstance(at, dict | list) and at:
        key = rng.choice(list(at)) if isinstance(at, dict) else rng.randrange(len(at))
        if not isinstance(at[key], dict | list) or not at[key] or rng.random() < 0.2:
            at[key] = copy.deepcopy(rng.choice(JUNK))
            break
        at = at[key]
    return value


def test_no_broken_artifact_crashes_the_reader(tmp_path: Path) -> None:
    good = json.loads((SHOP / "manifest.json").read_text())
    run = json.loads((SHOP / "run_results_2.json").read_text())
    for seed in range(400):
        rng = random.Random(seed)
        found, ran = copy.deepcopy(good), copy.deepcopy(run)
        for _ in range(rng.randint(1, 4)):
            spoiled(found, rng)
            spoiled(ran, rng)
        with contextlib.suppress(SourceUnreadable):
            told(tmp_path, found, ran)
