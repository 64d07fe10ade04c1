"""Many partitions in few words. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from lineage.partitions import Partition
from lineage.periods import Grain, Period, follows


def partitions_in_words(partitions: Iterable[Partition], most: int | None = None, hint: str = "") -> str:
    """Partitions with consecutive ones as a range: ``dt=2026-11-15 … dt=2026-11-17 (3)``.

    ``most``: so many ranges at most, then where the others end and ``hint``; None for all.
    """
    dated: list[_Dated] = []
    undated: list[Partition] = []
    for one in set(partitions):
        if (found := _dated(one)) is None:
            undated.append(one)
        else:
            dated.append(found)
    dated.sort(key=attrgetter("order"))
    runs = [[one] for one in sorted(undated, key=str)] + _runs(dated)
    shown = runs if most is None or len(runs) <= most else runs[: most - 1]
    parts: list[str] = []
    for run in shown:
        parts += map(str, run) if len(run) < 3 else [f"{run[0]} … {run[-1]} ({len(run):,})"]
    if rest := runs[len(shown) :]:
        parts.append(f"and {sum(map(len, rest)):,} more in {len(rest):,} stretches until {rest[-1][-1]}{hint}")
    return ", ".join(parts)


class _Dated(NamedTuple):
    """A partition that stands for one period. ``order``: grain, what it says beside, and when the period begins."""

    order: tuple[str, tuple[tuple[str, str], ...], datetime]
    period: Period
    partition: Partition


@lru_cache(maxsize=1 << 16)
def _dated(partition: Partition) -> _Dated | None:
    period = partition.period
    return None if period is None else _Dated((period.grain.name, _beside(partition, period), period.start), period, partition)


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
        if before is not None and found.order[1] == before.order[1] and follows(found.period, before.period):
            runs[-1].append(found.partition)
        else:
            runs.append([found.partition])
        before = found
    return runs
