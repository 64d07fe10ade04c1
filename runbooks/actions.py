"""Actions: one change to one object, pointer or table, or one run of one job.

Every action carries what must still be true before it acts (``requires``), and ``runbooks.undo`` says how it is taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from runbooks.survey import Target


@dataclass(frozen=True, slots=True)
class Requirement:
    """The top of a key's version list as planned. ``is_marker``: it is a delete marker, the key is absent."""

    version_id: str
    etag: str
    is_marker: bool = False


@dataclass(frozen=True, slots=True)
class PutMarker:
    """Cover the current object with a delete marker. Every version stays. Undone by removing that marker by its version id.

    ``size``, ``last_modified`` (RFC 3339) and ``storage_class`` are those of the object that is covered.
    """

    bucket: str
    key: str
    requires: Requirement
    size: int
    cell: str
    last_modified: str = ""
    storage_class: str = "STANDARD"
    op: Literal["put-marker"] = "put-marker"


@dataclass(frozen=True, slots=True)
class Carried:
    """What a copy must carry over, as the storage told it of the source when the plan was made; null where it told nothing.

    ``checksum``: algorithm, kind and value. ``encryption``: algorithm and key. ``tags``: how many. ``acl``: whether objects in that
    bucket have ACLs of their own, which a copy resets unless it is told them. ``bucket_key``: of KMS; ``redirect``: of a website.
    """

    checksum: str | None = None
    encryption: str | None = None
    tags: int | None = None
    acl: bool | None = None
    bucket_key: bool = False
    redirect: str = ""


@dataclass(frozen=True, slots=True)
class CopyVersion:
    """Make an older version current by a server-side copy. Undone by removing the copy by its version id.

    ``size``, ``last_modified`` (RFC 3339) and ``storage_class`` are those of the version that is copied. ``carries`` is null where
    nobody asked, as for all that is not copied.
    """

    bucket: str
    key: str
    requires: Requirement
    source_version_id: str
    source_etag: str
    size: int
    cell: str
    storage_class: str = "STANDARD"
    last_modified: str = ""
    carries: Carried | None = None
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
    """Move an object that has no versions into quarantine: copy or link if absent, verify, take away on condition.

    For unversioned buckets, ``null`` versions and local folders. ``to``: the quarantine's URL; where in it the copy lies follows
    from the plan (``runbooks.aside.kept_at``). ``last_modified``: RFC 3339, as planned. Undone by BringBack.
    """

    bucket: str
    key: str
    requires: Requirement
    size: int
    cell: str
    to: str
    last_modified: str
    storage_class: str = "STANDARD"
    writers_stopped: bool = False
    """The operator's word stands in for a condition that the server does not honour."""
    op: Literal["set-aside"] = "set-aside"


@dataclass(frozen=True, slots=True)
class BringBack:
    """Copy a kept object to a key that is absent: from quarantine (undo), or from a kept copy (revert).

    ``source``: URL of the kept object, with its ETag. It stays. Undone by SetAside.
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
    ``old`` and ``new`` are the values as the protocol writes them; None: it is absent. ``told``: who says that ``new`` is good.
    """

    kind: str
    pointer: str
    requires: Requirement
    old: str | None
    new: str | None
    cell: str
    told: str = ""
    writers_stopped: bool = False
    """The operator's word stands in for a condition that the pointer's server does not honour."""
    after: tuple[str, ...] = ()
    """Cells of the plan that must be set back first: until then what ``new`` names is tainted itself."""
    size: int = 0
    op: Literal["swap-pointer"] = "swap-pointer"

    @property
    def bucket(self) -> str:
        """The bucket that the pointer's object lies in; empty where it lies in none."""
        scheme, _, rest = self.pointer.partition("://")
        return rest.partition("/")[0] if scheme == "s3" else ""


@dataclass(frozen=True, slots=True)
class ChangeTable:
    """Change what a table holds of a cell, by one commit through its format's library. Undone by the reverse.

    ``table``: the cell's place (``TablePlace``) as URL; ``uuid``: the table's own identity, since another may bear its name later.
    ``change`` "files": the cell's data files become those that it has at version ``target`` ("": none), whatever else the table
    holds. "version": all of the table goes to version ``target``. ``requires``: the table's version as planned, and the fingerprint
    of the cell's files. Later versions may have followed, as long as the files of the cell are still the same; for "version"
    none may. ``leaves``: the fingerprint of the cell's files afterwards. ``size``: bytes of the files that go or come.
    """

    table: str
    uuid: str
    change: Literal["files", "version"]
    requires: Requirement
    target: str
    leaves: str
    size: int
    cell: str
    writers_stopped: bool = False
    """The operator's word stands in for a condition that the table's storage does not honour."""
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


ACTIONS: dict[str, type[Any]] = {
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
"""Each kind of action by its ``op``."""
