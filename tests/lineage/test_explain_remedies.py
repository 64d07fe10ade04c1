"""What knowledge would decide a SUSPECT cell: from its first doubt, tried on the history, and valid as configuration."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lineage.blast import blast
from lineage.blast_radius import BlastRadius
from lineage.declarations import DatasetRule, Declarations
from lineage.events import event
from lineage.explain import explain
from lineage.fault import Fault, parse_cell
from lineage.history import History, build
from lineage.layouts import Layout
from lineage.remedies import remedies
from lineage.remedy import Remedy
from tests.lineage.openlineage import JSON, dataset, ran, told

PART, BEFORE = "dt=2026-11-18", "dt=2026-11-17"
NIGHT = "2026-11-18T00:00:00Z"


def asked(cell: str, *raw: list[JSON], declared: Declarations | None = None, fault: Fault | None = None) -> tuple[Remedy, ...]:
    events = [event(one) for item in raw for one in item]
    chosen = fault or Fault(runs=("bad",))

    def suppose(other: Declarations) -> tuple[History, BlastRadius]:
        again = build(events, other)
        return again, blast(again, chosen)

    known, radius = suppose(declared or Declarations())
    (one,) = explain(known, radius, parse_cell(known, cell))
    return remedies(known, one, suppose)


def bad(part: str | None = PART, **more: str) -> list[JSON]:
    return ran("01", "02", "bad", "a", writes=[dataset("x", part)], **more)


def test_an_unknown_read_asks_for_an_edge_and_knows_what_it_would_decide() -> None:
    (one,) = asked(f"s3://lake/y@{PART}", bad(), ran("03", "04", "r", "b", reads=["x"], writes=[dataset("y", PART)]))
    assert one.outcome == "TAINTED"
    assert one.toml == '[[edge]]\njob = "test/b"\nreads = "s3://lake/x"\nwindow = "identity"'
    (other,) = asked(f"s3://lake/y@{BEFORE}", bad(), ran("03", "04", "r", "b", reads=["x"], writes=[dataset("y", BEFORE)]))
    assert other.outcome == "CLEAN"


def test_the_window_that_other_runs_show_comes_first() -> None:
    shown = [
        ran(
            f"2026-11-0{day}T05:00:00Z",
            f"2026-11-0{day}T06:00:00Z",
            f"s{day}",
            "b",
            reads=[dataset("x", f"dt=2026-11-0{day - 1}")],
            writes=[dataset("y", f"dt=2026-11-0{day}")],
        )
        for day in range(2, 6)
    ]
    (one,) = asked(
        "s3://lake/y@dt=2026-11-19", bad(), ran("03", "04", "r", "b", reads=["x"], writes=[dataset("y", "dt=2026-11-19")]), *shown
    )
    assert "window = [-1, -1]" in one.toml
    assert one.outcome == "TAINTED"


def test_a_self_read_asks_for_the_partition_before() -> None:
    (one,) = asked(
        "s3://lake/x@dt=2026-11-19",
        bad(),
        ran("03", "04", "r", "a", reads=["x"], writes=[dataset("x", "dt=2026-11-19")]),
    )
    assert 'until = "latest"' in one.toml
    assert "window = [-1, -1]" in one.toml
    assert one.outcome == "TAINTED"


def test_doubts_further_down_are_followed_until_the_cell_is_decided() -> None:
    (one,) = asked(
        f"s3://lake/z@{PART}",
        bad(),
        ran("03", "04", "r", "b", reads=["x"], writes=[dataset("y", PART)]),
        ran("05", "06", "s", "c", reads=["y"], writes=[dataset("m", PART)]),
        ran("07", "08", "t", "d", reads=["m"], writes=[dataset("z", PART)]),
    )
    assert one.outcome == "TAINTED"
    assert [line for line in one.toml.splitlines() if line.startswith(("job", "reads"))] == [
        'job = "test/b"',
        'reads = "s3://lake/x"',
        'job = "test/c"',
        'reads = "s3://lake/y"',
        'job = "test/d"',
        'reads = "s3://lake/m"',
    ]


def test_an_unknown_write_asks_for_its_layout_or_that_it_has_none() -> None:
    layout, whole = asked("s3://lake/x@*", bad(None, nominal=NIGHT))
    assert layout.toml == '[[dataset]]\nmatch = "s3://lake/x"\npartition = "dt=%Y-%m-%d"\nnominal = true'
    assert whole.toml == '[[dataset]]\nmatch = "s3://lake/x"\npartition = false'
    assert (layout.outcome, whole.outcome) == ("TAINTED", "TAINTED")


def test_the_layout_is_the_one_that_is_seen() -> None:
    readers = ran("03", "04", "r", "b", reads=[dataset("x", "day=2026-11-01")])
    layout, _ = asked("s3://lake/x@*", bad(None, nominal=NIGHT), readers)
    assert 'partition = "day=%Y-%m-%d"' in layout.toml


def test_a_silent_pipeline_is_decided_by_layouts_and_edge_together() -> None:
    (one,) = asked("s3://lake/y@*", bad(None, nominal=NIGHT), ran("03", "04", "r", "b", reads=["x"], writes=["y"], nominal=NIGHT))
    assert one.outcome == "TAINTED"
    assert one.toml.count("[[dataset]]") == 2
    assert "of its nominal time" in one.words, "what is assumed is said"


def test_an_unreported_input_can_be_declared_not_to_be_one() -> None:
    usual = ran("00:10", "00:20", "usual", "b", reads=[dataset("x", BEFORE)], writes=[dataset("y", BEFORE)])
    (one,) = asked(f"s3://lake/y@{PART}", bad(), usual, ran("03", "04", "odd", "b", writes=[dataset("y", PART)]))
    assert 'window = "none"' in one.toml
    assert one.outcome == "CLEAN"


def test_what_was_written_again_asks_for_the_write_mode() -> None:
    (one,) = asked(f"s3://lake/x@{PART}", bad(), ran("03", "04", "again", "a", writes=[dataset("x", PART)]))
    assert one.toml == '[[dataset]]\nmatch = "s3://lake/x"\nwrite = "overwrite"'
    assert one.outcome == "CLEANED"


def test_a_read_after_a_second_write_asks_whether_writes_add_or_replace() -> None:
    add, replaced = asked(
        f"s3://lake/y@{PART}",
        bad(),
        ran("03", "04", "again", "a", writes=[dataset("x", PART)]),
        ran("05", "06", "r", "b", reads=[dataset("x", PART)], writes=[dataset("y", PART)]),
    )
    assert ('write = "append"' in add.toml, add.outcome) == (True, "TAINTED")
    assert ('write = "overwrite"' in replaced.toml, replaced.outcome) == (True, "CLEAN")


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([told("START", "01", "bad", "a", writes=[dataset("x", PART)])], "incident note TEXT --run bad --ended T"),
        (ran("01", "02", "bad", "a", writes=[dataset("x", PART)], state="FAIL"), "before it ended as FAIL"),
    ],
)
def test_what_cannot_be_declared_is_said_in_words(events: list[JSON], words: str) -> None:
    (one,) = asked(f"s3://lake/x@{PART}", events)
    assert words in one.words
    assert (one.toml, one.outcome) == ("", "")


def test_a_seed_that_may_not_be_one_asks_to_choose_it() -> None:
    (one,) = asked(
        f"s3://lake/x@{PART}", ran("01", "02", "r", "a", writes=[dataset("x", PART)]), fault=Fault(job="a", code_versions=("v1",))
    )
    assert "--run r" in one.words


def test_a_certain_cell_asks_nothing() -> None:
    assert asked(f"s3://lake/x@{PART}", bad()) == ()


def test_rules_for_one_dataset_become_one_entry() -> None:
    rule = DatasetRule("s3://lake/x", partition=Layout("dt=%Y-%m-%d"), nominal=True)
    both = Remedy("a", (rule,)).also(Remedy("b", (replace(rule, partition=None, nominal=None, write="overwrite"),)))
    assert both.words == "a, and b"
    assert both.toml == '[[dataset]]\nmatch = "s3://lake/x"\npartition = "dt=%Y-%m-%d"\nnominal = true\nwrite = "overwrite"'
