"""Undo: walk an applied plan backwards, removing exactly what we made, wherever it is still on top.

What was written since stays, and stays current: an undo removes our own versions by their ids and nothing else, so that freshly
backfilled data is never overwritten. Where a cell was partly written again, undoing the rest would mix two generations of data,
so that it is refused unless named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from runbooks.aside_undo import Keepings, Takings
from runbooks.consents import Consents, names
from runbooks.plan import (
    Action,
    BringBack,
    ChangeTable,
    CopyVersion,
    DataAction,
    Plan,
    PlannedCell,
    PutMarker,
    Refusal,
    RemoveMarkers,
    RemoveOwn,
    Requirement,
    SetAside,
    SwapPointer,
    place_of,
)
from runbooks.survey import BucketState, KeyHistory, rest

_VERSIONED = (PutMarker, CopyVersion, RemoveMarkers, RemoveOwn)
_ASIDE = (SetAside, BringBack)
Current = Mapping[str, Sequence[KeyHistory]]
"""A planned cell's name → all keys under its place now."""


def plan_undo(
    target: Plan,
    done: Mapping[int, str | None],
    current: Current,
    buckets: Sequence[BucketState],
    *,
    consents: Consents,
    previous: str | None,
    places: Mapping[str, Requirement] | None = None,
    keepings: Keepings | None = None,
) -> Plan:
    """The inverse of what ``target`` did. Pure; nothing it did not record as done is touched.

    ``done``: what each done action made, by index. ``places``: what pointers and tables are at now, by ``place_of``.
    ``keepings``: for cells without versions.

    A job may write under names of its own. So each cell is looked at as a whole: what lies there and was not there when the
    plan was made counts as written again, like an object that we acted on and that changed.
    """
    refusals: list[Refusal] = []
    warnings: list[str] = []
    if target.phase not in {"revert", "purge"}:
        refusals.append(Refusal(target.id, f"a {target.phase} cannot be undone", "empty"))
    stuck = {state.bucket for state in buckets if state.versioning != "Enabled"}
    by_cell: dict[str, list[tuple[DataAction, DataAction | None]]] = {}
    now = {(name, history.key): history for name, histories in current.items() for history in histories}
    what_was_done = _done(target, done)
    takings = Takings(target, ((one, made) for _, one, made in what_was_done if isinstance(one, _ASIDE)), keepings or {})
    for _, action, made in reversed(what_was_done):
        if isinstance(action, _ASIDE):
            inverse: DataAction | None = takings.inverse(action, made, now.get((action.cell, action.key)))
        else:
            inverse = _inverse(action, made, now, places or {})
        by_cell.setdefault(action.cell, []).append((action, inverse))
    cells: list[PlannedCell] = []
    actions: list[DataAction] = []
    for cell in reversed(target.cells):
        pairs = by_cell.get(str(cell), [])
        inverses = [inverse for _, inverse in pairs if inverse is not None]
        again = len(pairs) - len(inverses)
        known = _keys(target.actions, str(cell))
        strays = rest(one for one in current.get(str(cell), ()) if one.key not in known) != cell.rest
        if any(isinstance(action, _VERSIONED) and action.bucket in stuck for action, _ in pairs):
            refusals.append(Refusal(str(cell), "the versioning of its bucket is not Enabled any more", "unversioned"))
            continue
        if (stop := takings.refusal(str(cell), inverses, consents)) is not None:
            refusals.append(stop)
            continue
        if pairs and not inverses:
            warnings.append(f"{cell} changed since, all {again} objects of it; it stays as it is")
            continue
        if pairs and (again or strays):
            changed = f"{again} of {len(pairs)} objects" if again else "objects that the plan did not know of"
            why = f"{changed} changed since; undoing the rest would mix two generations"
            if not any(names(text, cell.cell) for text in consents.include):
                refusals.append(Refusal(str(cell), f"{why} (to go on: --include '{cell}')", "rewritten"))
                continue
            warnings.append(f"{cell}: {why} (included by name)")
        actions += inverses
        unfinished = len(pairs) < sum(not _foreign(action, cell) for action in target.actions)
        left = _keys(inverses, str(cell))
        beside = rest(one for one in current.get(str(cell), ()) if one.key not in left)
        planned = _planned(cell, [action for action, _ in pairs], partial=bool(again) or strays or unfinished)
        cells.append(replace(planned, rest=beside))
    return Plan(
        incident=target.incident,
        phase="undo",
        revision=target.revision,
        actions=tuple(actions),
        cells=tuple(cells),
        previous=previous,
        target=target.id,
        buckets=tuple(
            sorted(state.terms for state in buckets if any(getattr(action, "bucket", None) == state.bucket for action in actions))
        ),
        refused=tuple(refusals),
        warnings=tuple(warnings),
    )


