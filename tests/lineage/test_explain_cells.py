"""Why a cell is in its state: the chain with what is certain, who cleansed it, who read it meanwhile, why it is CLEAN."""

from __future__ import annotations

from lineage.blast import blast
from lineage.declarations import DatasetRule, Declarations
from lineage.explain import Explanation, explain
from lineage.fault import Fault, parse_cell
from lineage.history import History
from tests.lineage.openlineage import dataset, history, ran

OVERWRITE = Declarations(datasets=(DatasetRule("*", write="overwrite"),))
PART = "dt=2026-11-18"


def why(known: History, cell: str, *runs: str) -> tuple[Explanation, ...]:
    return explain(known, blast(known, Fault(runs=runs or ("bad",))), parse_cell(known, cell))


def chain(one: Explanation) -> list[str]:
    return [step.attempt.run_id for step in one.steps]


def test_the_chain_is_the_shortest_with_each_read_and_write() -> None:
    known = history(
        ran("01", "02", "bad", "a", writes=[dataset("x", PART)]),
        ran("03", "04", "long", "b", reads=[dataset("x", PART)], writes=[dataset("y", PART)]),
        ran("05", "06", "longer", "c", reads=[dataset("y", PART)], writes=[dataset("z", PART)]),
        ran("07", "08", "end", "d", reads=[dataset("x", PART), dataset("z", PART)], writes=[dataset("out", PART)]),
    )
    (one,) = why(known, f"s3://lake/out@{PART}")
    assert (one.state, chain(one), one.first_doubt) == ("TAINTED", ["bad", "end"], None)
    assert one.steps[0].read is None
    assert [str(step.write.cell) for step in one.steps] == [f"s3://lake/x@{PART}", f"s3://lake/out@{PART}"]
    assert str(one.steps[1].read.cell if one.steps[1].read else None) == f"s3://lake/x@{PART}"
    assert [step.write.how for step in one.steps] == ["observed", "observed"]


def test_a_tainted_cell_is_explained_by_certain_hops_though_an_uncertain_way_is_shorter() -> None:
    known = history(
        ran("01", "02", "bad", "a", writes=[dataset("x", PART)]),
        ran("03", "04", "sure", "b", reads=[dataset("x", PART)], writes=[dataset("y", PART)]),
        ran("05", "06", "end", "c", reads=["x", dataset("y", PART)], writes=[dataset("out", PART)]),
    )
    (one,) = why(known, f"s3://lake/out@{PART}")
    assert one.state == "TAINTED"
    assert chain(one) == ["bad", "sure", "end"]


def test_the_first_doubt_is_where_certainty_ends_and_not_later() -> None:
    known = history(
        ran("01", "02", "bad", "a", writes=[dataset("x", PART)]),
        ran("03", "04", "sure", "b", reads=[dataset("x", PART)], writes=[dataset("y", PART)]),
        ran("05", "06", "doubt", "c", reads=["y"], writes=[dataset("z", PART)]),
        ran("07", "08", "after", "d", reads=[dataset("z", PART)], writes=[dataset("out", PART)]),
    )
    (one,) = why(known, f"s3://lake/out@{PART}")
    assert (one.state, chain(one)) == ("SUSPECT", ["bad", "sure", "doubt", "after"])
    assert one.first_doubt == 2
    assert one.steps[2].doubt == "does not say which partitions of s3://lake/y it read"


def test_a_certain_writer_whose_data_was_perhaps_replaced_is_the_doubt_itself() -> None:
    known = history(
        ran("01", "02", "bad", writes=[dataset("x", PART)]),
        ran("03", "04", "again", writes=[dataset("x", PART)]),
    )
    (one,) = why(known, f"s3://lake/x@{PART}")
    assert (one.state, chain(one), one.first_doubt) == ("SUSPECT", ["bad"], 0)
    assert "written again since" in one.steps[0].doubt


def test_a_cleaned_cell_names_who_cleansed_it_and_who_read_it_meanwhile() -> None:
    known = history(
        ran("01", "02", "bad", "a", writes=[dataset("x", PART)]),
        ran("03", "04", "victim", "b", reads=[dataset("x", PART)], writes=[dataset("y", PART)]),
        ran("05", "06", "good", "a", writes=[dataset("x", PART)]),
        ran("07", "08", "lucky", "b", reads=[dataset("x", PART)]),
        ran("03", "04", "elsewhere", "b", reads=[dataset("x", "dt=2026-11-01")]),
        declared=OVERWRITE,
    )
    (one,) = why(known, f"s3://lake/x@{PART}")
    assert one.state == "CLEANED"
    assert [touch.attempt.run_id for touch in one.cleansed] == ["good"]
    assert [(touch.attempt.run_id, touch.reached) for touch in one.read_meanwhile] == [("victim", "TAINTED")]


def test_a_clean_cell_says_who_wrote_it_and_why_the_fault_did_not_come_through() -> None:
    known = history(
        ran("00:10", "00:20", "early", "b", reads=[dataset("x", PART)], writes=[dataset("early", PART)]),
        ran("01", "02", "bad", "a", writes=[dataset("x", PART)]),
        ran("03", "04", "other", "e", reads=[dataset("x", "dt=2026-11-17")], writes=[dataset("other", PART)]),
        ran("05", "06", "good", "a", writes=[dataset("x", PART)]),
        ran("07", "08", "late", "f", reads=[dataset("x", PART)], writes=[dataset("late", PART)]),
        ran("07", "08", "apart", "c", reads=[dataset("far", PART)], writes=[dataset("apart", PART)]),
        ran("07", "08", "source", "d", writes=[dataset("made", PART)]),
        declared=OVERWRITE,
    )
    notes = {}
    for name in ("early", "other", "late", "apart", "made"):
        (one,) = why(known, f"s3://lake/{name}@{PART}")
        assert one.state == "CLEAN"
        (writer,) = one.writers
        notes[name] = list(writer.notes)
    assert notes == {
        "early": [f"read s3://lake/x@{PART} before it turned bad"],
        "other": ["read s3://lake/x@dt=2026-11-17, which is CLEAN"],
        "late": [f"read s3://lake/x@{PART} when clean data had replaced what was bad"],
        "apart": ["read nothing that the fault reached"],
        "made": ["reported no input"],
    }


def test_a_cell_that_nobody_wrote_is_clean_without_writers() -> None:
    known = history(ran("01", "02", "bad", writes=[dataset("x", PART)]), ran("03", "04", "r", reads=[dataset("y", PART)]))
    (one,) = why(known, f"s3://lake/y@{PART}")
    assert (one.state, one.writers) == ("CLEAN", ())


def test_a_whole_dataset_explains_each_reached_partition() -> None:
    known = history(ran("01", "02", "bad", writes=[dataset("x", PART), dataset("x", "dt=2026-11-17")]))
    assert [str(one.cell.partition) for one in why(known, "s3://lake/x@*")] == ["dt=2026-11-17", "dt=2026-11-18"]
