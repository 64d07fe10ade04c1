"""Plans: the ordered actions of one phase as a value, named by the hash of what it will do.

Every action carries what must still be true before it acts (``requires``) and says how it is taken back; the executor in
``incident`` performs exactly these actions and nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Literal

import rfc8785

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

Phase = Literal["revert", "purge", "backfill", "undo"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that would have been in the plan and is not: ``what`` by name, and why. ``code`` is for scripts."""

    what: str
    why: str
    code: str = "refused"


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell that a plan answers for, even where nothing had to be done.

    ``leaves``: what is current there afterwards. ``partial``: some of its objects are left as they are, so that applying the
    plan does not put the whole cell into that state. ``url``: where it lies. ``rest``: the fingerprint (``survey.rest``) of what
    lies there besides the keys that the plan acts on, so that what is written there since can be told.
    """

    namespace: str
    name: str
    partition: str
    known: bool
    leaves: Literal["nothing", "data"]
    url: str = ""
    partial: bool = False
    rest: str = ""

    @classmethod
    def of(cls, cell: Cell, leaves: Literal["nothing", "data"], url: str = "") -> PlannedCell:
        return cls(*cell.dataset, str(cell.partition), cell.known, leaves, url)

    @property
    def cell(self) -> Cell:
        return Cell(DatasetId(self.namespace, self.name), parse_partition(self.partition), self.known)

    def __str__(self) -> str:
        return str(self.cell)


@dataclass(frozen=True, slots=True)
class Plan:
    """One phase's ordered actions.

    ``previous`` is the id of the incident's last applied or undone plan, so that the same purge after an undo is a new plan.
    ``target`` is the plan taken back, for phase "undo". Each action names its cell as ``str(cells[i])``.
    ``buckets``: what the plan relies on of each bucket (``BucketState.terms``).
    """

    incident: str
    phase: Phase
    revision: str
    actions: tuple[Action, ...]
    cells: tuple[PlannedCell, ...] = ()
    previous: str | None = None
    target: str | None = None
    buckets: tuple[Terms, ...] = ()
    refused: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """``purge-3f9a1c0b72de``: the phase and the hash of everything the plan will do. Not the time, nor the refusals."""
        return f"{self.phase}-{hashlib.sha256(rfc8785.dumps(self.body())).hexdigest()[:12]}"

    def body(self) -> dict[str, Any]:
        """What the hash covers, as plain JSON."""
        return {
            "incident": self.incident,
            "phase": self.phase,
            "revision": self.revision,
            "previous": self.previous,
            "target": self.target,
            "cells": [asdict(cell) for cell in self.cells],
            "buckets": [_plain(asdict(terms)) for terms in self.buckets],
            "actions": [_plain(asdict(action)) for action in self.actions],
        }

    @property
    def bytes(self) -> int:
        """Bytes of the objects that the plan touches."""
        return sum(0 if isinstance(action, RunJob) else action.size for action in self.actions)

    @classmethod
    def from_body(cls, body: dict[str, Any], refused: tuple[Refusal, ...] = (), warnings: tuple[str, ...] = ()) -> Plan:
        """The plan whose body this is. Raises KeyError or TypeError when it is none."""
        return cls(
            incident=body["incident"],
            phase=body["phase"],
            revision=body["revision"],
            actions=tuple(_action(raw) for raw in body["actions"]),
            cells=tuple(PlannedCell(**raw) for raw in body["cells"]),
            previous=body["previous"],
            target=body["target"],
            buckets=tuple(Terms.of(one["bucket"], one["server"], dict(one["facts"])) for one in body["buckets"]),
            refused=refused,
            warnings=warnings,
        )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value


def _action(raw: dict[str, Any]) -> Action:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    if "requires" in fields:
        fields["requires"] = Requirement(**fields["requires"])
    made: Action = ACTIONS[fields["op"]](**fields)
    return made
