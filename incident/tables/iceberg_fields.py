"""The partition values of an Iceberg data file, in the words that cells are judged by."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lineage.periods import Grain, Period
from runbooks.table_partitions import FieldValue

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def field_values(table: Table, file: DataFile, *, utc: bool) -> tuple[FieldValue, ...]:
    """The file's values. ``utc``: the cell's dates are those of UTC; times in tables are cut by it, and by no other clock."""
    spec = table.metadata.specs()[file.spec_id]
    found = []
    for at, field in enumerate(spec.fields):
        column = _column(table, field.source_id)
        names = frozenset({field.name.lower()} | ({column[0].lower()} if column else set()))
        value, timed = _value(names, field.transform, column, file.partition[at])
        found.append(value if utc or not timed else replace(value, plain=False))
    return tuple(found)


def _column(table: Table, source: int) -> tuple[str, Any] | None:
    """A column's name and type, by the newest schema that has it."""
    for schema in reversed(table.metadata.schemas):
        try:
            found = schema.find_field(source)
        except ValueError:
            continue
        return schema.find_column_name(source) or found.name, found.field_type
    return None


def _value(names: frozenset[str], transform: Any, column: tuple[str, Any] | None, raw: Any) -> tuple[FieldValue, bool]:
    """The value, and whether it is a stretch of time cut by the clock of UTC."""
    from pyiceberg.transforms import DayTransform, HourTransform, IdentityTransform, MonthTransform, YearTransform
    from pyiceberg.types import DateType, TimestampType, TimestamptzType

    dates = column is not None and isinstance(column[1], DateType)
    if raw is None and not isinstance(transform, IdentityTransform | DayTransform | HourTransform | MonthTransform | YearTransform):
        return FieldValue(names, None, plain=False), False
    if raw is None:
        timed = dates or (column is not None and isinstance(column[1], TimestampType | TimestamptzType))
        return FieldValue(names, None, dated=timed), False
    match transform:
        case DayTransform():
            return FieldValue(names, Period(_EPOCH + timedelta(days=_days(raw)), Grain.DAY)), not dates
        case HourTransform():
            return FieldValue(names, Period(_EPOCH + timedelta(hours=raw), Grain.HOUR)), True
        case MonthTransform():
            year, month = divmod(1970 * 12 + raw, 12)
            return FieldValue(names, Period(datetime(year, month + 1, 1, tzinfo=UTC), Grain.MONTH)), not dates
        case YearTransform():
            return FieldValue(names, Period(datetime(1970 + raw, 1, 1, tzinfo=UTC), Grain.YEAR)), not dates
        case IdentityTransform() if column is not None:
            return _identity(names, column[1], raw)
    return FieldValue(names, str(raw), plain=False), False


def _identity(names: frozenset[str], kind: Any, raw: Any) -> tuple[FieldValue, bool]:
    from pyiceberg.types import BooleanType, DateType, IntegerType, LongType, StringType, TimestampType, TimestamptzType

    match kind:
        case StringType():
            return FieldValue(names, str(raw)), False
        case BooleanType():
            return FieldValue(names, str(raw).lower()), False
        case IntegerType() | LongType():
            return FieldValue(names, int(raw)), False
        case DateType():
            return FieldValue(names, Period(_EPOCH + timedelta(days=_days(raw)), Grain.DAY)), False
        case TimestampType() | TimestamptzType():
            moment = raw if isinstance(raw, datetime) else _EPOCH + timedelta(microseconds=raw)
            return FieldValue(names, Period(moment.replace(tzinfo=UTC), Grain.INSTANT)), True
    return FieldValue(names, str(raw), plain=False), False


def _days(raw: Any) -> int:
    """Days since 1970, which readers of manifests give as a number or as a date."""
    return raw if isinstance(raw, int) else (raw - _EPOCH.date()).days
