"""What nobody said is widened, with the reason kept, and never convicts or cleanses."""

from __future__ import annotations

import pytest

from lineage.declarations import DatasetRule, Declarations, EdgeRule
from lineage.windows import Window
from tests.lineage.openlineage import cells, dataset, dbt, history, radius, ran, reads, states, told, writes

WHOLE = Declarations(datasets=(DatasetRule("*", partition=False, write="overwrite"),))


def test_an_attempt_without_the_inputs_of_its_job_reads_them_at_any_partition() -> None:
    full, bare = history(
        ran("03", "04", "one", reads=["raw/dt=2026-11-17"], writes=["made/dt=2026-11-17"]),
        ran("05", "06", "two", writes=["made/dt=2026-11-18"]),
    ).attempts
    assert reads(full) == ["raw@dt=2026-11-17"]
    assert reads(bare) == ["raw@*?"]
    assert (bare.reads[0].how, bool(bare.reads[0].reason)) == ("inferred", True)


def test_an_attempt_without_the_outputs_of_its_job_writes_them_at_any_partition() -> None:
    known = history(ran("03", "04", "one", writes=["made/dt=2026-11-17"]), told("FAIL", "06", "two"))
    bare = next(one for one in known.attempts if one.run_id == "two")
    assert writes(bare) == ["made@*? unknown"]


def test_another_jobs_inputs_are_not_inferred() -> None:
    known = history(ran("03", "04", "one", "a", reads=["raw"]), ran("05", "06", "two", "b", writes=["made"]))
    assert [reads(one) for one in known.attempts] == [["raw@*?"], []]


def test_an_input_declared_unread_is_not_inferred() -> None:
    declared = Declarations(edges=(EdgeRule("test/job", "s3://lake/raw", Window("none")),))
    known = history(
        ran("03", "04", "one", reads=["raw/dt=2026-11-17"], writes=["made"]),
        ran("05", "06", "two", writes=["made"]),
        declared=declared,
    )
    assert reads(known.attempts[1]) == []


def test_even_where_the_dataset_is_known_as_a_whole_an_inferred_read_never_convicts() -> None:
    known = history(
        ran("01", "02", "earlier", "reader", reads=["raw"], writes=["made"]),
        ran("03", "04", "bad", "writer", writes=["raw"]),
        ran("05", "06", "later", "reader", writes=["made"]),
        declared=WHOLE,
    )
    assert states(radius(known, runs=("bad",))) == {"bad": "TAINTED", "later": "SUSPECT"}


def test_an_inferred_write_never_cleanses() -> None:
    known = history(
        ran("01", "02", "good", "writer", writes=["made"]),
        ran("03", "04", "bad", "writer", writes=["made"]),
        ran("05", "06", "silent", "writer"),
        ran("07", "08", "late", "reader", reads=["made"]),
        declared=WHOLE,
    )
    found = radius(known, runs=("bad",))
    assert cells(found)["made@*"] == "SUSPECT"
    assert states(found)["late"] == "SUSPECT"


@pytest.mark.parametrize("kind", ["view", "materialized_view", "dynamic_table"])
def test_who_reads_a_view_reads_what_it_is_made_from_at_the_time_of_reading(kind: str) -> None:
    view, table = dataset("db|stg", **dbt(kind)), dataset("db|raw", **dbt("table"))
    known = history(
        ran("01", "02", "define", "stg", reads=[table], writes=[view]),
        ran("03", "04", "bad", "load", writes=[table]),
        ran("05", "06", "late", "mart", reads=[view], writes=[dataset("db|mart", **dbt("table"))]),
    )
    found = radius(known, runs=("bad",))
    assert states(found) == {"bad": "TAINTED", "late": "SUSPECT"}
    late = next(one for one in known.attempts if one.run_id == "late")
    assert reads(late) == ["stg@*", "raw@*"]
    assert late.reads[1].how == "inferred"


def test_views_on_views_are_followed_and_cycles_end() -> None:
    def view(name: str) -> dict[str, object]:
        return dataset(f"db|{name}", **dbt("view"))

    known = history(
        ran("01", "02", "a", "a", reads=[dataset("db|raw"), view("c")], writes=[view("b")]),
        ran("01", "02", "b", "b", reads=[view("b")], writes=[view("c")]),
        ran("05", "06", "late", "mart", reads=[view("c")]),
    )
    late = next(one for one in known.attempts if one.run_id == "late")
    assert sorted(reads(late)) == ["b@*", "c@*", "raw@*?"]


def test_what_is_read_through_a_view_stands_in_one_order() -> None:
    """Whether a cell is known decides between those of one name: a set's order is another in each process."""
    tables = [dataset(f"db|t{number:02d}", **dbt("table")) for number in range(20)]
    known = history(
        ran("01", "02", "define", "stg", reads=tables, writes=[dataset("db|stg", **dbt("view"))]),
        told("FAIL", "03", "again", "stg"),
        ran("05", "06", "late", "mart", reads=["db|stg"]),
    )
    late = next(one for one in known.attempts if one.run_id == "late")
    assert reads(late)[1:] == [f"t{number:02d}@*{doubt}" for number in range(20) for doubt in ("?", "")]


@pytest.mark.parametrize(
    ("kind", "refreshed", "state"),
    [
        ("view", False, None),
        ("materialized_view", False, "SUSPECT"),
        ("materialized_view", True, None),
        ("dynamic_table", False, "SUSPECT"),
        ("dynamic_table", True, "SUSPECT"),
    ],
)
def test_a_view_that_refreshes_itself_may_show_what_was_cleaned_beneath_it(kind: str, refreshed: bool, state: str | None) -> None:
    """A materialized view that is there dbt refreshes; of a dynamic table it only looks at the definition."""
    view, table = dataset("db|stg", **dbt(kind)), dataset("db|raw", **dbt("table"))
    known = history(
        ran("01", "02", "define", "stg", reads=[table], writes=[view]),
        ran("03", "04", "bad", "load", writes=[table]),
        ran("05", "06", "good", "load", writes=[table]),
        ran("07", "08", "again", "stg", reads=[table], writes=[view]) if refreshed else [],
        ran("09", "10", "late", "mart", reads=[view, table]),
    )
    assert states(radius(known, runs=("bad",))).get("late") == state
