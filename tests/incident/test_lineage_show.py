"""``lineage show``: what several kinds of sources say of one job merges, and each edge tells who said it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from incident.cli.main import run

DATA = Path(__file__).parents[1] / "lineage" / "data"
DBT = f"dbt:{DATA / 'dbt_shop'}?namespace=duckdb://shop.duckdb&jobs=dbt-shop"
EVENTS = str(DATA / "dbt_shop_openlineage.ndjson")


def show(capsys: pytest.CaptureFixture[str], *sources: str) -> dict[str, list[str]]:
    given = [word for source in sources for word in ("--lineage", source)]
    assert run(["lineage", "show", "stg_orders.build.run", *given, "--json"]) == 0
    said: dict[str, list[str]] = json.loads(capsys.readouterr().out)["data"]["said_by"]
    return said


def test_each_edge_tells_which_kinds_of_sources_said_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert {said for edge in show(capsys, EVENTS).values() for said in edge} == {"openlineage"}
    both = show(capsys, EVENTS, DBT)
    assert ["dbt", "openlineage"] in both.values(), both


def test_the_screen_tells_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lineage", "show", "stg_orders.build.run", "--lineage", EVENTS, "--quiet"]) == 0
    assert "(said by openlineage)" in capsys.readouterr().out
