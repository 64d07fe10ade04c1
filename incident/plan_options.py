"""What the plan commands share: which plan to apply, and the consents, each its own flag."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """``apply`` is a plan id. ``max_bytes`` as typed (``1 TiB``); ``before`` is an RFC 3339 time."""

    apply: str | None = None
    include: tuple[str, ...] = ()
    max_objects: int | None = None
    max_bytes: str | None = None
    skip_refused: bool = False
    before: str | None = None
    writers_stopped: bool = False
    detailed_exitcode: bool = False
    lineage: tuple[str, ...] = ()
