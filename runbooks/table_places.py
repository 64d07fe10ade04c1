"""Where a cell is: in a table that is changed through its library, or under a prefix of objects."""

from __future__ import annotations

from lineage.attempts import Cell
from lineage.declarations import Declarations
from runbooks.plan import Refusal
from runbooks.survey import Target
from runbooks.table_survey import TablePlace
from runbooks.targets import locate, location


def table_place(cell: Cell, declarations: Declarations, *, deleting: bool = True) -> TablePlace | Refusal | None:
    """The place of a cell whose dataset is declared to be a table; None where it is declared to be none.

    ``deleting``: rows will be taken out of it, which protection forbids.
    """
    rule, name = declarations.dataset(cell.dataset), str(cell)
    if rule.format not in {"iceberg", "delta"}:
        return None
    if deleting and rule.protected:
        return Refusal(name, "is protected: it is never deleted from", "protected")
    if not cell.partition and not cell.known and rule.partition is not False:
        why = "its partition is not known; if the dataset has none, declare partition = false"
        return Refusal(name, why, "unknown-partition")
    if cell.partition and rule.partition is False:
        return Refusal(name, "names a partition, but the dataset is declared as having none", "unknown-partition")
    if rule.format == "iceberg":
        if rule.table is None or rule.catalog is None:
            lacking = 'add table = "NAMESPACE.NAME" and catalog = "NAME" to its [[dataset]]'
            why = f"is an Iceberg table, and without its catalog it could only be read; {lacking}"
            return Refusal(name, why, "no-mapping")
        return TablePlace("iceberg", f"{rule.catalog}/{rule.table}", str(cell.partition))
    root = location(cell.dataset, declarations)
    if isinstance(root, Refusal):
        return Refusal(name, root.why, root.code)
    return TablePlace("delta", Target(root.bucket, root.prefix).url, str(cell.partition))


def whereabouts(cell: Cell, declarations: Declarations, *, deleting: bool = True) -> str | Refusal:
    """The URL of a cell's place, or why it has none."""
    table = table_place(cell, declarations, deleting=deleting)
    found = table if table is not None else locate(cell, declarations, deleting=deleting)
    return found if isinstance(found, Refusal) else found.url
