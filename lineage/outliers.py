"""Whether a figure is out of line with its history: robust z-scores against the same weekday, else against recent history.

The score is Iglewicz and Hoaglin's modified z: the distance from the median in units of 1.4826 × MAD, out of line beyond 3.5 ("How
to Detect and Handle Outliers", 1993). Lakes breathe by the week, so a Sunday is compared with Sundays where there are enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from lineage.timestamps import AFTER, BEFORE, SECOND, to_datetime

OUT_OF_LINE = 3.5
ENOUGH_WEEKDAYS = 4
ENOUGH = 5
_RECENT = 28
_SAME_WEEKDAYS = 12
_LEAST_SPREAD = 0.015
"""Of the median: a history that hardly varies does not make five in a hundred remarkable."""

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a figure stands to its history. ``score`` is None where there is too little history to tell."""

    value: float
    usual: float
    score: float | None
    basis: str

    @property
    def out_of_line(self) -> bool:
        return self.score is not None and abs(self.score) > OUT_OF_LINE


def standing(value: float, moment: int, history: Sequence[tuple[int, float]], *, floor: float = 0.0) -> Standing:
    """How a value of a moment stands to earlier values, in their order, each with its moment.

    Moments are nanoseconds UTC of what the figures are about (the nominal time), and ``floor`` is the least spread that counts.
    """
    weekday = _weekday(moment)
    same = [one for when, one in history if weekday is not None and _weekday(when) == weekday][-_SAME_WEEKDAYS:]
    recent = [one for _, one in history][-_RECENT:]
    if weekday is not None and len(same) >= ENOUGH_WEEKDAYS:
        compared, basis = same, f"against {len(same)} earlier {_DAYS[weekday]}s"
    elif len(recent) >= ENOUGH:
        compared, basis = recent, f"against the {len(recent)} values before{_too_few(weekday, len(same))}"
    else:
        return Standing(value, median(recent) if recent else value, None, f"too little history to judge: {_count(len(recent))}")
    middle = median(compared)
    deviation = median(abs(one - middle) for one in compared)
    spread = max(1.4826 * deviation, _LEAST_SPREAD * abs(middle), floor)
    if spread > 0:
        return Standing(value, middle, (value - middle) / spread, basis)
    return Standing(value, middle, 0.0 if value == middle else 99.0 if value > middle else -99.0, basis)


def _weekday(moment: int) -> int | None:
    if not BEFORE < moment < AFTER:
        return None
    return to_datetime(moment).weekday()


def _too_few(weekday: int | None, number: int) -> str:
    return "" if weekday is None else f", as only {number} of the history {'is' if number == 1 else 'are'} a {_DAYS[weekday]}"


def _count(number: int) -> str:
    return f"{number} value{'' if number == 1 else 's'} before it"


def amount(value: float) -> str:
    """A figure as people read it: ``1,204``, ``0.25``."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:,.4g}"


def times(value: float, usual: float) -> str:
    """How many times the usual a value is, in words; "" where that tells nothing."""
    if usual <= 0 or value < 0 or value == usual:
        return ""
    ratio = value / usual
    if ratio >= 2:
        return f"{ratio:,.1f} times the usual" if ratio < 10 else f"{ratio:,.0f} times the usual"
    return f"{ratio:.0%} of the usual" if ratio >= 0.01 or value == 0 else f"{ratio:.2%} of the usual"


def span(nanoseconds: float) -> str:
    """A length of time: ``5 h 20 min``, ``45 s``."""
    seconds = int(abs(nanoseconds) // SECOND)
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"
