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
from runbooks.survey import Target, Terms

Phase = Literal["revert", "purge", "backfill", "undo"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """The top of a key's version list as planned. ``is_marker``: it is a delete marker, the key is absent."""

    version_id: str
    etag: str
    is_marker: bool = False


@dataclass(frozen=True, slots=True)
class PutMarker:
    """Cover the current object with a delete marker. Every version stays. Undone by removing that marker by its version id."""

    bucket: str
    key: str
    requires: Requirement
    size: int
    cell: str
    op: Literal["put-marker"] = "put-marker"


@dataclass(frozen=True, slots=True)
class CopyVersion:
    """Make an older version current by a server-side copy. Undone by removing the copy by its version id."""

    bucket: str
    key: str
    requires: Requirement
    source_version_id: str
    source_etag: str
    size: int
    cell: str
    storage_class: str = "STANDARD"
    op: Literal["copy-version"] = "copy-version"


@dataclass(frozen=True, slots=True)
class RemoveMarkers:
    """Remove the delete markers above a good version, newest first. Undone by putting one marker back."""

    bucket: str
    key: str
    requires: Requirement
    version_ids: tuple[str, ...]
    uncovers: str
    uncovers_etag: str
    size: int
    cell: str
    op: Literal["remove-markers"] = "remove-markers"


@dataclass(frozen=True, slots=True)
class RemoveOwn:
    """Undo: remove the one version (marker or copy) that we made, named by its id, uncovering the version beneath.

    ``keeps``: the version that a copy was made from. It must still be there, or the copy would be the last of its bytes.
    """

    bucket: str
    key: str
    requires: Requirement
    uncovers: str | None
    size: int
    cell: str
    keeps: str | None = None
    op: Literal["remove-own"] = "remove-own"


@dataclass(frozen=True, slots=True)
class RunJob:
    """Backfill: have a job make cells again. ``start``/``end`` are RFC 3339, end exclusive, empty when unknown."""

    job: str
    partition: str
    start: str
    end: str
    cells: tuple[str, ...]
    wave: int
    command: tuple[str, ...]
    op: Literal["run-job"] = "run-job"


@dataclass(frozen=True, slots=True)
class SetAside:
    """Move an object that has no versions into quarantine: copy if absent, verify, then delete on condition.

    For unversioned buckets, ``null`` versions and local directories. ``to``: the URL that its copy gets. Undone by BringBack.
    """

    bucket: str
    key: str
    requires: Requirement
    size: int
    cell: str
    to: str
    last_modified: int = 0
    storage_class: str = "STANDARD"
    writers_stopped: bool = False
    """The operator's word stands in for a condition that the server does not honour."""
    op: Literal["set-aside"] = "set-aside"


@dataclass(frozen=True, slots=True)
class BringBack:
    """Copy a kept object to a key that is absent: from quarantine (undo), or from a kept copy (revert).

    ``source``: URL of the kept object, with its ETag. Undone by SetAside.
    """

    bucket: str
    key: str
    source: str
    source_etag: str
    size: int
    cell: str
    storage_class: str = "STANDARD"
    writers_stopped: bool = False
    op: Literal["bring-back"] = "bring-back"


@dataclass(frozen=True, slots=True)
class SwapPointer:
    """Point what serves at another version by compare-and-swap. ``kind`` names the pointer's protocol; undone by the reverse.

    ``requires``: the state of the pointer as planned (ETag or version id of its object, or the catalogue's version of it).
    ``old`` and ``new`` are the values as the protocol writes them; None: it is absent.
    """

    kind: str
    pointer: str
    requires: Requirement
    old: str | None
    new: str | None
    cell: str
    size: int = 0
    op: Literal["swap-pointer"] = "swap-pointer"


@dataclass(frozen=True, slots=True)
class ChangeTable:
    """Change a table through its format's library, on condition of its current snapshot or version.

    ``change``: "revert" to ``target``, "delete" the rows of ``where``, or "restore" ``target`` (undo). ``requires`` and ``target``
    are snapshot ids (Iceberg) or versions (Delta) as text. ``keep``: the tag that protects the former state from expiry.
    """

    format: str
    table: str
    change: Literal["revert", "delete", "restore"]
    requires: str
    target: str
    cell: str
    where: str = ""
    keep: str = ""
    size: int = 0
    op: Literal["change-table"] = "change-table"


ObjectAction = PutMarker | CopyVersion | RemoveMarkers | RemoveOwn
AsideAction = SetAside | BringBack
DataAction = ObjectAction | AsideAction | SwapPointer | ChangeTable
"""What changes data; all have a cell and a size in bytes."""
Action = DataAction | RunJob


def place_of(action: Action) -> str:
    """What an action acts on, by the name that people know it by."""
    match action:
        case RunJob():
            return action.job
        case SwapPointer():
            return action.pointer
        case ChangeTable():
            return action.table
        case _:
            return Target(action.bucket, action.key).url


_ACTIONS: dict[str, type[Any]] = {
    "put-marker": PutMarker,
    "copy-version": CopyVersion,
    "remove-markers": RemoveMarkers,
    "remove-own": RemoveOwn,
    "set-aside": SetAside,
    "bring-back": BringBack,
    "swap-pointer": SwapPointer,
    "change-table": ChangeTable,
    "run-job": RunJob,
}


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
    made: Action = _ACTIONS[fields["op"]](**fields)
    return made
