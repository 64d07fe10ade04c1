"""What a timeline says happened: the plans that were applied and the moments that matter. Read from records, never stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from incident.language import plural
from incident.sizes import render_size
from incident.timeline import Record
from lineage import timestamps


@dataclass(frozen=True, slots=True)
class Applied:
    """One apply as its record tells it. ``at`` in nanoseconds UTC; ``undone``: another plan took it back."""

    plan_id: str
    phase: str
    at: int
    done: int
    failed: int
    drifted: int
    unknown: int
    objects: int
    bytes: int
    target: str | None
    undone: bool
    pointers: int = 0

    @property
    def touched(self) -> str:
        """What it acted on, in words; empty when that was nothing."""
        parts = [f"{plural(self.objects, 'object')}, {render_size(self.bytes)}"] if self.objects else []
        return ", ".join([*parts, plural(self.pointers, "pointer")] if self.pointers else parts)

    @property
    def incomplete(self) -> bool:
        return bool(self.failed or self.unknown)

    @property
    def vain(self) -> bool:
        """Whether everything it was to act on had changed, so that it did nothing."""
        return not self.done and bool(self.drifted)


@dataclass(frozen=True, slots=True)
class Milestone:
    """A moment, nanoseconds UTC; None when it has not come (or is not known)."""

    name: str
    at: int | None


PHASES = {"contain": "contained", "revert": "reverted", "purge": "purged", "backfill": "backfilled"}


def applies(records: Sequence[Record]) -> tuple[Applied, ...]:
    """Every plan that was applied, undos among them, in order; the last record about a plan counts."""
    told = {
        str(one.evidence["plan_id"]): one for one in records if one.kind in {"applied", "undone"} and one.evidence.get("plan_id")
    }
    taken_back: set[str] = set()
    for plan_id, one in reversed(told.items()):  # an undo that was itself taken back takes nothing back
        nothing = not _count(one.evidence, "done") and _count(one.evidence, "drifted")
        whole = not (_count(one.evidence, "failed") or _count(one.evidence, "unknown") or nothing)
        if one.evidence.get("target") and whole and plan_id not in taken_back:
            taken_back.add(str(one.evidence["target"]))
    return tuple(
        Applied(
            plan_id=plan_id,
            phase=str(one.evidence.get("phase") or plan_id.partition("-")[0]),
            at=one.occurred_at,
            **{name: _count(one.evidence, name) for name in ("done", "failed", "drifted", "unknown", "objects", "bytes")},
            target=one.evidence.get("target"),
            undone=plan_id in taken_back,
            pointers=_count(one.evidence, "pointers"),
        )
        for plan_id, one in told.items()
    )


def unfinished(records: Sequence[Record]) -> str | None:
    """The plan whose apply began and has not told its end."""
    ended = {one.evidence.get("plan_id") for one in records if one.kind in {"applied", "undone"}}
    begun = [one.evidence.get("plan_id") for one in records if one.kind == "apply-started"]
    return next((str(plan_id) for plan_id in reversed(begun) if plan_id and plan_id not in ended), None)


def milestones(records: Sequence[Record], radius: dict[str, Any] | None) -> tuple[Milestone, ...]:
    """The incident's moments in their usual order. ``radius`` is the latest revision."""
    plans = applies(records)
    phases = {
        name: max((one.at for one in plans if one.phase == phase and not (one.undone or one.incomplete or one.vain)), default=None)
        for phase, name in PHASES.items()
    }
    declared = _last(records, "declared")
    seen = [one.occurred_at for one in records if one.kind == "note" and one.evidence.get("kind") == "observation"]
    moments = {
        "bad data since": _bad_since(radius),
        "detected": min([*seen, *([declared] if declared is not None else [])], default=None),
        "declared": declared,
        "contained": phases["contained"],
        "reverted": phases["reverted"],
        "fixed": _last(records, "fixed"),
        "purged": phases["purged"],
        "backfilled": phases["backfilled"],
        "verified": max(
            (one.occurred_at for one in records if one.kind == "verified" and one.evidence.get("ok", True)), default=None
        ),
        "closed": _last(records, "closed"),
    }
    return tuple(Milestone(name, at) for name, at in moments.items())


def _last(records: Sequence[Record], kind: str) -> int | None:
    return next((one.occurred_at for one in reversed(records) if one.kind == kind), None)


def _bad_since(radius: dict[str, Any] | None) -> int | None:
    known = [cell["since"] for cell in (radius or {}).get("cells", ()) if cell.get("since")]
    return min(map(timestamps.parse, known), default=None)


def _count(evidence: dict[str, Any], name: str) -> int:
    value = evidence.get(name, 0)
    return value if isinstance(value, int) else 0
