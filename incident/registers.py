"""Registers: small documents by name that change only by compare-and-swap. What claims are made of.

The port is the least that a home must give so that of any number of engineers exactly one goes on: create if absent, read,
replace and remove only what was read. A bucket gives it by conditional puts and deletes, across machines; a local directory by
``link`` and a lock, on one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from incident import files


class Registers(Protocol):
    """Each call raises OSError when the place cannot be read or written; then nothing was changed, or what was asked for."""

    @property
    def place(self) -> str:
        """Where they are, for messages."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a register that is absent, durably. False, and nothing changed, when there is one already."""

    def read(self, name: str) -> bytes | None:
        """What a register holds; None when it is absent."""

    def replace(self, name: str, data: bytes, *, was: bytes) -> bool:
        """Write a register, durably, if it still holds ``was``. False, and nothing changed, when it does not."""

    def remove(self, name: str, *, was: bytes) -> bool:
        """Remove a register if it still holds ``was``. False, and nothing changed, when it does not."""


class LocalRegisters:
    """Registers in a local directory, one file each.

    ``create`` holds on every file system with hard links. Comparing and writing are one step only under a lock: on one host, and
    on a shared file system that has locks. Where there are none, two who find the same dead claim might both follow it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def place(self) -> str:
        return str(self._folder)

    def create(self, name: str, data: bytes) -> bool:
        return files.create(self._folder / name, data)

    def read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def replace(self, name: str, data: bytes, *, was: bytes) -> bool:
        with self._alone(name):
            if self.read(name) != was:
                return False
            files.replace(self._folder / name, data)
        return True

    def remove(self, name: str, *, was: bytes) -> bool:
        with self._alone(name):
            if self.read(name) != was:
                return False
            (self._folder / name).unlink()
        return True

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        handle = os.open((self._folder / name).with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
