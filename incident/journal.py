"""The journal of one plan: what was intended, durably before it is done, and what came of it.

NDJSON, one record a line, each on disk before the call returns. A chunk's intent names its actions; ``made`` names the versions
that our requests created, as soon as the server told us; an outcome settles an action as done, failed, drifted or unknown.
A last line torn by a crash counts as never written: whatever it would have said happened after it, or is looked up again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from incident import files
from incident.claim import Claim, unwritable
from incident.errors import IncidentError
from incident.registers import LocalRegisters
from lineage.timestamps import parse, render

Status = Literal["done", "failed", "drifted", "unknown"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one action. ``version_id``: the version that we made and that stands. ``note``: why it is not done."""

    status: Status
    version_id: str | None = None
    note: str = ""


@dataclass(slots=True)
class JournalState:
    """All that a journal says. Times in nanoseconds UTC; actions by their index in the plan.

    ``doubtful`` maps the actions whose effect is not settled to the time of their first intent since the last settlement.
    ``before``: what lay in the cells of a doubtful run before it.
    ``strays``: cells that in the end held what the plan did not know of, and what that was.
    """

    begun: int | None = None
    ended: int | None = None
    first_intent: dict[int, int] = field(default_factory=dict)
    doubtful: dict[int, int] = field(default_factory=dict)
    made: dict[int, str] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    settled_at: dict[int, int] = field(default_factory=dict)
    strays: dict[str, str] = field(default_factory=dict)
    before: dict[int, dict[str, Any]] = field(default_factory=dict)

    def count(self, status: Status) -> int:
        return sum(outcome.status == status for outcome in self.outcomes.values())

    def unfinished(self, actions: int) -> list[int]:
        """The actions not attempted yet, failed, or in doubt, in the plan's order."""
        return [
            index
            for index in range(actions)
            if index in self.doubtful or index not in self.outcomes or self.outcomes[index].status in {"failed", "unknown"}
        ]

    def read(self, record: Mapping[str, Any], plan_id: str | None = None) -> None:
        """Take in one record; of ``plan_id``'s journal, if given. Raises ValueError when it is of another's."""
        at = parse(record["at"])
        match record["type"]:
            case "begin":
                if plan_id is not None and record["plan"] != plan_id:
                    raise ValueError(f"it is the journal of {record['plan']}")
                self.begun = at if self.begun is None else self.begun
                self.ended = None
            case "intent":
                self.ended = None
                for index in _spread(record["actions"]):
                    self.first_intent.setdefault(index, at)
                    self.doubtful.setdefault(index, at)
                    self.before.setdefault(index, record.get("before", {}))
            case "made":
                self.made |= {int(index): made for index, made in record["versions"].items()}
            case "outcome":
                for text, (status, version_id, note) in record["results"].items():
                    self._settle(int(text), Outcome(status, version_id, note), at)
            case "strays":
                self.strays = {str(cell): str(why) for cell, why in record["cells"].items()}
            case "end":
                self.ended = at

    def _settle(self, index: int, outcome: Outcome, at: int) -> None:
        self.outcomes[index] = outcome
        self.settled_at[index] = at
        if outcome.status != "unknown":
            self.doubtful.pop(index, None)
            self.made.pop(index, None)
            self.before.pop(index, None)


def journal_path(folder: Path, plan_id: str) -> Path:
    return folder / f"{plan_id}.ndjson"


def read_journal(folder: Path, plan_id: str) -> JournalState:
    """A plan's journal, read-only; an empty state when there is none. Raises IncidentError when it is damaged."""
    state = JournalState()
    path = journal_path(folder, plan_id)
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return state
    except OSError as error:
        raise IncidentError(f"the journal {path} cannot be read: {error.strerror or error}", "make it readable") from error
    for number, line in enumerate(lines[:-1], start=1):  # behind the last newline stands nothing, or a torn line
        try:
            state.read(json.loads(line), plan_id)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IncidentError(
                f"the journal {path} is damaged at line {number}: {error}", "restore it from a copy", code="journal-damaged"
            ) from error
    return state


