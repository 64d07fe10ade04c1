"""Tests of data, and what happened to those who wrote it: failed, ran again, late."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from lineage.attempts import Attempt
from lineage.fault import Fault
from tests.lineage.triage_histories import (
    BAD,
    DAYS,
    FAULT,
    day,
    enrich,
    found,
    ingest,
    kinds,
    partitioned,
    run,
    strongest,
    usual,
)

JSON = dict[str, Any]


def checks(of: date, *, success: bool, dataset: str = "raw", hour: int = 2, **assertion: Any) -> list[JSON]:
    """A run of a job that tests a day of a dataset."""
    read = partitioned(dataset, of, "input")
    outcome = {"assertion": "not_null", "name": "not_null_amount", "column": "amount", "success": success, **assertion}
    read["inputFacets"]["dataQualityAssertions"] = {"assertions": [outcome]}
    return run("test", of, reads=[read], hour=hour, state="COMPLETE" if success else "FAIL")


def checked(**bad: Any) -> list[JSON]:
    """A month of tests that passed, and the bad day's."""
    return [*usual(), *(one for number in range(DAYS) for one in checks(day(number), success=True)), *checks(BAD, **bad)]


def test_a_failed_test_of_the_input_points_to_the_data() -> None:
    triage = found([*checked(success=False, actual="24"), *ingest(BAD), *enrich(BAD)])
    assert (triage.verdict, triage.confidence) == ("data", "strong")
    evidence = strongest(triage, "assertion")
    assert evidence.words == "test not_null_amount of s3://lake/raw failed; before it passed"
    assert (evidence.before, evidence.after, evidence.attempt.job.name) == ("passed", "failed (actual 24)", "test")


def test_a_test_that_failed_before_too_or_only_warns_is_weaker() -> None:
    rest = [*ingest(BAD), *enrich(BAD)]
    scores = [
        strongest(found([*events, *rest]), "assertion").strength
        for events in (
            checked(success=False),
            checked(success=False, severity="warn"),
            [*usual(), *(one for number in range(DAYS) for one in checks(day(number), success=False)), *checks(BAD, success=False)],
        )
    ]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3


def test_a_test_of_what_the_fault_wrote_only_shows_it() -> None:
    triage = found([*usual(), *ingest(BAD), *enrich(BAD), *checks(BAD, success=False, dataset="clean", hour=5)])
    assert triage.evidence == ()
    assert [one.kind for one in triage.shown] == ["assertion"]


def test_another_days_failed_test_is_not_this_days() -> None:
    events = [*checked(success=True), *ingest(BAD), *enrich(BAD), *checks(day(DAYS - 2), success=False, hour=23)]
    assert "assertion" not in [kind for _, kind in kinds(found(events))]


def test_an_old_partition_tested_at_the_same_time_is_not_this_one() -> None:
    old = checks(day(3), success=False)
    old = [{**one, "eventTime": f"{BAD + timedelta(days=1)}T02:{minute}:00Z"} for one, minute in zip(old, (40, 50), strict=True)]
    events = [*usual(), *ingest(BAD), *enrich(BAD), *old]
    assert found(events).evidence == ()


def test_a_failed_upstream_that_was_not_made_again_points_to_the_data() -> None:
    failed = ingest(BAD, state="FAIL", facets={"errorMessage": {"message": "disk full\n  at Writer"}})
    triage = found([*usual(), *failed, *enrich(BAD)])
    assert triage.verdict == "data"
    evidence = strongest(triage, "upstream-failed")
    assert evidence.words == "upstream test/ingest ended in FAIL and did not complete again before this was read"
    assert evidence.details == ("disk full",)


def test_a_failed_upstream_that_ran_again_in_time_is_weaker() -> None:
    failed = ingest(BAD, state="FAIL", minutes=5, run_id="ingest-bad")
    again = ingest(BAD, hour=2, run_id="ingest-bad")
    triage = found([*usual(), *failed, *again, *enrich(BAD)])
    assert triage.verdict == "unclear"
    assert "then ran again before this was read" in strongest(triage, "upstream-failed").words


