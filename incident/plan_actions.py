"""Performs a plan's actions, each by the family that knows its kind: object versions, quarantine, pointers, tables.

A family sees the plan's own indices, journals by itself, and keeps the promises of the executor: intent before the effect,
outcome after it, and a repeated chunk changes nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Protocol

from incident.journal import Journal
from runbooks.plan import Action, Plan


class Family(Protocol):
    """Knows how to do some kinds of actions of one plan."""

    def chunks(self, indices: Sequence[int]) -> Sequence[Sequence[int]]:
        """These actions of its kinds in chunks of at most 1,000, in order."""

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        """Do one chunk: write the intent to the journal, act, write the outcomes. A doubtful action is looked at first."""

    def moved(self) -> str:
        """Why the world is not what the plan relies on; empty when it is. Asked before anything is begun."""

    def strays(self) -> Mapping[str, str]:
        """Cells of its actions that now hold what the plan did not know of, and what that is."""


class PlanActions:
    """The executor's ``Performer`` for a plan. ``families``: by the type of action; ``clock`` in ns UTC."""

    def __init__(self, plan: Plan, families: Mapping[type[Action], Family], clock: Callable[[], int]) -> None:
        self._plan, self._families, self._clock = plan, families, clock

    def chunks(self, indices: Sequence[int]) -> list[Sequence[int]]:
        found: list[Sequence[int]] = []
        for _, group in groupby(indices, lambda index: id(self._family(index))):
            same = list(group)
            found += self._family(same[0]).chunks(same)
        return found

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        self._family(chunk[0]).perform(chunk, journal)

    def moved(self) -> str:
        return next((why for family in self._all() if (why := family.moved())), "")

    def finish(self, journal: Journal) -> None:
        """Look once more when all chunks are through, and write down what is not as the plan says."""
        found: dict[str, str] = {}
        for family in self._all():
            found |= family.strays()
        journal.strays(found, self._clock())

    def _family(self, index: int) -> Family:
        action = self._plan.actions[index]
        try:
            return self._families[type(action)]
        except KeyError:
            raise TypeError(f"{self._plan.id}: nobody here can do {action.op!r}") from None

    def _all(self) -> list[Family]:
        return list({id(family): family for family in self._families.values()}.values())
