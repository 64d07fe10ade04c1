"""What is suggested about datasets: how they are laid out and written, who is served, who owns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lineage.declarations import DatasetRule, Declarations
from lineage.events import event
from lineage.layouts import Layout
from lineage.partitions import parse_partition
from lineage.suggest import Suggestion, suggest
from lineage.suggest_datasets import layout_of
from tests.lineage.openlineage import JSON, dataset, dbt, ran, told

DAYS = ("2026-11-16", "2026-11-17", "2026-11-18")


def learned(*raw: JSON | list[JSON], declared: Declarations | None = None) -> dict[tuple[str, str], Suggestion]:
    """By the dataset's name (or ``job reads dataset``) and key."""
    flat = [event(one) for item in raw for one in (item if isinstance(item, list) else [item])]
    found = suggest(flat, declared or Declarations()).suggestions
    return {
        (" reads ".join(part.removeprefix("s3://lake/").removeprefix("test/") for part in one.subject), one.key): one
        for one in found
    }


def daily(writes: str, *, part: bool = True, days: Iterable[str] = DAYS, run: str = "", **more: Any) -> list[JSON]:
    """A run a day, in the night after it."""
    return [
        one
        for number, day in enumerate(days)
        for one in ran(
            f"2026-11-2{number}T01:00:00Z",
            f"2026-11-2{number}T02:00:00Z",
            f"{run or writes} {day}",
            job=f"makes {writes}",
            writes=[dataset(writes, f"dt={day}" if part else None)],
            nominal=f"{day}T00:00:00Z",
            **more,
        )
    ]


@pytest.mark.parametrize(
    ("spelled", "layout"),
    [
        ("dt=2026-11-18", "dt=%Y-%m-%d"),
        ("dt=20261118", "dt=%Y%m%d"),
        ("2026/11/18", "%Y/%m/%d"),
        ("20261118", "%Y%m%d"),
        ("year=2026/month=11/day=18", "year=%Y/month=%m/day=%d"),
        ("year=2026/month=11", "year=%Y/month=%m"),
        ("dt=2026-11-18/hour=03", "dt=%Y-%m-%d/hour=%H"),
        ("dt=2026-11-18T03", "dt=%Y-%m-%dT%H"),
        ("month=2026-11", "month=%Y-%m"),
        ("week=2026-W47", "week=%G-W%V"),
        ("country=SE/dt=2026-11-18", "country={country}/dt=%Y-%m-%d"),
        ("region=eu-north-1", "region={region}"),
        ("shard=03", "shard={shard}"),
    ],
)
def test_a_layout_is_what_renders_the_partition_as_it_was_written(spelled: str, layout: str) -> None:
    found = parse_partition(spelled)
    assert layout_of(spelled, found) == layout
    assert Layout(layout).render(found) == spelled


@pytest.mark.parametrize("spelled", ["year=2026/month=1/day=5", "dt=2026-11-18T03:15:00Z", "dt=2026-11-18T03:00:00+00:00"])
def test_what_no_layout_can_render_gets_none(spelled: str) -> None:
    assert layout_of(spelled, parse_partition(spelled)) is None


def test_the_spelling_in_names_subsets_and_locations_counts() -> None:
    location = {"outputFacets": {"subset": {"outputCondition": {"type": "location", "locations": ["s3://lake/c/20261118"]}}}}
    found = learned(
        ran("01", "02", "1", writes=["a/dt=20261118"]),
        ran("01", "02", "2", writes=[dataset("b", "year=2026/month=11/day=18")]),
        ran("01", "02", "3", writes=[{"namespace": "s3://lake", "name": "c", **location}]),
    )
    assert {name: one.value for (name, key), one in found.items() if key == "partition"} == {
        "a": "dt=%Y%m%d",
        "b": "year=%Y/month=%m/day=%d",
        "c": "%Y%m%d",
    }


def test_a_layout_that_explains_only_some_partitions_is_a_guess_and_says_how_many() -> None:
    found = learned(daily("a"), ran("03", "04", "odd", writes=["a/day=2026-11-11"]))["a", "partition"]
    assert (found.value, found.sure, found.explains, found.of) == ("dt=%Y-%m-%d", False, 3, 4)
    assert "explains 3 of 4 partitions" in found.evidence


def test_nominal_is_suggested_where_it_is_the_partition_that_runs_name() -> None:
    assert learned(daily("a"))["a", "nominal"].sure
    shifted = [one | {"outputs": [dataset("a", "dt=2026-11-01")]} if one["outputs"] else one for one in daily("a")]
    assert ("a", "nominal") not in learned(shifted)


def test_nominal_is_suggested_where_it_is_the_partition_that_later_readers_name() -> None:
    silent = daily("a", part=False)
    readers = [
        ran(
            f"2026-11-2{number}T05:00:00Z",
            f"2026-11-2{number}T06:00:00Z",
            f"read {day}",
            "reader",
            reads=[dataset("a", f"dt={day}")],
        )
        for number, day in enumerate(DAYS)
    ]
    found = learned(silent, *readers)["a", "nominal"]
    assert (found.sure, found.explains, found.of) == (True, 3, 3)

    early = [
        ran(
            f"2026-11-1{number}T05:00:00Z",
            f"2026-11-1{number}T06:00:00Z",
            f"read {day}",
            "reader",
            reads=[dataset("a", f"dt={day}")],
        )
        for number, day in enumerate(DAYS)
    ]
    assert ("a", "nominal") not in learned(silent, *early), "read before anything of that time was written"


