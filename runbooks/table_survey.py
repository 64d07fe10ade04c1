"""What a table of a format with a history of its own (Iceberg, Delta) held when it was looked at. Values only.

A cell of such a table is a set of data files: those whose partition lies in the cell. Files never change and their paths are
never used again, so that a set of paths says exactly what the cell holds, whichever version of the table it is found at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self

from lineage.attempts import Cell
from lineage.errors import PartitionError
from lineage.partitions import Partition, parse_partition
from runbooks.plan import Refusal

TableFormat = Literal["iceberg", "delta"]


@dataclass(frozen=True, slots=True)
class TablePlace:
    """Where a cell of a table is. ``table``: ``CATALOG/NAME`` (Iceberg) or the URL of its root (Delta). ``partition`` as text."""

    format: TableFormat
    table: str
    partition: str

    @property
    def url(self) -> str:
        """``iceberg://prod/db.orders#dt=2026-11-18`` or ``delta+s3://lake/orders/#*``."""
        scheme = "iceberg://" if self.format == "iceberg" else "delta+"
        return f"{scheme}{self.table}#{self.partition.replace('#', '%23')}"

    @property
    def whole(self) -> bool:
        return self.partition == "*"

    @property
    def cells(self) -> Partition:
        """The partition as a value."""
        return parse_partition(self.partition)

    @classmethod
    def parse(cls, url: str) -> Self | None:
        """The place that a URL names; None when it names none of a table."""
        table, sharp, partition = url.rpartition("#")
        form: TableFormat
        if table.startswith("iceberg://"):
            form, table = "iceberg", table.removeprefix("iceberg://")
        elif table.startswith("delta+"):
            form, table = "delta", table.removeprefix("delta+")
        else:
            return None
        try:
            known = parse_partition(partition)
        except PartitionError:
            return None
        return cls(form, table, str(known)) if sharp and table else None


@dataclass(frozen=True, slots=True)
class TableVersion:
    """One version that was current. ``committed``: nanoseconds UTC by its committer's clock, cut to milliseconds.

    ``ours``: a commit of an incident's plan, or somebody's going back to a version from before; nobody's rows came with it.
    """

    version: str
    committed: int
    what: str
    ours: bool = False


@dataclass(frozen=True, slots=True)
class CellFiles:
    """The data files of one cell at one version. ``unclear``: why nobody can tell exactly which they are, or bring them back."""

    fingerprint: str = ""
    files: int = 0
    size: int = 0
    unclear: str = ""

    @classmethod
    def of(cls, paths: Iterable[str], size: int = 0, unclear: str = "") -> Self:
        found = sorted(paths)
        text = "\n".join(found).encode("utf-8", "surrogatepass")
        return cls(f"{len(found)}:{hashlib.sha256(text).hexdigest()[:24]}" if found else "", len(found), size, unclear)


@dataclass(frozen=True, slots=True)
class Good:
    """The state before the fault. ``version`` None: the table was not there yet, or held nothing.

    ``since``: the versions committed after it, oldest first.
    """

    version: TableVersion | None
    files: CellFiles
    since: tuple[TableVersion, ...]


@dataclass(frozen=True, slots=True)
class TableSurvey:
    """One cell of a table as found. ``version``: the current one, "" when nothing was ever committed.

    ``good``: only looked for where a revert asks; a refusal says why nobody can tell. ``others``: those of its later versions
    that no run known to be bad accounts for.
    """

    cell: Cell
    place: TablePlace
    uuid: str
    version: str
    now: CellFiles
    good: Good | Refusal | None = None
    others: tuple[TableVersion, ...] = ()
    unconditional: str = ""
    """Why a commit at the same time as ours could be lost; empty when none can."""
