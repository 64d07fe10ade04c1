"""Our own effects as lineage: what plans and their journals say we did to each cell.

A cell's effect is complete, so that it cleanses, only when every action on it is done; what drifted, failed or is in doubt leaves
it incomplete, and so does anything that lies there in the end and was not in the plan.
A cell for which nothing had to be done is complete when its plan was finished.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from incident.journal import JournalState, read_journal, whole
from lineage.attempts import Cell
from lineage.effects import Effect
from lineage.timestamps import AFTER, BEFORE

if TYPE_CHECKING:  # an incident without plans needs none of it
    from runbooks.plan import Plan, PlannedCell


class PlanFolder(Protocol):
    """What is needed of an incident's folder."""

    @property
    def journal_dir(self) -> Path: ...
    @property
    def timeline(self) -> Any: ...
    def plans(self) -> list[str]: ...
    def load_plan(self, plan_id: str, phase: str | None = None) -> Plan: ...


def effects(folder: PlanFolder) -> tuple[Effect, ...]:
    """Every effect of this incident's applied plans, in the order in which they began. Read-only.

    Plans are applied one after the other, and the timeline knows in which order, whatever the clocks of those who applied them
    told. For each cell that order is kept.
    """
    begun = [str(one.evidence.get("plan_id")) for one in folder.timeline.records() if one.kind == "apply-started"]
    whole(folder.journal_dir, begun)
    plans = folder.plans()
    known = set(plans)
    found: list[Effect] = []
    latest: dict[Cell, int] = {}
    for plan_id in dict.fromkeys([*(one for one in begun if one in known), *plans]):
        state = read_journal(folder.journal_dir, plan_id)
        if state.begun is None:
            continue
        for effect in _of_plan(folder.load_plan(plan_id), state):
            last = latest.get(effect.cell, BEFORE)
            found.append(_after(effect, last))
            latest[effect.cell] = max(last, *(time for time in (found[-1].start, found[-1].end) if time != AFTER))
    return tuple(sorted(found, key=lambda effect: (effect.start, effect.plan_id)))


def _after(effect: Effect, latest: int) -> Effect:
    """An effect as it is told by a clock that did not go back: else an undo could seem to come before what it undoes."""
    if effect.start > latest:
        return effect
    return replace(effect, start=latest + 1, end=max(effect.end, latest + 1))


def _of_plan(plan: Plan, state: JournalState) -> Iterator[Effect]:
    if plan.phase == "backfill":
        return  # the jobs it runs emit lineage of their own
    kind: Literal["revert", "purge", "undo"] = plan.phase
    by_cell = plan.indices(without={"run-job", "swap-pointer"})
    for cell in plan.cells:
        if (effect := _of_cell(plan, kind, cell, by_cell.get(str(cell), []), state)) is not None:
            yield effect


def _of_cell(
    plan: Plan, kind: Literal["revert", "purge", "undo"], cell: PlannedCell, stretches: list[range], state: JournalState
) -> Effect | None:
    """The effect on one cell. A plan may have a million actions: only numbers are looked at, one after another."""
    if cell.leaves == "pointer":
        return None  # only what serves was changed: its data is what it was, and as bad
    status = state.outcomes.status
    begun, last = AFTER, BEFORE
    settled = done = True
    for index in chain.from_iterable(stretches):
        begun = min(begun, state.first_intent.get(index, AFTER))
        settled = settled and index in state.settled_at and index not in state.doubtful
        done = done and status(index) == "done"
        last = max(last, state.settled_at.get(index, BEFORE))
    if begun == AFTER and (stretches or state.ended is None):
        return None  # nothing was sent for this cell
    ended = state.ended or 0
    return Effect(
        plan_id=plan.id,
        kind=kind,
        cell=cell.cell,
        start=ended if begun == AFTER else begun,
        end=max(begun if begun < AFTER else BEFORE, last if stretches else ended) if settled else AFTER,  # clocks may differ
        complete=settled and done and not cell.partial and state.ended is not None and str(cell) not in state.strays,
        leaves=cell.leaves,
        undoes=plan.target,
    )
