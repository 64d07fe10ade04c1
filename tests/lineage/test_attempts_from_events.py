"""A run's events as attempts, in the messy orders that producers really send (DESIGN §4, FIELD-NOTES)."""

from __future__ import annotations

from itertools import permutations

import pytest

from lineage.attempts import Attempt
from lineage.timestamps import AFTER, BEFORE
from tests.lineage.openlineage import JSON, attempt, dataset, history, ns, reads, told, writes

Shape = tuple[str, int | str, int | str]


def shapes(*raw: JSON) -> list[Shape]:
    """State, start and end of each attempt, the infinities as words."""
    words: dict[int, str] = {BEFORE: "before", AFTER: "after"}
    return [(one.state, words.get(one.start, one.start), words.get(one.end, one.end)) for one in history(*raw).attempts]


def test_start_and_complete_are_one_attempt() -> None:
    assert shapes(told("START", "03"), told("COMPLETE", "04")) == [("COMPLETE", ns("03"), ns("04"))]


def test_a_run_id_used_for_a_retry_is_two_attempts() -> None:
    """Airflow: START, FAIL, START, COMPLETE under one run id."""
    raw = [told("START", "03"), told("FAIL", "04"), told("START", "05"), told("COMPLETE", "06")]
    expected = [("FAIL", ns("03"), ns("04")), ("COMPLETE", ns("05"), ns("06"))]
    for order in permutations(raw):
        assert shapes(*order) == expected
    assert [one.number for one in history(*raw).attempts] == [0, 1]


def test_complete_without_start_began_before_anything_we_know() -> None:
    assert shapes(told("COMPLETE", "04")) == [("COMPLETE", "before", ns("04"))]


def test_a_start_without_end_is_open() -> None:
    assert shapes(told("START", "03")) == [("OPEN", ns("03"), "after")]


def test_a_repeated_start_without_a_terminal_opens_no_attempt() -> None:
    assert shapes(told("START", "03"), told("START", "04"), told("COMPLETE", "05")) == [("COMPLETE", ns("03"), ns("05"))]


def test_exact_duplicates_are_no_ops() -> None:
    raw = [told("START", "03", reads=["a"]), told("COMPLETE", "04", writes=["b"])]
    assert history(*raw, *raw, *raw).attempts == history(*raw).attempts


def test_running_after_fail_belongs_to_the_failed_attempt() -> None:
    assert shapes(told("START", "03"), told("FAIL", "04"), told("RUNNING", "05")) == [("FAIL", ns("03"), ns("04"))]


def test_the_last_terminal_decides() -> None:
    """In dbt's structured mode START and COMPLETE repeat under one run id; Spark adds a COMPLETE per action."""
    assert shapes(told("START", "03"), told("FAIL", "04"), told("COMPLETE", "05")) == [("COMPLETE", ns("03"), ns("05"))]
    assert shapes(told("START", "03"), told("COMPLETE", "04"), told("ABORT", "05")) == [("ABORT", ns("03"), ns("05"))]


def test_complete_and_fail_at_one_moment_count_as_failed() -> None:
    assert shapes(told("START", "03"), told("FAIL", "04"), told("COMPLETE", "04")) == [("FAIL", ns("03"), ns("04"))]


def test_start_and_terminal_at_one_moment_are_one_attempt_of_no_length() -> None:
    assert shapes(told("COMPLETE", "03"), told("START", "03")) == [("COMPLETE", ns("03"), ns("03"))]


def test_other_comes_first_and_running_later_at_one_moment() -> None:
    assert shapes(told("RUNNING", "03"), told("OTHER", "03"), told("START", "03"), told("COMPLETE", "03")) == [
        ("COMPLETE", ns("03"), ns("03"))
    ]


def test_a_missing_or_strange_event_type_counts_as_other() -> None:
    assert shapes({**told("START", "03"), "eventType": None}, told("COMPLETE", "04")) == [("COMPLETE", ns("03"), ns("04"))]
    assert shapes({**told("START", "03"), "eventType": "PAUSED"}) == [("OPEN", ns("03"), "after")]


