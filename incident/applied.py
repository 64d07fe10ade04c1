"""What came of an apply: its actions by outcome, reckoned from the plan and its journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from incident.errors import DRIFTED, FAILED, OK
from incident.journal import JournalState
from runbooks.plan import Plan, SwapPointer, place_of
from runbooks.pointers import shown

_NOTES = 10_000
"""So many of what was not done are told by name and why; of more only the number, lest the answer outgrow the plan."""
_SWAPS = 5
"""Swapped pointers that are told one by one."""


@dataclass(frozen=True, slots=True)
class Applied:
    """Actions by outcome, over all tries; ``seconds`` of this one."""

    plan_id: str
    done: int
    failed: int
    drifted: int
    unknown: int
    objects: int
    bytes: int
    seconds: float
    already: bool = False
    notes: tuple[tuple[str, str], ...] = ()
    """What was not done, by name, and why."""
    strays: int = 0
    """Cells that hold what was written since the plan under other names."""
    swapped: tuple[str, ...] = ()
    """The pointers that were swapped, each with its values."""

    @property
    def exit_code(self) -> int:
        if self.already:
            return OK
        return FAILED if self.failed or self.unknown else DRIFTED if self.drifted or self.strays else OK

    def to_json(self) -> dict[str, Any]:
        """The apply data of the contract."""
        counts = {"done": self.done, "failed": self.failed, "drifted": self.drifted, "unknown": self.unknown}
        rest = {"objects": self.objects, "bytes": self.bytes, "seconds": self.seconds, "already_applied": self.already}
        rest |= {"pointers": len(self.swapped)}
        return {"plan_id": self.plan_id, **counts, **rest}

    def sentence(self, actions: int) -> str:
        """For the timeline. ``actions``: how many the plan has."""
        parts = [f"{self.done} of {actions} actions done"]
        parts += [
            f"{count} {word}"
            for count, word in ((self.failed, "failed"), (self.drifted, "drifted"), (self.unknown, "unknown"))
            if count
        ]
        if self.strays:
            parts.append(f"cells that hold what was written since the plan: {self.strays}")
        parts += self.swapped[:_SWAPS]
        return f"{self.plan_id}: {', '.join(parts)}"


def applied(plan: Plan, state: JournalState, seconds: float) -> Applied:
    """What the journal says of the plan's actions. One that is in doubt is unknown, whatever an earlier try said of it."""
    outcomes, doubtful = state.outcomes, state.doubtful
    counts = {"done": outcomes.count("done"), "failed": outcomes.count("failed"), "drifted": outcomes.count("drifted")}
    unknown = outcomes.count("unknown")
    for index in doubtful:
        status = outcomes.status(index)
        if status != "unknown":
            unknown += 1
            if status is not None:
                counts[status] -= 1
    objects, size = _touched(plan, state)
    notes = [
        (place_of(plan.actions[index]), outcomes[index].note) for index, _ in zip(outcomes.but("done"), range(_NOTES), strict=False)
    ]
    if (left := len(outcomes) - outcomes.count("done") - len(notes)) > 0:
        notes.append((plan.id, f"{left} more are not done; the journal names each"))
    notes += sorted(state.strays.items())
    return Applied(
        plan.id,
        done=counts["done"],
        failed=counts["failed"],
        drifted=counts["drifted"],
        unknown=unknown,
        objects=objects,
        bytes=size,
        seconds=seconds,
        notes=tuple(notes),
        strays=len(state.strays),
        swapped=tuple(f"{one.pointer}: {shown(one.old)} → {shown(one.new)}" for one in _swapped(plan, state)),
    )


def _swapped(plan: Plan, state: JournalState) -> Iterator[SwapPointer]:
    for index, action in plan.of(SwapPointer):
        if index not in state.doubtful and state.outcomes.status(index) == "done":
            yield action


def _touched(plan: Plan, state: JournalState) -> tuple[int, int]:
    """The objects that were acted on, and their bytes. Looks only at what is not done, or only at what is, whichever is less."""
    done = [0, 0]
    first = 0
    for one in plan.stretches:
        if one.op not in {"run-job", "swap-pointer"}:
            within = range(first, first + one.count)
            lacking = [index for index in within if index in state.doubtful or state.outcomes.status(index) != "done"]
            done[0] += one.count - len(lacking)
            done[1] += one.bytes
            if len(lacking) == one.count:
                done[1] -= one.bytes
            else:
                done[1] -= sum(getattr(plan.actions[index], "size", 0) for index in lacking)
        first += one.count
    return done[0], done[1]
