"""Where bad columns begin, and what keeps them: seeds of a fault narrowed to columns, merges, and our own effects."""

from __future__ import annotations

import pytest

from lineage.blast import blast
from lineage.datasets import DatasetId
from lineage.effects import Effect
from lineage.errors import FaultError
from lineage.events import event
from lineage.fault import Fault
from lineage.history import build
from tests.lineage.columns_told import WHOLE, columns, gaps, listened, made_of, of, shop, totals
from tests.lineage.openlineage import cells, dataset, dbt, ns, ran, states

# --- what was there before -----------------------------------------------------------------------------------------------


def test_a_merge_keeps_bad_columns_in_the_columns_they_are_in() -> None:
    facet = made_of("new.id", amount="new.amount", note="new.note", schema="amount note")
    merge = ran("03", "04", "r2", "merge", reads=["new"], writes=[dataset("orders", **dbt("incremental"), **facet)])
    found = blast(
        listened(
            [
                ran("01", "02", "r1", "ingest", writes=[dataset("orders", **dbt("table"), **columns("amount note"))]),
                ran("01", "02", "r0", "load", writes=["new"]),
                merge,
            ]
        ),
        Fault(job="ingest", columns=("amount",)),
    )
    assert of(found) == {"orders": ("amount",)}
    assert states(found) == {"r1": "TAINTED", "r2": "TAINTED"}


def test_an_undo_brings_back_the_same_columns() -> None:
    orders = DatasetId("s3://lake", "orders")
    first = ran("01", "02", "r1", "ingest", writes=[dataset("orders", **columns("id amount"))])
    cell = next(write.cell for one in listened([first]).attempts for write in one.writes)
    purge = Effect("p1", "purge", cell, ns("03"), ns("03:30"), complete=True, leaves="nothing")
    undo = Effect("u1", "undo", cell, ns("04"), ns("04:30"), complete=True, leaves="data", undoes="p1")
    found = blast(listened([first], [purge, undo]), Fault(job="ingest", columns=("amount",)))
    assert cells(found) == {"orders@*": "TAINTED"}
    assert of(found) == {"orders": ("amount",)}
    assert {one.cell.dataset for one in found.cells} == {orders}


def test_reading_what_was_purged_is_bad_in_every_column() -> None:
    first = ran("01", "02", "r1", "ingest", writes=[dataset("orders", **columns("id amount"))])
    cell = next(write.cell for one in listened([first]).attempts for write in one.writes)
    purge = Effect("p1", "purge", cell, ns("02:30"), ns("02:40"), complete=True, leaves="nothing")
    narrow = totals(made_of("orders.id", note="orders.note", schema="note"))
    found = blast(listened([first, narrow], [purge]), Fault(job="ingest", columns=("amount",)))
    assert of(found)["totals"] is None


# --- where it begins -----------------------------------------------------------------------------------------------------


def test_a_column_that_nothing_chosen_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(FaultError) as refused:
        shop(bad="amonut")
    assert "amonut" in refused.value.message
    assert refused.value.hint == "the columns there are: amount, id, note"


def test_an_attempt_that_wrote_no_such_column_is_no_seed() -> None:
    before = ran("00", "00:30", "r0", "ingest", writes=[dataset("orders", **columns("id note"))])
    found = shop(before)
    assert states(found) == {"r1": "TAINTED"}
    assert "1 of them have no such column" in found.fault["words"]
    assert found.fault["matched"] == 1


def test_an_output_without_the_column_is_not_faulty_and_one_of_unknown_columns_may_be() -> None:
    found = blast(
        listened(
            [
                ran(
                    "01",
                    "02",
                    "r1",
                    "ingest",
                    writes=[dataset("orders", **columns("id amount")), dataset("log", **columns("line")), "blob"],
                )
            ]
        ),
        Fault(job="ingest", columns=("amount",)),
    )
    assert {name: state.partition(" ")[0] for name, state in cells(found).items()} == {"orders@*": "TAINTED", "blob@*": "SUSPECT"}


def test_bad_columns_of_a_cell_begin_at_its_writer() -> None:
    found = shop(totals(made_of("orders.id", sum="orders.amount", schema="sum")), cells=("s3://lake/orders@*",), bad="amount")
    assert of(found) == {"orders": ("amount",), "totals": ("sum",)}
    assert "as to column amount" in found.fault["words"]


def test_bad_columns_of_a_cell_without_a_writer_begin_at_its_readers() -> None:
    use = ran("03", "04", "r2", "use", reads=["raw"], writes=[dataset("used", **made_of("raw.id", x="raw.amount", schema="x"))])
    spare = ran("03", "04", "r3", "spare", reads=["raw"], writes=[dataset("spared", **made_of("raw.id", y="raw.note", schema="y"))])
    blind = ran("03", "04", "r4", "blind", reads=["raw"], writes=["dark"])
    known = listened([use, spare, blind])
    found = blast(known, Fault(cells=("s3://lake/raw@*",), columns=("amount",)))
    assert states(found) == {"r2": "TAINTED", "r4": "SUSPECT"}
    assert of(found) == {"used": ("x",), "dark": None}
    assert any("no column lineage of s3://lake/dark" in reason for reason in gaps(found))


def test_a_misspelled_column_of_a_cell_is_refused() -> None:
    read = dataset("raw", **columns("id amount"))
    use = ran("03", "04", "r2", "use", reads=[read], writes=["used"])
    with pytest.raises(FaultError, match="amonut") as refused:
        blast(listened([use]), Fault(cells=("s3://lake/raw@*",), columns=("amonut",)))
    assert refused.value.hint == "the columns there are: amount, id"


def test_without_anything_heard_of_columns_nothing_narrows() -> None:
    raw = [*ran("01", "02", "r1", "ingest", writes=["orders"]), *totals({})]
    found = blast(build(map(event, raw), WHOLE), Fault(job="ingest", columns=("amount",)))
    assert states(found) == {"r1": "TAINTED", "r2": "SUSPECT"}
