"""Attempts: one execution of a run, with what it read and wrote.

A run's events are sorted by (eventTime, OTHER < START < RUNNING < terminal). A START after a terminal opens the next attempt;
a repeated START without a terminal does not.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal

from lineage.datasets import DatasetId, JobId
from lineage.partitions import UNKNOWN, Partition
from lineage.timestamps import AFTER, BEFORE

State = Literal["COMPLETE", "FAIL", "ABORT", "OPEN"]

How = Literal["observed", "declared", "inferred"]
"""How we know a read or write: the producer said it, a person declared it, or we widened because nobody said."""


MERGED = "a merge reads what it writes"
"""The reason of the read that a merge implies."""


class Mode(enum.Enum):
    """What a write does to what was there."""

    OVERWRITE = "overwrite"
    APPEND = "append"
    MERGE = "merge"
    DROP = "drop"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cell:
    """A dataset and one of its partitions. ``known``: the partition is named, or the whole of an unpartitioned dataset."""

    dataset: DatasetId
    partition: Partition = UNKNOWN
    known: bool = False

    def __str__(self) -> str:
        return f"{self.dataset}@{self.partition}"


@dataclass(frozen=True, slots=True)
class Read:
    """One cell read, of a named ``version`` or the latest.

    ``at``: when what was read was current, where that is not while it was read (undo; views that refresh themselves);
    ``ignoring``: whose writes were not there, for undo.
    """

    cell: Cell
    how: How = "observed"
    reason: str = ""
    version: str | None = None
    at: tuple[int, int] | None = None
    ignoring: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Write:
    """One cell written, and how; ``version``: the one of its dataset that the write made, where the producer says so."""

    cell: Cell
    mode: Mode = Mode.UNKNOWN
    how: How = "observed"
    reason: str = ""
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution: ``start``/``end`` in nanoseconds UTC, BEFORE and AFTER where nobody reported them."""

    run_id: str
    number: int
    job: JobId
    start: int = BEFORE
    end: int = AFTER
    state: State = "OPEN"
    reads: tuple[Read, ...] = ()
    writes: tuple[Write, ...] = ()
    nominal: tuple[int, int] | None = None
    partition_key: str | None = None
    code_version: str | None = None
    aliases: tuple[JobId, ...] = ()
    """Other jobs that reported under the same run id."""
    kind: Literal["run", "revert", "purge", "undo"] = "run"

    @property
    def key(self) -> tuple[str, int]:
        return self.run_id, self.number

    def cleanses(self, write: Write) -> bool:
        """A cleansing write of this attempt: COMPLETE, OVERWRITE or DROP, known cell."""
        return self.state == "COMPLETE" and write.mode in {Mode.OVERWRITE, Mode.DROP} and write.cell.known
