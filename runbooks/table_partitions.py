"""Whether a data file of a table lies in a cell: decided by the file's own partition values, never by its path.

Every file has the partition values of the spec that it was written under, so that a table whose partitioning changed is judged
file by file. A file that lies partly in the cell, or may, is *unclear*: then the cell cannot be changed without touching others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lineage.partitions import BARE, HOUR_KEYS, Partition, Value, covers, overlap
from lineage.periods import Grain, Period, parse_period, whole_number

Standing = Literal["inside", "outside", "unclear"]
NULL = "__HIVE_DEFAULT_PARTITION__"
"""How a partition without a value is written in paths."""
_AMBIGUOUS = frozenset({"null", "None", ""})
"""How else it is written; but the text may also mean itself."""


@dataclass(frozen=True, slots=True)
class FieldValue:
    """One partition field of a file. ``names``: of the field and its column, lower case; a partition's key is one of them.

    ``value`` None: NULL. ``plain`` false: what the value says of the column cannot be undone (a bucket, a truncation). ``dated``:
    it holds dates, also where this one is NULL.
    """

    names: frozenset[str]
    value: Period | int | str | None
    plain: bool = True
    dated: bool = False


def standing(cell: Partition, fields: Sequence[FieldValue]) -> Standing:
    """Where a file with these values stands. All of a table (``*``) holds every file."""
    found = [_of_key(key, value, cell, fields) for key, value in cell.items]
    return "outside" if "outside" in found else "unclear" if "unclear" in found else "inside"


def _of_key(key: str, value: Value, cell: Partition, fields: Sequence[FieldValue]) -> Standing:
    if key == BARE:
        dated = [one for one in fields if one.dated or isinstance(one.value, Period)]
        named = dated if len(dated) == 1 else []
    else:
        hours = HOUR_KEYS if key in HOUR_KEYS else frozenset({key.lower()})
        named = [one for one in fields if hours & one.names]
    if not named and key in HOUR_KEYS and _hourly(cell, fields):
        return "inside"  # judged with its day, whose field tells hours
    if isinstance(value, Period) and value.grain is Grain.DAY and _hourly(cell, named) and cell.period is not None:
        value = cell.period
    verdicts = {_compared(value, one) for one in named}
    return "outside" if "outside" in verdicts else "inside" if "inside" in verdicts else "unclear"


def _hourly(cell: Partition, fields: Sequence[FieldValue]) -> bool:
    """Whether the one date of the cell is told by a field of hours."""
    dated = {BARE, *(key.lower() for key in cell.dated_keys)}
    return len(cell.dated_keys) == 1 and any(
        isinstance(one.value, Period) and one.value.grain is Grain.HOUR and (dated & one.names or cell.dated_keys == (BARE,))
        for one in fields
    )


def _compared(asked: Value, field: FieldValue) -> Standing:
    """Where a value stands to what a cell asks for."""
    has = field.value
    if not field.plain:
        return "unclear"
    if has is None:
        return "inside" if asked == NULL else "unclear" if asked in _AMBIGUOUS else "outside"
    if asked == NULL:
        return "outside" if has != NULL else "unclear"
    match asked, has:
        case str(), int():
            number = whole_number(asked.removeprefix("-"))
            if number is None:
                return "unclear"
            return "inside" if (-number if asked.startswith("-") else number) == has else "outside"
        case str(), str():
            return "inside" if asked == has else _texts(asked, has)
        case Period(), int() | str():
            text = str(has)
            if (period := parse_period(text)) is not None:
                return _related(asked, period)
            # a word is no date; but digits may be one, written in a way that nobody knows here
            return _related(asked, text) if any(one.isdigit() for one in text) else "outside"
        case _, Period() | str():
            return _related(asked, has)
        case _:
            return "unclear"


def _texts(asked: str, has: str) -> Standing:
    """Numbers may be written with zeros before them: then they are the same, or not, and nobody can say."""
    same = whole_number(asked) is not None and whole_number(asked) == whole_number(has)
    return "unclear" if same else "outside"


def _related(asked: Value, has: Value) -> Standing:
    outer, inner = Partition((("x", asked),)), Partition((("x", has),))
    if covers(outer, inner):
        return "inside"
    return "unclear" if overlap(outer, inner) else "outside"