def test_what_fails_every_day_is_no_evidence() -> None:
    def retried(of: date) -> list[JSON]:
        return [*ingest(of, state="FAIL", minutes=5, run_id=f"i-{of}"), *ingest(of, hour=2, run_id=f"i-{of}"), *enrich(of)]

    triage = found([*(one for number in range(DAYS) for one in retried(day(number))), *retried(BAD)])
    assert triage.evidence == ()


def test_upstream_that_ended_after_this_attempt_started_is_late() -> None:
    triage = found([*usual(), *ingest(BAD, minutes=179), *enrich(BAD)])
    assert triage.verdict == "data"
    evidence = strongest(triage, "late")
    assert evidence.words == "upstream test/ingest ended 59 min after this attempt had started"
    assert evidence.before == f"this attempt started {BAD + timedelta(days=1)}T03:00:00Z"


def test_a_partition_first_written_after_it_was_read_is_late() -> None:
    triage = found([*usual(), *ingest(BAD, hour=9), *enrich(BAD)])
    assert triage.verdict == "data"
    assert "first 6 h 30 min after this attempt had started" in strongest(triage, "late").words


def test_a_partition_written_again_after_it_was_read() -> None:
    triage = found([*usual(), *ingest(BAD), *enrich(BAD), *ingest(BAD, hour=9, run_id="again")])
    assert "wrote dt=2026-11-18 again" in strongest(triage, "upstream-again").words


def test_a_backfill_weeks_later_is_not_late_data() -> None:
    after = BAD + timedelta(days=1)
    again = [{**one, "eventTime": one["eventTime"].replace("2026-11-19", "2026-12-09")} for one in ingest(BAD, run_id="again")]
    triage = found([*usual(), *ingest(BAD), *enrich(BAD), *ingest(after), *enrich(after), *again])
    assert triage.evidence == ()


def test_an_attempt_that_ran_before_its_time() -> None:
    def hourless(of: date, hour: int) -> list[JSON]:
        return run("enrich", of, reads=[partitioned("raw", of, "input")], writes=[partitioned("clean", of, "output")], hour=hour)

    triage = found([*(one for number in range(DAYS) for one in hourless(day(number), 9)), *hourless(BAD, 2)])
    assert "started 7 h earlier than usual for its nominal time" in strongest(triage, "late").words


def test_data_reached_over_an_unpartitioned_input_is_followed_too() -> None:
    def whole(of: date, rows: float) -> list[JSON]:
        raw = {"namespace": "s3://lake", "name": "raw"}
        out = {**raw, "outputFacets": {"outputStatistics": {"rowCount": rows}}}
        return [*run("ingest", of, writes=[out], hour=1), *run("enrich", of, reads=[raw], hour=3)]

    triage = found([*(one for number in range(DAYS) for one in whole(day(number), 1000.0 + number % 5)), *whole(BAD, 0)])
    assert (triage.verdict, strongest(triage, "volume").hops) == ("data", 1)
    assert triage.first_seen is not None
    assert triage.first_seen.attempt.run_id == f"ingest-{BAD}"


@pytest.mark.parametrize("length", [1, 4, 12])
def test_the_walk_stops_somewhere_and_never_turns_in_circles(length: int) -> None:
    """A ring of jobs, each of which reads what the one before wrote, all short of rows on one day."""

    def ring(of: date, rows: float) -> list[JSON]:
        return [
            one
            for number in range(length)
            for one in run(
                f"job{number}",
                of,
                reads=[{"namespace": "s3://lake", "name": f"d{(number - 1) % length}"}],
                writes=[
                    {
                        "namespace": "s3://lake",
                        "name": f"d{number}",
                        "outputFacets": {"outputStatistics": {"rowCount": rows}},
                    }
                ],
                hour=number,
                minutes=10,
            )
        ]

    triage = found(
        [*(one for number in range(12) for one in ring(day(number), 50 + number % 3)), *ring(day(12), 1)],
        Fault(job=f"test/job{length - 1}", nominal=str(day(12))),
    )
    assert triage.walked.hops <= 8
    attempts: list[Attempt] = [one.attempt for one in triage.evidence]
    assert all(one.start <= triage.first_bad.end for one in attempts)


def test_a_fault_without_any_input_says_so() -> None:
    triage = found([*usual(), *run("enrich", BAD, writes=[partitioned("clean", BAD, "output")], hour=3)], FAULT)
    assert triage.verdict == "unclear"
