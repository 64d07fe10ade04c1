"""Layouts: how a dataset's partitions are written below its location, and what a partition is called in those words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from lineage.errors import PartitionError
from lineage.partitions import BARE, Partition, Value, from_path, partition
from lineage.periods import Grain, Period, floor

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

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
        if not self.named and self.grain is None:
            raise PartitionError(f"the partition layout {text!r} names no date part and no {{key}}", "for example dt=%Y-%m-%d")
        if any(segment in {".", ".."} for segment in text.split("/")):
            raise PartitionError(f"the partition layout {text!r} contains a relative path")

    @property
    def grain(self) -> Grain | None:
        """The grain of its dates; None when it has none."""
        return _grain(self.template)

    @property
    def date_keys(self) -> frozenset[str]:
        """The keys under which its dates stand; BARE for a segment without one."""
        return _date_keys(self.template)

    @property
    def named(self) -> bool:
        """Whether it has plain keys."""
        return _named(self.template)

    def at(self, moment: datetime) -> Partition:
        """The partition of the period around a moment. Raises PartitionError when the layout has no dates, or other keys too."""
        if self.grain is None:
            raise PartitionError(f"the partition layout {self.template} has no dates")
        return self.of(floor(moment, self.grain, self.zone))

    def of(self, period: Period) -> Partition:
        """The partition of a period at this layout's grain. Raises PartitionError when the layout has other keys too."""
        return _of(self, period)

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
        return _fit(self, found)

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


@lru_cache(maxsize=1 << 12)
def _grain(template: str) -> Grain | None:
    return next((grain for directive, grain in _FINEST if directive in template), None)


@lru_cache(maxsize=1 << 12)
def _date_keys(template: str) -> frozenset[str]:
    dated = [segment for segment in template.split("/") if "%" in segment]
    return frozenset(segment.partition("=")[0] if "=" in segment else BARE for segment in dated)


@lru_cache(maxsize=1 << 12)
def _named(template: str) -> bool:
    return _NAMED.search(template) is not None


@lru_cache(maxsize=1 << 16)  # few partitions are named, by many attempts each
def _fit(layout: Layout, found: Partition) -> Partition | None:
    period = found.period
    if period is None or layout.grain is None or layout.named:
        return None
    keys = layout.date_keys
    if any(key not in keys and key != BARE for key in found.dated_keys):
        return None
    if len(found.items) > (2 if period.grain is Grain.HOUR and found.get("hour") else 1):
        return None
    if period.grain is Grain.INSTANT and floor(period.start, layout.grain).start == period.start:
        period = Period(period.start, layout.grain)
    return layout.of(period) if period.grain is layout.grain else None


@lru_cache(maxsize=1 << 16)
def _of(layout: Layout, period: Period) -> Partition:
    if layout.grain is None or period.grain is not layout.grain or layout.named:
        raise PartitionError(f"{period} does not fit the partition layout {layout.template}")
    path = period.start.strftime(layout.template)
    found = from_path(path)
    if found is not None and found.period == period:
        return found
    return Partition(((min(layout.date_keys) if len(layout.date_keys) == 1 else BARE, period),))
