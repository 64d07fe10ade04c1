"""Times as whole nanoseconds since 1970 in UTC, with two sentinels for "always before" and "not yet".

Integers compare exactly, allow a skew to be added at either end, and fit an Arrow int64 column.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

BEFORE = -(2**62)
"""−∞: an attempt whose beginning nobody reported."""

AFTER = 2**62
"""+∞: an attempt whose end nobody reported."""

SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?\s*([Zz]|[+-]\d\d(?::?\d\d)?)?(?:\[[^\]]*\])?"
)


_FORMS: dict[int, tuple[int, str, int]] = {
    **{20 + count + 1: (20 + count, "Z", 10 ** (9 - count)) for count in range(1, 10)},
    **{20 + count + 6: (20 + count, "+00:00", 10 ** (9 - count)) for count in (3, *range(5, 10))},
    **{19 + len(zone): (19, zone, SECOND) for zone in ("Z", "+00:00")},
}
"""How nearly all producers write it, by its length: where its decimals end, the zone that follows, what the last digit counts."""
_MINUTE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


def parse(text: str) -> int:
    """Nanoseconds for an RFC 3339 time; naive times are UTC, a bare date is its midnight, any number of decimals.

    Raises ValueError with the text when it is none.
    """
    if (form := _FORMS.get(len(text))) is not None:
        end, zone, scale = form
        if text[end:] == zone and text[16] == ":" and (text[19] == "." or end == 19):
            digits = text[17:19] + text[20:end]
            if digits.isdecimal() and (minute := _minute(text[:16])) is not None:  # a minute seen before
                return minute + int(digits) * scale
    return _parse(text)


@lru_cache(maxsize=1 << 13)
def _minute(text: str) -> int | None:
    """Nanoseconds of ``2026-11-18T03:15``; None for anything else."""
    try:
        return _parse(text) if _MINUTE.fullmatch(text) else None
    except ValueError:
        return None


def _parse(text: str) -> int:
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a time: {text!r}")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    whole = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), tzinfo=UTC)
    nanoseconds = from_datetime(whole) + int(second or 0) * SECOND + int(((fraction or "") + "0" * 9)[:9])
    if zone and zone not in "Zz":
        hours, minutes = int(zone[1:3]), int(zone[-2:]) if len(zone) > 3 else 0
        offset = (hours * 3600 + minutes * 60) * SECOND
        nanoseconds -= offset if zone[0] == "+" else -offset
    return nanoseconds


def from_datetime(moment: datetime) -> int:
    """Nanoseconds of an aware datetime."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds * 1000


def to_datetime(nanoseconds: int) -> datetime:
    """The aware UTC datetime, cut to microseconds; the sentinels become the ends of the calendar."""
    if nanoseconds <= BEFORE:
        return datetime.min.replace(tzinfo=UTC)
    if nanoseconds >= AFTER:
        return datetime.max.replace(tzinfo=UTC)
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def render(nanoseconds: int) -> str | None:
    """RFC 3339 in UTC with as many decimals as needed; None for ±∞."""
    if nanoseconds <= BEFORE or nanoseconds >= AFTER:
        return None
    seconds, rest = divmod(nanoseconds, SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:09d}".rstrip("0") + "Z" if rest else f"{text}Z"


def whole_day(text: str) -> bool:
    """True for a bare date, which stands for all of that UTC day."""
    return re.fullmatch(r"\d{4}-\d\d-\d\d", text.strip()) is not None


def span(nanoseconds: float) -> str:
    """A length of time by its two largest units: ``2 d 3 h``, ``5 min 20 s``, ``0 s``."""
    seconds = int(abs(nanoseconds) // SECOND)
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"
