"""Partitions as canonical maps, how they overlap, and how they are written as paths.

A partition is a map of key to value; ``*`` is the empty map. A value is a period of time, a range of offsets or text.
Two partitions overlap unless a shared key differs; values that cannot be compared overlap. A date without a key
(``20261118``, ``2026/11/18``) is compared with the other partition's only dated key.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

from lineage.errors import PartitionError

BARE = ""
"""The key of a date that was written without one."""

_PLAIN = " :+,;@!$&'()[]{}~|<>\"^`\\?#"
"""What a partition's text keeps as it is; ``/``, ``=``, ``*`` and ``%`` inside a key or value are percent-encoded."""

HOUR_KEYS = frozenset({"hour", "hh", "hr", "h"})


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


@dataclass(frozen=True, slots=True, order=True)
class OffsetRange:
    """Offsets [first, end) of a stream's partition; never empty."""

    first: int
    end: int

    def __str__(self) -> str:
        return f"{self.first}-{self.end}"


Value = Period | OffsetRange | str


@dataclass(frozen=True, slots=True)
class Partition:
    """A canonical map of key to value, sorted by key. The empty map is ``*``."""

    items: tuple[tuple[str, Value], ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(self.items))  # asked for far more often than partitions are made

    def __hash__(self) -> int:
        return self._hash

    def __bool__(self) -> bool:
        return bool(self.items)

    def __str__(self) -> str:
        """One line that ``parse_partition`` reads back."""
        written = ((key, _quoted(str(value))) for key, value in self.items)
        return "/".join(f"{_quoted(key)}={value}" if key else value for key, value in written) or "*"

    def get(self, key: str) -> Value | None:
        return next((value for name, value in self.items if name == key), None)

    @property
    def dated_keys(self) -> tuple[str, ...]:
        return tuple(key for key, value in self.items if isinstance(value, Period))

    @property
    def period(self) -> Period | None:
        """The one period this partition stands for, its hour key folded in; None when it has none or several."""
        dated = self.dated_keys
        if len(dated) != 1:
            return None
        value = self.get(dated[0])
        hour = self.get("hour")
        if isinstance(value, Period) and value.grain is Grain.DAY and isinstance(hour, str):
            number = whole_number(hour)
            if number is not None:
                return Period(value.start + timedelta(hours=number), Grain.HOUR) if number < 24 else None
        return value if isinstance(value, Period) else None


UNKNOWN = Partition()


def _quoted(text: str) -> str:
    """A key or value as it may stand between ``/`` and ``=``; a space at its end would be lost to whoever strips the text."""
    return quote(text, safe=_PLAIN if text == text.strip() else _PLAIN.replace(" ", ""))


# --- reading -------------------------------------------------------------------------------------------------------------


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


def shift(period: Period, count: int) -> Period:
    """The period ``count`` grains later (earlier when negative)."""
    start = period.start
    match period.grain:
        case Grain.HOUR:
            return Period(start + timedelta(hours=count), period.grain)
        case Grain.DAY:
            return Period(start + timedelta(days=count), period.grain)
        case Grain.WEEK:
            return Period(start + timedelta(weeks=count), period.grain)
        case Grain.MONTH:
            year, month = divmod(start.year * 12 + start.month - 1 + count, 12)
            return Period(start.replace(year=year, month=month + 1), period.grain)
        case Grain.YEAR:
            return Period(start.replace(year=start.year + count), period.grain)
        case Grain.INSTANT:
            raise PartitionError(
                f"{period} has no grain, so there is no partition next to it", "declare its layout in incident.toml"
            )


