"""Many partitions in few words. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lineage.partitions import Partition
from lineage.periods import Period, follows


def partitions_in_words(partitions: Iterable[Partition]) -> str:
    """Partitions with consecutive ones as a range: ``dt=2026-11-15 … dt=2026-11-17 (3)``."""
    undated: list[Partition] = []
    dated: list[tuple[Period, Partition]] = []
    for one in set(partitions):
        period = one.period
        if period is None:
            undated.append(one)
        else:
            dated.append((period, one))
    dated.sort(key=lambda pair: (pair[0].grain.name, pair[0].start))
    parts = sorted(map(str, undated))
    for run in _runs(dated):
        if len(run) < 3:
            parts += [str(one) for one in run]
        else:
            parts.append(f"{run[0]} … {run[-1]} ({len(run)})")
    return ", ".join(parts)


def _runs(dated: list[tuple[Period, Partition]]) -> list[list[Partition]]:
    """Those next to each other in time, of the same keys."""
    runs: list[list[Partition]] = []
    before: tuple[Period, Partition] | None = None
    for period, one in dated:
        if before is not None and follows(period, before[0]) and one.dated_keys == before[1].dated_keys:
            runs[-1].append(one)
        else:
            runs.append([one])
        before = period, one
    return runs
