"""Short ways to write column lineage in tests, and to ask what became of bad columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from lineage.blast import blast
from lineage.blast_radius import BlastRadius
from lineage.columns import ColumnLineage
from lineage.declarations import DatasetRule, Declarations
from lineage.effects import Effect
from lineage.events import event
from lineage.fault import Fault
from lineage.history import History, build
from tests.lineage.openlineage import JSON, dataset, ran

WHOLE = Declarations(datasets=(DatasetRule("*", partition=False),))


def made_of(*rows: str, schema: str | None = None, **fields: str | list[JSON]) -> JSON:
    """A columnLineage facet: ``total="orders.amount"``; ``rows`` decide which rows there are."""
    facets: JSON = {
        "columnLineage": {
            "fields": {made: {"inputFields": _sources(what) if isinstance(what, str) else what} for made, what in fields.items()},
            "dataset": [source for row in rows for source in _sources(row)],
        }
    }
    return facets | columns(schema) if schema else facets


def columns(names: str) -> JSON:
    return {"schema": {"fields": [{"name": one, "type": "int"} for one in names.split()]}}


def _sources(text: str) -> list[JSON]:
    return [source(*one.split(".", 1)) for one in text.split()]


def source(name: str, field: str, *kinds: str) -> JSON:
    changes = [{"type": "DIRECT" if kind == "DIRECT" else "INDIRECT", "subtype": kind} for kind in kinds]
    return {"namespace": "s3://lake", "name": name, "field": field, "transformations": changes}


def listened(raw: Iterable[JSON | list[JSON]], effects: Iterable[Effect] = (), declared: Declarations = WHOLE) -> History:
    flat = [one for item in raw for one in (item if isinstance(item, list) else [item])]
    lineage = ColumnLineage()
    for one in flat:
        lineage.hear(one, event(one))
    return replace(build(map(event, flat), declared, effects=effects), columns=lineage)


def shop(*more: JSON | list[JSON], bad: str = "amount", schema: str = "id amount note", **fault: Any) -> BlastRadius:
    """``ingest`` wrote bad columns of orders; ``more`` read them."""
    first = ran("01", "02", "r1", "ingest", writes=[dataset("orders", **columns(schema))])
    chosen = fault or {"job": "ingest"}
    return blast(listened([first, *more]), Fault(**chosen, columns=tuple(bad.split())))


def totals(facets: JSON, **more: Any) -> list[JSON]:
    return ran("03", "04", "r2", "totals", reads=["orders"], writes=[dataset("totals", **facets)], **more)


def of(found: BlastRadius) -> dict[str, tuple[str, ...] | None]:
    return {one.cell.dataset.name: one.columns for one in found.cells}


def gaps(found: BlastRadius) -> list[str]:
    return [gap.reason for gap in found.gaps if "column lineage" in gap.reason]