_DATE = r"(?P<Y>(?:19|20|21)\d\d)"
_PERIODS: tuple[tuple[re.Pattern[str], Grain], ...] = (
    (re.compile(_DATE + r"-(?P<m>\d\d)-(?P<d>\d\d)"), Grain.DAY),
    (re.compile(_DATE + r"(?P<m>\d\d)(?P<d>\d\d)"), Grain.DAY),
    (re.compile(_DATE + r"-(?P<m>\d\d)-(?P<d>\d\d)[T _-](?P<H>\d\d)"), Grain.HOUR),
    (re.compile(_DATE + r"(?P<m>\d\d)(?P<d>\d\d)T?(?P<H>\d\d)"), Grain.HOUR),
    (re.compile(_DATE + r"-(?P<m>\d\d)"), Grain.MONTH),
    (re.compile(_DATE + r"-W(?P<W>\d\d)"), Grain.WEEK),
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


def partition(mapping: dict[str, str]) -> Partition:
    """The canonical partition of a key → text map.

    ``year``/``month``/``day`` become one date, an hour becomes a day and an ``hour`` key, offsets become one range.
    """
    values: dict[str, Value] = {}
    rest = dict(mapping)
    lowered = {key.lower(): key for key in rest}
    if "startoffset" in lowered and "endoffset" in lowered:
        first, end = whole_number(rest[lowered["startoffset"]]), whole_number(rest[lowered["endoffset"]])
        if first is not None and end is not None and first < end:
            del rest[lowered["startoffset"]], rest[lowered["endoffset"]]
            values["offset"] = OffsetRange(first, end)
    if "year" in rest and len(rest["year"]) == 4 and whole_number(rest["year"]) is not None:
        named = [rest[key] for key in ("year", "month", "day") if key in rest]
        text = "-".join([named[0], *(part.zfill(2) for part in named[1:])])
        if (period := parse_period(text)) and ("day" not in rest or "month" in rest):
            for key in ("year", "month", "day"):
                rest.pop(key, None)
            values[BARE] = period
    for key, text in rest.items():
        if key.lower() in HOUR_KEYS and whole_number(text) is not None:
            values["hour"] = text.zfill(2)
            continue
        period = parse_period(text)
        if period is not None and period.grain is Grain.HOUR and "hour" not in rest:
            values[key] = Period(period.start.replace(hour=0), Grain.DAY)
            values["hour"] = f"{period.start.hour:02d}"
        else:
            values[key] = period if period is not None else text
    return Partition(tuple(sorted(values.items())))


_SEGMENT = re.compile(r"([A-Za-z_][\w.-]*)=([^/=]+)")
_TAIL_DATE = re.compile(r"(.*?)/((?:19|20|21)\d\d)/(\d\d)(?:/(\d\d)(?:/(\d\d))?)?", re.DOTALL)


def from_path(text: str) -> Partition | None:
    """The partition written as a path such as ``dt=2026-11-18/hour=03``, ``2026/11/18`` or ``20261118``; None if it is none."""
    base, found = split_name("x/" + text.strip("/"))
    return found if base == "x" and found else None


def parse_partition(text: str) -> Partition:
    """The partition that a person or ``str(partition)`` writes: ``*``, ``dt=2026-11-18/hour=03``, ``2026/11/18``, ``20261118``.

    Raises PartitionError for text that is neither.
    """
    text = text.strip().strip("/")
    if text == "*":
        return UNKNOWN
    if not text:
        raise PartitionError("an empty partition", "write * for all of the dataset, or for example dt=2026-11-18")
    if (match := _TAIL_DATE.fullmatch("x/" + text)) and match[1] == "x":
        return split_name("x/" + text)[1]
    mapping: dict[str, str] = {}
    ranges: dict[str, Value] = {}
    for segment in text.split("/"):
        key, equals, value = segment.partition("=")
        key, value = (unquote(key), unquote(value)) if equals else (BARE, unquote(segment))
        if not value or key in mapping:
            raise PartitionError(f"not a partition: {text!r}", "write for example dt=2026-11-18/hour=03")
        low, dash, high = value.partition("-")
        first, end = whole_number(low), whole_number(high)
        if key == "offset" and dash and first is not None and end is not None and first < end:
            ranges[key] = OffsetRange(first, end)
        else:
            mapping[key] = value
    return Partition(tuple(sorted({**dict(partition(mapping).items), **ranges}.items())))


@lru_cache(maxsize=65_536)
def split_name(name: str) -> tuple[str, Partition]:
    """A dataset's name and the partition at its end: ``clean/orders/dt=2026-11-18`` → ``clean/orders``, ``dt=2026-11-18``."""
    stripped = name.rstrip("/")
    segments = stripped.split("/")
    pairs: list[tuple[str, str]] = []
    while len(segments) > 1 and (match := _SEGMENT.fullmatch(segments[-1])):
        pairs.append((match[1], match[2]))
        segments.pop()
    if pairs:
        return "/".join(segments), partition(dict(reversed(pairs)))
    if match := _TAIL_DATE.fullmatch(stripped):
        base, year, month, day, hour = match.groups()
        text = "-".join(part for part in (year, month, day) if part)
        if base and (period := parse_period(text)):
            hours = {"hour": hour} if hour else {}
            return base, partition({BARE: str(period), **hours})
    if len(segments) > 1 and (period := parse_period(segments[-1])) and period.grain in {Grain.DAY, Grain.HOUR}:
        return "/".join(segments[:-1]), partition({BARE: segments[-1]})
    return stripped or name, UNKNOWN


# --- comparing -----------------------------------------------------------------------------------------------------------


def _counterpart(key: str, mine: Partition, other: Partition) -> Value | None:
    """The value of ``other`` that is about the same thing as ``mine[key]``; None when there is none."""
    found = other.get(key)
    if found is not None:
        return found
    if key == BARE and len(other.dated_keys) == 1 and mine.get(other.dated_keys[0]) is None:
        return other.get(other.dated_keys[0])
    if mine.dated_keys == (key,):
        return other.get(BARE)
    return None


def _apart(left: Value, right: Value) -> bool:
    """True only when the two values certainly share nothing."""
    if isinstance(left, Period) and isinstance(right, Period):
        if left.grain is right.grain is Grain.INSTANT:
            return left.start != right.start
        (a, b), (c, d) = left.extent, right.extent
        return b <= c or d <= a
    if isinstance(left, OffsetRange) and isinstance(right, OffsetRange):
        return left.end <= right.first or right.end <= left.first
    if isinstance(left, str) and isinstance(right, str):
        return left != right and (whole_number(left) is None or whole_number(left) != whole_number(right))
    if isinstance(left, Period) and isinstance(right, str):
        return (day := _short_date(right)) is not None and _apart(left, day)
    if isinstance(left, str) and isinstance(right, Period):
        return _apart(right, left)
    return False


def _short_date(text: str) -> Period | None:
    """The day that a date without its zeros means (``2026-11-1``); its place in storage remains another than ``2026-11-01``."""
    match = re.fullmatch(_DATE + r"-(\d\d?)-(\d\d?)", text)
    return parse_period(f"{match[1]}-{match[2]:0>2}-{match[3]:0>2}") if match else None


def _within(inner: Value, outer: Value) -> bool:
    """True only when ``inner`` certainly lies inside ``outer``."""
    if inner == outer:
        return True
    if isinstance(inner, Period) and isinstance(outer, Period):
        if outer.grain is Grain.INSTANT:
            return False
        (a, b), (c, d) = inner.extent, outer.extent
        return c <= a and b <= d
    if isinstance(inner, OffsetRange) and isinstance(outer, OffsetRange):
        return outer.first <= inner.first and inner.end <= outer.end
    return False


@lru_cache(maxsize=1 << 18)
def overlap(left: Partition, right: Partition) -> bool:
    """True unless a shared key differs. ``*`` overlaps everything."""
    return not any((found := _counterpart(key, left, right)) is not None and _apart(value, found) for key, value in left.items)


@lru_cache(maxsize=1 << 18)
def covers(outer: Partition, *inner: Partition) -> bool:
    """True when ``outer`` certainly holds all that the ``inner`` partitions share (the one, or the intersection of several)."""
    return all(
        any((found := _counterpart(key, outer, part)) is not None and _within(found, value) for part in inner)
        for key, value in outer.items
    )


def same(left: Partition, right: Partition) -> bool:
    """True when both certainly mean the same data, however written."""
    return left == right or (covers(left, right) and covers(right, left))


# --- layouts -------------------------------------------------------------------------------------------------------------

_FINEST = (
    ("%H", Grain.HOUR),
    ("%d", Grain.DAY),
    ("%j", Grain.DAY),
    ("%V", Grain.WEEK),
    ("%m", Grain.MONTH),
    ("%Y", Grain.YEAR),
)
_NAMED = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a dataset's partitions are written below its location: ``dt=%Y-%m-%d``, ``%Y/%m/%d``, ``country={country}/dt=%Y-%m-%d``.

    Source: strftime's directives; names in braces are plain keys. Its dates are those of the time zone (None: UTC).
    """

    template: str
    zone: ZoneInfo | None = None

    def __post_init__(self) -> None:
        text = self.template
        if not text.strip("/"):
            raise PartitionError("a partition layout must not be empty", "write partition = false for an unpartitioned dataset")
        if text != text.strip("/") or "//" in text:
            raise PartitionError(f"the partition layout {text!r} must not begin or end with '/', nor contain '//'")
        if not _NAMED.search(text) and self.grain is None:
            raise PartitionError(f"the partition layout {text!r} names no date part and no {{key}}", "for example dt=%Y-%m-%d")
        if any(segment in {".", ".."} for segment in text.split("/")):
            raise PartitionError(f"the partition layout {text!r} contains a relative path")

    @property
    def grain(self) -> Grain | None:
        """The grain of its dates; None when it has none."""
        return next((grain for directive, grain in _FINEST if directive in self.template), None)

    @property
    def date_keys(self) -> frozenset[str]:
        """The keys under which its dates stand; BARE for a segment without one."""
        dated = [segment for segment in self.template.split("/") if "%" in segment]
        return frozenset(segment.partition("=")[0] if "=" in segment else BARE for segment in dated)

    def at(self, moment: datetime) -> Partition:
        """The partition of the period around a moment. Raises PartitionError when the layout has no dates, or other keys too."""
        if self.grain is None:
            raise PartitionError(f"the partition layout {self.template} has no dates")
        return self.of(floor(moment, self.grain, self.zone))

    def of(self, period: Period) -> Partition:
        """The partition of a period at this layout's grain. Raises PartitionError when the layout has other keys too."""
        if self.grain is None or period.grain is not self.grain or _NAMED.search(self.template):
            raise PartitionError(f"{period} does not fit the partition layout {self.template}")
        path = period.start.strftime(self.template)
        found = from_path(path)
        if found is not None and found.period == period:
            return found
        return Partition(((min(self.date_keys) if len(self.date_keys) == 1 else BARE, period),))

    def said(self, found: Partition) -> Partition:
        """What a partition that somebody named is called here: in the layout's words if it can be said in them, else as it was.

        Raises PartitionError for a full timestamp that is no period of the layout by its zone's clock, or may be either of two.
        """
        if self.zone is not None:
            found = self._by_clock(found)
        return self.fit(found) or found

    def _by_clock(self, found: Partition) -> Partition:
        """With full timestamps as the zone's dates: a producer writes the moment at which the date begins, or its reading."""
        items: dict[str, Value] = {}
        for key, value in found.items:
            items[key] = value
            if isinstance(value, Period) and value.grain is Grain.INSTANT and self.grain is not None:
                readings = floor(value.start, Grain.INSTANT, self.zone), value
                periods = {floor(one.start, self.grain) for one in readings if floor(one.start, self.grain).start == one.start}
                if len(periods) != 1:
                    raise PartitionError(f"{value} is no {self.grain.value} that is certain in {self.zone}")
                items |= dict(partition({key: str(periods.pop())}).items)
        return Partition(tuple(sorted(items.items())))

    def fit(self, found: Partition) -> Partition | None:
        """The same data in this layout's words, or None when it cannot be said (another grain, other keys)."""
        period = found.period
        if period is None or self.grain is None or _NAMED.search(self.template):
            return None
        if not self.date_keys.issuperset(set(found.dated_keys) - {BARE}):
            return None
        if len(found.items) > (2 if period.grain is Grain.HOUR and found.get("hour") else 1):
            return None
        if period.grain is Grain.INSTANT and floor(period.start, self.grain).start == period.start:
            period = Period(period.start, self.grain)
        return self.of(period) if period.grain is self.grain else None

    def render(self, found: Partition) -> str:
        """The path below the location, without slashes at its ends.

        Raises PartitionError when the partition does not fit; never returns an empty path.
        """
        names = _NAMED.findall(self.template)
        values = {name: found.get(name) for name in names}
        period = found.period
        if self.grain is not None:
            if period is not None and period.grain is Grain.INSTANT and floor(period.start, self.grain).start == period.start:
                period = Period(period.start, self.grain)
            if period is None or period.grain is not self.grain:
                raise PartitionError(f"partition {found} does not fit the layout {self.template}")
        if foreign := set(found.dated_keys) - {BARE} - self.date_keys:
            raise PartitionError(f"partition {found} has the key {min(foreign)!r}, which the layout {self.template} does not")
        if any(not isinstance(value, str) or not value or "/" in value for value in values.values()):
            raise PartitionError(f"partition {found} does not name every key of the layout {self.template}")
        known = {*names, *found.dated_keys, *(["hour"] if self.grain is Grain.HOUR else [])}
        if extra := [key for key, _ in found.items if key not in known]:
            raise PartitionError(f"partition {found} has the key {extra[0]!r}, which the layout {self.template} does not")
        text = period.start.strftime(self.template) if period is not None and self.grain is not None else self.template
        path = _NAMED.sub(lambda match: str(values[match[1]]), text)
        if not all(path.split("/")):
            raise PartitionError(f"partition {found} renders an empty path with the layout {self.template}")
        return path
