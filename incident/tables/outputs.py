"""What a cell of a table holds, in the words that outputs are judged by: one key, whose version is the set of the cell's files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from incident.config import Config
from incident.outputs import Outputs
from incident.storage import open_reader
from incident.tables import open_table
from incident.tables.port import Asked
from runbooks.survey import KeyHistory, ObjectVersion
from runbooks.table_survey import TablePlace


def table_histories(config: Config, place: TablePlace) -> Iterator[KeyHistory]:
    """The cell, if it has any file. Read-only."""
    table = open_table(config, place)
    now = table.files(table.version, {"": Asked(place.cells)})[""]
    if now.files:
        # A file's path is never used again, so that any other set of them was committed later than those known before.
        yield KeyHistory(place.url, (ObjectVersion(place.url, now.fingerprint, now.fingerprint, now.size, 0),))


def all_outputs(config: Config) -> Outputs:
    """Looks at whatever cells can be in."""
    return Outputs(partial(open_reader, config), partial(table_histories, config))
