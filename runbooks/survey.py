"""What the storage held when it was looked at. Values only; the adapters in ``incident.storage`` make them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from lineage.attempts import Cell
from lineage.timestamps import SECOND
from runbooks.guarantees import NOT_ASKED, Guarantees

if TYPE_CHECKING:
    from runbooks.contents import Contents

Versioning = Literal["Enabled", "Suspended", "Off"]

_TOLERANCE = 5 * SECOND
"""Servers tell whole seconds, and an answer takes its time."""


_SHOWN = 24
"""Hexadecimal digits of a fingerprint."""

COMPLETION = "/_SUCCESS"
"""How the names of objects end that readers take for the word that the others are all there."""

LOCAL = "file:"
"""Stands for the bucket of local files, whose keys are absolute paths without the first ``/``. No S3 bucket can have this name."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a cell lies: a bucket (or ``LOCAL``) and a non-empty prefix that ends at a ``/``."""

    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        return f"file:///{self.prefix}" if self.bucket == LOCAL else f"s3://{self.bucket}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of one key. ``size`` in bytes; ``last_modified`` in nanoseconds UTC as the server says, often whole seconds."""

    key: str
    version_id: str
    etag: str
    size: int
    last_modified: int
    is_marker: bool = False
    storage_class: str = "STANDARD"


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """All versions of one key, newest first as the server lists them.

    ``ordered`` is false where the server's answer leaves open whether an object or a marker of the same moment came first.
    """

    key: str
    versions: tuple[ObjectVersion, ...]
    ordered: bool = True

    @property
    def top(self) -> ObjectVersion:
        return self.versions[0]

    @property
    def current(self) -> ObjectVersion | None:
        """The object a plain read gets; None when a delete marker is on top."""
        return None if self.top.is_marker else self.top


class Rest:
    """A fingerprint of what is current among some keys, in whatever order they come. Folder placeholders do not count.

    What was added can be taken away again: what lies beside some keys is all without them, and nobody has to hold their names.
    """

    def __init__(self) -> None:
        self._count = self._sum = 0

    def add(self, one: KeyHistory, times: int = 1) -> None:
        current = one.current
        if current is None or (current.size == 0 and one.key.endswith("/")):
            return
        text = f"{one.key}\0{current.version_id}\0{current.etag}".encode("utf-8", "surrogatepass")
        self._count += times
        self._sum += times * int.from_bytes(hashlib.sha256(text).digest())

    def remove(self, one: KeyHistory) -> None:
        self.add(one, -1)

    def __str__(self) -> str:
        """Empty when there is nothing."""
        return f"{self._count}:{self._sum % (1 << 256):064x}"[: _SHOWN + len(f"{self._count}:")] if self._count or self._sum else ""


def rest(histories: Iterable[KeyHistory]) -> str:
    """The fingerprint of these keys."""
    found = Rest()
    for history in histories:
        found.add(history)
    return str(found)


def finder(keys: Sequence[KeyHistory]) -> Callable[[str], KeyHistory | None]:
    """Finds the history of a key. Keys that lie on disk know how; of others an index is made."""
    find: Callable[[str], KeyHistory | None] | None = getattr(keys, "find", None)
    return find if find is not None else {one.key: one for one in keys}.get


@dataclass(frozen=True, slots=True)
class Expiry:
    """A lifecycle rule that removes noncurrent versions under ``prefix`` after ``days``."""

    prefix: str
    days: int


@dataclass(frozen=True, slots=True, order=True)
class Terms:
    """What a plan relies on of a bucket: where it is, and what was true of it, each fact by its name, sorted.

    ``server``: a bucket of the same name may be anybody's elsewhere. ``told``: what else was known of it, for whoever reads the
    plan; it makes no plan stale, since another may be allowed to see more or less of it.
    """

    bucket: str
    server: str
    facts: tuple[tuple[str, str], ...]
    told: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, bucket: str, server: str, facts: Mapping[str, str], told: Mapping[str, str] | None = None) -> Self:
        return cls(bucket, server, tuple(sorted(facts.items())), tuple(sorted((told or {}).items())))

    def difference(self, now: Self) -> str:
        """What is not as it was planned, in words; empty when everything is. A fact on one side only counts as changed."""
        then, is_now = dict(self.facts), dict(now.facts)
        changed = [name for name in sorted(then | is_now) if then.get(name) != is_now.get(name)]
        told = (f"{name} is {is_now.get(name, 'not told')}, planned was {then.get(name, 'not told')}" for name in changed)
        return f"{self.bucket}: {'; '.join(told)}" if changed else ""


