"""Pointer actions: read, compare, intend, swap, look again; one pointer at a time, in the plan's order.

A pointer that another writer swapped meanwhile is left to that writer and reported. A swap in doubt is looked at before anything
is sent again: what carries our mark, or lies where only ours can lie, is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from incident.errors import ObjectMissing, PreconditionFailed, StorageError, StorageUnreachable
from incident.journal import Journal, Outcome
from incident.pointers.port import Pointer
from runbooks.plan import Plan, SwapPointer
from runbooks.pointers import shown
from runbooks.survey import PointerVersion

KINDS = (SwapPointer,)
Pointers = Callable[[str, str], Pointer]
"""Opens a pointer by its kind and URL."""

_CHANGED = "it changed while the plan was applied"


class PointerActions:
    """Performs the swaps of one plan. ``pointers`` opens them; ``clock`` in ns UTC."""

    def __init__(self, plan: Plan, pointers: Pointers, clock: Callable[[], int]) -> None:
        self._plan, self._pointers, self._clock = plan, pointers, clock
        self._changed: set[int] = set()

    def chunks(self, indices: Sequence[int]) -> list[list[int]]:
        """Each by itself: pointers are few, and the order in which readers see them change is the plan's."""
        return [[index] for index in indices]

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        """Raises CredentialsMissing and what else keeps a pointer from being looked at; a doubt stays in the journal then."""
        for index in chunk:
            self._one(index, self._action(index), journal)

    def _one(self, index: int, action: SwapPointer, journal: Journal) -> None:
        pointer, mark = self._open(action), f"{self._plan.id}/{index}"
        outcome: Outcome | None = None
        if index in journal.state.doubtful:
            outcome = pointer.settle(action, mark, journal.state.made.get(index))
        if outcome is None:
            outcome = self._early(action, journal)
        if outcome is None and (why := self._moved(action, pointer) or _differs(action, pointer.now())):
            outcome = Outcome("drifted", None, why)
        if outcome is None:
            outcome = self._swapped(index, action, pointer, mark, journal)
        journal.outcome({index: outcome}, self._clock())
        if outcome.status != "done":
            self._changed.add(index)

    def _early(self, action: SwapPointer, journal: Journal) -> Outcome | None:
        """Why it must not be swapped yet: what it would name is not set back."""
        cells = self._plan.indices() if action.after else {}
        swaps = {index for index, _ in self._plan.of(SwapPointer)} if action.after else set()
        for cell in action.after:
            indices = (index for part in cells.get(cell, ()) for index in part if index not in swaps)
            found = {journal.state.outcomes.status(index) for index in indices} - {"done"}
            if "drifted" in found:
                return Outcome("drifted", None, f"{cell} changed, and what it would name is not set back")
            if found:
                return Outcome("failed", None, f"{cell} is not set back yet")
        return None

    def _swapped(self, index: int, action: SwapPointer, pointer: Pointer, mark: str, journal: Journal) -> Outcome:
        journal.intent([index], self._clock())
        try:
            made = pointer.swap(action, mark)
        except (PreconditionFailed, ObjectMissing):
            return Outcome("drifted", None, _CHANGED)
        except StorageUnreachable as error:
            # Not seen now does not mean never: the request may still be on its way.
            return pointer.settle(action, mark, None) or Outcome("unknown", None, f"Unanswered: {error.message}")
        except StorageError as error:
            return Outcome("failed", None, error.message)
        journal.made({index: made}, self._clock())
        return pointer.verify(action, mark, made)

    def moved(self) -> str:
        """Why a pointer's bucket is not what the plan relies on; empty when all are."""
        actions = [action for _, action in self._plan.of(SwapPointer)]
        return next((why for action in actions if (why := self._moved(action, self._open(action)))), "")

    def _moved(self, action: SwapPointer, pointer: Pointer) -> str:
        """What ours can be told by, and whether it can be taken back, depends on the bucket's versioning."""
        state = pointer.bucket()
        known = [terms for terms in self._plan.buckets if terms.bucket == action.bucket]
        if state is None or state.terms in known:
            return ""
        if not known:
            return f"{action.bucket} is not in the plan"
        return known[0].difference(state.terms) or f"{action.bucket} is of another server"

    def strays(self) -> dict[str, str]:
        """Pointers that do not hold what the plan gave them: somebody swapped them again."""
        found = {}
        for index, action in self._plan.of(SwapPointer):
            if index not in self._changed:
                now = self._open(action).now()
                if now.value != action.new:
                    found[action.cell] = f"{action.pointer} holds {shown(now.value)}, the plan says {shown(action.new)}"
        return found

    def _open(self, action: SwapPointer) -> Pointer:
        return self._pointers(action.kind, action.pointer)

    def _action(self, index: int) -> SwapPointer:
        action = self._plan.actions[index]
        if not isinstance(action, SwapPointer):
            raise TypeError(f"{self._plan.id}: {action.op!r} is not an action on a pointer")
        return action


def _differs(action: SwapPointer, now: PointerVersion) -> str:
    """Why the pointer is not as planned; empty when it is."""
    planned = action.requires
    if (now.version_id, now.etag, now.value) == (planned.version_id, planned.etag, action.old):
        return ""
    if now.value == action.new:
        return "somebody else gave it the planned value since the plan"
    return f"it holds {shown(now.value)} now" if now.value != action.old else "it was written again since the plan"
