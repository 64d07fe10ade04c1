"""What ``doctor`` looks at of tables: that each declared one can be reached, through a library that is installed. Read-only."""

from __future__ import annotations

from collections.abc import Iterator

from incident.checks import Check
from incident.context import Context
from incident.errors import IncidentError
from incident.tables import open_table
from incident.tables.planned import unconditional
from lineage.attempts import Cell
from lineage.datasets import DatasetId
from lineage.declarations import DatasetRule, Declarations
from runbooks.plan import Refusal
from runbooks.table_places import table_place
from runbooks.table_survey import TablePlace


def table_checks(context: Context) -> Iterator[Check]:
    """One check for each ``[[dataset]]`` that is a table and says where."""
    for rule in context.config.declarations.datasets:
        if rule.format not in {"iceberg", "delta"}:
            continue
        place = _place(rule)
        name = f"table {rule.match}"
        if isinstance(place, TablePlace):
            yield _opened(context, name, place)
        elif place is not None:
            yield Check(name, "warn", place.why, "its cells are refused until then")


def _place(rule: DatasetRule) -> TablePlace | Refusal | None:
    """Where an entry says that a table is; None where it is about several, which name their places themselves."""
    if rule.format == "delta" and rule.location is None:
        return None
    whole = Cell(DatasetId("", rule.match), known=True)
    said = DatasetRule("*", format=rule.format, location=rule.location, table=rule.table, catalog=rule.catalog)
    return table_place(whole, Declarations((said,)), deleting=False)


def _opened(context: Context, name: str, place: TablePlace) -> Check:
    try:
        table = open_table(context.config, place)
        doubt = unconditional(context, place)
    except IncidentError as error:
        return Check(name, "fail", error.message, error.hint)
    if doubt:
        return Check(name, "warn", doubt, "changes of it need --writers-stopped")
    version = f"at version {table.version}" if table.version else "empty"
    warnings = "; ".join(table.warnings())
    return Check(name, "ok", f"{version}{f'; {warnings}' if warnings else ''}")
