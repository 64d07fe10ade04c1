"""A fault narrowed to columns: what column lineage narrows, what widens, and that it is said."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.lineage.columns_told import columns, gaps, made_of, of, shop, source, totals
from tests.lineage.openlineage import dataset, ran, states, told


def test_what_is_made_of_the_column_is_reached_and_says_which_of_its_columns_are() -> None:
    found = shop(totals(made_of("orders.id", sum="orders.amount", note="orders.note", schema="sum note")))
    assert of(found) == {"orders": ("amount",), "totals": ("sum",)}
    assert states(found) == {"r1": "TAINTED", "r2": "TAINTED"}
    assert found.to_json()["cells"][1]["columns"] == ["sum"]
    assert not gaps(found)
    assert "as to column amount" in found.fault["words"]


def test_what_is_not_made_of_the_column_is_not_reached() -> None:
    found = shop(totals(made_of("orders.id", note="orders.note", schema="note")))
    assert states(found) == {"r1": "TAINTED"}
    assert found.at_risk == ()


def test_a_column_nobody_mentions_widens_where_filters_are_not_told() -> None:
    found = shop(totals(made_of(note="orders.note", schema="note")))
    assert of(found)["totals"] is None
    assert states(found)["r2"] == "SUSPECT"
    assert any("does not mention amount" in reason for reason in gaps(found))


def test_an_empty_dataset_list_does_not_tell_that_there_are_no_filters() -> None:
    facets = made_of(note="orders.note", schema="note")
    assert facets["columnLineage"]["dataset"] == []  # as openlineage-python writes it whatever the query does
    assert of(shop(totals(facets)))["totals"] is None


def test_without_a_schema_a_column_nobody_mentions_widens_too() -> None:
    assert of(shop(totals(made_of("orders.id", note="orders.note"))))["totals"] is None


def test_a_mentioned_column_narrows_and_says_that_filters_are_not_followed() -> None:
    found = shop(totals(made_of(sum="orders.amount", note="orders.note", schema="sum note")))
    assert of(found)["totals"] == ("sum",)
    assert any("does not tell of filters and joins" in reason for reason in gaps(found))


@pytest.mark.parametrize("kind", ["FILTER", "JOIN", "GROUP_BY", "SORT", "ANYTHING"])
def test_a_column_that_decides_the_rows_reaches_every_column(kind: str) -> None:
    for facets in (
        made_of("orders.amount", note="orders.note", schema="note"),
        made_of(note=[source("orders", "note", "DIRECT"), source("orders", "amount", kind)], schema="note"),
    ):
        found = shop(totals(facets))
        assert of(found)["totals"] is None
        assert next(one.reason for one in found.attempts if one.run_id == "r2") == (
            "amount of s3://lake/orders decides which rows of s3://lake/totals there are"
        )
        assert not gaps(found)


def test_a_condition_reaches_its_own_column_only_and_does_not_convict() -> None:
    shaped = [source("orders", "amount", "CONDITIONAL"), source("orders", "id", "DIRECT", "FILTER")]
    found = shop(totals(made_of(size=shaped, note="orders.note", schema="size note")))
    assert of(found)["totals"] == ("size",)
    assert states(found)["r2"] == "SUSPECT"


def test_an_output_without_column_lineage_widens_and_says_so_once_for_a_job() -> None:
    again = ran("05", "06", "r3", "totals", reads=["orders"], writes=["totals"])
    found = shop(totals({}), again)
    assert of(found)["totals"] is None
    assert gaps(found) == ["there is no column lineage of s3://lake/totals, so that every column counts as reached"]
    assert states(found) == {"r1": "TAINTED", "r2": "SUSPECT", "r3": "SUSPECT"}


def test_an_input_that_column_lineage_does_not_mention_widens() -> None:
    found = shop(totals(made_of("other.id", note="other.note", schema="note")))
    assert of(found)["totals"] is None
    assert any("does not mention s3://lake/orders" in reason for reason in gaps(found))


def test_an_output_column_of_unknown_making_may_be_reached() -> None:
    found = shop(totals(made_of("orders.id", note="orders.note", schema="note score")))
    assert of(found)["totals"] == ("score",)
    assert states(found)["r2"] == "SUSPECT"
    assert any("does not say what score is made of" in reason for reason in gaps(found))


def test_a_column_travels_on_under_its_new_name() -> None:
    board = ran("05", "06", "r3", "board", reads=["totals"], writes=[dataset("board", **made_of("totals.day", top="totals.sum"))])
    quiet = ran(
        "05", "06", "r4", "notes", reads=["totals"], writes=[dataset("notes", **made_of("totals.day", t="totals.note", schema="t"))]
    )
    found = shop(totals(made_of("orders.id", sum="orders.amount", note="orders.note", schema="sum note")), board, quiet)
    assert of(found) == {"orders": ("amount",), "totals": ("sum",), "board": ("top",)}
    assert states(found) == {"r1": "TAINTED", "r2": "TAINTED", "r3": "TAINTED"}
    assert [hop.run_id for one in found.cells if one.cell.dataset.name == "board" for hop in one.path] == ["r1", "r2", "r3"]


def test_a_job_that_reads_and_writes_nothing_is_suspect() -> None:
    found = shop(ran("03", "04", "r2", "check", reads=["orders"]))
    assert [(one.run_id, one.reason) for one in found.attempts if one.state == "SUSPECT"] == [
        ("r2", "does not say which columns it read")
    ]


def test_names_are_one_in_whatever_case_and_spelling_of_place() -> None:
    facet = made_of(Sum="orders.AMOUNT", schema="sum")
    facet["columnLineage"]["fields"]["Sum"]["inputFields"][0] |= {"namespace": "S3A://lake/", "name": "orders/dt=2026-11-18/"}
    assert of(shop(totals(facet), bad="Amount")) == {"orders": ("AMOUNT",), "totals": ("Sum",)}


def test_symlinks_lead_to_the_dataset() -> None:
    links = {"symlinks": {"identifiers": [{"namespace": "hive", "name": "shop.orders", "type": "TABLE"}]}}
    read = {**dataset("orders"), "facets": links}
    facet = made_of(sum=[{**source("orders", "amount", "DIRECT"), "namespace": "hive", "name": "shop.orders"}], schema="sum")
    found = shop(ran("03", "04", "r2", "totals", reads=[read], writes=[dataset("totals", **facet)]))
    assert of(found)["totals"] == ("sum",)


def test_a_field_inside_a_column_is_part_of_it() -> None:
    inner = totals(made_of("orders.id", city="orders.address.city", schema="city"))
    found = shop(inner, bad="address", schema="id address")
    assert of(found)["totals"] == ("city",)
    assert states(found)["r2"] == "SUSPECT"  # the bad part may be another
    assert of(shop(totals(made_of("orders.id", a="orders.address", schema="a")), bad="address.city", schema="id address")) == {
        "orders": ("address.city",),
        "totals": ("a",),
    }


def test_what_one_try_tells_is_not_its_retrys_word() -> None:
    narrow = made_of("orders.id", note="orders.note", schema="note")
    first = ran("03", "04", "r2", "totals", reads=["orders"], writes=[dataset("totals", **narrow)], state="FAIL")
    retry = ran("05", "06", "r2", "totals", reads=["orders"], writes=["totals"])
    found = shop(first, retry)
    assert [(one.run_id, one.number) for one in found.attempts] == [("r1", 0), ("r2", 1)]
    untold = ran("03", "04", "r2", "totals", reads=["orders"], writes=["totals"], state="FAIL")
    better = ran("05", "06", "r2", "totals", reads=["orders"], writes=[dataset("totals", **narrow)])
    assert [(one.run_id, one.number) for one in shop(untold, better).attempts] == [("r1", 0), ("r2", 0)]


def test_what_the_events_of_one_try_tell_counts_together() -> None:
    start = told("START", "03", "r2", "totals", reads=["orders"], writes=[dataset("totals", **made_of(sum="orders.amount"))])
    end = told("COMPLETE", "04", "r2", "totals", writes=[dataset("totals", **columns("sum note"), **made_of(note="orders.note"))])
    assert of(shop(start, end))["totals"] == ("sum",)


def test_filters_are_told_only_if_all_events_of_a_try_tell_them() -> None:
    told_all = dataset("totals", **made_of("orders.id", note="orders.note", schema="note"))
    told_less = dataset("totals", **made_of(note="orders.note"))
    end = told("COMPLETE", "04", "r2", "totals", reads=["orders"], writes=[told_all])
    assert "totals" not in of(shop(told("START", "03", "r2", "totals", writes=[told_all]), end))
    assert of(shop(told("START", "03", "r2", "totals", writes=[told_less]), end))["totals"] is None


def test_facets_of_any_shape_never_raise_and_never_narrow_by_what_cannot_be_read() -> None:
    random = Random(7)
    odd: list[Any] = [None, 7, "", {}, [None], [{}], {"name": 3}, {"fields": 3}, True, [["orders"]]]
    for _ in range(500):
        facets = made_of("orders.id", sum="orders.amount", note="orders.note", schema="sum note")
        spoilt = random.choice((facets["columnLineage"], facets["columnLineage"]["fields"], facets["schema"], facets))
        _spoil(random, spoilt, odd)
        found = shop(totals(facets))
        assert "totals" in of(found), facets


def _spoil(random: Random, value: Any, odd: list[Any]) -> None:
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = random.choice(keys)
    if isinstance(value[key], (dict, list)) and value[key] and random.random() < 0.7:
        _spoil(random, value[key], odd)
    else:
        value[key] = random.choice(odd)
