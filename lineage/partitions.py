"""Partitions as canonical maps, how they overlap, and how they are written as paths.

A partition is a map of key to value; ``*`` is the empty map. A value is a period of time, a range of offsets or text.
Two partitions overlap unless a shared key differs; values that cannot be compared overlap. A date without a key
(``20261118``, ``2026/11/18``) is compared with the other partition's only dated key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from urllib.parse import quote, unquote

from lineage.errors import PartitionError
from lineage.periods import YEAR, Grain, Period, parse_period, whole_number

BARE = ""
"""The key of a date that was written without one."""

_PLAIN = " :+,;@!$&'()[]{}~|<>\"^`\\?#"
"""What a partition's text keeps as it is; ``/``, ``=``, ``*`` and ``%`` inside a key or value are percent-encoded."""

HOUR_KEYS = frozenset({"hour", "hh", "hr", "h"})


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
        return _written(self)

    def get(self, key: str) -> Value | None:
        return next((value for name, value in self.items if name == key), None)

    @property
    def dated_keys(self) -> tuple[str, ...]:
        return _dated_keys(self)

    @property
    def period(self) -> Period | None:
        """The one period this partition stands for, its hour key folded in; None when it has none or several."""
        return _period(self)


UNKNOWN = Partition()


@lru_cache(maxsize=1 << 16)
def _dated_keys(partition: Partition) -> tuple[str, ...]:
    return tuple(key for key, value in partition.items if isinstance(value, Period))


@lru_cache(maxsize=1 << 16)
def _period(partition: Partition) -> Period | None:
    dated = partition.dated_keys
    if len(dated) != 1:
        return None
    value = partition.get(dated[0])
    hour = partition.get("hour")
    if isinstance(value, Period) and value.grain is Grain.DAY and isinstance(hour, str):
        number = whole_number(hour)
        if number is not None:
            return Period(value.start + timedelta(hours=number), Grain.HOUR) if number < 24 else None
    return value if isinstance(value, Period) else None


@lru_cache(maxsize=1 << 16)
def _written(partition: Partition) -> str:
    written = ((key, _quoted(str(value))) for key, value in partition.items)
    return "/".join(f"{_quoted(key)}={value}" if key else value for key, value in written) or "*"


@lru_cache(maxsize=1 << 13)  # keys, days and hours: few, and in nearly all partitions
def _quoted(text: str) -> str:
    """A key or value as it may stand between ``/`` and ``=``; a space at its end would be lost to whoever strips the text."""
    return quote(text, safe=_PLAIN if text == text.strip() else _PLAIN.replace(" ", ""))


# --- reading -------------------------------------------------------------------------------------------------------------


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
    if "=" not in text and (match := _TAIL_DATE.fullmatch("x/" + text)) and match[1] == "x":
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
    found = partition(mapping)
    return Partition(tuple(sorted({**dict(found.items), **ranges}.items()))) if ranges else found


@lru_cache(maxsize=8192)
def _pairs(text: str) -> Partition | None:
    """The partition of ``dt=2026-11-18/hour=03``; None unless every segment is a key and a value."""
    matches = [_SEGMENT.fullmatch(segment) for segment in text.split("/")]
    return partition({match[1]: match[2] for match in matches if match}) if all(matches) else None


@lru_cache(maxsize=65_536)
def split_name(name: str) -> tuple[str, Partition]:
    """A dataset's name and the partition at its end: ``clean/orders/dt=2026-11-18`` → ``clean/orders``, ``dt=2026-11-18``."""
    stripped = name.rstrip("/")
    slash = stripped.rfind("/", 0, equals) if (equals := stripped.find("=")) >= 0 else -1
    if slash >= 0 and (found := _pairs(stripped[slash + 1 :])) is not None:
        return stripped[:slash], found  # of all names that end so
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
    match = re.fullmatch(YEAR + r"-(\d\d?)-(\d\d?)", text)
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
