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
    goes_on: bool = False,
    ends: bool = True,
) -> Iterator[Batch]:
    """The events of one stream in the order of its lines, in batches of about ``size`` lines; ``first_line``: as for ``events_of``.

    ``filling``: one that is kept for the next stream; it stands at a new batch when this one ends. ``goes_on``: what waited at the
    end of the stream before may go on in this one; ``ends``: nothing goes on in the next.
    """
    filling = filling or Filling()
    if not goes_on:
        filling.forget()
    add, number = filling.add, (first_line or 1) - 1
    full = number + size
    try:
        for number, told in enumerate(lines_or_values(name, stream, problems, first_line), first_line or 1):
            if not (isinstance(told, bytes) and add(told)):
                for made in tolerantly(name, number, told, problems):
                    filling.batch.event(made)
            if number >= full and filling.holds():
                full = number + size
                yield filling.taken()
    except UNREADABLE as error:
        problems.skipped.append(cut_short(name, error))
    filling.lines = number - (first_line or 1) + 1
    if ends:
        filling.settle()
    if filling.holds():
        yield filling.taken()