def test_one_partition_is_not_enough_for_nominal() -> None:
    assert not learned(daily("a", days=DAYS[:1]))["a", "nominal"].sure


def test_unpartitioned_is_only_ever_a_guess() -> None:
    found = learned(
        *(ran("01", "02", str(number), reads=[dataset("in", f"dt={day}")], writes=["out"]) for number, day in enumerate(DAYS))
    )
    assert (found["out", "partition"].value, found["out", "partition"].sure) == (False, False)


def test_nothing_is_asked_about_what_dbt_says_is_a_table() -> None:
    found = learned(ran("01", "02", "1", writes=[dataset("a", **dbt("table"))]), ran("03", "04", "2", reads=["a"]))
    assert ("a", "partition") not in found
    assert ("a", "write") not in found


def test_re_runs_for_the_same_time_suggest_overwrite() -> None:
    again = [
        one | {"run": {**one["run"], "runId": "again " + one["run"]["runId"]}, "eventTime": "2026-11-25" + one["eventTime"][10:]}
        for one in daily("a")
    ]
    found = learned(daily("a"), again)["a", "write"]
    assert (found.value, found.sure) == ("overwrite", True)
    assert "3 of 3 partitions were made again" in found.evidence


def test_partitions_written_for_different_times_leave_the_mode_open() -> None:
    hours = [
        ran(
            f"{hour:02d}:00",
            f"{hour:02d}:30",
            f"r{hour}",
            writes=[dataset("a", "dt=2026-11-18")],
            nominal=f"2026-11-18T{hour:02d}:00:00Z",
        )
        for hour in range(4)
    ]
    found = learned(*hours)["a", "write"]
    assert (found.value, found.sure) == ("append", False), "made again whole each hour looks the same"


def test_partitions_written_once_leave_the_mode_open() -> None:
    found = learned(daily("a"))["a", "write"]
    assert (found.value, found.sure) == ("overwrite", False)
    assert "not seen" in found.evidence


@pytest.mark.parametrize(("part", "sure"), [("dt=2026-11-18", True), (None, False)])
def test_a_producers_overwrite_counts_only_for_partitions_that_it_names(part: str | None, sure: bool) -> None:
    replaced = {"lifecycleStateChange": {"lifecycleStateChange": "OVERWRITE"}}
    found = learned(
        daily("other"),
        *(ran("01", "02", f"{number}", writes=[dataset("a", part, **replaced)]) for number in range(2)),
    )
    if part is None:
        assert not found["a", "write"].sure
    else:
        assert (found["a", "write"].value, found["a", "write"].sure) == ("overwrite", sure)


def test_a_table_format_is_recognised_and_its_mode_is_left_to_it() -> None:
    facets = {"storage": {"storageLayer": "iceberg"}, "lifecycleStateChange": {"lifecycleStateChange": "OVERWRITE"}}
    found = learned(ran("01", "02", "1", writes=[dataset("a", "dt=2026-11-18", **facets)]))
    assert found["a", "format"].value == "iceberg"
    assert ("a", "write") not in found


def test_serving_is_what_an_exposure_shows_and_what_no_other_job_reads() -> None:
    shown = dataset("shown", dbt_exposures={"exposures": [{"name": "board"}]})
    found = learned(
        ran("01", "02", "1", "a", writes=[shown, "leaf", "middle"]),
        ran("03", "04", "2", "b", reads=["shown", "middle", "own"], writes=["own"]),
    )
    assert {name for (name, key) in found if key == "serving"} == {"shown", "leaf", "own"}, "reading one's own is no use of it"
    assert "exposure" in found["shown", "serving"].evidence


def test_owners_are_the_datasets_own_else_those_of_the_jobs_that_write_it() -> None:
    def owned(name: str) -> JSON:
        return {"ownership": {"owners": [{"name": name}]}}

    start, end = ran("01", "02", "1", writes=[dataset("a", **owned("team-a")), "b"])
    end["job"]["facets"] = owned("team-job")
    found = learned([start, end])
    assert found["a", "owners"].value == ("team-a",)
    assert found["b", "owners"].value == ("team-job",)
    assert "test/job, which writes it" in found["b", "owners"].evidence


def test_what_is_declared_is_not_suggested() -> None:
    rule = DatasetRule("s3://lake/*", partition=Layout("dt=%Y-%m-%d"), nominal=True, write="append", serving=False, owners=())
    assert learned(daily("a"), declared=Declarations(datasets=(rule,))) == {}


def test_a_declared_layout_still_gets_its_nominal() -> None:
    rule = DatasetRule("s3://lake/*", partition=Layout("dt=%Y-%m-%d"))
    assert learned(daily("a"), declared=Declarations(datasets=(rule,)))["a", "nominal"].sure


def test_nominal_times_are_read_by_the_declared_time_zone() -> None:
    midnights = [
        one
        for number in range(3)
        for one in ran(
            f"2026-11-1{number}T01:00:00Z",
            f"2026-11-1{number}T02:00:00Z",
            f"r{number}",
            writes=[dataset("a", f"dt=2026-11-0{number + 2}")],
            nominal=f"2026-11-0{number + 1}T23:00:00Z",
        )
    ]
    zone = DatasetRule("s3://lake/*", timezone=ZoneInfo("Europe/Stockholm"))
    assert ("a", "nominal") not in learned(midnights)
    assert learned(midnights, declared=Declarations(datasets=(zone,)))["a", "nominal"].sure


def test_nothing_at_all_suggests_nothing() -> None:
    assert learned() == {}
    assert learned(told("START", "01")) == {}
