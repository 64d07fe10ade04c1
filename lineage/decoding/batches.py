"""Streams as batches of events, for the index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from lineage.decoding.filling import Filling
from lineage.decoding.streams import UNREADABLE
from lineage.index.batch import Batch
from lineage.sources import Problems
from lineage.sources.openlineage import cut_short, lines_or_values, tolerantly


def read_batches(
    name: str,
    stream: BinaryIO,
    problems: Problems,
    *,
    first_line: int | None = None,
    size: int = 20_000,
    filling: Filling | None = None,
    ends: bool = True,
) -> Iterator[Batch]:
    """The events of one stream in the order of its lines, in batches of about ``size`` lines; ``first_line``: as for ``events_of``.

    ``filling``: one that goes on from stream to stream, which may hold something of those before; ``ends``: nothing comes after
    this one, so that it holds nothing afterwards.
    """
    filling = filling or Filling()
    add, before = filling.add, (first_line or 1) - 1
    number, slow, made = before, 0, 0
    full = number + size - filling.held
    try:
        for number, told in enumerate(lines_or_values(name, stream, problems, first_line), first_line or 1):
            if not (isinstance(told, bytes) and add(told)):
                slow += 1
                for one in tolerantly(name, number, told, problems):
                    made += 1
                    filling.batch.event(one)
            if number >= full and filling.holds():
                full, filling.held = number + size, 0
                yield filling.taken()
    except UNREADABLE as error:
        problems.skipped.append(cut_short(name, error))
    filling.lines = number - before
    filling.events = filling.lines - slow + made
    filling.held = number + size - full
    if ends:
        filling.settle()
        if filling.holds():
            yield filling.taken()
