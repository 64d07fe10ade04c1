"""Whether a figure is out of line with its history: robust z-scores against the same weekday, else against recent history.

The score is Iglewicz and Hoaglin's modified z: the distance from the median in units of 1.4826 × MAD, out of line beyond 3.5 ("How
to Detect and Handle Outliers", 1993). Lakes breathe by the week, so a Sunday is compared with Sundays where there are enough.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from lineage.timestamps import AFTER, BEFORE, to_datetime

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
    """How a figure stands to its history. ``score`` is None where there is too little history to tell.

    ``sure`` is False where the history holds no such weekday at all, so that a weekly rhythm would go unnoticed.
    """

    value: float
    usual: float
    score: float | None
    basis: str
    sure: bool = True

    @property
    def out_of_line(self) -> bool:
        return self.score is not None and abs(self.score) > OUT_OF_LINE


def standing(value: float, moment: int, history: Sequence[tuple[int, float]], *, floor: float = 0.0) -> Standing:
    """How a value of a moment stands to earlier values, in their order, each with its moment.

    Moments are nanoseconds UTC of what the figures are about (the nominal time), and ``floor`` is the least spread that counts.
    """
    weekday = _weekday(moment)
    by_weekday: dict[int | None, list[float]] = defaultdict(list)
    for when, one in history:
        by_weekday[_weekday(when)].append(one)
    same = by_weekday[weekday][-_SAME_WEEKDAYS:] if weekday is not None else []
    recent = [one for _, one in history][-_RECENT:]
    if weekday is not None and len(same) >= ENOUGH_WEEKDAYS:
        basis = f"against {len(same)} earlier {_DAYS[weekday]}s"
        return _scored(value, same, max(floor, _breath(by_weekday.values()) * abs(median(same))), basis)
    if len(recent) < ENOUGH:
        return Standing(value, median(recent) if recent else value, None, f"too little history to judge: {_count(len(recent))}")
    basis = f"against the {len(recent)} values before{_too_few(weekday, len(same))}"
    found = _scored(value, recent, floor, basis)
    if same and found.out_of_line and 0.8 * min(same) <= value <= 1.25 * max(same):
        return replace(found, score=0.0, basis=f"{basis}; but it is like {'that' if len(same) == 1 else 'those'}")
    return replace(found, sure=bool(same) or weekday is None)


def _scored(value: float, compared: Sequence[float], floor: float, basis: str) -> Standing:
    middle = median(compared)
    deviation = median(abs(one - middle) for one in compared)
    spread = max(1.4826 * _small(len(compared)) * deviation, _LEAST_SPREAD * abs(middle), floor)
    spread *= (1 + 1.57 / len(compared)) ** 0.5  # the median of few is itself uncertain
    if spread > 0:
        return Standing(value, middle, (value - middle) / spread, basis)
    return Standing(value, middle, 0.0 if value == middle else 99.0 if value > middle else -99.0, basis)


def _breath(groups: Iterable[Sequence[float]]) -> float:
    """How far values lie from the median of their own weekday, relative to it: all weekdays tell of the spread of one."""
    found = []
    for values in groups:
        group = values[-_SAME_WEEKDAYS:]
        middle = median(group) if len(group) >= 3 else 0.0
        if middle:
            found += [abs(one - middle) / abs(middle) for one in group]
    return 1.4826 * 1.25 * median(found) if found else 0.0  # a fourth more, as small groups draw their median to themselves


def _small(number: int) -> float:
    """What the median deviation of few values lacks: Williams, "Finite sample correction factors for several robust estimators"."""
    return {4: 1.363, 5: 1.206, 6: 1.2, 7: 1.14, 8: 1.129, 9: 1.107}.get(number, number / (number - 0.8))


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
