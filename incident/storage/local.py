"""Local folders as a place without versions. Read-only; what moves files is in ``incident.storage.local_moves``.

A file is known by its inode and time of writing (``version_id``), its bytes by their SHA-256 (``etag``). Nothing is reached through
a symbolic link: what a path says is where it is, so that a folder cannot turn out to be another dataset's, or the quarantine.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from incident.errors import ObjectMissing, StorageError
from incident.storage.port import Current, Described
from runbooks.guarantees import EVERYTHING
from runbooks.survey import BucketState, KeyHistory, ObjectVersion

BLOCK = 1 << 20


class Unfit(StorageError):
    """Something among the files that cannot be set aside and brought back as a file can."""

    code = "unfit"


class LocalReader:
    """Reads the files below absolute paths; keys are those paths without their first ``/``."""

    def state(self, bucket: str, *, brief: bool = False) -> BucketState:
        """Nothing needs to be asked: a file system keeps no versions, and expires nothing."""
        del brief
        return BucketState(bucket, "Off", guarantees=EVERYTHING)

    def histories(
        self, bucket: str, prefix: str, after: str | None = None, upto: tuple[str, str] | None = None
    ) -> Iterator[KeyHistory]:
        """Each regular file, in the order of the keys' bytes. Raises Unfit for anything else than files and folders."""
        del bucket, upto
        folder, _, beginning = prefix.rpartition("/")
        _plain(folder)
        floor = (after or "").encode("utf-8", "surrogateescape")
        for key in _walk(folder, beginning):
            if after is None or key.encode("utf-8", "surrogateescape") > floor:
                version = _version(key)
                if version is not None:
                    yield KeyHistory(key, (version,))

    def currents(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[Current]:
        for found in self.histories(bucket, prefix, after):
            yield Current(found.key, found.top.etag, found.top.size, found.top.last_modified)

    def history(self, bucket: str, key: str) -> KeyHistory | None:
        del bucket
        folder = key.rpartition("/")[0]
        _plain(folder)
        try:
            found = os.lstat(f"/{key}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unread(key, error) from error
        _fit(key, found)
        version = _version(key)
        return None if version is None else KeyHistory(key, (version,))

    def describe(self, bucket: str, key: str, version_id: str | None = None) -> Described:
        history = self.history(bucket, key)
        if history is None or version_id not in {None, history.top.version_id}:
            raise ObjectMissing(f"there is no such file: /{key}", "plan again")
        top = history.top
        return Described(bucket, key, top.version_id, top.etag, top.size, top.last_modified)

    def read(self, bucket: str, key: str, version_id: str | None = None) -> bytes:
        return b"".join(self.blocks(bucket, key, version_id))

    def blocks(self, bucket: str, key: str, version_id: str | None = None) -> Iterator[bytes]:
        if version_id is not None:
            self.describe(bucket, key, version_id)
        try:
            with open_file(key) as file:
                while block := file.read(BLOCK):
                    yield block
        except FileNotFoundError as error:
            raise ObjectMissing(f"there is no such file: /{key}", "plan again") from error
        except OSError as error:
            raise _unread(key, error) from error

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        del bucket
        folder, _, beginning = prefix.rpartition("/")
        return _walk(folder, beginning)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells a file from any other that has its name: where it is on the disk, when it was written, how long it is."""

    inode: int
    written: int
    size: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        return cls(found.st_ino, found.st_mtime_ns, found.st_size)

    @property
    def version_id(self) -> str:
        return f"{self.inode:x}-{self.written:x}"


def open_file(key: str) -> BinaryIO:
    """A file to read, not through a link. Raises OSError."""
    return os.fdopen(os.open(f"/{key}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def digest(handle: int) -> str:
    """The ETag of an open file's bytes."""
    found = hashlib.sha256()
    at = 0
    while block := os.pread(handle, BLOCK, at):
        found.update(block)
        at += len(block)
    return f"sha256:{found.hexdigest()}"


def _version(key: str) -> ObjectVersion | None:
    """A file's version, its bytes read; None where it is gone meanwhile. Raises Unfit while somebody is writing it."""
    for _ in range(3):
        try:
            with open_file(key) as file:
                before = Stamp.of(os.fstat(file.fileno()))
                etag = digest(file.fileno())
                after = Stamp.of(os.fstat(file.fileno()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unread(key, error) from error
        if before == after:
            return ObjectVersion(key, before.version_id, etag, before.size, before.written)
    raise Unfit(f"/{key} is being written", "wait until it is whole, or stop its writer")


def _walk(folder: str, beginning: str) -> Iterator[str]:
    """The files below a folder whose path there begins so; keys in the order of their bytes."""
    try:
        with os.scandir(f"/{folder}") as entries:
            listed = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unread(folder, error) from error
    stem = f"{folder}/" if folder else ""
    named = [(f"{name}/" if stat.S_ISDIR(found.st_mode) else name, found) for name, found in listed]
    for name, found in sorted(named, key=lambda pair: pair[0].encode("utf-8", "surrogateescape")):
        if not name.startswith(beginning):
            continue
        if name.endswith("/"):
            yield from _walk(f"{stem}{name[:-1]}", "")
        else:
            _fit(f"{stem}{name}", found)
            yield f"{stem}{name}"


def _fit(key: str, found: os.stat_result) -> None:
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise Unfit(f"the name of /{key!r} is not UTF-8, so that no plan can name it", "rename it first") from error
    if stat.S_ISREG(found.st_mode):
        return
    kind = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
    raise Unfit(f"/{key} is {kind}; only plain files and folders are set aside and brought back", "see to it by hand first")


def _plain(folder: str) -> None:
    real = os.path.realpath(f"/{folder}")
    if real != f"/{folder}".rstrip("/") and folder:
        raise Unfit(f"/{folder} goes through a symbolic link", f'declare the place itself: location = "file://{real}"')


def _unread(key: str, error: OSError) -> StorageError:
    return Unfit(f"/{key} cannot be read: {error.strerror or error}", "make it readable for this user")
