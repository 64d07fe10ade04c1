"""Moments and durations as people read them."""

from __future__ import annotations

from lineage import timestamps


def moment(nanoseconds: int | None) -> str:
    """``2026-11-18 02:00:05`` in UTC; an em dash when there is none."""
    if nanoseconds is None or timestamps.render(nanoseconds) is None:
        return "—"
    return f"{timestamps.to_datetime(nanoseconds):%Y-%m-%d %H:%M:%S}"


def duration(nanoseconds: int) -> str:
    """The two largest units: ``2 d 3 h``, ``5 min 20 s``, ``0 s``."""
    return timestamps.span(max(0, nanoseconds))


def plural(number: int, noun: str) -> str:
    """``1 object``, ``2,048 objects``."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"
