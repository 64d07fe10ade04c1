"""Moving files so that none is lost and none is written over, whoever else writes there.

Every step is one call that the file system does whole or not at all, in folders that were opened without following a link:
``rename`` takes whatever has a name at that moment, ``link`` gives a name only if nothing has it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator

from incident.errors import StorageError
from incident.storage.local import BLOCK, Stamp, Unfit, digest

NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


@contextlib.contextmanager
def folder(path: str, *, make: bool = False) -> Iterator[int]:
    """A handle of the folder at ``/path``. Raises FileNotFoundError, Unfit where a link or a file is in the way."""
    handle = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in path.split("/"):
            if not part:
                continue
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=handle)
                    os.fsync(handle)
            try:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                    raise Unfit(f"/{path}: {part!r} is a link or a file, not a folder", "see to it by hand") from error
                raise
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def look(handle: int, name: str) -> os.stat_result | None:
    """What has this name in a folder, a link as itself; None when nothing has."""
    try:
        return os.stat(name, dir_fd=handle, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def names(handle: int, beginning: str) -> list[str]:
    """The names in a folder that begin so."""
    return sorted(name for name in os.listdir(handle) if name.startswith(beginning))


def fingerprint(handle: int, name: str) -> tuple[Stamp, str] | None:
    """A file's stamp and the ETag of its bytes; None where it is no plain file, gone, or written to while we read it."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ELOOP, errno.ENXIO}:
            return None
        raise
    try:
        before = os.fstat(file)
        if not stat.S_ISREG(before.st_mode):
            return None
        etag = digest(file)
        return (Stamp.of(before), etag) if Stamp.of(os.fstat(file)) == Stamp.of(before) else None
    finally:
        os.close(file)


def name_too(handle: int, name: str, other: int, second: str) -> bool:
    """Give a file a second name in another folder of its file system. False, and nothing changed, when something has that name."""
    try:
        os.link(name, second, src_dir_fd=handle, dst_dir_fd=other, follow_symlinks=False)
    except FileExistsError:
        return False
    return True


def can_link(handle: int) -> bool:
    """Whether files of this folder's file system can have two names: what gives a name only if nothing has it rests on that."""
    name = f".linking-{secrets.token_hex(8)}"
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=handle))
    try:
        os.link(name, f"{name}-2", src_dir_fd=handle, dst_dir_fd=handle)
        os.unlink(f"{name}-2", dir_fd=handle)
    except OSError as error:
        if error.errno in NO_LINKS:
            return False
        raise
    finally:
        os.unlink(name, dir_fd=handle)
    return True


def copied(handle: int, name: str, other: int, second: str) -> tuple[str, int]:
    """Copy a file under a new name, durably, with mode, times and extended attributes. The ETag of what was read, and its size.

    Raises FileExistsError; what fails half-way leaves the new name behind.
    """
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    try:
        target = os.open(second, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=other)
        try:
            while block := os.read(source, BLOCK):
                while block:
                    block = block[os.write(target, block) :]
            with contextlib.suppress(PermissionError):
                found = os.fstat(source)
                os.fchown(target, found.st_uid, found.st_gid)
            _keep_attributes(source, target)
            os.fsync(target)
            return digest(target), os.fstat(target).st_size
        finally:
            os.close(target)
    finally:
        os.close(source)


def _keep_attributes(source: int, target: int) -> None:
    found = os.fstat(source)
    if hasattr(os, "listxattr"):  # not on every system
        with contextlib.suppress(OSError):
            for attribute in os.listxattr(source):
                with contextlib.suppress(OSError):
                    os.setxattr(target, attribute, os.getxattr(source, attribute))
    os.fchmod(target, stat.S_IMODE(found.st_mode))
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def failure(key: str, error: OSError) -> StorageError:
    return StorageError(f"/{key}: {error.strerror or error}", "see to it, then: incident resume")
