"""Attempts that a decoder saw whole: a run's beginning, its end and what was told between them, as one row for the index.

What the general way (``lineage.index.rows``) would make of the same events is what is added here, or nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from lineage.decoding.references import FULL, Placed, make_room
from lineage.decoding.wire import RunEvent
from lineage.index.batch import Batch, Pair
from lineage.index.dimensions import dated_keys
from lineage.index.schema import pairs_batch
from lineage.index.slots import Where, listed, written

if TYPE_CHECKING:
    import pyarrow as pa

    from lineage.decoding.references import References

_NOTHING: Final = (None, None)
"""What is written of events that name no partition and no version."""


class Said(NamedTuple):
    """What an event says: as it is written, while that may matter, and in the numbers of the batch."""

    told: RunEvent | None
    time: int
    head: int
    named: list[Placed]
    nominal: tuple[int, int] | None
    partition_key: str | None
    code_version: str | None
    flags: int


class Attempts:
    """Those of a batch and of the batches that follow it."""

    def __init__(self, batch: Batch, references: References) -> None:
        self._batch = batch
        self._references = references
        self._shapes: dict[tuple[int, ...], int] = {}
        self._ended: dict[tuple[int, int], int] = {}
        self._alike: dict[tuple[int, int], int] = {}
        self._slots: dict[tuple[int, int, tuple[int, ...], int], str | None] = {}
        self._listed: dict[tuple[str, ...], tuple[str | None, int]] = {}
        self._where: dict[Where, int] = {}
        self._keyed: set[tuple[int, tuple[str, ...]]] = set()
        self._made: list[Pair] = []

    def __len__(self) -> int:
        return len(self._made)

    def taken(self) -> pa.RecordBatch | None:
        """What was added since this was last asked; None for nothing."""
        if not self._made:
            return None
        done, self._made = self._made, []
        return pairs_batch(done)

    def ended(self, run_id: str, began: Said, time: int, kind: int) -> None:
        """Add an attempt whose end says just what its beginning says."""
        _, start, head, named, nominal, key, code, _ = began
        shape = self._ended.get((head, kind))
        if shape is None:
            shape = self._ended[head, kind] = self._shape((head, self.alike(head, kind)))
        slots, partitions = self._repeated(head, named, 2) if named else _NOTHING
        self._made.append((run_id, start, time, shape, nominal, key, code, slots, partitions, None))

    def told(self, run_id: str, events: Sequence[Said]) -> bool:
        """Add an attempt by its events, the last of them terminal and later than the first; False when they disagree.

        They are in the order of their times and types, and no two have the same of both.
        """
        _, start, first, named, nominal, key, code, _ = events[0]
        heads = tuple([one.head for one in events])
        if all(one.named is named for one in events):  # all repeat what the first says
            slots, partitions = self._repeated(first, named, len(events)) if named else _NOTHING
        else:
            for one in events:
                nominal, key, code = nominal or one.nominal, key or one.partition_key, code or one.code_version
                if (one.nominal or nominal, one.partition_key or key, one.code_version or code) != (nominal, key, code):
                    return False
            if key is not None:  # whichever event told it, it is about the outputs of all
                for head in heads:
                    self.note_key(head, key)
            slots, partitions = self._written([(one.head, one.named) for one in events])
        times = None if len(events) == 2 else tuple([one.time for one in events])
        self._made.append((run_id, start, events[-1].time, self._shape(heads), nominal, key, code, slots, partitions, times))
        return True

    def alike(self, head: int, kind: int) -> int:
        """The number of the head of an event of that kind that says the same as one with this head."""
        found = self._alike.get((head, kind))
        if found is None:
            found = self._alike[head, kind] = self._batch.numbered(self._batch.heads[head]._replace(kind=kind))
        return found

    def kind(self, head: int) -> int:
        """The kind of events with this head."""
        return self._batch.heads[head].kind

    def note_key(self, head: int, key: str) -> None:
        """Note that a run has this partition key, which is about the outputs of a head."""
        keyed = head, dated_keys(key)
        if keyed not in self._keyed:
            self._keyed.add(keyed)
            for number in self._batch.heads[head].outputs:
                self._references.note(number, keyed[1], sure=False)

    def _shape(self, heads: tuple[int, ...]) -> int:
        found = self._shapes.get(heads)
        if found is None:
            found = self._shapes[heads] = len(self._batch.shapes)
            self._batch.shapes.append(heads)
        return found

    # --- slots and partitions, as text ---------------------------------------------------------------------------------------

    def _repeated(self, head: int, named: list[Placed], times: int) -> tuple[str | None, str | None]:
        """Those of events that all name the same."""
        places, texts = [], []
        for position, partitions, version in named:
            if partitions is None or version is not None:
                return self._written([(head, named)] * times)
            places.append(position)
            texts.append(partitions[3])
        key = tuple(texts)
        found = self._listed.get(key)
        if found is None:
            make_room(self._listed)
            if len(self._where) >= FULL:
                self._listed, self._slots, self._where = {}, {}, {}
            told, where = listed([some.texts for _, some, _ in named if some is not None])
            found = self._listed[key] = told, self._where.setdefault(where, len(self._where))
        shape = head, times, tuple(places), found[1]
        if shape not in self._slots:
            make_room(self._slots)
            self._slots[shape], _ = self._written([(head, named)] * times)
        return self._slots[shape], found[0]

    def _written(self, events: Sequence[tuple[int, list[Placed]]]) -> tuple[str | None, str | None]:
        told = []
        before = 0
        for head, named in events:
            told.append((before, [(at, () if some is None else some.texts, version) for at, some, version in named]))
            before += self._width(head)
        return written(told)

    def _width(self, head: int) -> int:
        _, _, inputs, outputs, _, _ = self._batch.heads[head]
        return len(inputs) + len(outputs)
