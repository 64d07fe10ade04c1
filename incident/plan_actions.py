"""Performs a plan's actions, each by the family that knows its kind: object versions, quarantine, pointers, tables.

A family sees the plan's own indices, journals by itself, and keeps the promises of the executor: intent before the effect,
outcome after it, and a repeated chunk changes nothing more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from incident.journal import Journal
from runbooks.actions import ACTIONS
from runbooks.plan import Action, Plan


class Family(Protocol):
    """Knows how to do some kinds of actions of one plan."""

    def chunks(self, indices: Sequence[int]) -> Iterable[Sequence[int]]:
        """These actions of its kinds in chunks of at most 1,000, in order.

        A chunk is alone among all the plan's, unless it is a ``Step`` in a lane: then it may be performed in another thread, beside
        those of other lanes.
        """

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        """Do one chunk: write the intent to the journal, act, write the outcomes. A doubtful action is looked at first."""

    def moved(self) -> str:
        """Why the world is not what the plan relies on; empty when it is. Asked before anything is begun."""

    def strays(self) -> Mapping[str, str]:
        """Cells of its actions that now hold what the plan did not know of, and what that is."""


class PlanActions:
    """The executor's ``Performer`` for a plan. ``families``: by the type of action; ``clock`` in ns UTC."""

    def __init__(self, plan: Plan, families: Mapping[type[Action], Family], clock: Callable[[], int], *, at_once: int = 1) -> None:
        self._plan, self._families, self._clock = plan, families, clock
        self.at_once = at_once

    def chunks(self, indices: Sequence[int]) -> Iterator[Sequence[int]]:
        """Made while they are asked for, so that they need not all be held."""
        for family, within in self._runs():
            first, last = bisect_left(indices, within.start), bisect_left(indices, within.stop)
            if first < last:
                yield from family.chunks(indices[first:last])

    def _runs(self) -> Iterator[tuple[Family, range]]:
        """Which family has which of the plan's actions, those that follow each other together."""
        start = end = 0
        current: Family | None = None
        for one in self._plan.stretches:
            family = self._of(ACTIONS[one.op], one.op)
            if current is not None and family is not current:
                yield current, range(start, end)
                start = end
            current, end = family, end + one.count
        if current is not None:
            yield current, range(start, end)

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        action = self._plan.actions[chunk[0]]
        self._of(type(action), action.op).perform(chunk, journal)

    def moved(self) -> str:
        return next((why for family in self._all() if (why := family.moved())), "")

    def finish(self, journal: Journal) -> None:
        """Look once more when all chunks are through, and write down what is not as the plan says."""
        found: dict[str, str] = {}
        for family in self._all():
            found |= family.strays()
        journal.strays(found, self._clock())

    def _of(self, kind: type[Action], op: str) -> Family:
        try:
            return self._families[kind]
        except KeyError:
            raise TypeError(f"{self._plan.id}: nobody here can do {op!r}") from None

    def _all(self) -> list[Family]:
        return list({id(family): family for family in self._families.values()}.values())