@dataclass(frozen=True, slots=True)
class BucketState:
    """What must be known of a bucket before anything in it is changed.

    ``lifecycle_known`` is false where we may not read the lifecycle rules. With ``mfa_delete`` a version can be removed only
    with a second factor, so that we could not take our own markers back. ``server``: where the bucket was found, since a bucket
    of the same name may be anybody's elsewhere. ``told``: when it
    answered, by its own clock, in nanoseconds UTC; no part of what a plan relies on.

    ``expirations``: rules that expire current objects, whatever tags or sizes they name besides; ``archives``: rules that make
    covered versions unreadable until they are restored. ``lock``: that the bucket has Object Lock, and ``retains`` for how long
    every new version is kept from removal. ``replicated``: the prefixes that are copied elsewhere. ``hidden``: what of all this
    we may not read, so that it is not known.
    """

    bucket: str
    versioning: Versioning
    expiries: tuple[Expiry, ...] = ()
    lifecycle_known: bool = True
    mfa_delete: bool = False
    server: str = ""
    told: int | None = None
    expirations: tuple[Expiry, ...] = ()
    archives: tuple[Expiry, ...] = ()
    lock: bool = False
    retains: str = ""
    replicated: tuple[str, ...] = ()
    requester_pays: bool = False
    acls: Literal["on", "off", "unknown"] = "off"
    encryption: str = ""
    hidden: tuple[str, ...] = ()
    guarantees: Guarantees = NOT_ASKED

    def off(self, now: int, skew: int) -> str:
        """How our clock was off when the answer came, beyond declared skew and what a request may take; empty when it was not."""
        ahead = now - self.told if self.told is not None else 0
        if abs(ahead) <= skew + _TOLERANCE:
            return ""
        way = "ahead of" if ahead > 0 else "behind"
        seconds = abs(ahead) // SECOND
        return (
            f"this machine's clock is {seconds} s {way} that of the storage ({self.bucket}): lineage will place what is done "
            "from here at a wrong time; set the clock"
        )

    @property
    def terms(self) -> Terms:
        """What a plan relies on; each fact is a name and words for people, and any change of one makes a plan stale."""
        rules = ", ".join(f"{one.days} days for {one.prefix or 'everything'}" for one in self.expiries)
        facts = {
            "versioning": f"{self.versioning}{', MFA delete' if self.mfa_delete else ''}",
            "expiry of covered versions": (rules or "nothing") if self.lifecycle_known else "unknown",
        }
        return Terms.of(self.bucket, self.server, facts, self._told())

    def _told(self) -> dict[str, str]:
        """What else a plan says of the bucket."""
        lock = f"on{f', new versions retained {self.retains}' if self.retains else ''}" if self.lock else "off"
        told = {
            "object lock": lock,
            "replication": ", ".join(prefix or "everything" for prefix in self.replicated) or "none",
            "requester pays": "yes" if self.requester_pays else "no",
            "object ACLs": self.acls,
            "default encryption": self.encryption or "none",
            "guarantees": self.guarantees.fact,
        }
        return told | dict.fromkeys(self.hidden, "unknown")


@dataclass(frozen=True, slots=True)
class CellSurvey:
    """One cell as found in storage: the keys under its prefix, in the order of their bytes, each with its versions.

    ``keys`` may lie on disk: go through them as often as needed, and never copy them whole.
    ``table_format``: the table that the prefix belongs to, recognised by files at or above it; such files are never touched one
    by one. ``contents``: what was found while listing; see ``runbooks.contents``.
    """

    cell: Cell
    target: Target
    bucket: BucketState
    keys: Sequence[KeyHistory]
    table_format: str | None = None
    contents: Contents | None = None

    @property
    def objects(self) -> Objects:
        """The current objects."""
        return Objects(self.keys)


class Objects(Collection[ObjectVersion]):
    """The current objects of some keys, gone through as often as needed without holding them."""

    def __init__(self, keys: Sequence[KeyHistory]) -> None:
        self._keys = keys

    def __iter__(self) -> Iterator[ObjectVersion]:
        return (key.versions[0] for key in self._keys if not key.versions[0].is_marker)

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, one: object) -> bool:
        return any(found == one for found in self)


@dataclass(frozen=True, slots=True)
class PointerVersion:
    """What a pointer held at one time. ``value`` as its kind writes it; None: it was absent.

    ``version_id`` and ``etag`` identify the state as the kind says. ``written`` in nanoseconds UTC, by the storage's clock.
    ``beside``: a fingerprint of what stands in the same object beside the value. ``plain``: the value as people write it.
    """

    value: str | None
    version_id: str
    etag: str
    written: int
    beside: str = ""
    plain: str = ""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a pointed-at place shares with a dirty cell: the newest write there (0: nothing is current), in nanoseconds UTC."""

    cell: Cell
    newest: int


@dataclass(frozen=True, slots=True)
class PointedAt:
    """What lies where a value points. ``urls`` empty: nobody can say where that is.

    ``objects``: how many are current. ``missing``: those of the urls where nothing is. ``lost``: when an object there was last
    deleted, in nanoseconds UTC; 0 for never, or where no versions are kept.
    """

    urls: tuple[str, ...]
    objects: int = 0
    missing: tuple[str, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    lost: int = 0


@dataclass(frozen=True, slots=True)
class PointerSurvey:
    """A pointer through which a dataset is served, as found.

    ``past``: what it held before, newest first; empty where nothing is kept. ``ordered``: the order of one moment is certain.
    ``targets``: what was looked at, by value. ``candidates``: what it might rightly hold, in people's words, by lineage.
    ``cut``: to what the storage cuts its times, nanoseconds. ``degraded``: which promise cannot be kept. ``named``: the value
    that the operator gave for it. ``absence``: being absent is one of its states, and not an outage.
    """

    kind: str
    pointer: str
    now: PointerVersion
    past: tuple[PointerVersion, ...] = ()
    ordered: bool = True
    targets: Mapping[str, PointedAt] = field(default_factory=dict)
    candidates: tuple[str, ...] = ()
    cut: int = SECOND
    degraded: str = ""
    named: str | None = None
    absence: bool = False
    bucket: BucketState | None = None
