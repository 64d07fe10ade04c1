"""What lies in quarantine, by the plans that put it there, and removing it for good once its incident is closed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from incident.errors import IncidentError, ObjectMissing, PreconditionFailed, StorageError
from incident.home import IncidentFolder
from incident.journal import read_journal
from incident.storage.local_moves import fingerprint, folder, look
from incident.storage.port import ObjectStore
from runbooks.actions import SetAside
from runbooks.aside import kept_at, object_place
from runbooks.plan import Plan
from runbooks.survey import LOCAL, Target

EXPIRING, EXPIRED = "quarantine-expiring", "quarantine-expired"
"""The kinds of timeline records before and after copies of a plan are removed."""
Stores = Callable[[str, str], ObjectStore]


@dataclass(frozen=True, slots=True)
class Copy:
    """One object in quarantine. ``since`` in nanoseconds UTC, by our clock; ``etag`` empty where the journal does not tell it."""

    source: str
    url: str
    cell: str
    etag: str
    size: int
    since: int


@dataclass(frozen=True, slots=True)
class Kept:
    """All that one plan put into quarantine for one cell."""

    plan_id: str
    cell: str
    source: str
    to: str
    objects: int
    bytes: int
    since: int


def copies(incident: IncidentFolder, plan: Plan) -> Iterator[Copy]:
    """Every copy that the journal of a plan records, whatever became of the original."""
    if not any(stretch.op == "set-aside" for stretch in plan.stretches):
        return
    state = read_journal(incident.journal_dir, plan.id)
    for index, action in plan.of(SetAside):
        if (outcome := state.outcomes.get(index)) is not None and outcome.version_id:
            url = kept_at(action.to, plan.incident, plan.id, action.bucket, action.key)
            since = state.settled_at.get(index, 0)
            yield Copy(Target(action.bucket, action.key).url, url, action.cell, outcome.version_id, action.size, since)


def holdings(incident: IncidentFolder) -> Iterator[Kept]:
    """What the plans of an incident keep in quarantine, cell by cell; without what was removed for good."""
    gone = expired(incident)
    for plan_id in incident.plans():
        if plan_id in gone:
            continue
        plan = incident.load_plan(plan_id)
        places = {str(cell): cell.url for cell in plan.cells}
        found: dict[str, Kept] = {}
        for one in copies(incident, plan):
            before = found.get(one.cell)
            found[one.cell] = Kept(
                plan_id,
                one.cell,
                places.get(one.cell, one.source),
                _root(one.url, plan_id),
                (before.objects if before else 0) + 1,
                (before.bytes if before else 0) + one.size,
                min(before.since, one.since) if before else one.since,
            )
        yield from found.values()


def expired(incident: IncidentFolder) -> set[str]:
    """The plans whose copies are all removed."""
    records = [record for record in incident.timeline.records() if record.kind == EXPIRED]
    return {str(record.evidence.get("plan_id")) for record in records if not record.evidence.get("left")}


@dataclass(frozen=True, slots=True)
class Removal:
    """What came of removing the copies of one plan. ``left``: those that are not what was recorded, or could not be removed."""

    removed: int
    bytes: int
    gone: int
    left: tuple[tuple[str, str], ...]


def remove(incident: IncidentFolder, plan: Plan, stores: Stores, told: Callable[[], None]) -> Removal:
    """Remove a plan's copies, each only if it is what the journal recorded. It cannot be undone."""
    removed = size = gone = 0
    left: list[tuple[str, str]] = []
    for one in copies(incident, plan):
        bucket, key = object_place(one.url)
        try:
            why = _remove_file(key, one) if bucket == LOCAL else _remove_object(stores(bucket, key), bucket, key, one)
            if bucket == LOCAL:
                _tidy(key, plan.id)
        except (IncidentError, OSError) as error:
            why = str(error)
        match why:
            case None:
                gone += 1
            case "":
                removed, size = removed + 1, size + one.size
            case str():
                left.append((one.url, why))
            case never:
                assert_never(never)
        told()
    return Removal(removed, size, gone, tuple(left))


def _remove_object(store: ObjectStore, bucket: str, key: str, one: Copy) -> str | None:
    """Why it stays; empty when it was removed, None when it is gone already. Where versions are kept, that very version goes."""
    history = store.history(bucket, key)
    found = next((version for version in history.versions if version.etag == one.etag), None) if history is not None else None
    if history is None or (found is None and history.current is None):
        return None
    if found is None or found.size != one.size:
        return "it is not the copy that was recorded"
    try:
        if found.version_id != "null":
            store.remove_version(bucket, key, found.version_id)
        elif history.current != found:
            return "something else lies over it"
        else:
            store.delete_object(bucket, key, if_match=one.etag)
    except ObjectMissing:
        return None
    except PreconditionFailed:
        return "it is not the copy that was recorded"
    except StorageError as error:
        return error.message
    return ""


def _remove_file(key: str, one: Copy) -> str | None:
    place, _, name = key.rpartition("/")
    try:
        with folder(place) as handle:
            found = fingerprint(handle, name)
            if found is None and look(handle, name) is None:
                return None
            if found is None or (found[1], found[0].size) != (one.etag, one.size):
                return "it is not the copy that was recorded"
            os.unlink(name, dir_fd=handle)
            os.fsync(handle)
    except FileNotFoundError:
        return None
    return ""


def _tidy(key: str, plan_id: str) -> None:
    """Remove the folders that are empty by now, up to that of the incident."""
    root = Path("/", object_place(_root(f"file:///{key}", plan_id))[1])
    place = Path("/", key).parent
    with suppress(OSError):
        while place.is_relative_to(root):
            place.rmdir()
            place = place.parent
        root.with_name(f"{root.name}.taking").rmdir()
        place.rmdir()


def _root(url: str, plan_id: str) -> str:
    """The folder of a plan in quarantine."""
    return f"{url.partition(f'/{plan_id}/')[0]}/{plan_id}/"
