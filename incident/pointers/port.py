"""What every kind of pointer can do: be read, tell what it held before, be swapped on condition, and prove what a swap did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from incident.errors import StorageError
from incident.journal import Outcome
from runbooks.plan import SwapPointer
from runbooks.survey import BucketState, PointerVersion


class PointerUnreadable(StorageError):
    """A pointer holds what its kind cannot read, or cannot be made to hold what it should."""

    code = "pointer"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint or "check the pointer and its kind in incident.toml")


class Codec(Protocol):
    """How a kind that lives in an object reads a value in its bytes. Raises PointerUnreadable."""

    def value(self, data: bytes) -> str | None:
        """The value, as it stands in the bytes; None when they hold none."""

    def written(self, data: bytes | None, value: str) -> bytes:
        """The bytes with another value in them and all else as it was; ``data`` None: there is no object."""

    def beside(self, data: bytes) -> str:
        """A fingerprint of all but the value; empty when the value is all."""

    def spelled(self, text: str, like: str | None) -> str:
        """A value as a person writes it, in this kind's form; ``like``: the present one."""

    def plain(self, value: str) -> str:
        """A value as a person writes it, without this kind's form."""


class PointerReader(Protocol):
    """Read-only: changes nothing."""

    def now(self) -> PointerVersion:
        """What it holds. Raises PointerUnreadable, StorageError, CredentialsMissing."""

    def past(self, until: int, more: int = 5) -> tuple[Sequence[PointerVersion], bool]:
        """What it held before, newest first, back to ``more`` states from before ``until`` (ns UTC); empty where nothing is kept.

        And whether the order of states that were written at one moment is certain.
        """

    def spelled(self, text: str, like: str | None) -> str:
        """A value as a person writes it, in this pointer's form."""

    def plain(self, value: str) -> str:
        """A value as a person writes it."""

    def where(self, value: str) -> tuple[str, ...]:
        """Where what a value names lies, by the pointer's own word; none where it has none. Raises ObjectMissing."""

    def others(self) -> Sequence[str]:
        """Values that it might hold besides, by its own word, the newest first; none where it knows of none."""

    def bucket(self) -> BucketState | None:
        """The bucket it lies in; None where it lies in none."""

    def degraded(self) -> str:
        """Which promise cannot be kept here, in words; empty when all can. Then a swap needs --writers-stopped."""


class Pointer(PointerReader, Protocol):
    """Adds the swap. ``mark`` names the plan and the action, and stays on what we write, so that it is known for ours."""

    def swap(self, action: SwapPointer, mark: str) -> str:
        """Compare and swap; returns what identifies the new state. Raises PreconditionFailed (nothing changed), StorageError."""

    def verify(self, action: SwapPointer, mark: str, made: str) -> Outcome:
        """Look at what the swap did; take ours back where it covers what was not planned."""

    def settle(self, action: SwapPointer, mark: str, made: str | None) -> Outcome | None:
        """What came of a swap whose answer is not known; None when it certainly had no effect so far."""
