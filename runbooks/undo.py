"""Undo: walk an applied plan backwards, removing exactly what we made, wherever it is still on top.

What was written since stays, and stays current: an undo removes our own versions by their ids and nothing else, so that freshly
backfilled data is never overwritten. Where a cell was partly written again, undoing the rest would mix two generations of data,
so that it is refused unless named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from runbooks.aside_undo import Keepings, Takings
from runbooks.consents import Consents, names
from runbooks.plan import (
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
from runbooks.plan_lines import Keep
from runbooks.survey import BucketState, KeyHistory, Rest, finder

_VERSIONED = (PutMarker, CopyVersion, RemoveMarkers, RemoveOwn)
_ASIDE = (SetAside, BringBack)
_UNDOABLE = (PutMarker, CopyVersion, RemoveMarkers, *_ASIDE, SwapPointer, ChangeTable)
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
    keep: Keep = tuple,
) -> Plan:
    """The inverse of what ``target`` did. Pure; nothing it did not record as done is touched.

    ``done``: what each done action made, by index. ``places``: what pointers and tables are at now, by ``place_of``.
    ``keepings``: for cells without versions. ``keep``: where the actions go, one after another.

    A job may write under names of its own. So each cell is looked at as a whole: what lies there and was not there when the
    plan was made counts as written again, like an object that we acted on and that changed.
    """
    refusals: list[Refusal] = []
    warnings: list[str] = []
    if target.phase not in {"revert", "purge"}:
        refusals.append(Refusal(target.id, f"a {target.phase} cannot be undone", "empty"))
    stuck = {state.bucket for state in buckets if state.versioning != "Enabled"}
    walk = _Walk(target, done, current, places or {}, keepings or {})
    cells: list[PlannedCell] = []
    used: set[str] = set()
    for cell in reversed(target.cells):
        found = walk.look(cell)
        if found.buckets & stuck:
            refusals.append(Refusal(str(cell), "the versioning of its bucket is not Enabled any more", "unversioned"))
            continue
        if (stop := walk.takings.refusal(str(cell), list(found.kinds.values()), consents)) is not None:
            refusals.append(stop)
            continue
        if found.done and not found.inverses:
            warnings.append(
                f"{cell}: nothing there is as {target.id} left it: it was taken back already, or changed since; it stays as it is"
            )
            continue
        again, strays = found.done - found.inverses, found.known != cell.rest
        if found.done and (again or strays):
            changed = f"{again} of {found.done} objects" if again else "objects that the plan did not know of"
            why = f"{changed} changed since; undoing the rest would mix two generations"
            if not any(names(text, cell.cell) for text in consents.include):
                refusals.append(Refusal(str(cell), f"{why} (to go on: --include '{cell}')", "rewritten"))
                continue
            warnings.append(f"{cell}: {why} (included by name)")
        partial = bool(again) or strays or found.done < found.planned
        cells.append(replace(_planned(cell, found, partial=partial), rest=found.beside))
        used |= {getattr(one, "bucket", "") for one in found.kinds.values()} | found.places
    return Plan(
        incident=target.incident,
        phase="undo",
        revision=target.revision,
        actions=keep(inverse for cell in cells for inverse in walk.inverses(cell)),
        cells=tuple(cells),
        previous=previous,
        target=target.id,
        buckets=tuple(sorted({state.terms for state in buckets if state.bucket in used})),
        refused=tuple(refusals),
        warnings=tuple(warnings),
    )


@dataclass(slots=True)
class _Found:
    """What a look at one cell gave, added up. ``planned`` and ``done``: how many actions there are and were done.

    ``inverses``: how many of them can be taken back, ``kinds`` one of each of their kinds, ``places`` their buckets.
    ``buckets``: where versions were made. ``known`` and ``beside``: the fingerprints of what lies beside the plan's keys, and
    beside those that are taken back. ``data``: how many of the done ones changed data, ``absent`` where nothing was before.
    """

    planned: int = 0
    done: int = 0
    inverses: int = 0
    data: int = 0
    absent: int = 0
    known: str = ""
    beside: str = ""
    buckets: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    kinds: dict[type[DataAction], DataAction] = field(default_factory=dict)


class _Once:
    """Takes keys away from a fingerprint, each once: without versions a plan may set a key aside and bring another object there."""

    def __init__(self, rest: Rest) -> None:
        self._rest, self._twice = rest, set[str]()

    def remove(self, action: DataAction, now: KeyHistory) -> None:
        if isinstance(action, _ASIDE):
            if now.key in self._twice:
                return
            self._twice.add(now.key)
        self._rest.remove(now)


class _Walk:
    """Goes through a plan backwards, a cell at a time and as often as needed; holds neither its actions nor the keys."""

    def __init__(
        self,
        target: Plan,
        done: Mapping[int, str | None],
        current: Current,
        places: Mapping[str, Requirement],
        keepings: Keepings,
    ) -> None:
        self._target, self._done, self._current, self._places = target, done, current, places
        self._indices = target.indices()
        cells = target.cells if any(one.op == "bring-back" for one in target.stretches) else ()
        aside = ((one, made) for cell in cells for one, made in self._pairs(str(cell)) if isinstance(one, _ASIDE))
        self.takings = Takings(target, aside, keepings)

    def _pairs(self, cell: str) -> Iterator[tuple[DataAction, str | None]]:
        """The done actions of a cell, last first, each with what it made."""
        backwards = (stretch[::-1] for stretch in reversed(self._indices.get(cell, [])))
        for index, action in self._target.walk(*backwards):
            if index in self._done and isinstance(action, _UNDOABLE):
                yield action, self._done[index]

    def _inverses(self, cell: str) -> Iterator[tuple[DataAction, DataAction | None, KeyHistory | None]]:
        """Each done action with its inverse, None where there is none, and what lies at its key now."""
        find = finder(self._current.get(cell, ()))
        for action, made in self._pairs(cell):
            now = find(action.key) if isinstance(action, (*_VERSIONED, *_ASIDE)) else None
            if isinstance(action, _ASIDE):
                yield action, self.takings.inverse(action, made, now), now
            else:
                yield action, _inverse(action, made, now, self._places), now

    def inverses(self, cell: PlannedCell) -> Iterator[DataAction]:
        return (inverse for _, inverse, _ in self._inverses(str(cell)) if inverse is not None)

    def look(self, cell: PlannedCell) -> _Found:
        """What can be taken back in a cell, and what lies there besides."""
        found = _Found()
        known, beside = Rest(), Rest()
        histories = self._current.get(str(cell), ())
        for history in histories:
            known.add(history)
            beside.add(history)
        find = finder(histories)
        away, back = _Once(known), _Once(beside)
        for _, action in self._target.walk(*self._indices.get(str(cell), ())):
            found.planned += 1
            if isinstance(action, (*_VERSIONED, *_ASIDE)) and (now := find(action.key)) is not None:
                away.remove(action, now)
        for action, inverse, now in self._inverses(str(cell)):
            found.done += 1
            if isinstance(action, _VERSIONED):
                found.buckets.add(action.bucket)
            if not isinstance(action, SwapPointer):  # they change no data
                found.data += 1
                found.absent += isinstance(action, BringBack) or (isinstance(action, _VERSIONED) and action.requires.is_marker)
            if inverse is not None:
                found.inverses += 1
                found.kinds.setdefault(type(inverse), inverse)
                found.places.add(getattr(inverse, "bucket", ""))
                if now is not None:
                    back.remove(action, now)
        found.known, found.beside = str(known), str(beside)
        return found


def _inverse(action: DataAction, made: str | None, now: KeyHistory | None, places: Mapping[str, Requirement]) -> DataAction | None:
    """What takes an action back; None where ours is no longer on top, so that there is nothing of ours to see."""
    there = places.get(place_of(action)) if isinstance(action, SwapPointer | ChangeTable) else None
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
            return replace(action, requires=there, old=action.new, new=action.old, told="what it held before the revert", after=())
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


def _planned(cell: PlannedCell, found: _Found, *, partial: bool) -> PlannedCell:
    """Where every key was absent before we acted, absence is what an undo brings back."""
    if cell.leaves == "pointer":
        return replace(cell, partial=partial)
    absent = bool(found.data) and cell.leaves == "data" and not cell.rest and found.absent == found.data
    leaves: Literal["nothing", "data", "pointer"] = "nothing" if absent else "data"
    if not found.data:
        leaves = cell.leaves
    return PlannedCell(cell.namespace, cell.name, cell.partition, cell.known, leaves, cell.url, partial)
