"""Files that are whole or absent, and durable once a function returns.

``create`` never replaces anything: it is how records, plans and revisions become immutable. ``replace`` is for reports.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def create(path: Path, data: bytes | Iterable[bytes]) -> bool:
    """Write a new file, durably. False, and nothing changed, when there is one already. Raises OSError.

    ``data`` may come in pieces, one after another in memory.

    The name appears by ``link``, which the file system does once for one of any number of writers, and only after the bytes
    are on disk: a crash leaves no half file under that name.
    """
    with _temporary(path, data) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        sync(path.parent)
    return True


def replace(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file whole (``data`` as for ``create``), over what was there. Raises OSError, and then what was there still is."""
    with _temporary(path, data) as temporary:
        temporary.replace(path)
        sync(path.parent)


@contextlib.contextmanager
def _temporary(path: Path, data: bytes | Iterable[bytes]) -> Iterator[Path]:
    """A synced file beside ``path`` with the permissions that the umask gives (a home may be shared), gone afterwards."""
    import secrets  # and with it much that reading does without

    temporary = path.parent / f".{path.name}.{secrets.token_hex(6)}.tmp"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Make a new name in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
