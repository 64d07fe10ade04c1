"""Streams as batches of events, for the index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from lineage.decoding.references import FULL
from lineage.decoding.rows import Lines
from lineage.decoding.streams import UNREADABLE
from lineage.events import DatasetRef
from lineage.index.batch import KIND, Batch, Slot
from lineage.sources import Problems
from lineage.sources.openlineage import cut_short, lines_or_values, tolerantly


class _Numbers(dict[int, int]):
    """The numbers that constants have in batches that follow one another, given when they are first asked for."""

    def __init__(self, batch: Batch, constants: list[DatasetRef]) -> None:
        super().__init__()
        self._batch = batch
        self._constants = constants

    def __missing__(self, constant: int) -> int:
        found = self[constant] = self._batch.ref(self._constants[constant])
        return found


class Filling:
    """Fills one batch after another. What producers repeat is understood once for all of them."""

    batch: Batch
    lines: int
    """Lines, or values, of the stream that was read last."""

    def __init__(self) -> None:
        self._anew()

    def begin(self) -> None:
        """Begin the next batch; its numbers go on from those of the last, as long as these are not too many."""
        if len(self._lines.references.constants) > FULL or len(self.batch.heads) > FULL:
            self._anew()
        else:
            self.batch = self.batch.following()

    def _anew(self) -> None:
        self._lines = Lines()
        self.batch = Batch()
        self._numbers = _Numbers(self.batch, self._lines.references.constants)

    def add(self, line: bytes) -> bool:
        """Add the event of a line; False when only the tolerant way can say what it is."""
        row = self._lines.row(line)
        if row is None:
            return False
        time, kind, run_id, job, inputs, outputs, nominal, key, code, owners = row
        numbers = self._numbers
        slots: list[Slot] = [
            (position, () if named is None else named[2], version)
            for position, (_, named, version) in enumerate(inputs + outputs)
            if named is not None or version is not None
        ]
        reads = tuple([numbers[one[0]] for one in inputs])  # a list first: a generator costs twice as much
        writes = tuple([numbers[one[0]] for one in outputs])
        self.batch.add(time, KIND[kind], run_id, job, reads, writes, tuple(slots), nominal, key, code, owners)
        return True


def read_batches(
    name: str,
    stream: BinaryIO,
    problems: Problems,
    *,
    first_line: int | None = None,
    size: int = 20_000,
    filling: Filling | None = None,
) -> Iterator[Batch]:
    """The events of one stream in the order of its lines, in batches of about ``size``; ``first_line``: as for ``events_of``.

    ``filling``: one that is kept for the next stream; it stands at a new batch when this one ends.
    """
    filling = filling or Filling()
    if len(filling.batch):  # of a stream that nobody read to its end
        filling.begin()
    add, number = filling.add, (first_line or 1) - 1
    try:
        for number, told in enumerate(lines_or_values(name, stream, problems, first_line), first_line or 1):
            if not (isinstance(told, bytes) and add(told)):
                for made in tolerantly(name, number, told, problems):
                    filling.batch.event(made)
            if len(filling.batch.time) >= size:
                yield filling.batch
                filling.begin()
    except UNREADABLE as error:
        problems.skipped.append(cut_short(name, error))
    filling.lines = number - (first_line or 1) + 1
    if len(filling.batch):
        yield filling.batch
        filling.begin()