def _keys(actions: Sequence[Action], cell: str) -> set[str]:
    """The keys that the actions of a cell are on."""
    return {action.key for action in actions if isinstance(action, (*_VERSIONED, *_ASIDE)) and action.cell == cell}


def _done(target: Plan, done: Mapping[int, str | None]) -> list[tuple[int, DataAction, str | None]]:
    undoable = (PutMarker, CopyVersion, RemoveMarkers, *_ASIDE, SwapPointer, ChangeTable)
    return [(at, action, done[at]) for at, action in enumerate(target.actions) if at in done and isinstance(action, undoable)]


def _inverse(
    action: DataAction, made: str | None, keys: Mapping[tuple[str, str], KeyHistory], places: Mapping[str, Requirement]
) -> DataAction | None:
    """What takes an action back; None where ours is no longer on top, so that there is nothing of ours to see."""
    now = keys.get((action.cell, action.key)) if isinstance(action, _VERSIONED) else None
    there = places.get(place_of(action))
    match action:
        case PutMarker() | CopyVersion():
            if now is None or made is None or now.top.version_id != made:
                return None
            top = Requirement(made, now.top.etag, now.top.is_marker)
            beneath = now.versions[1].version_id if len(now.versions) > 1 else None
            if beneath != action.requires.version_id:
                return None  # what we covered is gone; uncovering what lies deeper would not bring the former state back
            keeps = action.source_version_id if isinstance(action, CopyVersion) else None
            if keeps is not None and all(version.version_id != keeps for version in now.versions):
                return None  # ours is the last of its bytes: removing it would lose them
            return RemoveOwn(action.bucket, action.key, top, beneath, action.size, action.cell, keeps)
        case RemoveMarkers():
            if now is None or now.top.version_id != action.uncovers:
                return None
            return PutMarker(action.bucket, action.key, Requirement(action.uncovers, now.top.etag), action.size, action.cell)
        case SwapPointer():
            if there is None or made is None or there.version_id != made:
                return None
            return replace(action, requires=there, old=action.new, new=action.old)
        case ChangeTable():
            if there is None or made is None or there.etag != action.leaves:
                return None
            base, _, version = made.partition(">")
            if action.change == "version" and there.version_id != version:
                return None  # others have committed since, and going back would drop what they did
            target = base if action.requires.etag or action.change == "version" else ""
            return replace(action, requires=there, target=target, leaves=action.requires.etag)
        case _:
            return None


def _foreign(action: object, cell: PlannedCell) -> bool:
    return getattr(action, "cell", None) != str(cell)


def _planned(cell: PlannedCell, actions: Sequence[DataAction], *, partial: bool) -> PlannedCell:
    """Where every key was absent before we acted, absence is what an undo brings back."""
    if cell.leaves == "pointer":
        return replace(cell, partial=partial)
    actions = [action for action in actions if not isinstance(action, SwapPointer)]  # they change no data
    versioned = [action for action in actions if isinstance(action, _VERSIONED)]
    covered = [action for action in versioned if action.requires.is_marker]
    came = [action for action in actions if isinstance(action, BringBack)]
    absent = bool(actions) and cell.leaves == "data" and not cell.rest and len(covered) + len(came) == len(actions)
    leaves: Literal["nothing", "data", "pointer"] = "nothing" if absent else "data"
    if not actions:
        leaves = cell.leaves
    return PlannedCell(cell.namespace, cell.name, cell.partition, cell.known, leaves, cell.url, partial)
