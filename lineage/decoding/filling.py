"""Fills batches with the events of lines; a run's beginning, its end and what is between become one attempt while they agree.

A beginning waits for its end, which is a little later in the file, or in the next one. What waits in vain, and whatever is not one
beginning, later events and one end, is an event by itself: who takes the batch puts the events of a run together whichever way
they come.
"""

from __future__ import annotations

from typing import Final

from lineage.decoding.attempts import Attempts, Said
from lineage.decoding.references import FULL
from lineage.decoding.rows import UNFIT, Lines
from lineage.decoding.wire import RunEvent, decode
from lineage.index.batch import KIND, TERMINAL, Batch, Extra
from lineage.timestamps import AFTER, parse

_WAITING: Final = 2048
"""So many beginnings wait; the oldest waits in vain when there is one more."""

_BETWEEN: Final = 30
"""So many events of a run are taken before its end; a run that tells more goes on for days."""

_LONG: Final = 1 << 15
"""Bytes of a line that does not wait: with the number of those that do, this bounds their memory."""

_LATER: Final[dict[str | None, int]] = {str(kind): number for kind, number in KIND.items() if number > KIND["START"]}
"""What comes after a beginning, by the word for it that nearly all producers use."""

_said = tuple.__new__
"""Makes a named tuple at a third of the cost."""


class Filling:
    """Fills one batch after another. What producers repeat is understood once for all of them."""

    batch: Batch
    lines: int
    """Lines, or values, of the stream that was read last."""
    events: int
    """The events of that stream, those that wait included."""
    held: int
    """About how many lines the batch has."""

    def __init__(self) -> None:
        self._waiting: dict[str, Said] = {}
        """The last event of each run that has begun."""
        self._earlier: dict[str, list[Said]] = {}
        """Those before it, where there are some."""
        self._between = 0
        """How many these are."""
        self.held = 0
        self._anew()

    def _anew(self) -> None:
        self.batch = Batch()
        self._lines = Lines(self.batch)
        self._attempts = Attempts(self.batch, self._lines.references)

    def holds(self) -> bool:
        """Whether there is something in the batch."""
        return bool(self.batch.time or self._attempts)

    def taken(self) -> Batch:
        """The batch so far; the next one's numbers go on from its, as long as these are not too many."""
        done = self.batch
        anew = max(len(done.refs), len(done.heads), len(done.shapes)) > FULL
        if anew:
            self.settle()  # what waits has numbers that end here
        done.pairs = self._attempts.taken()
        if anew:
            self._anew()
        else:
            self.batch = done.following()
        return done

    def settle(self) -> None:
        """Wait no longer."""
        for run_id in list(self._waiting):
            self._in_vain(run_id)

    def waiting(self) -> Batch:
        """What waits, as a batch that follows: to be taken if nothing goes on from here."""
        batch = self.batch.following()
        for run_id, said in self._waiting.items():
            for one in (*self._earlier.get(run_id, ()), said):
                _alone(batch, run_id, one)
        return batch

    def rest(self) -> Batch:
        """All that it holds, when nothing goes on from here."""
        self.settle()
        self.held = 0
        return self.taken()

    def forget(self) -> None:
        """Forget what it holds."""
        self._waiting.clear()
        self._earlier.clear()
        self._between = 0
        self.rest()

    def add(self, line: bytes) -> bool:
        """Add the event of a line; False when only the tolerant way can say what it is."""
        try:
            if not line.isascii():
                line.decode()  # what is skipped is not looked at so closely
            told = decode(line)
            run_id = told.run.runId
            before = self._waiting.get(run_id)
            if before is not None and self._repeats(run_id, before, told):
                return True
            said = self._understood(told)
        except UNFIT:
            return False
        if before is not None:
            if not self._follows(run_id, before, said, len(line)):
                self._in_vain(run_id)
                self._alone(run_id, said)
        elif told.eventType == "START" and len(line) < _LONG:
            waiting = self._waiting
            waiting[run_id] = said
            if len(waiting) > _WAITING:
                self._in_vain(next(iter(waiting)))
        else:
            self._alone(run_id, said)
        return True

    def _understood(self, told: RunEvent) -> Said:
        time, kind, job, reads, numbers, placed, nominal, key, code = self._lines.understood(told)
        flags = (nominal is not None) | (key is not None) << 1 | (code is not None) << 2
        like = kind, reads, flags, numbers
        if like == job.like:
            head = job.head
        else:
            inputs, outputs = tuple(numbers[:reads]), tuple(numbers[reads:])
            head = self.batch.numbered((KIND[kind], job.known, inputs, outputs, job.owners, flags))
            job.like, job.head = like, head
        if key is not None:
            self._attempts.note_key(head, key)
        return _said(Said, (told, time, head, placed, nominal, key, code, flags))

    # --- events of a run that waits ------------------------------------------------------------------------------------------

    def _repeats(self, run_id: str, before: Said, told: RunEvent) -> bool:
        """Whether an event only says how and when a run went on, and so needs not be understood; then it is taken."""
        began, start, head, *_ = before
        kind = _LATER.get(told.eventType)
        if began is None or kind is None or told.inputs != began.inputs or told.outputs != began.outputs:
            return False
        if told.job != began.job or told.run.facets != began.run.facets:
            return False
        time = parse(told.eventTime)
        if not start < time < AFTER:
            return False
        if kind >= TERMINAL and run_id not in self._earlier:
            del self._waiting[run_id]
            self._attempts.ended(run_id, before, time, kind)
            return True
        return self._follows(run_id, before, _said(Said, (began, time, self._attempts.alike(head, kind), *before[3:])), 0)

    def _follows(self, run_id: str, before: Said, said: Said, size: int) -> bool:
        """Whether an event goes on where a run waits, so that all of them agree if it ends it; then it is taken."""
        kind = self._attempts.kind(said.head)
        if (said.time, kind) <= (before.time, self._attempts.kind(before.head)):
            return False
        earlier = self._earlier.get(run_id, [])
        if kind < TERMINAL:
            if size >= _LONG or len(earlier) >= _BETWEEN:
                return False
            self._earlier[run_id] = [*earlier, _said(Said, (None, *before[1:]))]
            self._waiting[run_id] = said
            self._between += 1
            if self._between > _WAITING:
                self._in_vain(next(iter(self._earlier)))
            return True
        began = earlier[0] if earlier else before
        if said.time == began.time or not self._attempts.told(run_id, [*earlier, before, said]):
            return False
        self._between -= len(earlier)
        self._earlier.pop(run_id, None)
        del self._waiting[run_id]
        return True

    def _in_vain(self, run_id: str) -> None:
        earlier = self._earlier.pop(run_id, [])
        self._between -= len(earlier)
        for said in (*earlier, self._waiting.pop(run_id)):
            self._alone(run_id, said)

    def _alone(self, run_id: str, said: Said) -> None:
        _alone(self.batch, run_id, said)


def _alone(batch: Batch, run_id: str, said: Said) -> None:
    """Add an event to a batch by itself."""
    _, time, head, named, nominal, key, code, flags = said
    slots = tuple([(at, () if partitions is None else partitions.texts, version) for at, partitions, version in named])
    batch.time.append(time)
    batch.head.append(head)
    batch.run.append(run_id)
    batch.extra.append(Extra(slots, nominal, key, code) if flags or slots else None)
