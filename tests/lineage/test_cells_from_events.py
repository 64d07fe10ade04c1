"""Which cells an attempt read and wrote, and how: the ranks of DESIGN §4."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from lineage.declarations import DatasetRule, Declarations, EdgeRule
from lineage.layouts import Layout
from lineage.windows import Window
from tests.lineage.openlineage import JSON, attempt, dataset, dbt, history, ran, reads, told, writes

DAILY = DatasetRule("s3://lake/*", partition=Layout("dt=%Y-%m-%d"))


def declared(*rules: DatasetRule, edges: tuple[EdgeRule, ...] = ()) -> Declarations:
    return Declarations(datasets=rules, edges=edges)


def located(name: str, *locations: str) -> JSON:
    raw = dataset(name)
    condition = {"type": "location", "locations": list(locations)}
    raw["inputFacets"] = {"subset": {"inputCondition": condition}}
    raw["outputFacets"] = {"subset": {"outputCondition": condition}}
    return raw


def written(one: JSON | str, *, by: Declarations | None = None, **more: Any) -> list[str]:
    return writes(attempt(ran("03", "04", "r", writes=[one], **more), declared=by))


def read(one: JSON | str, *, by: Declarations | None = None, makes: tuple[JSON | str, ...] = (), **more: Any) -> list[str]:
    return reads(attempt(ran("03", "04", "r", reads=[one], writes=makes, **more), declared=by))


# --- the ranks -----------------------------------------------------------------------------------------------------------


def test_a_subset_partition_comes_first() -> None:
    one = dataset("orders/dt=2026-11-01", "dt=2026-11-18")
    assert written(one, key="2026-11-02") == ["orders@dt=2026-11-18 unknown"]
    assert read(one) == ["orders@dt=2026-11-18"]


def test_a_subset_with_several_partitions_is_several_cells() -> None:
    one = dataset("orders")
    partitions = [{"dimensions": {"dt": "2026-11-17"}}, {"dimensions": {"dt": "2026-11-18", "hour": 3}}]
    one["outputFacets"] = {"subset": {"outputCondition": {"type": "partition", "partitions": partitions}}}
    assert written(one) == ["orders@dt=2026-11-17 unknown", "orders@dt=2026-11-18/hour=03 unknown"]


def test_a_subset_partition_may_be_told_by_its_identifier() -> None:
    one = dataset("orders")
    condition = {"type": "partition", "partitions": [{"identifier": "dt=2026-11-18/hour=03"}]}
    one["outputFacets"] = {"subset": {"outputCondition": condition}}
    assert written(one) == ["orders@dt=2026-11-18/hour=03 unknown"]


def test_a_subset_that_is_partly_unreadable_names_nothing() -> None:
    one = dataset("orders")
    partitions = [{"dimensions": {"dt": "2026-11-17"}}, {"identifier": "chunk-7"}]
    one["outputFacets"] = {"subset": {"outputCondition": {"type": "partition", "partitions": partitions}}}
    assert written(one) == ["orders@*? unknown"]


def test_a_subset_location_names_the_partition() -> None:
    one = located("orders", "s3://lake/orders/dt=2026-11-17", "s3://lake/orders/dt=2026-11-18/")
    assert read(one) == ["orders@dt=2026-11-17", "orders@dt=2026-11-18"]


def test_a_subset_location_without_a_partition_is_not_known() -> None:
    assert read(located("orders", "s3://lake/orders/part-0001.parquet")) == ["orders@*?"]


def test_the_producers_own_key_names_the_partition_written() -> None:
    """Airflow's partitioned runs keep it in run.facets.airflow.dagRun.partition_key."""
    assert written("orders", key="2026-11-18") == ["orders@2026-11-18 unknown"]
    assert written("orders", key="2026-11-18", by=declared(DAILY)) == ["orders@dt=2026-11-18 unknown"]


