"""Periods of time: what dates in partitions mean, how long they are, and which one is around a moment or next to another."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from lineage.errors import PartitionError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


class Grain(enum.Enum):
    """How long a period is. INSTANT is a full timestamp used as a partition key, whose length nobody said."""

    __hash__ = object.__hash__  # members are singletons; Enum would hash their names each time

    INSTANT = "instant"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A stretch of time: ``start`` (at a boundary of its grain) and its grain.

    ``start`` is what the clock shows in the time zone of the dataset, UTC where none is declared, and is kept as if it were UTC.
    """

    start: datetime
    grain: Grain

    @property
    def end(self) -> datetime:
        """The moment after the period."""
        return shift(self, 1).start if self.grain is not Grain.INSTANT else self.extent[1]

    @property
    def extent(self) -> tuple[datetime, datetime]:
        """The widest stretch that may be meant: an instant at midnight may be a day, any other an hour."""
        if self.grain is not Grain.INSTANT:
            return self.start, self.end
        if self.start == self.start.replace(hour=0, minute=0, second=0, microsecond=0):
            return self.start, self.start + timedelta(days=1)
        hour = self.start.replace(minute=0, second=0, microsecond=0)
        return hour, hour + timedelta(hours=1)

    def __str__(self) -> str:
        match self.grain:
            case Grain.YEAR:
                return self.start.strftime("%Y")
            case Grain.MONTH:
                return self.start.strftime("%Y-%m")
            case Grain.WEEK:
                return self.start.strftime("%G-W%V")
            case Grain.DAY:
                return self.start.strftime("%Y-%m-%d")
            case Grain.HOUR:
                return self.start.strftime("%Y-%m-%dT%H")
            case Grain.INSTANT:
                return self.start.isoformat().replace("+00:00", "")


def floor(moment: datetime, grain: Grain, zone: ZoneInfo | None = None) -> Period:
    """The period of that grain around a moment, by the clock of a time zone (None: UTC)."""
    moment = moment.astimezone(zone or UTC).replace(tzinfo=UTC, fold=0)
    if grain is Grain.INSTANT:
        return Period(moment, grain)
    hour = moment.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    match grain:
        case Grain.HOUR:
            return Period(hour, grain)
        case Grain.DAY:
            return Period(day, grain)
        case Grain.WEEK:
            return Period(day - timedelta(days=day.weekday()), grain)
        case Grain.MONTH:
            return Period(day.replace(day=1), grain)
        case Grain.YEAR:
            return Period(day.replace(month=1, day=1), grain)


_LENGTHS = {Grain.HOUR: timedelta(hours=1), Grain.DAY: timedelta(days=1), Grain.WEEK: timedelta(weeks=1)}


def follows(period: Period, before: Period) -> bool:
    """Whether a period is the next one of its grain after another; instants have no next."""
    if period.grain is not before.grain or period.grain is Grain.INSTANT:
        return False
    length = _LENGTHS.get(period.grain)  # spares the making of a period for each of many
    return period.start - before.start == length if length is not None else period == shift(before, 1)


def shift(period: Period, count: int) -> Period:
    """The period ``count`` grains later (earlier when negative)."""
    start = period.start
    match period.grain:
        case Grain.HOUR | Grain.DAY | Grain.WEEK:
            return Period(start + count * _LENGTHS[period.grain], period.grain)
        case Grain.MONTH:
            year, month = divmod(start.year * 12 + start.month - 1 + count, 12)
            return Period(start.replace(year=year, month=month + 1), period.grain)
        case Grain.YEAR:
            return Period(start.replace(year=start.year + count), period.grain)
        case Grain.INSTANT:
            raise PartitionError(
                f"{period} has no grain, so there is no partition next to it", "declare its layout in incident.toml"
            )


YEAR = r"(?P<Y>(?:19|20|21)\d\d)"
"""The years that a number is taken for."""

_PERIODS: tuple[tuple[re.Pattern[str], Grain], ...] = (
    (re.compile(YEAR + r"-(?P<m>\d\d)-(?P<d>\d\d)"), Grain.DAY),
    (re.compile(YEAR + r"(?P<m>\d\d)(?P<d>\d\d)"), Grain.DAY),
    (re.compile(YEAR + r"-(?P<m>\d\d)-(?P<d>\d\d)[T _-](?P<H>\d\d)"), Grain.HOUR),
    (re.compile(YEAR + r"(?P<m>\d\d)(?P<d>\d\d)T?(?P<H>\d\d)"), Grain.HOUR),
    (re.compile(YEAR + r"-(?P<m>\d\d)"), Grain.MONTH),
    (re.compile(YEAR + r"-W(?P<W>\d\d)"), Grain.WEEK),
)
_INSTANT = re.compile(r"(?:19|20|21)\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")


def whole_number(text: str) -> int | None:
    """The whole number that the text is; None for other text, and for more digits than any count has."""
    return int(text) if len(text) < 20 and text.isascii() and text.isdigit() else None


@lru_cache(maxsize=65_536)
def parse_period(text: str) -> Period | None:
    """The period a value means, or None for plain text."""
    for pattern, grain in _PERIODS:
        if match := pattern.fullmatch(text):
            parts = match.groupdict()
            try:
                if grain is Grain.WEEK:
                    return Period(datetime.fromisocalendar(int(parts["Y"]), int(parts["W"]), 1).replace(tzinfo=UTC), grain)
                day, hour = int(parts.get("d") or 1), int(parts.get("H") or 0)
                return Period(datetime(int(parts["Y"]), int(parts["m"]), day, hour, tzinfo=UTC), grain)
            except ValueError:
                return None
    if _INSTANT.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        return Period(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC), Grain.INSTANT)
    return None
