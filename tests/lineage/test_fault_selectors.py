"""Choosing the fault, as CONTRACT words it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lineage.declarations import DatasetRule, Declarations
from lineage.errors import AmbiguousJob, FaultError
from lineage.fault import Fault, Fix, choose, find_job
from lineage.history import History
from lineage.layouts import Layout
from tests.lineage.openlineage import cells, dataset, history, ns, radius, ran, states, told

DECLARED = Declarations(datasets=(DatasetRule("*", partition=Layout("dt=%Y-%m-%d"), write="overwrite"),))


def nominal(day: int) -> str:
    return f"2026-11-{day:02}T00:00:00Z"


@pytest.fixture
def days() -> History:
    """A job on the 14th to the 18th, each run the night after; another job; and one more that has a partition key only."""
    runs = [
        ran(
            f"2026-11-{day + 1}T03:00:00Z",
            f"2026-11-{day + 1}T04:00:00Z",
            f"d{day}",
            "orders",
            nominal=nominal(day),
            code=f"v{day // 16}",
        )
        for day in range(14, 19)
    ]
    keyed = ran("2026-11-18T05:00:00Z", "2026-11-18T06:00:00Z", "keyed", "orders", key="2026-11-17", code="v1")
    other = ran("2026-11-18T05:00:00Z", "2026-11-18T06:00:00Z", "other", "payments", nominal=nominal(17), code="v1")
    return history(*runs, keyed, other, declared=DECLARED)


def seeds(known: History, fix: Fix | None = None, **fault: Any) -> tuple[set[str], set[str]]:
    """Run ids of certain and perhaps faulty seeds."""
    found = choose(known, Fault(**fault), fix)
    return {known.attempts[one].run_id for one in found.must}, {known.attempts[one].run_id for one in found.may}


# --- the job -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["test/orders", "orders", "rders", "test/ord*", "*orders", "t?st/orders"])
def test_a_job_is_found_by_name_unique_suffix_or_glob(days: History, name: str) -> None:
    assert str(find_job(days, name)) == "test/orders"


def test_an_ambiguous_job_lists_its_candidates(days: History) -> None:
    for name in ("test/*", "s"):
        with pytest.raises(AmbiguousJob) as refused:
            find_job(days, name)
        assert refused.value.candidates == ("test/orders", "test/payments")


def test_a_suffix_at_a_boundary_beats_one_inside_a_word() -> None:
    known = history(ran("03", "04", "a", "orders"), ran("03", "04", "b", "preorders"))
    assert str(find_job(known, "orders")) == "test/orders"


def test_an_unknown_job_names_the_nearest(days: History) -> None:
    with pytest.raises(FaultError) as refused:
        find_job(days, "test/order")
    assert "test/orders" in refused.value.hint


def test_the_whole_job_is_every_attempt_of_it(days: History) -> None:
    assert seeds(days, job="orders") == ({"d14", "d15", "d16", "d17", "d18", "keyed"}, set())


def test_an_alias_under_one_run_id_is_that_job_too() -> None:
    known = history(told("START", "03", job="app"), told("COMPLETE", "04", job="app.action"))
    assert seeds(known, job="app.action") == ({"r1"}, set())


# --- nominal -------------------------------------------------------------------------------------------------------------


def test_nominal_takes_both_ends(days: History) -> None:
    assert seeds(days, job="orders", nominal="2026-11-15..2026-11-17") == ({"d15", "d16", "d17", "keyed"}, set())


def test_nominal_of_one_date_is_that_whole_utc_day(days: History) -> None:
    assert seeds(days, job="orders", nominal="2026-11-17") == ({"d17", "keyed"}, set())


def test_several_nominal_ranges_unite(days: History) -> None:
    assert seeds(days, job="orders", nominal="2026-11-14,2026-11-16..2026-11-17") == ({"d14", "d16", "d17", "keyed"}, set())
    words = choose(days, Fault(job="orders", nominal="2026-11-14,2026-11-16..2026-11-17")).words
    assert words.startswith("attempts of test/orders for 2026-11-14 or for 2026-11-16 to 2026-11-17, both included: 4 matched")


def test_nominal_takes_moments_too() -> None:
    hours = [ran("03", "04", f"h{hour}", nominal=f"2026-11-17T{hour:02}:00:00Z") for hour in range(4)]
    known = history(*hours)
    assert seeds(known, job="job", nominal="2026-11-17T01:00:00Z..2026-11-17T02:00:00Z") == ({"h1", "h2"}, set())
    assert seeds(known, job="job", nominal="2026-11-17T01:00:00Z") == ({"h1"}, set())


def test_the_last_nanosecond_of_the_last_day_is_in_and_the_next_is_not() -> None:
    known = history(
        ran("03", "04", "in", nominal="2026-11-17T23:59:59.999999999Z"), ran("03", "04", "out", nominal="2026-11-18T00:00:00Z")
    )
    assert seeds(known, job="job", nominal="2026-11-16..2026-11-17") == ({"in"}, set())


def test_attempts_with_neither_nominal_time_nor_key_are_suspect_seeds_and_counted() -> None:
    known = history(ran("03", "04", "said", nominal=nominal(17)), ran("05", "06", "silent"))
    assert seeds(known, job="job", nominal="2026-11-17") == ({"said"}, {"silent"})
    found = radius(known, job="job", nominal="2026-11-17")
    assert (found.fault["matched"], found.fault["suspect"]) == (2, 1)
    assert "1 of them SUSPECT" in found.fault["words"]
    assert states(found) == {"said": "TAINTED", "silent": "SUSPECT"}


@pytest.mark.parametrize("text", ["2026-11-17..2026-11-15", "yesterday", "..", "2026-11-17..", ""])
def test_a_nominal_range_that_is_none_is_refused(days: History, text: str) -> None:
    if text:
        with pytest.raises(FaultError):
            seeds(days, job="orders", nominal=text)


# --- clock, runs, code ---------------------------------------------------------------------------------------------------


def test_since_and_until_meet_the_attempts_time_and_until_is_open(days: History) -> None:
    at_three = "2026-11-18T03:00:00Z"
    assert seeds(days, job="orders", since=at_three)[0] == {"d17", "d18", "keyed"}
    assert seeds(days, job="orders", since="2026-11-18T04:00:00Z")[0] == {"d17", "d18", "keyed"}
    assert seeds(days, job="orders", since="2026-11-18T04:00:01Z")[0] == {"d18", "keyed"}
    assert seeds(days, job="orders", until=at_three)[0] == {"d14", "d15", "d16"}
    assert seeds(days, job="orders", since=at_three, until="2026-11-18T03:00:01Z")[0] == {"d17"}


def test_attempts_that_never_began_or_ended_meet_every_window() -> None:
    known = history(told("COMPLETE", "04", run="no start"), told("START", "03", run="no end"))
    assert seeds(known, job="job", until="2026-11-01")[0] == {"no start"}
    assert seeds(known, job="job", since="2027-01-01")[0] == {"no end"}


def test_runs_unite_and_need_no_job(days: History) -> None:
    assert seeds(days, runs=("d15", "other")) == ({"d15", "other"}, set())


def test_every_attempt_of_a_run_is_chosen() -> None:
    known = history(told("START", "03"), told("FAIL", "04"), told("START", "05"), told("COMPLETE", "06"))
    assert len(choose(known, Fault(runs=("r1",))).must) == 2


def test_a_code_version_chooses_and_an_unknown_one_of_the_job_is_suspect(days: History) -> None:
    assert seeds(days, job="orders", code_versions=("v1",)) == ({"d16", "d17", "d18", "keyed"}, set())
    assert seeds(days, code_versions=("v1",))[0] == {"d16", "d17", "d18", "keyed", "other"}
    silent = history(ran("03", "04", "v", code="v1"), ran("05", "06", "silent"))
    assert seeds(silent, job="job", code_versions=("v1",)) == ({"v"}, {"silent"})


def test_different_selectors_intersect(days: History) -> None:
    chosen = seeds(days, job="orders", nominal="2026-11-15..2026-11-17", code_versions=("v1",), runs=("d15", "d16", "other"))
    assert chosen == ({"d16"}, set())


def test_nothing_matched_is_an_error_that_says_what_there_is(days: History) -> None:
    choices: tuple[dict[str, Any], ...] = (
        {"job": "orders", "nominal": "2025-01-01"},
        {"runs": ("nope",)},
        {"job": "orders", "since": "2030-01-01"},
    )
    for fault in choices:
        with pytest.raises(FaultError) as refused:
            seeds(days, **fault)
        assert "attempts" in refused.value.hint


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"nominal": "2026-11-17"},
        {"since": "2026-11-17"},
        {"columns": ("price",)},
        {"job": "orders", "cells": ("s3://lake/x@*",)},
        {"job": "orders", "since": "2026-11-18", "until": "2026-11-17"},
        {"job": "orders", "since": "soon"},
    ],
)
def test_a_choice_that_cannot_be_meant_is_refused(days: History, fault: dict[str, Any]) -> None:
    with pytest.raises(FaultError):
        seeds(days, **fault)


def test_a_column_narrows_nothing_without_column_lineage_and_says_so(days: History) -> None:
    found = radius(days, job="orders", columns=("price",))
    assert len(found.attempts) == 6
    assert "price" in found.fault["words"]


# --- cells ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def arrived() -> History:
    return history(
        ran("01", "02", "w17", "load", writes=["raw/dt=2026-11-17"]),
        ran("03", "04", "w18", "load", writes=["raw/dt=2026-11-18"]),
        ran("05", "06", "r17", "use", reads=["raw/dt=2026-11-17", "outside/dt=2026-11-17"], writes=["made/dt=2026-11-17"]),
        ran("07", "08", "r18", "use", reads=["raw/dt=2026-11-18", "outside/dt=2026-11-18"], writes=["made/dt=2026-11-18"]),
        declared=DECLARED,
    )


def test_a_cell_is_bad_by_its_writes(arrived: History) -> None:
    found = radius(arrived, cells=("s3://lake/raw@dt=2026-11-18",))
    assert states(found) == {"w18": "TAINTED", "r18": "TAINTED"}
    assert {one.run_id: one.distance for one in found.attempts} == {"w18": 0, "r18": 1}
    assert cells(found) == {"raw@dt=2026-11-18": "TAINTED", "made@dt=2026-11-18": "TAINTED"}


def test_repeats_of_a_cell_unite_and_a_star_is_all_of_it(arrived: History) -> None:
    both = radius(arrived, cells=("s3://lake/raw@dt=2026-11-17", "raw@20261118"))
    assert set(states(both)) == set(states(radius(arrived, cells=("s3a://lake/raw@*",)))) == {"w17", "w18", "r17", "r18"}


def test_a_cell_nobody_wrote_is_bad_by_its_reads(arrived: History) -> None:
    found = radius(arrived, cells=("s3://lake/outside@dt=2026-11-17",))
    assert states(found) == {"r17": "TAINTED"}


def test_a_partition_nobody_wrote_of_a_dataset_somebody_writes_is_bad_by_its_reads() -> None:
    known = history(
        ran("01", "02", "w17", "load", writes=["raw/dt=2026-11-17"]),
        ran("03", "04", "r18", "use", reads=["raw/dt=2026-11-18"]),
        declared=DECLARED,
    )
    assert states(radius(known, cells=("s3://lake/raw@dt=2026-11-18",))) == {"r18": "TAINTED"}


def test_a_window_on_cells_asks_when_the_write_ended(arrived: History) -> None:
    found = radius(arrived, cells=("s3://lake/raw@*",), since="2026-11-18T04:00:00Z")
    assert set(states(found)) == {"w18", "r18"}
    found = radius(arrived, cells=("s3://lake/raw@*",), until="2026-11-18T04:00:00Z")
    assert set(states(found)) == {"w17", "r17"}


def test_a_write_that_only_overlaps_the_cell_is_suspect() -> None:
    known = history(ran("03", "04", "vague", "load", writes=["raw"]), declared=DECLARED)
    found = radius(known, cells=("s3://lake/raw@dt=2026-11-18",))
    assert states(found) == {"vague": "SUSPECT"}


def test_only_the_bad_write_of_an_attempt_is_bad_and_its_other_reads_keep_their_distance() -> None:
    known = history(
        ran("01", "02", "first", "a", writes=["raw/dt=2026-11-18"]),
        ran("03", "04", "second", "b", reads=["raw/dt=2026-11-18"], writes=["raw/dt=2026-11-19", "aside/dt=2026-11-18"]),
        declared=DECLARED,
    )
    found = radius(known, cells=("s3://lake/raw@dt=2026-11-19",))
    assert cells(found) == {"raw@dt=2026-11-19": "TAINTED"}
    found = radius(known, cells=("s3://lake/raw@*",))
    assert {one.run_id: one.distance for one in found.attempts} == {"first": 0, "second": 0}
    path = {f"{one.cell.dataset.name}@{one.cell.partition}": [hop.run_id for hop in one.path] for one in found.cells}
    assert path["raw@dt=2026-11-19"] == ["second"]
    assert path["aside@dt=2026-11-18"] == ["first", "second"]


@pytest.mark.parametrize("text", ["raw", "@dt=2026-11-18", "raw@", "nope@*", "s3://lake/raw@dt="])
def test_what_is_no_cell_is_refused(arrived: History, text: str) -> None:
    with pytest.raises(FaultError):
        radius(arrived, cells=(text,))


# --- the fix and the echo ------------------------------------------------------------------------------------------------


def test_a_fixed_attempt_is_never_a_seed_and_can_still_be_reached(days: History) -> None:
    assert seeds(days, Fix(code_version="v1"), job="orders") == ({"d14", "d15"}, set())
    assert seeds(days, Fix(good_from=ns("2026-11-18T03:00:00Z")), job="orders")[0] == {"d14", "d15", "d16", "d17"}
    known = history(
        ran("01", "02", "bad", "maker", writes=[dataset("made", "dt=2026-11-17")], code="v1"),
        ran("03", "04", "fixed", "maker", reads=[dataset("made", "dt=2026-11-17")], code="v2"),
        declared=DECLARED,
    )
    found = radius(known, Fix(code_version="v2"), job="maker")
    assert {one.run_id: (one.state, one.distance) for one in found.attempts} == {"bad": ("TAINTED", 0), "fixed": ("TAINTED", 1)}


def test_the_fault_is_echoed_in_words_and_survives_json() -> None:
    fault = Fault(job="orders", nominal="2026-11-15..2026-11-17", runs=("a", "b"), columns=("price",))
    assert Fault.from_json(json.loads(json.dumps(fault.to_json()))) == fault
    assert fault
    assert not Fault()


def test_the_words_count_what_matched(days: History) -> None:
    words = radius(days, job="orders", nominal="2026-11-15..2026-11-17").fault["words"]
    assert "4 matched" in words
    assert "both included" in words