def whole(folder: Path, begun: Iterable[str]) -> None:
    """Raises IncidentError when the journal of a plan is gone that, says the timeline, was begun.

    Its file is made durable before the timeline says so. Without it nobody can tell what was done.
    """
    for plan_id in begun:
        if not journal_path(folder, plan_id).exists():
            raise IncidentError(
                f"the journal of {plan_id}, which was begun, is gone: {journal_path(folder, plan_id)}",
                "restore it from a copy",
                code="journal-missing",
            )


class Journal:
    """A claimed journal, open for writing. Use as a context manager: leaving it releases the claim.

    Raises TimelineUnwritable whenever a record cannot be made durable, so that the effect behind it does not happen.
    """

    def __init__(self, folder: Path, plan_id: str, actor: Mapping[str, Any], *, take_over: bool = False) -> None:
        self.path = journal_path(folder, plan_id)
        self._claim = Claim(LocalRegisters(folder), plan_id, actor)
        self._file: int | None = None
        self._take_over = take_over
        self.state = JournalState()

    def __enter__(self) -> Self:
        self._claim.take(take_over=self._take_over)
        try:
            self.state = read_journal(self.path.parent, self.path.stem)
            self._open()
        except BaseException:
            self._claim.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._claim.release()

    def _open(self) -> None:
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            whole = self.path.read_bytes().rpartition(b"\n")
            os.ftruncate(self._file, len(whole[0]) + len(whole[1]))  # a torn line would swallow the next record
            files.sync(self.path.parent)
        except OSError as error:
            raise unwritable(self.path, error) from error

    # --- records ----------------------------------------------------------------------------------------------------------

    def begin(self, actions: int, at: int) -> None:
        self._append({"type": "begin", "at": render(at), "plan": self.path.stem, "actions": actions, **self._claim.owner})

    def intent(self, actions: Iterable[int], at: int, before: Mapping[str, Any] | None = None) -> None:
        """Write before acting. ``at`` in nanoseconds UTC; ``before``: what lies in the cells of a run."""
        noted = {"before": dict(before)} if before is not None else {}
        self._append({"type": "intent", "at": render(at), "actions": _ranges(actions), **noted})

    def made(self, versions: Mapping[int, str], at: int) -> None:
        """The version ids that the server gave to what we made."""
        if versions:
            self._append({"type": "made", "at": render(at), "versions": {str(index): made for index, made in versions.items()}})

    def outcome(self, results: Mapping[int, Outcome], at: int) -> None:
        if results:
            plain = {str(index): [one.status, one.version_id, one.note] for index, one in results.items()}
            self._append({"type": "outcome", "at": render(at), "results": plain})

    def strays(self, cells: Mapping[str, str], at: int) -> None:
        """What lay in cells at the end without the plan's knowledge."""
        self._append({"type": "strays", "at": render(at), "cells": dict(cells)})

    def end(self, at: int) -> None:
        self._append({"type": "end", "at": render(at)})

    def check_claim(self) -> None:
        """Raises Drift when somebody took this journal over."""
        self._claim.check()

    def _append(self, record: dict[str, Any]) -> None:
        if self._file is None:
            raise RuntimeError("the journal is not open")
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._file, line) :]
            os.fsync(self._file)
        except OSError as error:
            raise unwritable(self.path, error) from error
        self.state.read(record)


def _ranges(actions: Iterable[int]) -> list[list[int]]:
    """Indices as [first, last] pairs: a chunk of 1,000 is one pair."""
    pairs: list[list[int]] = []
    for index in sorted(actions):
        if pairs and pairs[-1][1] == index - 1:
            pairs[-1][1] = index
        else:
            pairs.append([index, index])
    return pairs


def _spread(pairs: Iterable[tuple[int, int]]) -> list[int]:
    return [index for first, last in pairs for index in range(first, last + 1)]
