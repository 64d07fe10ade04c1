"""Snapshots that no reader ever saw: a client may make several in one commit, and some catalogs keep all of them in the log.

An overwrite by pyiceberg is a snapshot without the old rows, then one with the new: going back to the first would empty what was
overwritten. The former metadata files of the table tell, since each commit writes one, which names the snapshot that readers saw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.table import Table

_MINUTE = 60_000
"""By how much the clocks of those who make snapshots and of those who write metadata may differ, in milliseconds."""


def seen_by_readers(table: Table, snapshot_id: int) -> bool | None:
    """Whether some commit ended with this snapshot; None where the former metadata files do not tell any more."""
    metadata = table.metadata
    if snapshot_id == metadata.current_snapshot_id or not _may_be_a_step(table, snapshot_id):
        return True
    snapshot = metadata.snapshot_by_id(snapshot_id)
    log = sorted(metadata.metadata_log, key=lambda one: one.timestamp_ms)
    if snapshot is None or not log or log[0].timestamp_ms >= snapshot.timestamp_ms:
        return None
    from pyiceberg.serializers import FromInputFile

    for one in log:
        if one.timestamp_ms >= snapshot.timestamp_ms - _MINUTE:
            try:
                found = FromInputFile.table_metadata(table.io.new_input(one.metadata_file))
            except (OSError, ValueError):
                return None
            if found.current_snapshot_id == snapshot_id:
                return True
    return False


def _may_be_a_step(table: Table, snapshot_id: int) -> bool:
    """Rows taken out, and rows appended right on top of that: one overwrite, or two commits."""
    order = [one.snapshot_id for one in table.metadata.snapshot_log]
    at = len(order) - 1 - order[::-1].index(snapshot_id) if snapshot_id in order else -1
    following = table.metadata.snapshot_by_id(order[at + 1]) if 0 <= at < len(order) - 1 else None
    if following is None or following.parent_snapshot_id != snapshot_id:
        return False
    return _operation(table, snapshot_id) in {"delete", "overwrite"} and _operation(table, following.snapshot_id) == "append"


def _operation(table: Table, snapshot_id: int) -> str:
    snapshot = table.metadata.snapshot_by_id(snapshot_id)
    return "" if snapshot is None or snapshot.summary is None else str(snapshot.summary.operation.value)
