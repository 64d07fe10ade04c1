"""A table with a history of its own, and what every adapter promises.

A handle stands for the table as it was when it was opened: what it commits is on condition that nobody else has committed since.
``PreconditionFailed``: somebody has, and nothing was changed. ``StorageUnreachable``: nobody can say whether the commit landed;
open the table again and look for it with ``ours``. Any other error: it certainly did not. Nothing is ever expired or vacuumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lineage.partitions import Partition
from runbooks.table_survey import CellFiles, TableVersion


@dataclass(frozen=True, slots=True)
class Asked:
    """A cell asked for. ``utc``: its dates are those of UTC, as the times in tables are."""

    partition: Partition
    utc: bool = True


@dataclass(frozen=True, slots=True)
class Swap:
    """A cell's files become those that it has at version ``source`` ("": none)."""

    asked: Asked
    source: str


@dataclass(frozen=True, slots=True)
class Note:
    """What a commit of ours says of itself, so that it is told from everybody else's: the plan, and its actions by index.

    ``at``: when, in nanoseconds UTC.
    """

    plan_id: str
    actions: tuple[int, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of ours. ``base``: what it was made on ("" nothing); ``version`` "" where it went to an older one."""

    base: str
    version: str
    actions: frozenset[int]


class LakeTable(Protocol):
    """One table as it was when it was opened."""

    @property
    def uuid(self) -> str:
        """The table's identity; another that gets its name later has another."""

    @property
    def version(self) -> str:
        """The current version; "" when nothing was ever committed."""

    def history(self) -> tuple[Sequence[TableVersion], bool]:
        """The versions that were current, oldest first, and whether they are told from the first one on."""

    def visible(self, version: str) -> bool | None:
        """Whether readers ever saw this version of the history, or it was only a step within a commit; None: nobody can tell."""

    def files(self, version: str, asked: Mapping[str, Asked]) -> Mapping[str, CellFiles]:
        """The files of each cell at a version, all found in one pass. Raises StorageError when the version is gone."""

    def lost(self, version: str, asked: Mapping[str, Asked]) -> str:
        """A file of these cells at a version that is not in the storage any more; empty when all are there."""

    def warnings(self) -> tuple[str, ...]:
        """What may remove former versions while an incident lasts."""

    def ours(self, plan_id: str) -> Sequence[Commit]:
        """The commits of a plan of ours that landed, oldest first."""

    def descends(self, version: str) -> bool:
        """Whether the current version was made from this one, or is it."""

    def replace(self, swaps: Sequence[Swap], note: Note) -> Commit:
        """One commit for several cells; nothing else of the table changes."""

    def go_to(self, version: str, note: Note) -> Commit:
        """All of the table as it was at a version."""
