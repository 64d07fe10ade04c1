"""A fault narrowed to columns, as it is typed: the radius, what is declared, and what is planned from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from incident.cli.main import run
from tests.small_lake import BAD, FAULT, Terminal, incident_on

MADE: dict[str, dict[str, Any]] = {
    "orders": {"schema": {"fields": [{"name": name} for name in ("id", "amount", "note")]}},
    "totals": {
        "schema": {"fields": [{"name": "sum"}, {"name": "notes"}]},
        "columnLineage": {
            "fields": {
                "sum": {"inputFields": [{"namespace": "s3://lake", "name": "clean/orders", "field": "amount"}]},
                "notes": {"inputFields": [{"namespace": "s3://lake", "name": "clean/orders", "field": "note"}]},
            },
            "dataset": [{"namespace": "s3://lake", "name": "clean/orders", "field": "id"}],
        },
    },
    "board": {
        "schema": {"fields": [{"name": "topics"}]},
        "columnLineage": {
            "fields": {"topics": {"inputFields": [{"namespace": "s3://lake", "name": "daily/totals", "field": "notes"}]}},
            "dataset": [{"namespace": "s3://lake", "name": "daily/totals", "field": "day"}],
        },
    },
}
AMOUNT = (*FAULT, "--column", "amount")


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """The small lake, whose jobs tell what their columns are made of: the board shows nothing made of amounts."""
    terminal = incident_on(tmp_path, monkeypatch, capsys)
    tell(tmp_path, MADE)
    return terminal


def tell(folder: Path, made: dict[str, dict[str, Any]]) -> None:
    path = folder / "events.ndjson"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for one in events:
        one["outputs"][0]["facets"] = made[one["job"]["name"]]
    path.write_text("".join(json.dumps(one) + "\n" for one in events))


def reached(data: dict[str, Any]) -> dict[str, list[str] | None]:
    return {f"{one['dataset']['name']}@{one['partition']}": one["columns"] for one in data["cells"]}


def test_blast_says_which_columns_are_reached_and_leaves_out_what_they_do_not_reach(typed: Terminal) -> None:
    data = typed.ok("blast", *AMOUNT)
    assert reached(data) == {f"clean/orders@dt={BAD}": ["amount"], f"daily/totals@dt={BAD}": ["sum"]}
    assert "as to column amount" in data["fault"]["words"]
    assert data["gaps"] == []
    assert data["at_risk"] == []
    assert {one["job"]["name"] for one in data["attempts"]} == {"orders", "totals"}
    whole = typed.ok("blast", *FAULT)
    assert reached(whole)["serving/board@*"] is None
    assert len(whole["attempts"]) > len(data["attempts"])
    assert reached(typed.ok("blast", *AMOUNT, "--column", "note"))["serving/board@*"] == ["topics"]


def test_the_tree_names_the_columns(typed: Terminal) -> None:
    assert run(["blast", *AMOUNT]) == 0
    shown = typed.capture.readouterr().out
    assert "column amount" in shown
    assert "column sum" in shown
    assert run(["blast", *FAULT]) == 0
    assert "all columns" not in typed.capture.readouterr().out


def test_a_column_that_is_not_there_is_refused_with_those_that_are(typed: Terminal) -> None:
    code, envelope = typed("blast", *FAULT, "--column", "amonut")
    assert code == 2
    assert envelope["problems"][0]["hint"] == "the columns there are: amount, id, note"
    code, _ = typed("declare", "misspelled", *FAULT, "--column", "amonut")
    assert code == 2
    assert typed.ok("list")["incidents"] == []


def test_where_nobody_tells_of_columns_every_column_counts_and_it_is_said(typed: Terminal) -> None:
    tell(typed.lake.folder, {"orders": MADE["orders"], "totals": {}, "board": {}})
    data = typed.ok("blast", *AMOUNT)
    assert reached(data)["serving/board@*"] is None
    assert any("no column lineage of s3://lake/daily/totals" in gap["reason"] for gap in data["gaps"])


def test_an_incident_of_a_column_plans_only_what_the_column_reached(typed: Terminal) -> None:
    declared = typed.ok("declare", "orders in cents", *AMOUNT)
    assert declared["fault"]["columns"] == ["amount"]
    assert reached(typed.ok("blast")) == {f"clean/orders@dt={BAD}": ["amount"], f"daily/totals@dt={BAD}": ["sum"]}
    typed.ok("fix", "prices divided", "--code-version", "v2")
    before = typed.lake.contents()
    typed.plan_and_apply("purge")
    after = typed.lake.contents()
    assert {key.rpartition("/")[0] for key in before.keys() - after.keys()} == {f"clean/orders/dt={BAD}", f"daily/totals/dt={BAD}"}
    tell_again = typed.ok("blast")
    assert {one["state"] for one in tell_again["cells"]} == {"CLEANED"}
    why = typed.ok("blast", "--why", "s3://lake/serving/board@*")
    assert why["why"][0]["state"] == "CLEAN"
