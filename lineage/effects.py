"""Our own effects as lineage: what a journal says we did to a cell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from lineage.attempts import Attempt, Cell, Mode, Read, Write
from lineage.datasets import Identities, JobId


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


def as_attempts(effects: Iterable[Effect], identities: Identities) -> list[Attempt]:
    """Effects as attempts: a revert overwrites, a purge drops, an undo writes again what was visible before what it undoes."""
    made: list[Attempt] = []
    begun: dict[tuple[str, Cell], Attempt] = {}
    for number, effect in enumerate(sorted(effects, key=lambda one: (one.start, one.end, one.plan_id, str(one.cell)))):
        cell = replace(effect.cell, dataset=identities.find(effect.cell.dataset))
        reads: tuple[Read, ...] = ()
        if effect.undoes is not None:
            undone = begun.get((effect.undoes, cell))
            # what is undone but not known changed nothing as far as we know: then what lies there now is what was there before
            reads = (Read(cell, at=(undone.start, undone.start), ignoring=frozenset({undone.key})) if undone else Read(cell),)
        attempt = Attempt(
            run_id=effect.plan_id,
            number=number,
            job=JobId("incident", effect.kind),
            start=effect.start,
            end=effect.end,
            state="COMPLETE" if effect.complete else "FAIL",
            reads=reads,
            writes=(Write(cell, Mode.DROP if effect.leaves == "nothing" else Mode.OVERWRITE),),
            kind=effect.kind,
        )
        begun[effect.plan_id, cell] = attempt
        made.append(attempt)
    return made
