"""Storage behind two ports: a surveyor gets an ``ObjectReader``, only the executor gets an ``ObjectStore``."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from incident.errors import UsageError
from incident.storage.port import ObjectReader, ObjectStore
from runbooks.survey import LOCAL

if TYPE_CHECKING:
    from incident.storage.s3_control import BatchControl
    from incident.storage.s3_files import S3Files


class StorageEntry(Protocol):
    """What a ``[[storage]]`` entry says about reaching its buckets."""

    @property
    def endpoint(self) -> str | None: ...
    @property
    def profile(self) -> str | None: ...
    @property
    def region(self) -> str | None: ...
    @property
    def requester_pays(self) -> bool: ...


class StorageConfig(Protocol):
    """The part of the configuration that maps a place to its ``[[storage]]`` entry."""

    def storage_for(self, bucket: str, prefix: str) -> StorageEntry | None: ...


def open_reader(config: StorageConfig, bucket: str, prefix: str = "") -> ObjectReader:
    """The reader for a place. Read-only: never writes to the bucket. Raises UsageError when no [[storage]] entry covers it."""
    if bucket == LOCAL:
        from incident.storage.local import LocalReader

        return LocalReader()
    return open_store(config, bucket, prefix)


def open_store(config: StorageConfig, bucket: str, prefix: str = "") -> ObjectStore:
    """The store for a place, for the executor. Raises UsageError when no [[storage]] entry covers it."""
    entry = _entry(config, bucket, prefix)
    return _store(entry.endpoint, entry.profile, entry.region, entry.requester_pays)


def open_files(config: StorageConfig, bucket: str, prefix: str) -> S3Files:
    """The event index at a place. Raises UsageError when no [[storage]] entry covers it."""
    from incident.storage.s3_files import S3Files

    entry = _entry(config, bucket, prefix)
    return S3Files(entry.endpoint, entry.profile, entry.region, bucket, prefix, requester_pays=entry.requester_pays)


def open_control(config: StorageConfig, bucket: str) -> BatchControl:
    """S3 Batch Operations for a bucket. Raises UsageError when no [[storage]] entry covers it."""
    from incident.storage.s3_control import S3Control

    entry = _entry(config, bucket, "")
    return S3Control(entry.endpoint, entry.profile, entry.region, requester_pays=entry.requester_pays)


def _entry(config: StorageConfig, bucket: str, prefix: str) -> StorageEntry:
    entry = config.storage_for(bucket, prefix)
    if entry is None:
        raise UsageError(
            f"no [[storage]] entry covers s3://{bucket}/{prefix}",
            f'add to incident.toml: [[storage]] url = "s3://{bucket}"',
            code="no-storage",
        )
    return entry


@lru_cache(maxsize=32)
def _store(endpoint: str | None, profile: str | None, region: str | None, requester_pays: bool = False) -> ObjectStore:
    from incident.storage.s3 import S3Store

    return S3Store(endpoint, profile, region, requester_pays=requester_pays)
