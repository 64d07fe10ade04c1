"""Plans: the ordered actions of one phase as a value, named by the hash of what it will do.

Every action carries what must still be true before it acts (``requires``) and says how it is taken back; the executor in
``incident`` performs exactly these actions and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self, TypeVar, cast

from lineage.attempts import Cell
from lineage.datasets import DatasetId
from lineage.partitions import parse_partition
from runbooks.actions import (
    ACTIONS,
    Action,
    AsideAction,
    BringBack,
    ChangeTable,
    CopyVersion,
    DataAction,
    ObjectAction,
    PutMarker,
    RemoveMarkers,
    RemoveOwn,
    Requirement,
    RunJob,
    SetAside,
    SwapPointer,
    place_of,
)
from runbooks.plan_lines import Stretch, Summary, plain_json, summary_of
from runbooks.survey import Terms

__all__ = [
    "Action",
    "AsideAction",
    "BringBack",
    "ChangeTable",
    "CopyVersion",
    "DataAction",
    "ObjectAction",
    "Phase",
    "Plan",
    "PlannedCell",
    "PutMarker",
    "Refusal",
    "RemoveMarkers",
    "RemoveOwn",
    "Requirement",
    "RunJob",
    "SetAside",
    "SwapPointer",
    "place_of",
]

A = TypeVar("A", bound=Action)

Phase = Literal["revert", "purge", "backfill", "undo"]

_PIECE = 1_000
"""Actions that are taken at a time from where they lie."""

SCHEMA = "incident/plan/v2"
"""The form of headers and lines; another one gives other hashes."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that would have been in the plan and is not: ``what`` by name, and why. ``code`` is for scripts."""

    what: str
    why: str
    code: str = "refused"


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell that a plan answers for, even where nothing had to be done.

    ``leaves``: what is current there afterwards; "pointer": what was there before, only that it is not served any more.
    ``partial``: some of its objects are left as they are, so that applying the plan does not put the whole cell into that state.
    ``url``: where it lies. ``rest``: the fingerprint (``survey.rest``) of what lies there besides the keys that the plan acts on,
    so that what is written there since can be told.
    """

    namespace: str
    name: str
    partition: str
    known: bool
    leaves: Literal["nothing", "data", "pointer"]
    url: str = ""
    partial: bool = False
    rest: str = ""

    @classmethod
    def of(cls, cell: Cell, leaves: Literal["nothing", "data", "pointer"], url: str = "") -> PlannedCell:
        return cls(*cell.dataset, str(cell.partition), cell.known, leaves, url)

    @property
    def cell(self) -> Cell:
        return Cell(DatasetId(self.namespace, self.name), parse_partition(self.partition), self.known)

    def __str__(self) -> str:
        return str(self.cell)


@dataclass(frozen=True, slots=True)
class Plan:
    """One phase's ordered actions.

    ``actions`` may lie on disk: go through them, take one by its index, and never copy them whole; ``stretches`` tells how many
    of which kind there are in which cell.
    ``previous`` is the id of the incident's last applied or undone plan, so that the same purge after an undo is a new plan.
    ``target`` is the plan taken back, for phase "undo". Each action names its cell as ``str(cells[i])``.
    ``buckets``: what the plan relies on of each bucket (``BucketState.terms``).
    """

    incident: str
    phase: Phase
    revision: str
    actions: Sequence[Action]
    cells: tuple[PlannedCell, ...] = ()
    previous: str | None = None
    target: str | None = None
    buckets: tuple[Terms, ...] = ()
    refused: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()
    _sha256: str | None = field(default=None, init=False, repr=False, compare=False)
    _summary: Summary | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def id(self) -> str:
        """``purge-3f9a1c0b72de``: the phase and the beginning of the hash."""
        return f"{self.phase}-{self.sha256[:12]}"

    @property
    def sha256(self) -> str:
        """The hash of everything the plan will do: of its header, which has that of its actions. Not the time, nor the refusals."""
        if self._sha256 is None:
            _remember(self, "_sha256", hashlib.sha256(self.header()).hexdigest())
        return self._sha256 or ""

    def header(self) -> bytes:
        """What the hash covers, as one canonical line of JSON without its newline."""
        summary = self.summary
        return plain_json(
            {
                "schema": SCHEMA,
                "incident": self.incident,
                "phase": self.phase,
                "revision": self.revision,
                "previous": self.previous,
                "target": self.target,
                "cells": self.cells,
                "buckets": [{"bucket": one.bucket, "server": one.server, "facts": one.facts} for one in self.buckets],
                "actions": summary.count,
                "stretches": [[one.cell, one.op, one.count, one.bytes] for one in summary.stretches],
                "lines_sha256": summary.sha256,
            }
        )

    @property
    def summary(self) -> Summary:
        if self._summary is None:
            _remember(self, "_summary", summary_of(self.actions))
        return self._summary or Summary("", ())

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """How many actions of which kind follow each other in which cell, in the plan's order: no action is looked at for it."""
        return self.summary.stretches

    @property
    def bytes(self) -> int:
        """Bytes of the objects that the plan touches."""
        return sum(one.bytes for one in self.stretches)

    def indices(self, without: Collection[str] = ()) -> dict[str, list[range]]:
        """Where the actions of each cell are, by its name, in order; ``without`` those of some kinds."""
        found: dict[str, list[range]] = {}
        start = 0
        for one in self.stretches:
            if one.op not in without:
                found.setdefault(one.cell, []).append(range(start, start + one.count))
            start += one.count
        return found

    def walk(self, *stretches: range) -> Iterator[tuple[int, Action]]:
        """The actions of some stretches, each with its index; of a stretch that runs backwards the last one first."""
        for one in stretches:
            for at in range(0, len(one), _PIECE):
                piece = one[at : at + _PIECE]
                if one.step == 1:
                    yield from zip(piece, self.actions[piece.start : piece.stop], strict=True)
                else:
                    yield from zip(piece, reversed(self.actions[piece[-1] : piece[0] + 1]), strict=True)

    def of(self, *kinds: type[A]) -> Iterator[tuple[int, A]]:
        """The actions of some kinds, each with its index, in order. No other action is looked at."""
        ops = {op for op, kind in ACTIONS.items() if kind in kinds}
        start = 0
        for one in self.stretches:
            if one.op in ops:
                yield from cast("Iterator[tuple[int, A]]", self.walk(range(start, start + one.count)))
            start += one.count

    def named(self, sha256: str, summary: Summary) -> Self:
        """The same plan under the hash and with the summary that it was saved with."""
        other = replace(self)
        _remember(other, "_sha256", sha256)
        _remember(other, "_summary", summary)
        return other


def _remember(plan: Plan, name: str, value: object) -> None:
    """What follows from a plan's content is reckoned once; ``replace`` begins anew."""
    object.__setattr__(plan, name, value)
