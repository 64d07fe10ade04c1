"""The blast radius: everything a fault reached, as values and as the contract's JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lineage.attempts import Cell
from lineage.datasets import DatasetId, JobId
from lineage.overview import Overview, overview_of
from lineage.timestamps import render

Reached = Literal["TAINTED", "SUSPECT", "CLEANED"]


@dataclass(frozen=True, slots=True)
class Exposure:
    """From when a bad cell could be read until a cleansing write began to hold; nanoseconds UTC, None while it still can."""

    start: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of the explanation: an attempt, the cell it passed on, and how we know it."""

    run_id: str
    attempt: int
    job: JobId
    cell: Cell
    how: Literal["observed", "declared", "inferred"]


@dataclass(frozen=True, slots=True)
class ReachedAttempt:
    """An attempt the fault reached; ``distance`` 0 is a seed."""

    run_id: str
    number: int
    job: JobId
    state: Literal["TAINTED", "SUSPECT"]
    start: int
    end: int
    distance: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ReachedCell:
    """A written cell the fault reached.

    ``since`` in nanoseconds UTC (BEFORE when unbounded). ``writers`` are the jobs whose attempts wrote it, ``open_writer`` is true
    when one of them has not ended. ``nominal`` is the latest nominal interval of those attempts, for unpartitioned datasets.
    """

    cell: Cell
    state: Reached
    since: int
    exposure: tuple[Exposure, ...]
    serving: bool
    owners: tuple[str, ...]
    path: tuple[Hop, ...]
    reason: str | None
    writers: tuple[JobId, ...]
    open_writer: bool
    nominal: tuple[int, int] | None
    columns: tuple[str, ...] | None = None
    """The columns reached, of a fault narrowed to columns; None for all."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something we cannot know, about a dataset or a job."""

    subject: JobId | DatasetId
    kind: Literal["job", "dataset"]
    reason: str
    advice: str = ""
    """What would close it."""


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """What a fault reached.

    ``fault`` echoes the choice in words and numbers; ``static_datasets`` is what job-level lineage would say.
    """

    fault: dict[str, Any]
    attempts: Sequence[ReachedAttempt]
    cells: Sequence[ReachedCell]
    gaps: tuple[Gap, ...]
    at_risk: tuple[JobId, ...]
    static_datasets: int
    revision: str | None = None
    told: Overview | None = field(default=None, compare=False, repr=False)
    """The overview, where making all cells and attempts for it would be most of the work."""

    @property
    def overview(self) -> Overview:
        """Counts, and what it is about each dataset."""
        return self.told or overview_of(self.attempts, self.cells)

    def dirty(self) -> tuple[ReachedCell, ...]:
        """The cells that are TAINTED or SUSPECT now."""
        return tuple(cell for cell in self.cells if cell.state != "CLEANED")

    @property
    def datasets(self) -> tuple[DatasetId, ...]:
        return self.overview.datasets

    def summary(self) -> dict[str, Any]:
        """Counts; ``may`` counts TAINTED and SUSPECT together, ``must`` counts TAINTED."""
        told = self.overview
        return {
            "attempts": told.attempts,
            "cells": told.cells,
            "datasets": len(told.datasets),
            "static_datasets": self.static_datasets,
            "teams": list(told.teams),
        }

    def to_json(self) -> dict[str, Any]:
        """The ``blast`` data of the contract."""
        return {
            "fault": self.fault,
            "attempts": [
                {
                    "run_id": attempt.run_id,
                    "attempt": attempt.number,
                    "job": attempt.job._asdict(),
                    "state": attempt.state,
                    "start": render(attempt.start),
                    "end": render(attempt.end),
                    "distance": attempt.distance,
                    "reason": attempt.reason,
                }
                for attempt in self.attempts
            ],
            "cells": [
                {
                    "dataset": reached.cell.dataset._asdict(),
                    "partition": str(reached.cell.partition),
                    "state": reached.state,
                    "since": render(reached.since),
                    "exposure": [
                        {"from": render(one.start), "until": None if one.until is None else render(one.until)}
                        for one in reached.exposure
                    ],
                    "serving": reached.serving,
                    "owners": list(reached.owners),
                    "path": [
                        {
                            "run_id": hop.run_id,
                            "attempt": hop.attempt,
                            "job": hop.job._asdict(),
                            "cell": str(hop.cell),
                            "how": hop.how,
                        }
                        for hop in reached.path
                    ],
                    "reason": reached.reason,
                    "columns": None if reached.columns is None else list(reached.columns),
                }
                for reached in self.cells
            ],
            "revision": self.revision,
            "summary": self.summary(),
            "gaps": [{gap.kind: str(gap.subject), "reason": gap.reason} for gap in self.gaps],
            "at_risk": [str(job) for job in self.at_risk],
        }