def test_a_dag_runs_own_key_is_read_too() -> None:
    raw = ran("03", "04", "r", writes=["orders"])
    for one in raw:
        one["run"]["facets"] = {"airflowDagRun": {"dagRun": {"partition_key": "2026-11-18"}}}
    assert writes(attempt(raw)) == ["orders@2026-11-18 unknown"]


def test_a_key_is_never_its_inputs() -> None:
    assert read("orders", key="2026-11-18") == ["orders@*?"]


@pytest.mark.parametrize("key", ["/", "a//b", "k="])
def test_a_key_that_is_no_partition_leaves_it_unknown(key: str) -> None:
    assert written("orders", key=key) == ["orders@*? unknown"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("orders/dt=2026-11-18", "dt=2026-11-18"),
        ("orders/2026/11/18", "2026-11-18"),
        ("orders/20261118", "2026-11-18"),
        ("orders/dt=2026-11-18/hour=03", "dt=2026-11-18/hour=03"),
    ],
)
def test_the_end_of_the_name_is_a_partition(name: str, part: str) -> None:
    assert written(name) == [f"orders@{part} unknown"]
    assert read(name) == [f"orders@{part}"]


def test_a_version_without_a_partition_is_any_partition_and_at_most_suspect() -> None:
    one = attempt(ran("03", "04", "r", reads=[dataset("orders", version={"datasetVersion": "7"})]))
    assert reads(one) == ["orders@*?"]
    assert one.reads[0].version


def test_an_event_wins_over_a_declared_window() -> None:
    by = declared(DAILY, edges=(EdgeRule("test/job", "s3://lake/raw", Window("identity")),))
    assert read(dataset("raw", "dt=2026-11-01"), by=by, makes=("made/dt=2026-11-18",)) == ["raw@dt=2026-11-01"]


def test_nominal_time_counts_only_for_outputs_declared_so() -> None:
    by = declared(DAILY, DatasetRule("s3://lake/made", nominal=True))
    one = attempt(
        ran("03", "04", "r", reads=["raw", "made"], writes=["made", "aside"], nominal="2026-11-17T00:00:00Z"), declared=by
    )
    assert writes(one) == ["made@dt=2026-11-17 unknown", "aside@*? unknown"]
    assert one.writes[0].how == "declared"
    assert reads(one) == ["raw@*?", "made@*?"]  # an input is never assumed to be the nominal day


def test_nominal_without_a_layout_that_says_the_grain_is_not_known() -> None:
    by = declared(DatasetRule("s3://lake/made", nominal=True))
    assert written("made", by=by, nominal="2026-11-17T00:00:00Z") == ["made@*? unknown"]


def test_nominal_time_is_cut_to_the_layouts_grain() -> None:
    by = declared(DatasetRule("s3://lake/made", nominal=True, partition=Layout("month=%Y-%m")))
    assert written("made", by=by, nominal="2026-11-17T05:00:00Z") == ["made@month=2026-11 unknown"]


def test_a_key_comes_before_nominal_time() -> None:
    by = declared(DAILY, DatasetRule("s3://lake/made", nominal=True))
    assert written("made", by=by, nominal="2026-11-17T00:00:00Z", key="2026-11-18") == ["made@dt=2026-11-18 unknown"]


def test_without_anything_the_partition_is_unknown() -> None:
    assert written("orders") == ["orders@*? unknown"]
    assert read("orders") == ["orders@*?"]
    (only,) = attempt(ran("03", "04", "r", reads=["orders"])).reads
    assert only.reason


def test_an_unpartitioned_dataset_is_known_as_a_whole() -> None:
    by = declared(DatasetRule("s3://lake/rates", partition=False))
    assert written("rates", by=by, key="2026-11-18") == ["rates@* unknown"]
    assert read("rates", by=by) == ["rates@*"]


