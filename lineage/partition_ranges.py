"""Many partitions in few words. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lineage.partitions import Partition
from lineage.periods import shift


def partitions_in_words(partitions: Iterable[Partition]) -> str:
    """Partitions with consecutive ones as a range: ``dt=2026-11-15 … dt=2026-11-17 (3)``."""
    parts: list[str] = []
    ordered = sorted(
        set(partitions), key=lambda one: (str(one.period.grain), one.period.start.isoformat()) if one.period else ("", str(one))
    )
    runs: list[list[Partition]] = []
    for one in ordered:
        if runs and _follows(runs[-1][-1], one):
            runs[-1].append(one)
        else:
            runs.append([one])
    for run in runs:
        if len(run) < 3:
            parts += [str(one) for one in run]
        else:
            parts.append(f"{run[0]} … {run[-1]} ({len(run)})")
    return ", ".join(parts)


def _follows(left: Partition, right: Partition) -> bool:
    before, after = left.period, right.period
    if before is None or after is None or left.dated_keys != right.dated_keys or before.grain is not after.grain:
        return False
    return before.grain.value != "instant" and shift(before, 1) == after
