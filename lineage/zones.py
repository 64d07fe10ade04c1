"""Periods in time zones: which stretch of UTC time a period of a zone's clock is, and which periods of two zones share time.

A period is what the clock on a wall shows (``dt=2026-03-29`` in Stockholm); how long it is, its zone says: a day in which clocks
change has 23 or 25 hours. An hour that clocks skip has no length, one that they repeat has two hours.
"""

from __future__ import annotations

import difflib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from lineage.errors import PartitionError
from lineage.periods import Grain, Period, floor, shift

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

Zone: TypeAlias = "ZoneInfo | None"
"""None is UTC."""

_STEP = timedelta.resolution


def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises PartitionError."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones  # asks how Python was built, which takes its time

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(name, available_timezones(), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else 'write for example "Europe/Stockholm"'
        raise PartitionError(f"{name!r} is not a time zone of the IANA database", hint) from None


@lru_cache(maxsize=1 << 16)
def interval(period: Period, within: Zone) -> tuple[datetime, datetime]:
    """The stretch of UTC time [start, end) in which the zone's clock shows the period; empty where the clock skips all of it."""
    if within is None:
        return period.start, period.end
    return _crossings(period.start, within)[0], _crossings(period.end, within)[1]


def _crossings(clock: datetime, within: ZoneInfo) -> tuple[datetime, datetime]:
    """The first and the last moment at which the zone's clock goes from before a reading to it, or past it."""
    early, late = sorted(clock.replace(tzinfo=within, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early == late:
        return early, late
    if _clock(early, within) == clock:  # clocks went back, and show it twice; a second crossing if they went back to before it
        return early, late if _clock(late - _STEP, within) < clock else early
    while late - early > _STEP:  # clocks went forward, and never show it: the moment when they passed it
        middle = early + (late - early) / 2
        early, late = (early, middle) if _clock(middle, within) >= clock else (middle, late)
    return late, late


def _clock(moment: datetime, within: ZoneInfo) -> datetime:
    return moment.astimezone(within).replace(tzinfo=UTC, fold=0)


def sharing(period: Period, within: Zone, grain: Grain, other: Zone) -> tuple[Period, ...]:
    """The periods of a grain, by another zone's clock, that share time with a period; a skipped one is where the clock skips it."""
    if within is other:
        return _overlapping(period, grain)
    start, end = interval(period, within)
    around = [floor(moment, grain, other) for moment in (start - _STEP, start, end - _STEP, end)]
    return tuple(one for one in between(min(around), max(around)) if _share((start, end), interval(one, other)))


def _share(left: tuple[datetime, datetime], right: tuple[datetime, datetime]) -> bool:
    if left[0] < left[1] and right[0] < right[1]:
        return left[0] < right[1] and right[0] < left[1]
    return left[0] <= right[1] and right[0] <= left[1]


def _overlapping(period: Period, grain: Grain) -> tuple[Period, ...]:
    """By one clock: the periods inside a period, the one around it, or as weeks and months overlap."""
    if period.grain is grain:
        return (period,)
    found = [floor(period.start, grain)]
    while (following := shift(found[-1], 1)).start < period.end:
        found.append(following)
    return tuple(found)


def between(first: Period, last: Period) -> tuple[Period, ...]:
    """The periods from one to another of its grain, both included."""
    found = [first]
    while found[-1].start < last.start:
        found.append(shift(found[-1], 1))
    return tuple(found)
