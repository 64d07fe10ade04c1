"""Fills batches with the events of lines; a run's beginning and its end become one attempt where they do not disagree.

A beginning waits for its end, which is in the file a little later. What waits in vain, and whatever is not one beginning and one
later end, is an event by itself: who takes the batch puts the events of a run together whichever way they come.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson

from lineage.decoding.references import FULL, Placed
from lineage.decoding.rows import UNFIT, Lines
from lineage.decoding.wire import RunEvent, decode
from lineage.index.batch import KIND, TERMINAL, Batch, Extra, Pair, flags_of
from lineage.index.dimensions import dated_keys
from lineage.index.schema import pairs_batch
from lineage.timestamps import AFTER, parse

_WAITING: Final = 2048
"""So many beginnings wait; the oldest waits in vain when there is one more."""

_LONG: Final = 1 << 15
"""Bytes of a line that does not wait: with the number of those that do, this bounds their memory."""

_ENDS: Final[dict[str | None, int]] = {str(kind): number for kind, number in KIND.items() if number >= TERMINAL}


class _Said(NamedTuple):
    """What an event says: as it is written, and in the numbers of the batch."""

    told: RunEvent
    time: int
    head: int
    named: list[Placed]
    nominal: tuple[int, int] | None
    partition_key: str | None
    code_version: str | None
    flags: int


_said = tuple.__new__
"""Makes a named tuple at a third of the cost."""


class Filling:
    """Fills one batch after another. What producers repeat is understood once for all of them."""

    batch: Batch
    lines: int
    """Lines, or values, of the stream that was read last."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Said] = {}
        self._anew()

    def _anew(self) -> None:
        self.batch = Batch()
        self._lines = Lines(self.batch)
        self._shapes: dict[tuple[int, int], int] = {}
        self._ended: dict[tuple[int, int], int] = {}
        self._templates: dict[tuple[int, tuple[int, ...]], str] = {}
        self._keyed: set[tuple[int, tuple[str, ...]]] = set()
        self._pairs: list[Pair] = []

    def holds(self) -> bool:
        """Whether there is something in the batch."""
        return bool(self.batch.time or self._pairs)

    def taken(self) -> Batch:
        """The batch so far; the next one's numbers go on from its, as long as these are not too many."""
        done = self.batch
        anew = max(len(done.refs), len(done.heads), len(done.shapes)) > FULL
        if anew:
            self.settle()  # what waits has numbers that end here
        if self._pairs:
            done.pairs, self._pairs = pairs_batch(self._pairs), []
        if anew:
            self._anew()
        else:
            self.batch = done.following()
        return done

    def settle(self) -> None:
        """Wait no longer."""
        for run_id, said in self._waiting.items():
            self._alone(run_id, said)
        self._waiting.clear()

    def forget(self) -> None:
        """Forget what nobody took: of a stream that was not read to its end."""
        self._waiting.clear()
        if self.holds():
            self.taken()

    def add(self, line: bytes) -> bool:
        """Add the event of a line; False when only the tolerant way can say what it is."""
        try:
            if not line.isascii():
                line.decode()  # what is skipped is not looked at so closely
            told = decode(line)
            run_id = told.run.runId
            before = self._waiting.get(run_id)
            if before is not None and self._ends_it(run_id, before, told):
                return True
            said = self._understood(told)
        except UNFIT:
            return False
        if before is not None:
            del self._waiting[run_id]
            if not self._together(run_id, before, said):
                self._alone(run_id, before)
                self._alone(run_id, said)
        elif told.eventType == "START" and len(line) < _LONG:
            waiting = self._waiting
            waiting[run_id] = said
            if len(waiting) > _WAITING:
                oldest = next(iter(waiting))
                self._alone(oldest, waiting.pop(oldest))
        else:
            self._alone(run_id, said)
        return True

    def _understood(self, told: RunEvent) -> _Said:
        time, kind, _, job, reads, numbers, placed, nominal, key, code, owners = self._lines.understood(told)
        flags = flags_of(nominal, key, code)
        head = self.batch.numbered((KIND[kind], job, tuple(numbers[:reads]), tuple(numbers[reads:]), owners, flags))
        if key is not None and (keyed := (head, dated_keys(key))) not in self._keyed:
            self._keyed.add(keyed)
            for number in numbers[reads:]:
                self._lines.references.note(number, keyed[1], sure=False)
        return _said(_Said, (told, time, head, placed, nominal, key, code, flags))

    # --- attempts ------------------------------------------------------------------------------------------------------------

    def _ends_it(self, run_id: str, before: _Said, told: RunEvent) -> bool:
        """Whether an event only says when and how a run ended, and so needs not be understood; then its attempt is added."""
        began, start, head, named, nominal, key, code, _ = before
        end = _ENDS.get(told.eventType)
        if end is None or told.inputs != began.inputs or told.outputs != began.outputs:
            return False
        if told.job != began.job or told.run.facets != began.run.facets:
            return False
        time = parse(told.eventTime)
        if not start < time < AFTER:
            return False
        shape = self._ended.get((head, end))
        if shape is None:
            last = self.batch.numbered(self.batch.heads[head]._replace(kind=end))
            shape = self._ended[head, end] = self._shape(head, last)
        del self._waiting[run_id]
        text = self._text(head, named, named) if named else None
        self._pairs.append((run_id, start, time, shape, nominal, key, code, text))
        return True

    def _together(self, run_id: str, first: _Said, last: _Said) -> bool:
        """Whether two events are the beginning and the end of an attempt and do not disagree; then it is added."""
        _, start, head, named, nominal, key, code, flags = first
        _, end, other, more, *again, others = last
        if self.batch.heads[other].kind < TERMINAL or start >= end:
            return False
        if not (named or flags):
            nominal, key, code = last.nominal, last.partition_key, last.code_version
        elif (more or others) and again != [nominal, key, code]:
            return False
        text = self._text(head, named, more) if named or more else None
        self._pairs.append((run_id, start, end, self._shape(head, other), nominal, key, code, text))
        return True

    def _shape(self, head: int, last: int) -> int:
        found = self._shapes.get((head, last))
        if found is None:
            found = self._shapes[head, last] = len(self.batch.shapes)
            self.batch.shapes.append((head, last))
        return found

    def _text(self, head: int, first: list[Placed], last: list[Placed]) -> str:
        """The slots of two events as those of one attempt, as JSON."""
        where = tuple([one[0] for one in first])
        if first is last and (template := self._templates.get((head, where))) is not None:
            texts = [named[3] for _, named, version in first if named is not None and version is None]
            if len(texts) == len(where):
                return template % (*texts, *texts)
        _, _, inputs, outputs, _, _ = self.batch.heads[head]
        width = len(inputs) + len(outputs)
        if first is last:
            places = (*where, *[position + width for position in where])
            self._templates[head, where] = "[" + ",".join(f"[{position},%s,null]" for position in places) + "]"
        slots = [*first, *[(position + width, named, version) for position, named, version in last]]
        return orjson.dumps([(at, () if named is None else named.texts, version) for at, named, version in slots]).decode()

    def _alone(self, run_id: str, said: _Said) -> None:
        _, time, head, named, nominal, key, code, flags = said
        slots = tuple([(at, () if partitions is None else partitions.texts, version) for at, partitions, version in named])
        batch = self.batch
        batch.time.append(time)
        batch.head.append(head)
        batch.run.append(run_id)
        batch.extra.append(Extra(slots, nominal, key, code) if flags or slots else None)
