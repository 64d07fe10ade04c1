"""The location of a Glue table (``glue://database/table``) or of a partition (``glue://database/table/dt=2026-11-18``).

A table is swapped on condition of its version, and the catalogue keeps what it was before. A partition is neither: it is updated
whatever it is now, so that a swap needs the operator's word that nothing writes, and its good value has to be named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from incident.errors import ObjectMissing, PreconditionFailed, StorageError, StorageUnreachable, UsageError
from incident.journal import Outcome
from incident.pointers.port import Pointer, PointerUnreadable
from incident.storage.glue import PARTITION_INPUT, TABLE_INPUT, Catalog, Raw
from lineage.timestamps import AFTER, SECOND
from runbooks.plan import SwapPointer
from runbooks.survey import BucketState, PointerVersion

if TYPE_CHECKING:
    from incident.config import Config

MARK = "incident_plan"
"""The parameter that says which action of which plan wrote a table."""

_REWRITTEN = "it was changed again while the plan was applied; that stays"


def open_glue(config: Config, url: str) -> Pointer:
    """The pointer of a table or partition. Raises UsageError when the URL names neither."""
    database, _, rest = url.removeprefix("glue://").partition("/")
    table, _, path = rest.partition("/")
    if not url.startswith("glue://") or not database or not table:
        raise UsageError(f"{url!r} names no table of Glue", "write glue://database/table in incident.toml")
    rule = config.storage_for("glue:", f"{database}/{table}/")
    catalog = _catalog(*((rule.endpoint, rule.profile, rule.region) if rule is not None else (None, None, None)))
    if not path:
        return GlueTable(catalog, database, table, url)
    parts = [part.partition("=") for part in path.strip("/").split("/")]
    return GluePartition(catalog, database, table, {unquote(key): unquote(value) for key, _, value in parts}, url)


@lru_cache(maxsize=8)
def _catalog(endpoint: str | None, profile: str | None, region: str | None) -> Catalog:
    from incident.storage.glue import GlueCatalog

    return GlueCatalog(endpoint, profile, region)


class _Location:
    """What tables and partitions have in common: the value is the location."""

    def __init__(self, catalog: Catalog, database: str, table: str, url: str) -> None:
        self._catalog, self._database, self._table, self._url = catalog, database, table, url

    def spelled(self, text: str, like: str | None) -> str:
        del like
        return text

    def plain(self, value: str) -> str:
        return value

    def where(self, value: str) -> tuple[str, ...]:
        del value
        return ()

    def others(self) -> Sequence[str]:
        return ()

    def bucket(self) -> BucketState | None:
        return None

    def _held(self, raw: Raw, version_id: str, etag: str, written: int) -> PointerVersion:
        location = (raw.get("StorageDescriptor") or {}).get("Location") or None
        return PointerVersion(location, version_id, etag, written, "", location or "")

    def _moved(self, raw: Raw, location: str | None, mark: str) -> dict[str, Any]:
        """The same with another location, and our mark."""
        made = deepcopy(dict(raw))
        made["StorageDescriptor"] = {**(made.get("StorageDescriptor") or {}), "Location": location or ""}
        made["Parameters"] = {**(made.get("Parameters") or {}), MARK: mark}
        return made


class GlueTable(_Location):
    """A table. Raises PointerUnreadable for one whose location says nothing about what is read."""

    def now(self) -> PointerVersion:
        try:
            return self._version(self._read())
        except ObjectMissing:
            return PointerVersion(None, "absent", "", 0)

    def past(self, until: int, more: int = 5) -> tuple[Sequence[PointerVersion], bool]:
        """As far as no version is missing in between: what a table was in a gap, nobody knows."""
        found: list[PointerVersion] = []
        last: int | None = None
        for raw in self._catalog.versions(self._database, self._table) or ():
            if last is not None and int(raw["VersionId"]) != last - 1:
                break
            last = int(raw["VersionId"])
            found.append(self._version(raw))
            if sum(one.written < until for one in found) > more:
                break
        return found[1:], True

    def degraded(self) -> str:
        return ""

    def _read(self) -> Raw:
        found = self._catalog.table(self._database, self._table)
        form = str((found.get("Parameters") or {}).get("table_type", "")).lower()
        if form in {"iceberg", "delta", "hudi"}:
            raise PointerUnreadable(f"{self._url} is a table of format {form}: its own history says what it was")
        if found.get("PartitionKeys"):
            hint = f'name them as pointers: "{self._url}/{{partition}}"'
            raise PointerUnreadable(f"{self._url} has partitions, each with a location of its own", hint)
        return found

    def _version(self, raw: Raw) -> PointerVersion:
        written = raw.get("UpdateTime") or raw.get("CreateTime")
        return self._held(raw, str(raw["VersionId"]), _etag(raw, TABLE_INPUT), _moment(written))

    def swap(self, action: SwapPointer, mark: str) -> str:
        raw = self._read()
        if str(raw["VersionId"]) != action.requires.version_id:
            raise PreconditionFailed(f"{self._url} is no longer what it was; nothing was changed", "plan again")
        self._catalog.update_table(self._database, self._moved(raw, action.new, mark), action.requires.version_id)
        made = self._ours(mark)
        if made is None:
            raise StorageUnreachable(f"the catalogue does not show what we made of {self._url}", "run it again")
        return made

    def _ours(self, mark: str) -> str | None:
        """The version that we made: the first with our mark, since others change a table and keep what they do not know."""
        versions = self._catalog.versions(self._database, self._table)
        kept = versions if versions is not None else (self._read(),)
        marked = [str(raw["VersionId"]) for raw in kept if (raw.get("Parameters") or {}).get(MARK) == mark]
        return marked[-1] if marked else None

    def verify(self, action: SwapPointer, mark: str, made: str) -> Outcome:
        del mark
        versions = self._catalog.versions(self._database, self._table)
        planned = action.requires.version_id
        names = [] if versions is None else [str(raw["VersionId"]) for raw in versions]
        beneath = next((name for name in names if int(name) < int(made)), None)
        if versions is None or beneath is None:
            # Versions count up by one: whatever came between would have made ours a later one.
            return Outcome("done", made) if int(made) == int(planned) + 1 else Outcome("unknown", made, _REWRITTEN)
        if beneath == planned:
            return Outcome("done", made)
        hidden = next(raw for raw in versions if str(raw["VersionId"]) == beneath)
        with suppress(PreconditionFailed):  # somebody changed it since, and that is the newest
            self._catalog.update_table(self._database, hidden, made)
        return Outcome("drifted", None, _REWRITTEN)

    def settle(self, action: SwapPointer, mark: str, made: str | None) -> Outcome | None:
        try:
            now = str(self._read()["VersionId"])
        except ObjectMissing:
            return Outcome("drifted", None, "the table is gone")
        if now == action.requires.version_id:
            return None
        ours = made or self._ours(mark)
        return Outcome("drifted", None, _REWRITTEN) if ours is None else self.verify(action, mark, ours)


class GluePartition(_Location):
    """A partition, known by all that stands in it."""

    def __init__(self, catalog: Catalog, database: str, table: str, named: dict[str, str], url: str) -> None:
        super().__init__(catalog, database, table, url)
        self._named = named

    def now(self) -> PointerVersion:
        try:
            raw = self._read()
        except ObjectMissing:
            return PointerVersion(None, "absent", "", 0)
        etag = _etag(raw, PARTITION_INPUT)
        return self._held(raw, etag, etag, AFTER)  # nobody keeps when it was changed

    def past(self, until: int, more: int = 5) -> tuple[Sequence[PointerVersion], bool]:
        del until, more
        return (), True

    def degraded(self) -> str:
        return "Glue changes a partition whatever it is by then"

    def _read(self) -> Raw:
        table = self._catalog.table(self._database, self._table)
        keys = [str(one["Name"]) for one in table.get("PartitionKeys") or ()]
        if sorted(keys) != sorted(self._named):
            raise PointerUnreadable(f"{self._url} does not name a partition by the table's keys: {', '.join(keys) or 'none'}")
        return self._catalog.partition(self._database, self._table, [self._named[key] for key in keys])

    def swap(self, action: SwapPointer, mark: str) -> str:
        raw = self._read()
        if not action.writers_stopped:
            raise StorageError(f"{self._url}: {self.degraded()}", "stop its writers, and plan again with --writers-stopped")
        if _etag(raw, PARTITION_INPUT) != action.requires.etag:
            raise PreconditionFailed(f"{self._url} is no longer what it was; nothing was changed", "plan again")
        self._catalog.update_partition(self._database, self._table, self._moved(raw, action.new, mark))
        return self.now().version_id

    def verify(self, action: SwapPointer, mark: str, made: str) -> Outcome:
        del made
        raw = self._read()
        if self._is_ours(raw, action, mark):
            return Outcome("done", _etag(raw, PARTITION_INPUT))
        return Outcome("drifted", None, _REWRITTEN)

    def settle(self, action: SwapPointer, mark: str, made: str | None) -> Outcome | None:
        del made
        try:
            raw = self._read()
        except ObjectMissing:
            return Outcome("drifted", None, "the partition is gone")
        if _etag(raw, PARTITION_INPUT) == action.requires.etag:
            return None
        if self._is_ours(raw, action, mark):
            return Outcome("done", _etag(raw, PARTITION_INPUT))
        return Outcome("drifted", None, _REWRITTEN)

    def _is_ours(self, raw: Raw, action: SwapPointer, mark: str) -> bool:
        marked = (raw.get("Parameters") or {}).get(MARK) == mark
        return marked and (raw.get("StorageDescriptor") or {}).get("Location") == action.new


def _etag(raw: Raw, fields: Sequence[str]) -> str:
    """A fingerprint of all that we would write back."""
    kept = {key: raw[key] for key in fields if raw.get(key) is not None}
    text = json.dumps(kept, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _moment(written: object) -> int:
    """A time as boto3 tells it, in nanoseconds; the end of time where there is none, so that nothing is judged to be before."""
    return round(written.timestamp()) * SECOND if isinstance(written, datetime) else AFTER
