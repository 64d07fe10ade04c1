"""Where an index lies, behind one port: a local directory here, a bucket in ``incident``."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from lineage.errors import IndexBusy


class Files(Protocol):
    """Immutable files by name; ``/`` separates folders. Only ``replace`` changes one that is there."""

    @property
    def place(self) -> str:
        """Where this is, for people."""

    @property
    def exclusive(self) -> bool:
        """Whether ``locked`` keeps others out, so that what an ingest left that was killed is nobody's."""

    @property
    def at_once(self) -> int:
        """How many files are best read side by side."""

    def names(self, folder: str) -> list[str]:
        """The names in a folder; none where there is no such folder."""

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises FileNotFoundError."""

    def open(self, name: str) -> IO[bytes]:
        """A file to seek in. Raises FileNotFoundError."""

    def write(self, name: str, data: bytes) -> None:
        """A new file, whole and durable when this returns."""

    def create(self, name: str, data: bytes) -> bool:
        """As ``write``, only if there is none of that name; False when there is."""

    def replace(self, name: str, data: bytes) -> None:
        """A file that takes the place of the one of that name in one step."""

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; those that are not there are no error."""

    def locked(self) -> AbstractContextManager[None]:
        """The one writer's lock, given up when its process dies. Raises IndexBusy."""


class LocalFiles:
    """A directory. Nothing is made before something is written."""

    exclusive = True
    at_once = 2

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(root)

    @property
    def place(self) -> str:
        return str(self._root)

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(one.name for one in (self._root / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def read(self, name: str) -> bytes:
        return (self._root / name).read_bytes()

    def open(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")

    def write(self, name: str, data: bytes) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def create(self, name: str, data: bytes) -> bool:
        path = self._root / name
        aside = f"{name}.{os.getpid()}.new"
        self.write(aside, data)
        try:
            os.link(self._root / aside, path)  # one step: whoever sees the name sees all of it
        except FileExistsError:
            return False
        finally:
            (self._root / aside).unlink()
        self._sync(path.parent)
        return True

    def replace(self, name: str, data: bytes) -> None:
        aside = f"{name}.{os.getpid()}.new"
        self.write(aside, data)
        (self._root / aside).replace(self._root / name)
        self._sync((self._root / name).parent)

    def has(self, name: str) -> bool:
        return (self._root / name).exists()

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                (self._root / name).unlink()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / "lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise IndexBusy(
                    f"another ingest is writing the event index {self._root}", "wait until it is done; reading goes on meanwhile"
                ) from None
            yield

    @staticmethod
    def _sync(folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
