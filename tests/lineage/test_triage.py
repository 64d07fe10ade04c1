"""Code, data or format: each alone, two at once, none, and where upstream the signal appears first."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest

from lineage.errors import FaultError
from lineage.fault import Fault
from tests.lineage.triage_histories import (
    BAD,
    DAYS,
    FAULT,
    FIELDS,
    day,
    enrich,
    found,
    ingest,
    kinds,
    partitioned,
    run,
    status,
    strongest,
    usual,
)


def test_nothing_changed_is_unclear_and_says_what_was_looked_at() -> None:
    triage = found([*usual(), *ingest(BAD), *enrich(BAD)])
    assert (triage.verdict, triage.confidence, triage.evidence) == ("unclear", "none", ())
    assert triage.reason == "nothing looked at changed"
    assert status(triage) == {
        "code": "nothing",
        "input schema": "nothing",
        "input volume and quality": "nothing",
        "tests of the input": "not told",
        "upstream attempts and late data": "nothing",
    }
    assert triage.walked.attempts == 1


def test_a_new_code_version_points_to_the_code() -> None:
    triage = found([*usual(), *ingest(BAD), *enrich(BAD, code="1.4.1")])
    assert (triage.verdict, triage.confidence) == ("code", "strong")
    evidence = triage.evidence[0]
    assert (evidence.before, evidence.after, evidence.source) == ("1.4.0", "1.4.1", "sourceCodeLocation.version")
    assert evidence.attempt.run_id == f"enrich-{BAD}"
    assert evidence.details[0] == "it did not change over the 20 earlier attempts that tell theirs"
    assert triage.first_seen == evidence


def test_code_that_changed_back_after_the_fault_is_stronger_than_code_that_stayed() -> None:
    bad = [*usual(), *ingest(BAD), *enrich(BAD, code="1.4.1")]
    after = BAD + timedelta(days=1)
    fixed, stayed = (found([*bad, *ingest(after), *enrich(after, code=code)]) for code in ("1.4.2", "1.4.1"))
    assert fixed.ranked[0].score > found(bad).ranked[0].score > stayed.ranked[0].score


def test_a_version_that_changes_with_every_run_tells_nothing() -> None:
    daily = [one for number in range(DAYS) for one in (*ingest(day(number)), *enrich(day(number), code=f"build-{number}"))]
    triage = found([*daily, *ingest(BAD), *enrich(BAD, code="build-99")])
    assert triage.verdict == "unclear"
    assert ("code", "code-version") not in kinds(triage)


@pytest.mark.parametrize(
    ("facets", "changed", "kind"),
    [
        pytest.param(
            {"processing_engine": {"name": "spark", "version": "3.5.1"}},
            {"processing_engine": {"name": "spark", "version": "4.0.0"}},
            "engine",
            id="engine",
        ),
        pytest.param({"dbt_version": {"version": "1.10.1"}}, {"dbt_version": {"version": "1.11.0"}}, "engine", id="dbt"),
        pytest.param(
            {"airflow": {"dagRun": {"dag_version_number": 3}}},
            {"airflow": {"dagRun": {"dag_version_number": 4}}},
            "code-version",
            id="dag",
        ),
        pytest.param(
            {"airflow": {"task": {"image": "shop/enrich:7"}}},
            {"airflow": {"task": {"image": "shop/enrich:8"}}},
            "image",
            id="image",
        ),
        pytest.param(
            {"environmentVariables": {"environmentVariables": [{"name": "GIT_COMMIT", "value": "aaa"}]}},
            {"environmentVariables": {"environmentVariables": [{"name": "GIT_COMMIT", "value": "bbb"}]}},
            "code-version",
            id="environment",
        ),
    ],
)
def test_other_signs_of_changed_code(facets: dict[str, Any], changed: dict[str, Any], kind: str) -> None:
    before = usual(code=None, facets=facets)
    triage = found([*before, *ingest(BAD, code=None, facets=facets), *enrich(BAD, code=None, facets=changed)])
    assert triage.verdict == "code"
    assert kinds(triage)[0] == ("code", kind)


def test_a_dbt_invocation_is_told_beside_the_change_but_is_none() -> None:
    def facets(number: int, version: str) -> dict[str, Any]:
        return {"dbt_run": {"invocation_id": f"inv-{number}", "project_version": version}}

    events = [one for number in range(8) for one in enrich(day(number), code=None, facets=facets(number, "1.0"))]
    same = found([*events, *enrich(BAD, code=None, facets=facets(99, "1.0"))])
    other = found([*events, *enrich(BAD, code=None, facets=facets(99, "2.0"))])
    assert same.evidence == ()
    assert (other.verdict, other.evidence[0].words) == ("code", "dbt project version 1.0 → 2.0")
    assert "dbt invocation inv-99" in other.evidence[0].details


def test_changed_sql_is_shown_where_it_changed_and_dates_in_it_do_not_count() -> None:
    def sql(number: int, expression: str) -> list[dict[str, Any]]:
        events = enrich(day(number), code=None)
        for one in events:
            one["job"]["facets"]["sql"] = {"query": f"{expression} as amount where dt = '{day(number)}'"}
        return events

    before = [one for number in range(10) for one in sql(number, "amount / 100")]
    assert found([*before, *sql(DAYS, "amount / 100")]).verdict == "unclear"
    triage = found([*before, *sql(DAYS, "amount")])
    assert (triage.verdict, triage.evidence[0].kind) == ("code", "code-text")
    assert triage.evidence[0].words == "SQL text amount / 100 as → amount as"


def test_a_dropped_and_a_retyped_field_point_to_the_format_and_to_who_wrote_it_first() -> None:
    fields = {"id": "string", "at": "timestamp", "currency": "string"}
    triage = found([*usual(), *ingest(BAD, fields=fields), *enrich(BAD, fields=fields)])
    assert (triage.verdict, triage.confidence) == ("format", "strong")
    assert triage.evidence[0].words == (
        "input schema of s3://lake/raw: id bigint → string; amount dropped; currency added (string)"
    )
    assert triage.evidence[0].before == "id bigint, amount decimal, at timestamp"
    seen = triage.first_seen
    assert seen is not None
    assert (seen.attempt.run_id, seen.hops) == (f"ingest-{BAD}", 1)


def test_fields_in_another_order_are_told_but_decide_nothing() -> None:
    triage = found([*usual(), *ingest(BAD), *enrich(BAD, fields=dict(reversed(FIELDS.items())))])
    assert (triage.verdict, kinds(triage)) == ("unclear", [("format", "schema")])


def test_a_tenth_of_the_rows_points_to_the_data_and_upstream() -> None:
    triage = found([*usual(), *ingest(BAD, rows=100), *enrich(BAD, rows=100)])
    assert (triage.verdict, triage.confidence) == ("data", "strong")
    assert triage.evidence[0].words == "input rowCount of s3://lake/raw 1,026 (usual) → 100, 10% of the usual"
    assert "against 4 earlier Wednesdays" in triage.evidence[0].details[0]
    assert triage.first_seen is not None
    assert triage.first_seen.attempt.job.name == "ingest"


def test_the_walk_ends_where_the_signal_appears_first() -> None:
    def landed(of: Any, rows: float, code: str = "7") -> list[dict[str, Any]]:
        source = partitioned("source", of, "output", rows=rows)
        return run("land", of, writes=[source], hour=0, code=code)

    def copied(of: Any, rows: float) -> list[dict[str, Any]]:
        read, written = (partitioned(name, of, side, rows=rows) for name, side in (("source", "input"), ("raw", "output")))
        return run("ingest", of, reads=[read], writes=[written], hour=1)

    def whole(of: Any, rows: float, code: str = "7") -> list[dict[str, Any]]:
        return [*landed(of, rows, code), *copied(of, rows), *enrich(of, rows=rows)]

    before = [one for number in range(DAYS) for one in whole(day(number), 1000.0 + number % 7)]
    triage = found([*before, *whole(BAD, 50, code="8")])
    assert triage.verdict == "data"
    seen = triage.first_seen
    assert seen is not None
    assert (seen.attempt.job.name, seen.hops) == ("land", 2)
    upstream = strongest(triage, "upstream-code")
    assert (upstream.before, upstream.after, upstream.hops) == ("7", "8", 2)


def test_code_and_data_that_changed_at_once_are_unclear_and_both_are_ranked() -> None:
    triage = found([*usual(), *ingest(BAD, rows=100), *enrich(BAD, rows=100, code="1.4.1")])
    assert triage.verdict == "unclear"
    assert {one.hypothesis for one in triage.ranked} == {"code", "data"}
    assert triage.reason.startswith("both the ")


def test_what_the_fault_writes_itself_supports_no_hypothesis() -> None:
    def written(of: Any, rows: float) -> list[dict[str, Any]]:
        return run("enrich", of, reads=[partitioned("raw", of, "input")], writes=[partitioned("clean", of, "output", rows=rows)])

    triage = found([*(one for number in range(DAYS) for one in written(day(number), 500 + number % 7)), *written(BAD, 3)])
    assert triage.verdict == "unclear"
    assert triage.evidence == ()
    assert [(one.kind, one.after) for one in triage.shown] == [("volume", "3")]


def test_the_first_attempt_of_a_job_has_nothing_to_be_compared_with() -> None:
    triage = found([*ingest(BAD), *enrich(BAD)])
    assert (triage.verdict, triage.reason, triage.earlier) == ("unclear", "there is no earlier attempt to compare with", 0)
    assert status(triage)["code"] == "too little history"


def test_events_that_tell_nothing_are_not_taken_for_unchanged() -> None:
    bare = [run("enrich", day(number), writes=[partitioned("clean", day(number), "output")], code=None) for number in range(9)]
    triage = found([one for each in bare for one in each], Fault(job="test/enrich", nominal=str(day(8))))
    assert triage.verdict == "unclear"
    assert set(status(triage).values()) == {"not told"}


def test_the_first_bad_attempt_is_the_one_that_ran_first() -> None:
    days = [BAD + timedelta(days=count) for count in range(3)]
    bad = [one for each in reversed(days) for one in (*ingest(each), *enrich(each, code="1.4.1"))]
    triage = found([*usual(), *bad], Fault(job="test/enrich", nominal=f"{days[0]}..{days[-1]}"))
    assert (triage.first_bad.run_id, triage.attempts) == (f"enrich-{BAD}", 3)
    assert "3 of the 3 attempts of the fault that tell theirs have it" in triage.evidence[0].details


def test_a_fault_chosen_by_its_code_version_says_that_this_is_circular() -> None:
    triage = found([*usual(), *ingest(BAD), *enrich(BAD, code="1.4.1")], Fault(job="test/enrich", code_versions=("1.4.1",)))
    assert triage.verdict == "code"
    assert any("no independent evidence" in note for note in triage.notes)


def test_a_fault_given_as_data_starts_from_who_wrote_it() -> None:
    events = [*usual(), *ingest(BAD, code="2.0"), *enrich(BAD)]
    triage = found(events, Fault(cells=(f"s3://lake/raw@dt={BAD}",)))
    assert (triage.verdict, triage.first_bad.job.name) == ("code", "ingest")


def test_a_fault_that_chooses_nothing_is_refused() -> None:
    with pytest.raises(FaultError, match="no attempt matches"):
        found(usual(), Fault(job="test/enrich", nominal="2031-01-01"))


def test_order_and_repeats_of_events_change_nothing() -> None:
    events = [*usual(9), *ingest(BAD, rows=100), *enrich(BAD, rows=100, code="1.4.1")]
    expected = json.dumps(found(events).to_json())
    shuffled = [*events, *events[::3]]
    random.Random(7).shuffle(shuffled)
    assert json.dumps(found(shuffled).to_json()) == expected


def test_it_speaks_of_evidence_never_of_a_root_cause() -> None:
    for bad in (enrich(BAD, code="2"), enrich(BAD, rows=1), enrich(BAD, fields={"id": "text"}), enrich(BAD)):
        words = json.dumps(found([*usual(), *ingest(BAD), *bad], FAULT).to_json()).lower()
        assert not [word for word in ("root cause", "blame", "should have", "because of") if word in words]