def test_a_bare_mention_in_another_event_adds_nothing_to_a_named_one() -> None:
    raw = ran("03", "04", "r", reads=[dataset("raw", "dt=2026-11-18")])
    raw[0]["inputs"] = [dataset("raw")]
    assert reads(attempt(raw)) == ["raw@dt=2026-11-18"]


def test_one_event_that_names_a_part_and_the_whole_means_both() -> None:
    raw = ran("03", "04", "r", reads=[dataset("raw", "dt=2026-11-18"), dataset("raw")])
    assert reads(attempt(raw)) == ["raw@dt=2026-11-18", "raw@*?"]


def test_a_date_without_its_key_is_the_datasets_only_dated_key() -> None:
    known = history(
        ran("03", "04", "w", "writer", writes=["orders/dt=2026-11-18"]),
        ran("05", "06", "x", "other", writes=["orders"], key="2026-11-18"),
    )
    assert {cell for one in known.attempts for cell in writes(one)} == {"orders@dt=2026-11-18 unknown"}


# --- declared windows ----------------------------------------------------------------------------------------------------


def windowed(window: Window | None, makes: str, *rules: DatasetRule, job: str = "job", source: str = "raw") -> list[str]:
    edges = (EdgeRule(f"test/{job}", f"s3://lake/{source}", window, until="latest" if window is None else None),)
    return reads(attempt(ran("03", "04", "r", job, reads=[source], writes=[makes]), declared=declared(DAILY, *rules, edges=edges)))


def test_identity_reads_the_day_it_writes() -> None:
    assert windowed(Window("identity"), "made/dt=2026-11-18") == ["raw@dt=2026-11-18"]


def test_a_rolling_week_reads_seven_days() -> None:
    assert windowed(Window("offsets", -6, 0), "made/dt=2026-11-18") == [f"raw@dt=2026-11-{day}" for day in range(12, 19)]


def test_a_month_reads_its_days() -> None:
    monthly = DatasetRule("s3://lake/made", partition=Layout("month=%Y-%m"))
    found = windowed(Window("contained"), "made/month=2026-11", monthly)
    assert (len(found), found[0], found[-1]) == (30, "raw@dt=2026-11-01", "raw@dt=2026-11-30")


def test_an_hour_reads_the_day_around_it() -> None:
    hourly = DatasetRule("s3://lake/made", partition=Layout("dt=%Y-%m-%d/hour=%H"))
    assert windowed(Window("refine"), "made/dt=2026-11-18/hour=03", hourly) == ["raw@dt=2026-11-18"]


def test_all_reads_an_unknown_partition_and_none_reads_nothing() -> None:
    assert windowed(Window("all"), "made/dt=2026-11-18") == ["raw@*?"]
    assert windowed(Window("none"), "made/dt=2026-11-18") == []


def test_a_window_relative_to_an_unknown_partition_is_unknown() -> None:
    assert windowed(Window("identity"), "made") == ["raw@*?"]


def test_a_self_edge_reads_what_it_declares() -> None:
    assert windowed(Window("offsets", -1, -1), "made/dt=2026-11-18", source="made") == ["made@dt=2026-11-17"]
    assert windowed(None, "made/dt=2026-11-18", source="made") == ["made@*?"]


def test_an_unpartitioned_output_leaves_the_window_to_the_nominal_day() -> None:
    by = declared(
        DAILY, DatasetRule("s3://lake/made", partition=False), edges=(EdgeRule("test/job", "*raw", Window("offsets", -1, 0)),)
    )
    found = read("raw", by=by, makes=("made",), nominal="2026-11-18T05:00:00Z")
    assert found == ["raw@dt=2026-11-17", "raw@dt=2026-11-18"]


# --- write modes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["OVERWRITE", "CREATE", "ALTER", "nonsense", None])
def test_a_lifecycle_change_alone_proves_no_overwrite(change: str | None) -> None:
    """Spark's dynamic overwrite and Iceberg's copy-on-write say OVERWRITE too."""
    one = dataset("orders", "dt=2026-11-18", lifecycleStateChange={"lifecycleStateChange": change})
    assert written(one) == ["orders@dt=2026-11-18 unknown"]


