"""A dbt target folder as lineage: the artifacts of three real runs (dbt-core 1.11, dbt-duckdb), the second of which failed.

``data/dbt_shop_openlineage.ndjson`` is what openlineage-dbt 1.54 said of the first and the third; at the second it crashed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest

from lineage.attempts import Attempt
from lineage.declarations import Declarations
from lineage.errors import SourceUnreadable
from lineage.history import History, build
from lineage.sources import Problems, read

DATA = Path(__file__).parent / "data"
SHOP = DATA / "dbt_shop"
NAMED = "?namespace=duckdb://shop.duckdb&jobs=dbt-shop"
CORPORA = Path(__file__).parents[3] / "shared" / "corpora"


def told(*sources: str) -> tuple[History, Problems]:
    problems = Problems()
    return build(read(sources, problems), Declarations(), problems=problems), problems


def ran(history: History, job: str) -> list[Attempt]:
    return [one for one in history.attempts if one.job.name.removesuffix(".build.run").endswith(job)]


def writes(attempt: Attempt) -> list[str]:
    return [f"{one.mode.name} {one.cell.dataset.name}@{one.cell.partition}" for one in attempt.writes]


def observed(attempt: Attempt) -> set[str]:
    return {one.cell.dataset.name for one in attempt.reads if one.how == "observed"}


def edges(history: History) -> set[tuple[str, str, str]]:
    read_by = {("reads", job.name, one.name) for job, datasets in history.job_reads.items() for one in datasets}
    return read_by | {("writes", job.name, one.name) for job, datasets in history.job_writes.items() for one in datasets}


@pytest.fixture(scope="module")
def shop() -> History:
    return told(f"dbt:{SHOP}{NAMED}")[0]


def test_every_result_of_three_runs_is_an_attempt_with_its_outcome(shop: History) -> None:
    states = [one.state for one in shop.attempts]

    assert len(states) == 2 * 7 + 5 + 1, "seven nodes twice, five once, and one batch-wise run that is two"
    assert states.count("FAIL") == 2
    assert all(one.start < one.end for one in shop.attempts)
    assert {one.code_version for one in shop.attempts} == {"abc1234", "def5678"}


def test_nothing_of_real_artifacts_is_left_unused() -> None:
    problems = told(f"dbt:{SHOP}{NAMED}")[1]

    assert (problems.skipped, problems.noted) == ([], [])


def test_each_materialisation_writes_in_its_own_way(shop: History) -> None:
    first = {one.job.name.removesuffix(".build.run").rpartition(".")[2]: writes(one) for one in shop.attempts[:7]}

    assert first["stg_orders"] == ["MERGE shop.main.stg_orders@*"]
    assert first["late_orders"] == ["APPEND shop.main.late_orders@*"]
    assert first["daily_revenue"] == ["OVERWRITE shop.main.daily_revenue@*"]
    assert first["revenue_view"] == ["OVERWRITE shop.main.revenue_view@*"]
    assert first["seed"] == ["OVERWRITE shop.main.raw_orders@*"]
    assert first["snapshot"] == ["MERGE shop.main_snapshots.orders_history@*"]


def test_an_ephemeral_models_parents_are_its_readers_inputs(shop: History) -> None:
    assert observed(ran(shop, "revenue_view")[0]) == {"shop.main.stg_orders"}
    assert not any("paid_orders" in dataset.name for dataset in shop.datasets)


def test_who_reads_a_view_reads_what_it_is_made_from(shop: History) -> None:
    revenue = ran(shop, "daily_revenue")[0]

    assert observed(revenue) == {"shop.main.revenue_view"}
    assert ("shop.main.stg_orders", "inferred") in {(one.cell.dataset.name, one.how) for one in revenue.reads}


def test_a_microbatch_run_names_the_batches_it_made_and_those_that_failed(shop: History) -> None:
    hourly = ran(shop, "hourly")

    assert [(one.state, [str(write.cell.partition) for write in one.writes]) for one in hourly] == [
        ("COMPLETE", ["2026-11-15", "2026-11-16", "2026-11-17"]),
        ("FAIL", ["2026-11-17"]),
        ("COMPLETE", ["2026-11-16"]),
        ("COMPLETE", ["2026-11-17"]),
    ]
    assert all(one.nominal is not None for one in hourly)
    assert ran(shop, "daily_revenue")[0].nominal is None


def test_exposures_make_their_datasets_serving_and_everyones_owners_are_kept(shop: History) -> None:
    owned = {dataset.name: names for dataset, names in shop.owners.items()}

    assert {dataset.name for dataset in shop.exposed} == {
        "shop.main.daily_revenue",
        "shop.main.stg_orders",  # through the ephemeral model that the exposure names
        "shop.partner.flags",
    }
    assert owned["shop.main.daily_revenue"] == ("BI", "team-bi", "team-pricing")
    assert owned["shop.main.stg_orders"] == ("fraud@example.com", "team-ingest", "team-orders")
    assert owned["shop.main.raw_orders"] == ("team-ingest",)
    assert owned["shop.partner.flags"] == ("fraud@example.com", "partner-team")


def test_a_source_is_known_by_its_dbt_name_and_by_its_real_one(shop: History) -> None:
    assert [(one.left.name, one.right.name) for one in shop.identities.merges] == [
        ("shop.partner.flags", "shop.partner.partner_flags")
    ]


def test_tests_and_exposures_that_ran_are_no_data(shop: History) -> None:
    assert not [job for job in shop.jobs if "unique" in job.name or "dashboard" in job.name]


def test_without_run_results_there_are_the_same_edges_and_no_attempts(shop: History, tmp_path: Path) -> None:
    shutil.copy(SHOP / "manifest.json", tmp_path)

    history, problems = told(f"dbt:{tmp_path}{NAMED}")

    assert history.attempts == ()
    assert problems.skipped == []
    assert history.datasets == shop.datasets
    assert {one for one in edges(shop) if ".build." not in one[1]} <= edges(history)
    assert (history.exposed, history.owners) == (shop.exposed, shop.owners)


def test_results_under_other_names_may_be_given(tmp_path: Path) -> None:
    shutil.copy(SHOP / "manifest.json", tmp_path)
    for number in (1, 2):
        (tmp_path / f"run{number}").mkdir()
        shutil.copy(SHOP / f"run_results_{number}.json", tmp_path / f"run{number}" / "kept.json")

    history = told(f"dbt:{tmp_path}{NAMED}&results=run*/kept.json")[0]

    assert len(history.attempts) == 15
    assert len(told(f"dbt:{tmp_path / 'manifest.json'}{NAMED}&results=run1/*.json")[0].attempts) == 7


def test_results_given_twice_are_told_once(shop: History, tmp_path: Path) -> None:
    shutil.copytree(SHOP, tmp_path, dirs_exist_ok=True)
    shutil.copy(SHOP / "run_results.json", tmp_path / "run_results_3.json")

    assert told(f"dbt:{tmp_path}{NAMED}")[0].attempts == shop.attempts


def test_the_same_in_a_bucket(shop: History) -> None:
    class Bucket:
        def names(self, url: str) -> Iterator[str]:
            return (f"{url}{one.name}" for one in SHOP.iterdir())

        def open(self, url: str) -> BinaryIO:
            return BytesIO((SHOP / url.rpartition("/")[2]).read_bytes())

    problems = Problems()
    history = build(read([f"dbt:s3://lake/target{NAMED}"], problems, remote=Bucket()), Declarations())

    assert history.attempts == shop.attempts


def test_names_meet_what_openlineage_dbt_says_of_the_same_runs(shop: History) -> None:
    openlineage = told(str(DATA / "dbt_shop_openlineage.ndjson"))[0]

    said = {one for one in edges(openlineage) if not one[1].endswith(".test")}
    unheard_of = {one for one in said - edges(shop) if one[2] != "shop.main.paid_orders"}
    assert unheard_of == set(), "openlineage-dbt alone takes an ephemeral model for a dataset"
    spans = {(one.job, one.start, one.end, one.state) for one in shop.attempts}
    of_models = {(one.job, one.start, one.end, one.state) for one in openlineage.attempts if one.writes}
    assert len(of_models) == 6 + 5
    assert of_models <= spans, "the same execution has the same job, start, end and outcome in both"


def test_each_edge_knows_who_told_it() -> None:
    history = told(str(DATA / "dbt_shop_openlineage.ndjson"), f"dbt:{SHOP}{NAMED}")[0]
    by_name = {(job.name, dataset.name): said for (job, dataset), said in history.said_by.items()}

    assert by_name["shop.main.shop.hourly", "shop.main.stg_orders"] == {"openlineage", "dbt"}
    assert by_name["shop.main.shop.stg_orders", "shop.main.raw_orders"] == {"dbt"}, "openlineage-dbt leaves out seeds"


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the shared corpora are not beside the work tree")
def test_names_meet_openlineage_dbts_in_the_corpus() -> None:
    told_by = "?namespace=duckdb:///srv/shop/dbtp/shop.duckdb&jobs=dbt-prod"
    dbt, problems = told(f"dbt:{CORPORA / 'dbt_7runs_manifest.json'}{told_by}")
    openlineage = told(str(CORPORA / "dbt_7runs_generated.ndjson"))[0]

    assert problems.skipped == []
    assert edges(dbt) <= edges(openlineage)
    assert (dbt.exposed, len(dbt.attempts)) == (openlineage.exposed, 3)
    spans = {(one.job, one.start, one.end, one.state) for one in openlineage.attempts}
    assert {(one.job, one.start, one.end, one.state) for one in dbt.attempts} <= spans


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("dbt:nowhere/", "there is no nowhere"),
        (f"dbt:{DATA}", "manifest.json"),
        (f"dbt:{SHOP}?namespce=x", "no option 'namespce'"),
        (f"dbt:{SHOP}?results=none*.json", "matches none*.json"),
        (f"dbt:{SHOP}?results=/etc/*.json", "matches /etc/*.json"),
        (f"dbt:{SHOP / 'run_results.json'}", "it has no nodes"),
        (f"dbt:{DATA / 'dbt_shop_openlineage.ndjson'}", "dbt manifest"),
        ("dbt:s3://lake/target", "needs a storage"),
    ],
)
def test_a_source_that_is_not_there_says_so_and_what_to_do(source: str, said: str) -> None:
    with pytest.raises(SourceUnreadable) as caught:
        list(read([source], Problems()))

    assert said in caught.value.message
    assert caught.value.hint
