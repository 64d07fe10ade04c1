"""Actions as canonical lines, what a plan's hash covers, and what can be told of many actions without holding them.

A line is the action's JSON, its fields in the order of its class. Equal actions have equal lines and different ones different
lines, so that a hash over the lines stands for the actions, wherever they lie and in however many pieces.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from runbooks.actions import ACTIONS, Action, Carried, Requirement, RunJob


class UnknownAction(ValueError):
    """A line that is no action known here."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Actions of one cell and of one kind that follow each other in a plan. ``cell``: empty for runs of jobs. Size in bytes."""

    cell: str
    op: str
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Summary:
    """``sha256`` of all lines, each with its newline, and the stretches in the plan's order."""

    sha256: str
    stretches: tuple[Stretch, ...]

    @property
    def count(self) -> int:
        return sum(one.count for one in self.stretches)


class KeptActions(Sequence[Action]):
    """Actions that lie somewhere else than in memory, and know their summary."""

    @property
    @abstractmethod
    def summary(self) -> Summary: ...


Keep = Callable[[Iterable[Action]], Sequence[Action]]
"""Takes a planner's actions one after another, and keeps them: ``tuple``, or somewhere else when they are many."""


class Tally:
    """Takes actions one by one and adds them up."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._stretches: list[list[Any]] = []

    def add(self, action: Action) -> bytes:
        """The action's line, without a newline."""
        text = line(action)
        self._digest.update(text)
        self._digest.update(b"\n")
        cell, size = ("", 0) if isinstance(action, RunJob) else (action.cell, action.size)
        last = self._stretches[-1] if self._stretches else None
        if last is not None and last[0] == cell and last[1] == action.op:
            last[2] += 1
            last[3] += size
        else:
            self._stretches.append([cell, action.op, 1, size])
        return text

    def summary(self) -> Summary:
        return Summary(self._digest.hexdigest(), tuple(Stretch(*one) for one in self._stretches))


def summary_of(actions: Iterable[Action]) -> Summary:
    """What they add up to; those that are kept somewhere know it."""
    if isinstance(actions, KeptActions):
        return actions.summary
    tally = Tally()
    for action in actions:
        tally.add(action)
    return tally.summary()


def line(action: Action) -> bytes:
    """The canonical line of an action, without its newline."""
    return plain_json(action)


def action_of(text: bytes) -> Action:
    """The action of a line. Raises UnknownAction."""
    # ``op`` is the last field of every action; within a string its quotes would be escaped.
    op = text.rpartition(b'"op":"')[2].rstrip(b'"}').decode("utf-8", "replace")
    try:
        found: Action = _decoder(op)(text)
    except UnknownAction:
        raise
    except ValueError:
        return action_from(json.loads(text))  # lone surrogates, which only the standard library takes
    return found


def action_from(raw: Mapping[str, Any]) -> Action:
    """The action of a line that was read as JSON already. Raises UnknownAction."""
    import msgspec

    op = str(raw.get("op"))
    try:
        found: Action = msgspec.convert(raw, _kind(op))
    except msgspec.ValidationError as error:
        raise UnknownAction(f"is not a {op}: {error}") from error
    return found


def known_fields() -> dict[str, list[str]]:
    """The fields of every kind of action, and of what they hold. Whoever reads lines with others would leave something out."""
    named = {**ACTIONS, "requirement": Requirement, "carried": Carried}
    return {name: [one.name for one in fields(kind)] for name, kind in named.items()}


def plain_json(value: Any) -> bytes:
    """A value as JSON, always in the same way: fields in their order, the keys of mappings sorted.

    Names of local files need not be Unicode; where they are not, the surrogates that stand for their bytes are escaped.
    """
    try:
        return _encoder()(value)
    except UnicodeEncodeError:
        import msgspec

        plain = msgspec.to_builtins(value, order="deterministic")
        return json.dumps(plain, separators=(",", ":")).encode()


@lru_cache(maxsize=1)
def _encoder() -> Callable[[Any], bytes]:
    import msgspec

    return msgspec.json.Encoder(order="deterministic").encode


@lru_cache(maxsize=len(ACTIONS))
def _decoder(op: str) -> Callable[[bytes], Any]:
    import msgspec

    return msgspec.json.Decoder(_kind(op)).decode


def _kind(op: str) -> type[Any]:
    if op not in ACTIONS:
        raise UnknownAction(f"there is no action {op!r}")
    return ACTIONS[op]
