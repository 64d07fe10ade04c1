"""Streams as batches of events, for the index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from lineage.decoding.rows import Lines
from lineage.decoding.streams import UNREADABLE
from lineage.index.batch import KIND, Batch, Slot
from lineage.sources import Problems
from lineage.sources.openlineage import cut_short, lines_or_values, tolerantly


class Filling:
    """Fills one batch after another. What producers repeat is understood once for all of them; numbers are a batch's own."""

    def __init__(self) -> None:
        self._lines = Lines()
        self.batch = Batch()
        self._numbers: dict[int, int] = {}

    def begin(self) -> Batch:
        """Begin the next batch; the result is the one so far."""
        done, self.batch = self.batch, Batch()
        self._numbers = {}
        return done

    def add(self, line: bytes) -> bool:
        """Add the event of a line; False when only the tolerant way can say what it is."""
        row = self._lines.row(line)
        if row is None:
            return False
        time, kind, run_id, job, inputs, outputs, nominal, key, code, owners = row
        numbers: list[int] = []
        slots: list[Slot] = []
        known = self._numbers
        for constant, named, version in (*inputs, *outputs):
            number = known.get(constant)
            if number is None:
                number = known[constant] = self.batch.ref(self._lines.references.constants[constant])
            if named is not None:
                slots.append((len(numbers), named.texts, version))
            elif version is not None:
                slots.append((len(numbers), (), version))
            numbers.append(number)
        split = len(inputs)
        self.batch.add(
            time, KIND[kind], run_id, job, tuple(numbers[:split]), tuple(numbers[split:]), tuple(slots), nominal, key, code, owners
        )
        return True


def read_batches(
    name: str, stream: BinaryIO, problems: Problems, *, first_line: int | None = None, size: int = 20_000
) -> Iterator[Batch]:
    """The events of one stream in the order of its lines, in batches of about ``size``; ``first_line``: as for ``events_of``."""
    filling = Filling()
    add = filling.add
    try:
        for number, told in enumerate(lines_or_values(name, stream, problems, first_line), first_line or 1):
            if isinstance(told, bytes) and add(told):
                if len(filling.batch.time) >= size:
                    yield filling.begin()
            else:
                for made in tolerantly(name, number, told, problems):
                    filling.batch.event(made)
    except UNREADABLE as error:
        problems.skipped.append(cut_short(name, error))
    if len(filling.batch):
        yield filling.begin()
