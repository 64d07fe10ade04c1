"""What the lineage cannot tell, and that every gap says what to do about it."""

from __future__ import annotations

from lineage.declarations import DatasetRule, Declarations, EdgeRule
from lineage.gaps import gaps
from lineage.windows import Window
from tests.lineage.openlineage import JSON, dataset, dbt, history, ran, told


def found(*raw: JSON | list[JSON], declared: Declarations | None = None) -> dict[str, list[str]]:
    """Subject → reasons; each has an advice."""
    told_of: dict[str, list[str]] = {}
    for gap in gaps(history(*raw, declared=declared)):
        assert gap.advice, gap
        told_of.setdefault(str(gap.subject), []).append(gap.reason)
    return told_of


PART = "dt=2026-11-18"


def test_data_that_is_read_but_never_written_and_the_other_way_round() -> None:
    told_of = found(ran("01", "02", "1", reads=[dataset("in", PART)], writes=[dataset("out", PART)]))
    assert told_of == {
        "s3://lake/in": ["is read but never written: it comes from outside, or its writer sends no lineage"],
        "s3://lake/out": ["is written but never read: whoever uses it sends no lineage"],
    }


def test_data_that_is_declared_to_serve_or_not_to_is_no_gap() -> None:
    run = ran("01", "02", "1", writes=[dataset("out", PART)])
    for serving in (True, False):
        assert found(run, declared=Declarations(datasets=(DatasetRule("*", serving=serving),))) == {}


def test_runs_without_inputs_though_others_had_some() -> None:
    usual = [
        ran(f"0{hour}:00", f"0{hour}:30", f"r{hour}", reads=[dataset("in", PART)], writes=[dataset("out", PART)])
        for hour in range(3)
    ]
    told_of = found(*usual, ran("05", "06", "odd", writes=[dataset("out", PART)]))
    assert told_of["test/job"] == [
        "1 of 4 attempts report no input at all, though others of the job do: they count as reading all of it"
    ]


def test_a_declared_absence_closes_that_gap() -> None:
    usual = ran("01", "02", "1", reads=[dataset("in", PART)], writes=[dataset("out", PART)])
    odd = ran("05", "06", "odd", writes=[dataset("out", PART)])
    rule = EdgeRule("test/job", "s3://lake/in", Window("none"))
    assert "test/job" not in found(usual, odd, declared=Declarations(edges=(rule,)))


def test_jobs_without_partitions() -> None:
    told_of = found(ran("01", "02", "1", reads=["in"], writes=["out"]), ran("03", "04", "2", reads=["in"], writes=["out"]))
    assert "names no partition of anything that it reads or writes, in any of 2 attempts" in told_of["test/job"]
    assert "2 of 2 attempts do not say which partition of s3://lake/out they wrote" in told_of["test/job"]


def test_one_named_partition_is_enough_to_be_no_such_job() -> None:
    told_of = found(
        ran("01", "02", "1", reads=["in"], writes=[dataset("out", PART)]), ran("03", "04", "2", reads=["in"], writes=["out"])
    )
    assert not [reason for reason in told_of["test/job"] if reason.startswith("names no partition")]


def test_runs_that_never_ended_and_jobs_that_never_ran() -> None:
    static = {key: value for key, value in told("OTHER", "01", job="static", reads=["in"]).items() if key != "run"}
    told_of = found(static, told("START", "01", job="open", writes=[dataset("in", PART)]))
    assert told_of["test/static"] == ["is known by its edges only: no run of it was reported"]
    assert told_of["test/open"] == ["1 of 1 attempts never reported their end"]


def test_reading_through_a_view_is_no_gap() -> None:
    view = dataset("view", **dbt("view"))
    told_of = found(
        ran("01", "02", "1", "a", writes=[dataset("x", PART)]),
        ran("03", "04", "2", "b", reads=[dataset("x", PART)], writes=[view]),
        ran("05", "06", "3", "c", reads=[view], writes=[dataset("out", PART)]),
    )
    assert list(told_of) == ["s3://lake/out"]


def test_a_whole_lineage_has_no_gap() -> None:
    assert (
        found(
            ran("01", "02", "1", "a", writes=[dataset("x", PART)]),
            ran("03", "04", "2", "b", reads=[dataset("x", PART)], writes=[dataset("board", PART)]),
            declared=Declarations(datasets=(DatasetRule("s3://lake/board", serving=True),)),
        )
        == {}
    )
