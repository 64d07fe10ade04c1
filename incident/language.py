"""Moments and durations as people read them."""

from __future__ import annotations

from lineage import timestamps
from lineage.timestamps import SECOND


def moment(nanoseconds: int | None) -> str:
    """``2026-11-18 02:00:05`` in UTC; an em dash when there is none."""
    if nanoseconds is None or timestamps.render(nanoseconds) is None:
        return "—"
    return f"{timestamps.to_datetime(nanoseconds):%Y-%m-%d %H:%M:%S}"


def duration(nanoseconds: int) -> str:
    """The two largest units: ``2 d 3 h``, ``5 min 20 s``, ``0 s``."""
    seconds = max(0, nanoseconds) // SECOND
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def plural(number: int, noun: str) -> str:
    """``1 object``, ``2,048 objects``."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"