@pytest.mark.parametrize("change", ["DROP", "TRUNCATE", "drop"])
def test_drop_and_truncate_are_drops_whatever_is_declared(change: str) -> None:
    one = dataset("orders", "dt=2026-11-18", lifecycleStateChange={"lifecycleStateChange": change})
    assert written(one) == ["orders@dt=2026-11-18 drop"]
    assert written(one, by=declared(DatasetRule("*", write="append"))) == ["orders@dt=2026-11-18 drop"]


@pytest.mark.parametrize("word", ["overwrite", "append", "merge"])
def test_a_declared_mode_is_taken_at_its_word(word: Literal["overwrite", "append", "merge"]) -> None:
    by = declared(DatasetRule("s3://lake/orders", write=word))
    one = attempt(ran("03", "04", "r", writes=["orders/dt=2026-11-18"]), declared=by)
    assert writes(one) == [f"orders@dt=2026-11-18 {word}"]
    assert reads(one) == (["orders@dt=2026-11-18"] if word == "merge" else [])


@pytest.mark.parametrize(
    ("facet", "mode", "also_read"),
    [
        (dbt("table"), "overwrite", False),
        (dbt("seed"), "overwrite", False),
        (dbt("view"), "overwrite", False),
        (dbt("materialized_view"), "overwrite", False),
        (dbt("dynamic_table"), "unknown", False),
        (dbt("incremental", strategy="microbatch"), "merge", True),
        (dbt("incremental"), "merge", True),
        (dbt("incremental", strategy="delete+insert"), "merge", True),
        (dbt("incremental", strategy="append"), "append", False),
        (dbt("snapshot"), "merge", True),
    ],
)
def test_dbt_says_how_it_writes_and_that_it_is_a_whole_table(facet: JSON, mode: str, also_read: bool) -> None:
    one = attempt(ran("03", "04", "r", writes=[dataset("duckdb|shop.main.orders", **facet)]))
    assert writes(one) == [f"shop.main.orders@* {mode}"]
    assert reads(one) == (["shop.main.orders@*"] if also_read else [])


@pytest.mark.parametrize(
    ("one", "other", "mode"),
    [
        (dbt("table"), dbt("incremental"), "merge"),
        (dbt("table"), dbt("incremental", strategy="append"), "append"),
        (dbt("incremental", strategy="append"), dbt("incremental"), "merge"),
        (dbt("table"), {}, "overwrite"),
        (dbt("incremental"), {}, "merge"),
    ],
)
def test_of_two_reports_of_one_attempt_the_weaker_claim_is_believed(one: JSON, other: JSON, mode: str) -> None:
    for first, second in ((one, other), (other, one)):
        raw = [
            told("START", "03", "r", writes=[dataset("db|orders", **first)]),
            told("COMPLETE", "04", "r", writes=[dataset("db|orders", **second)]),
        ]
        assert writes(attempt(raw)) == [f"orders@* {mode}"]


def test_a_declared_layout_is_believed_over_dbts_word() -> None:
    by = declared(DatasetRule("*orders", partition=Layout("dt=%Y-%m-%d"), write="append"))
    assert written(dataset("orders", **dbt("table")), by=by) == ["orders@*? append"]


def test_airflows_inlets_and_outlets_are_read_from_their_repr() -> None:
    raw = ran("03", "04", "r")
    for one in raw:
        task = {"inlets": "[{'uri': 's3://lake/raw/orders', 'name': 'x'}]", "outlets": "[{'uri': 's3://lake/clean/orders/'}]"}
        one["run"]["facets"]["airflow"] = {"task": task}
    one_attempt = attempt(raw)
    assert reads(one_attempt) == ["raw/orders@*?"]
    assert writes(one_attempt) == ["clean/orders@*? unknown"]
