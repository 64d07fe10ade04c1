"""Our own effects as lineage: what plans and their journals say we did to each cell.

A cell's effect is complete, so that it cleanses, only when every action on it is done; what drifted, failed or is in doubt leaves
it incomplete, and so does anything that lies there in the end and was not in the plan.
A cell for which nothing had to be done is complete when its plan was finished.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

from incident.journal import JournalState, read_journal, whole
from lineage.effects import Effect
from lineage.timestamps import AFTER
from runbooks.plan import Plan, PlannedCell, RunJob, SwapPointer


class PlanFolder(Protocol):
    """What is needed of an incident's folder."""

    @property
    def journal_dir(self) -> Path: ...
    @property
    def timeline(self) -> Any: ...
    def plans(self) -> list[str]: ...
    def load_plan(self, plan_id: str, phase: str | None = None) -> Plan: ...


def effects(folder: PlanFolder) -> tuple[Effect, ...]:
    """Every effect of this incident's applied plans, in the order in which they began. Read-only."""
    found: list[Effect] = []
    whole(
        folder.journal_dir, (str(one.evidence.get("plan_id")) for one in folder.timeline.records() if one.kind == "apply-started")
    )
    for plan_id in folder.plans():
        state = read_journal(folder.journal_dir, plan_id)
        if state.begun is not None:
            found += _of_plan(folder.load_plan(plan_id), state)
    return tuple(sorted(found, key=lambda effect: (effect.start, effect.plan_id)))


def _of_plan(plan: Plan, state: JournalState) -> Iterator[Effect]:
    if plan.phase == "backfill":
        return  # the jobs it runs emit lineage of their own
    kind: Literal["revert", "purge", "undo"] = plan.phase
    by_cell: dict[str, list[int]] = {}
    for index, action in enumerate(plan.actions):
        if not isinstance(action, RunJob | SwapPointer):
            by_cell.setdefault(action.cell, []).append(index)
    for cell in plan.cells:
        indices = by_cell.get(str(cell), [])
        if (effect := _of_cell(plan, kind, cell, indices, state)) is not None:
            yield effect


def _of_cell(
    plan: Plan, kind: Literal["revert", "purge", "undo"], cell: PlannedCell, indices: list[int], state: JournalState
) -> Effect | None:
    if cell.leaves == "pointer":
        return None  # only what serves was changed: its data is what it was, and as bad
    begun = [state.first_intent[index] for index in indices if index in state.first_intent]
    if not begun and (indices or state.ended is None):
        return None  # nothing was sent for this cell
    settled = all(index in state.outcomes and index not in state.doubtful for index in indices)
    done = settled and all(state.outcomes[index].status == "done" for index in indices)
    ended = state.ended or 0
    return Effect(
        plan_id=plan.id,
        kind=kind,
        cell=cell.cell,
        start=min(begun, default=ended),
        end=max((state.settled_at[index] for index in indices), default=ended) if settled else AFTER,
        complete=done and not cell.partial and state.ended is not None and str(cell) not in state.strays,
        leaves=cell.leaves,
        undoes=plan.target,
    )
