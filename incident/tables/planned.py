"""What commands need to know of tables: surveys for their plans, and whether commits at the same time are safe. Read-only."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from functools import partial

from incident.context import Context
from incident.guarantees import Assurance
from incident.radius import Fresh
from incident.tables import open_table
from incident.tables.surveys import TableSurveyor
from lineage.attempts import Cell
from runbooks.consents import Consents
from runbooks.facts import Facts
from runbooks.table_survey import TablePlace


def with_tables(
    context: Context, fresh: Fresh, facts: Facts, cells: Collection[Cell], consents: Consents, *, reverting: bool
) -> Facts:
    """The facts with those of the cells that are in tables."""
    surveyor = TableSurveyor(
        partial(open_table, context.config),
        fresh.history,
        fresh.radius,
        reverting,
        consents.before,
        partial(unconditional, context),
    )
    wanted = frozenset(cells)
    tables = surveyor.survey(one for one in fresh.radius.dirty() if one.cell in wanted)
    return replace(facts, tables=tables, warnings=(*facts.warnings, *surveyor.warnings))


def unconditional(context: Context, place: TablePlace) -> str:
    """Why a commit that somebody makes while we do could be lost; empty when none can.

    Iceberg's catalogs compare and swap. Delta relies on its storage never to replace an object that is there, or on a table of
    locks that all its writers agree over.
    """
    if place.format != "delta" or not place.table.startswith("s3://") or "AWS_S3_LOCKING_PROVIDER" in os.environ:
        return ""
    bucket, _, prefix = place.table.removeprefix("s3://").partition("/")
    known = Assurance(context)(bucket, prefix)
    if "put-if-absent" in known:
        return ""
    how = "ignores" if "put-if-absent" in known.ignored else f"is not known to honour ({known.why})"
    return f"the server of {bucket} {how} puts that must not replace, so that one of two commits at once may be lost"
