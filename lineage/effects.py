"""Our own effects as lineage: what a journal says we did to a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lineage.attempts import Cell


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing we did to one cell.

    ``start``/``end``: nanoseconds UTC of the first intent and the last outcome. ``complete``: every action on the cell was done,
    so that it cleanses. ``leaves``: "nothing" where no object is current afterwards (a purge, or a revert to absence), else
    "data". ``undoes``: the plan whose effect on this cell was taken back (only for kind "undo").
    """

    plan_id: str
    kind: Literal["revert", "purge", "undo"]
    cell: Cell
    start: int
    end: int
    complete: bool
    leaves: Literal["nothing", "data"]
    undoes: str | None = None
