"""Many partitions in few words. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lineage.partitions import Partition
from lineage.periods import Grain, Period, follows

_Dated = tuple[Period, tuple[tuple[str, str], ...], Partition]


def partitions_in_words(partitions: Iterable[Partition]) -> str:
    """Partitions with consecutive ones as a range: ``dt=2026-11-15 … dt=2026-11-17 (3)``."""
    undated: list[Partition] = []
    dated: list[_Dated] = []
    for one in set(partitions):
        period = one.period
        if period is None:
            undated.append(one)
        else:
            dated.append((period, _beside(one, period), one))
    dated.sort(key=lambda found: (found[0].grain.name, found[1], found[0].start))
    parts = sorted(map(str, undated))
    for run in _runs(dated):
        if len(run) < 3:
            parts += [str(one) for one in run]
        else:
            parts.append(f"{run[0]} … {run[-1]} ({len(run)})")
    return ", ".join(parts)


def _beside(partition: Partition, period: Period) -> tuple[tuple[str, str], ...]:
    """What a partition says beside its period, and under which key that stands."""
    hourly = period.grain is Grain.HOUR
    return tuple(
        (key, "" if isinstance(value, Period) or (hourly and key == "hour") else str(value)) for key, value in partition.items
    )


def _runs(dated: list[_Dated]) -> list[list[Partition]]:
    """Those next to each other in time that say the same beside."""
    runs: list[list[Partition]] = []
    before: _Dated | None = None
    for found in dated:
        period, beside, one = found
        if before is not None and beside == before[1] and follows(period, before[0]):
            runs[-1].append(one)
        else:
            runs.append([one])
        before = found
    return runs
