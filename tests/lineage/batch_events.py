"""The events of batches, those of their pairs included; spellings and notes are not in them."""

from __future__ import annotations

from collections.abc import Iterable

from lineage.events import Event
from lineage.index.batch import Batch, event_of
from lineage.index.dimensions import Dimensions
from lineage.index.rows import events_of
from lineage.index.schema import pairs_table, rows_in


def events_in(batches: Iterable[Batch]) -> list[Event]:
    """In the order of their times, and then of what they are."""
    found: list[Event] = []
    for batch in batches:
        found += [
            event_of(batch.refs, batch.heads[head], time, run, extra)
            for time, head, run, extra in zip(batch.time, batch.head, batch.run, batch.extra, strict=True)
        ]
        if batch.pairs is None:
            continue
        known = Dimensions()
        _, shapes = known.take(batch)
        for row in rows_in(pairs_table([batch.pairs], shapes, known)):
            for time, _, head, extra in events_of(row, known):
                found.append(event_of(known.refs, known.heads[head], time, row.run, extra))
    return sorted(found, key=lambda one: (one.time, repr(one)))
