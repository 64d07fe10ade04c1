"""What commands need to know of tables: surveys for their plans, and what tables hold now for an undo. Read-only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from incident.context import Context
from incident.radius import Fresh
from incident.tables import open_table
from incident.tables.surveys import TableSurveyor
from lineage.attempts import Cell
from runbooks.consents import Consents
from runbooks.facts import Facts


def with_tables(
    context: Context, fresh: Fresh, facts: Facts, cells: Collection[Cell], consents: Consents, *, reverting: bool
) -> Facts:
    """The facts with those of the cells that are in tables."""
    surveyor = TableSurveyor(partial(open_table, context.config), fresh.history, fresh.radius, reverting, consents.before)
    wanted = frozenset(cells)
    tables = surveyor.survey(one for one in fresh.radius.dirty() if one.cell in wanted)
    return replace(facts, tables=tables, warnings=(*facts.warnings, *surveyor.warnings))
