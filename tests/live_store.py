"""A real S3 server under the names and with the handles that recovery tests know from the store in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from incident.storage.memory import MemoryStore
from incident.storage.port import Current, Described, Made, Told
from incident.storage.s3 import S3Store
from lineage.timestamps import SECOND
from runbooks.guarantees import Guarantees
from runbooks.survey import BucketState, KeyHistory, ObjectVersion
from tests.s3_server import LiveBucket, LiveServer

_PROBED: dict[tuple[str, str], Guarantees] = {}
"""What a server was found to honour in buckets of some versioning."""


class LiveStore:
    """Under each name of the tests a bucket of its own."""

    def __init__(self, server: LiveServer) -> None:
        self._server, self._store = server, S3Store(server.endpoint)
        self._names: dict[str, LiveBucket] = {}
        self.buckets = _Buckets(self)

    @property
    def now(self) -> int:
        return time.time_ns()

    @now.setter
    def now(self, _moment: int) -> None:
        """The server's clock goes on by itself."""

    def tick(self, _nanoseconds: int = SECOND) -> int:
        time.sleep(0.002)  # so that the server's milliseconds tell what came first
        return self.now

    # --- what a test does to it -------------------------------------------------------------------------------------------

    def create(self, bucket: str, state: BucketState | None = None) -> None:
        if state is None:
            return  # the world says in a moment what it should be
        self._names[bucket] = self._server.bucket(versioned=False)
        self.become(bucket, state.versioning)

    def become(self, bucket: str, versioning: str) -> None:
        name = self._names[bucket].name
        if versioning != "Off":
            self._server.client.put_bucket_versioning(
                Bucket=name,
                VersioningConfiguration={"Status": versioning},  # type: ignore[typeddict-item]
            )
        known = _PROBED.get((self._server.endpoint, versioning))
        if known is None:
            known = self._store.probe(self._store.state(name), ".dataops-incident/", self.now)
            _PROBED[self._server.endpoint, versioning] = known
        self._store.remember(name, known)

    def put(self, bucket: str, key: str, data: bytes, storage_class: str = "STANDARD") -> str:
        made = self._server.client.put_object(
            Bucket=self._real(bucket),
            Key=key,
            Body=data,
            StorageClass=storage_class,  # type: ignore[arg-type]
        )
        return str(made.get("VersionId", "null"))

    def delete(self, bucket: str, key: str) -> str:
        return str(self._server.client.delete_object(Bucket=self._real(bucket), Key=key).get("VersionId", "null"))

    def listing(self, bucket: str, prefix: str = "") -> dict[str, tuple[ObjectVersion, ...]]:
        return {found.key: found.versions for found in self.histories(bucket, prefix)}

    # --- the port, under the tests' names ---------------------------------------------------------------------------------

    def _real(self, bucket: str) -> str:
        return self._names[bucket].name

    def _known(self, found: Described) -> Described:
        return replace(found, bucket=next(name for name, one in self._names.items() if one.name == found.bucket))

    def state(self, bucket: str, *, brief: bool = False) -> BucketState:
        return replace(self._store.state(self._real(bucket), brief=brief), bucket=bucket)

    def remember(self, bucket: str, guarantees: Guarantees) -> None:
        self._store.remember(self._real(bucket), guarantees)

    def histories(
        self, bucket: str, prefix: str, after: str | None = None, upto: tuple[str, str] | None = None
    ) -> Iterator[KeyHistory]:
        return self._store.histories(self._real(bucket), prefix, after, upto)

    def currents(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[Current]:
        return self._store.currents(self._real(bucket), prefix, after)

    def history(self, bucket: str, key: str) -> KeyHistory | None:
        return self._store.history(self._real(bucket), key)

    def read(self, bucket: str, key: str, version_id: str | None = None) -> bytes:
        return self._store.read(self._real(bucket), key, version_id)

    def blocks(self, bucket: str, key: str, version_id: str | None = None) -> Iterator[bytes]:
        return self._store.blocks(self._real(bucket), key, version_id)

    def describe(self, bucket: str, key: str, version_id: str | None = None) -> Described:
        return self._known(self._store.describe(self._real(bucket), key, version_id))

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        return self._store.list_keys(self._real(bucket), prefix)

    def copy_object(self, source: Described, bucket: str, key: str, *, over: str | None, told: Told | None = None) -> Made:
        real = replace(source, bucket=self._real(source.bucket))
        return self._store.copy_object(real, self._real(bucket), key, over=over, told=told)

    def put_object(self, bucket: str, key: str, data: bytes, *, over: str | None, like: Described | None = None) -> Made:
        like = None if like is None else replace(like, bucket=self._real(like.bucket))
        return self._store.put_object(self._real(bucket), key, data, over=over, like=like)

    def delete_object(self, bucket: str, key: str, *, if_match: str) -> str | None:
        return self._store.delete_object(self._real(bucket), key, if_match=if_match)

    def remove_version(self, bucket: str, key: str, version_id: str) -> None:
        self._store.remove_version(self._real(bucket), key, version_id)


class _Buckets(dict[str, BucketState]):
    """Setting a bucket's state makes the bucket so."""

    def __init__(self, store: LiveStore) -> None:
        super().__init__()
        self._store = store

    def __setitem__(self, bucket: str, state: BucketState) -> None:
        if bucket in self:
            self._store.become(bucket, state.versioning)
        else:
            self._store.create(bucket, state)
        super().__setitem__(bucket, state)


def live(server: LiveServer) -> MemoryStore:
    """As the tests' worlds take it."""
    return cast("MemoryStore", LiveStore(server))


__all__: Sequence[Any] = ("LiveStore", "live")
