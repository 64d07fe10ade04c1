"""Tables with a history of their own (Iceberg, Delta), changed by commits through their libraries and never file by file."""

from __future__ import annotations

from incident.config import Config
from incident.errors import ConfigError
from incident.tables.port import LakeTable
from runbooks.table_survey import TablePlace


def open_table(config: Config, place: TablePlace) -> LakeTable:
    """The table of a place, as it is now.

    Raises ConfigError when its library or its catalog is not there, StorageError when it cannot be read.
    """
    if place.format == "iceberg":
        from incident.tables.iceberg import IcebergTable

        return IcebergTable.load(config, place.table)
    from incident.tables.delta import DeltaLakeTable

    return DeltaLakeTable.load(config, place.table)


def missing_extra(extra: str, error: Exception) -> ConfigError:
    """The library of a format, or a part of it, is not installed."""
    return ConfigError(
        f"tables of format {extra} need a library that is not installed: {error}",
        f"pip install 'dataops-incident[{extra}]'",
        code="not-installed",
    )
