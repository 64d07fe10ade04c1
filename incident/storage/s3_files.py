"""An event index in a bucket: immutable objects under a prefix, read in ranges, made known by conditional puts."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from incident.errors import ObjectMissing, PreconditionFailed
from incident.storage.s3_client import S3Connection, translated

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_AHEAD = 1 << 16
"""What is read at least: the footer of most Parquet files is shorter."""


class S3Files(S3Connection):
    """The files of ``lineage.index.files.Files`` as objects. A bucket has no lock that dies with its holder: the put that makes a
    generation known fails where another was faster, and nobody clears up after another.
    """

    exclusive = False
    at_once = 16

    def __init__(
        self,
        endpoint: str | None,
        profile: str | None,
        region: str | None,
        bucket: str,
        prefix: str,
        *,
        requester_pays: bool = False,
    ) -> None:
        super().__init__(endpoint, profile, region, requester_pays=requester_pays)
        self._bucket, self._prefix = bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def place(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def names(self, folder: str) -> list[str]:
        prefix = f"{self._key(folder)}/"
        found: list[str] = []
        with translated(f"s3://{self._bucket}/{prefix}"):
            for page in self._reads.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/"):
                found += [one["Key"].removeprefix(prefix) for one in page.get("Contents", [])]
                found += [one["Prefix"].removeprefix(prefix).rstrip("/") for one in page.get("CommonPrefixes", [])]
        return sorted(found)

    def stamps(self, prefix: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """The keys of the bucket that begin like this, each with its size and ETag."""
        with translated(f"s3://{self._bucket}/{prefix}"):
            for page in self._reads.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                yield from ((one["Key"], (one["Size"], one["ETag"])) for one in page.get("Contents", []))

    def read(self, name: str) -> bytes:
        try:
            with translated(f"s3://{self._bucket}/{self._key(name)}"):
                return self._reads.get_object(Bucket=self._bucket, Key=self._key(name))["Body"].read()
        except ObjectMissing as error:
            raise FileNotFoundError(name) from error

    def open(self, name: str) -> IO[bytes]:
        try:
            with translated(f"s3://{self._bucket}/{self._key(name)}"):
                size = self._reads.head_object(Bucket=self._bucket, Key=self._key(name))["ContentLength"]
        except ObjectMissing as error:
            raise FileNotFoundError(name) from error
        return io.BufferedReader(_Ranges(self, name, size), _AHEAD)

    def range(self, name: str, first: int, last: int) -> bytes:
        """The bytes from ``first`` to ``last``, both included."""
        with translated(f"s3://{self._bucket}/{self._key(name)}"):
            found = self._reads.get_object(Bucket=self._bucket, Key=self._key(name), Range=f"bytes={first}-{last}")
            return found["Body"].read()

    def write(self, name: str, data: bytes) -> None:
        with translated(f"s3://{self._bucket}/{self._key(name)}"):
            self._reads.put_object(Bucket=self._bucket, Key=self._key(name), Body=data)  # whoever puts it twice puts the same

    def create(self, name: str, data: bytes) -> bool:
        try:
            with translated(f"s3://{self._bucket}/{self._key(name)}"):
                self._effects.put_object(Bucket=self._bucket, Key=self._key(name), Body=data, IfNoneMatch="*")
        except PreconditionFailed:
            return self.read(name) == data  # an answer may have been lost: then it is ours that is there
        return True

    def replace(self, name: str, data: bytes) -> None:
        self.write(name, data)

    def has(self, name: str) -> bool:
        folder, _, last = name.rpartition("/")
        return last in self.names(folder)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            with translated(f"s3://{self._bucket}/{self._key(name)}"):
                self._reads.delete_object(Bucket=self._bucket, Key=self._key(name))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        yield


class _Ranges(io.RawIOBase):
    """An object to seek in; each read is a request, and the last piece read is kept."""

    def __init__(self, files: S3Files, name: str, size: int) -> None:
        super().__init__()
        self._files, self._name, self._size, self._at = files, name, size, 0
        self._first, self._piece = 0, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view: Any = memoryview(buffer).cast("B")
        count = min(len(view), self._size - self._at)
        if count <= 0:
            return 0
        if not self._first <= self._at <= self._at + count <= self._first + len(self._piece):
            last = min(self._size, max(self._at + count, self._at + _AHEAD)) - 1
            first = min(self._at, max(0, self._size - _AHEAD))
            self._first, self._piece = first, self._files.range(self._name, first, last)
        begin = self._at - self._first
        view[:count] = self._piece[begin : begin + count]
        self._at += count
        return count