def test_event_types_are_read_in_any_case() -> None:
    assert shapes(told("start", "03"), told("complete", "04")) == [("COMPLETE", ns("03"), ns("04"))]


def test_inputs_and_outputs_accumulate_over_an_attempt_and_not_over_the_run() -> None:
    first, second = history(
        told("START", "03", reads=["a"]),
        told("RUNNING", "03:30", reads=["b"]),
        told("FAIL", "04", writes=["c"]),
        told("START", "05", reads=["a", "b"]),
        told("COMPLETE", "06", writes=["c", "d"]),
    ).attempts
    assert reads(first) == ["a@*?", "b@*?"]
    assert writes(first) == ["c@*? unknown", "d@*? unknown"]  # the second from what its job otherwise writes
    assert first.writes[1].how == "inferred"
    assert writes(second) == ["c@*? unknown", "d@*? unknown"]


def test_a_failed_attempt_keeps_what_it_says_it_wrote() -> None:
    (only,) = history(told("START", "03"), told("FAIL", "04", writes=["c"])).attempts
    assert writes(only) == ["c@*? unknown"]


def test_naive_times_and_nanoseconds_order_events() -> None:
    raw = [told("START", "2026-11-18T03:00:00.000000001"), told("COMPLETE", "2026-11-18T03:00:00.000000002Z")]
    assert shapes(*reversed(raw)) == [("COMPLETE", ns("03") + 1, ns("03") + 2)]


def test_an_event_without_run_is_static_lineage_and_no_attempt() -> None:
    static = {**told("START", "03", reads=["a"], writes=["b"])}
    del static["run"]
    known = history(static)
    assert known.attempts == ()
    assert {str(job): {one.name for one in found} for job, found in known.job_reads.items()} == {"test/job": {"a"}}


def test_a_parents_outcome_is_never_its_childs() -> None:
    child = told("FAIL", "04", run="child", job="child")
    child["run"]["facets"]["parent"] = {"run": {"runId": "parent"}, "job": {"namespace": "test", "name": "parent"}}
    known = history(told("START", "03", run="parent", job="parent"), child, told("COMPLETE", "05", run="parent", job="parent"))
    assert {one.run_id: one.state for one in known.attempts} == {"parent": "COMPLETE", "child": "FAIL"}


@pytest.mark.parametrize(("ended", "end"), [("06", "06"), ("02", "03")])
def test_a_person_can_say_when_an_open_attempt_ended_though_not_before_it_was_heard_of(ended: str, end: str) -> None:
    (only,) = history(told("START", "03"), ended={"r1": ns(ended)}).attempts
    assert (only.state, only.end) == ("OPEN", ns(end))


def test_an_end_that_was_reported_is_not_corrected_by_hand() -> None:
    (only,) = history(told("START", "03"), told("COMPLETE", "04"), ended={"r1": ns("06")}).attempts
    assert only.end == ns("04")


def test_jobs_that_report_under_one_run_id_are_one_attempt_with_aliases() -> None:
    (only,) = history(told("START", "03", job="app"), told("COMPLETE", "04", job="app.action")).attempts
    assert (only.job.name, [job.name for job in only.aliases]) == ("app", ["app.action"])


def test_attempts_come_in_the_order_of_their_starts() -> None:
    known = history(told("START", "05", run="b"), told("COMPLETE", "04", run="a"), told("START", "03", run="c"))
    assert [one.run_id for one in known.attempts] == ["a", "c", "b"]
    assert all(isinstance(one, Attempt) for one in known.attempts)


def test_what_arrives_twice_says_no_more_than_once() -> None:
    """Two commits are no one version, however often the second is told."""
    begun = told("START", "01", writes=[dataset("d", version={"datasetVersion": "1"})])
    ended = told("COMPLETE", "02", writes=[dataset("d", version={"datasetVersion": "2"})])
    once, twice = attempt(begun, ended), attempt(begun, ended, ended)
    assert once == twice
    assert [write.version for write in twice.writes] == [None]
