"""Faults narrowed to columns in what producers really sent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lineage.blast import blast
from lineage.blast_radius import BlastRadius
from lineage.columns import ColumnLineage
from lineage.declarations import Declarations
from lineage.errors import FaultError
from lineage.fault import Fault
from lineage.history import History, build
from lineage.sources import Problems, read

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
SHOP = Path(__file__).parent / "data" / "dbt_shop_openlineage.ndjson"
shared = pytest.mark.skipif(not CORPORA.is_dir(), reason="the shared corpora lie beside a work tree, not in it")


def heard(path: Path) -> History:
    lineage = ColumnLineage()
    return replace(build(read([str(path)], Problems(), tap=lineage.hear), Declarations()), columns=lineage)


def columns(found: BlastRadius) -> dict[str, tuple[str, ...] | None]:
    return {one.cell.dataset.name.rpartition("/")[2]: one.columns for one in found.cells}


@shared
def test_spark_tells_what_decides_the_rows_and_so_narrows_by_what_it_does_not_mention() -> None:
    history = heard(CORPORA / "ct_spark_cll.ndjson")
    first, second = "file:/tmp/cll_test/cll_source1@*", "file:/tmp/cll_test/cll_source2@*"
    grouped = blast(history, Fault(cells=(first,), columns=("b",)))  # in a GROUP BY
    assert columns(grouped) == {"default.cll_source1": ("b",), "default.tbl1": None}
    summed = blast(history, Fault(cells=(second,), columns=("c",)))  # in an aggregate
    assert columns(summed) == {"default.cll_source2": ("c",), "default.tbl1": ("agg",)}
    assert columns(blast(history, Fault(cells=(second,)))) == {"default.cll_source2": None, "default.tbl1": None}
    with pytest.raises(FaultError, match="nope") as refused:
        blast(history, Fault(cells=(second,), columns=("nope",)))
    assert refused.value.hint == "the columns there are: a, c"


@shared
def test_dbt_narrows_by_what_is_made_of_what_and_widens_where_it_tells_nothing() -> None:
    history = heard(CORPORA / "dbt_7runs_generated.ndjson")
    job = "shop.main.shop.stg_orders"
    found = blast(history, Fault(job=job, columns=("amount",)))
    names = {name.rpartition(".")[2]: names for name, names in columns(found).items()}
    assert names == {"stg_orders": ("amount",), "daily_revenue": ("rev",), "mb_orders": None}
    reasons = {gap.reason.partition(" of ")[0] for gap in found.gaps if "column lineage" in gap.reason}
    assert reasons == {"the column lineage", "there is no column lineage"}
    plain = blast(history, Fault(job=job))
    assert {one.run_id for one in found.attempts} == {one.run_id for one in plain.attempts}
    # The query of stg_orders filters by ts, and its "dataset" list is empty all the same: it proves nothing of filters.
    keys = blast(history, Fault(job=job, columns=("order_id",)))
    assert {name.rpartition(".")[2]: names for name, names in columns(keys).items()}["daily_revenue"] is None


def test_events_without_column_lineage_widen_everywhere_and_say_so() -> None:
    history = heard(SHOP)
    for job in history.jobs:
        try:
            plain = blast(history, Fault(job=str(job)))
        except FaultError:
            continue
        found = blast(history, Fault(job=str(job), columns=("amount",)))
        assert {one.run_id for one in found.attempts} == {one.run_id for one in plain.attempts}
        suspect = [one for one in found.attempts if one.state == "SUSPECT"]  # the others merge what was there before
        assert not suspect or any("column" in gap.reason for gap in found.gaps)


@shared
@pytest.mark.parametrize("path", sorted(CORPORA.glob("*.ndjson")), ids=lambda path: path.stem)
def test_every_column_of_a_corpus_can_be_bad(path: Path) -> None:
    history = heard(path)
    lineage = history.columns or ColumnLineage()
    for dataset, names in sorted(lineage.schemas.items())[:20]:
        cell = f"{history.identities.find(dataset)}@*"
        try:
            plain = blast(history, Fault(cells=(cell,)))
        except FaultError:
            continue
        for name in sorted(names)[:4]:
            found = blast(history, Fault(cells=(cell,), columns=(name,)))
            json.dumps(found.to_json())
            assert {one.run_id for one in found.attempts} <= {one.run_id for one in plain.attempts}
