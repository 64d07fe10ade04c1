"""When a job that reads what the fault reached runs next, from its history."""

from __future__ import annotations

from lineage.cadence import NextReader, next_readers
from lineage.timestamps import SECOND, parse
from tests.lineage.openlineage import JSON, dataset, history, radius, ran

NOW = parse("2026-11-20T12:00:00Z")
HOUR = 3600 * SECOND


def bad(moment: str = "2026-11-19T00:00:00Z") -> list[JSON]:
    """The run whose output is bad, and which every reader below reads."""
    return ran(moment, moment.replace("T00:", "T01:"), "bad", "maker", writes=[dataset("x", "dt=2026-11-18")])


def reader(job: str, *starts: str, nominal: bool = False) -> list[JSON]:
    return [
        one
        for number, start in enumerate(starts)
        for one in ran(
            start,
            f"{start[:-3]}09Z",
            f"{job} {number}",
            job,
            reads=["x"],
            **({"nominal": f"2026-10-{number + 1:02d}T00:00:00Z"} if nominal else {}),
        )
    ]


def nights(count: int, last: int = 18, at: str = "03:10:00Z") -> list[str]:
    return [f"2026-11-{last - count + one + 1:02d}T{at}" for one in range(count)]


def after(*raw: list[JSON]) -> dict[str, NextReader]:
    known = history(*raw)
    return {one.job.name: one for one in next_readers(known, radius(known, runs=("bad",)), NOW)}


def test_the_median_interval_says_when_next() -> None:
    found = after(reader("r", *nights(5)), bad())["r"]
    assert found.cadence.every == 24 * HOUR
    assert found.cadence.next == parse("2026-11-21T03:10:00Z"), "the first that is not over"
    assert str(found.cadence) == "about every 24 h, next about 2026-11-21 03:10 UTC"
    assert not found.reached


def test_one_late_run_does_not_change_the_rhythm() -> None:
    starts = [*nights(3, last=15), "2026-11-16T09:00:00Z", *nights(2)]
    assert after(reader("r", *starts), bad())["r"].cadence.every == 24 * HOUR


def test_retries_and_re_runs_do_not_count() -> None:
    again = [
        one
        for start in ("04:00", "04:10", "04:20", "04:30", "04:40", "04:50")
        for one in ran(
            f"2026-11-18T{start}:00Z", f"2026-11-18T{start}:30Z", f"again {start}", "r", reads=["x"], nominal="2026-10-05T00:00:00Z"
        )
    ]
    found = after(reader("r", *nights(5), nominal=True), again, bad())["r"]
    assert found.cadence.every == 24 * HOUR
    assert found.cadence.next == parse("2026-11-21T04:50:00Z")


def test_a_catch_up_tells_its_rhythm_by_the_nominal_times() -> None:
    fast = [f"2026-11-18T03:{minute:02d}:00Z" for minute in range(0, 50, 10)]
    assert after(reader("r", *fast, nominal=True), bad())["r"].cadence.every == 24 * HOUR


def test_a_job_long_overdue_is_marked_and_stays_listed() -> None:
    found = after(reader("old", *nights(4, last=10)), reader("new", *nights(4)), bad())
    assert found["old"].cadence.retired
    assert str(found["old"].cadence) == "probably retired: about every 24 h until it last ran 2026-11-10 03:10 UTC"
    assert not found["new"].cadence.retired
    assert list(found) == ["new", "old"], "what runs next comes first"


def test_where_no_events_arrive_at_all_nobody_is_overdue() -> None:
    """Two weeks without any lineage say nothing of one job."""
    known = history(reader("r", *nights(4, last=4)), bad("2026-11-05T00:00:00Z"))
    (found,) = next_readers(known, radius(known, runs=("bad",)), NOW)
    assert not found.cadence.retired


def test_few_runs_and_none_have_no_cadence() -> None:
    static = {**ran("01", "02", "x", "static", reads=["x"])[1]}
    del static["run"]
    found = after(reader("few", *nights(2)), bad(), [static])
    assert str(found["few"].cadence) == "no cadence is known, last ran 2026-11-18 03:10 UTC"
    assert str(found["static"].cadence) == "no cadence is known, no run of it was reported"


def test_a_job_that_was_reached_will_be_again_and_comes_after_those_that_were_not() -> None:
    found = after(reader("reached", *nights(4), "2026-11-20T03:10:00Z"), reader("waits", *nights(4)), bad())
    assert {name: one.reached for name, one in found.items()} == {"waits": False, "reached": True}
    assert list(found) == ["waits", "reached"]


def test_the_contracts_list_is_as_it_was() -> None:
    known = history(reader("reached", *nights(4), "2026-11-20T03:10:00Z"), reader("old", *nights(4, last=10)), bad())
    assert [str(job) for job in radius(known, runs=("bad",)).at_risk] == ["test/old"]
