"""A plan's object actions by cell: in which chunks they are done, which of them may be in flight together, who looks at what."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from incident.cell_sweep import Beside, Span, Sweep
from incident.object_requests import CHUNK
from incident.outputs import place
from incident.steps import Step
from runbooks.facts import marks_completion
from runbooks.plan import CopyVersion, ObjectAction, Plan, PlannedCell, PutMarker, RemoveMarkers, RemoveOwn
from runbooks.survey import KeyHistory

KINDS = (PutMarker, CopyVersion, RemoveMarkers, RemoveOwn)
_OPS = frozenset({"put-marker", "copy-version", "remove-markers", "remove-own"})
_PLACES = ("s3://",)
"""Where objects lie; tables and local folders are looked at by those who know them."""


class Cells:
    """The cells of a plan, with what they hold for us. Holds no action but those of the chunks that are about to be done."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._prefixes = {str(cell): place(cell.url)[1] for cell in plan.cells if cell.url.startswith(_PLACES)}
        self._ranges: dict[str, list[range]] = {}
        self._others: set[str] = set()
        start = 0
        for one in plan.stretches:
            if one.op in _OPS:
                self._ranges.setdefault(one.cell, []).append(range(start, start + one.count))
            elif one.op != "run-job":
                self._others.add(one.cell)
            start += one.count
        self._sweeps: dict[str, Sweep] = {}
        self._decoded: dict[int, tuple[dict[int, ObjectAction], Span | None]] = {}

    def action(self, index: int) -> ObjectAction:
        found = self._plan.actions[index]
        if not isinstance(found, KINDS):
            raise TypeError(f"{self._plan.id}: {found.op!r} is not an action on object versions")
        return found

    def indices(self, cell: str) -> Iterator[int]:
        """Our actions on a cell."""
        for within in self._ranges.get(cell, ()):
            yield from within

    def one_per_cell(self) -> Iterator[ObjectAction]:
        return (self.action(ranges[0].start) for ranges in self._ranges.values())

    def ours(self, cell: PlannedCell) -> bool:
        """Whether we look after what lies in a cell: where we act, and where nobody does."""
        return str(cell) in self._prefixes and (str(cell) in self._ranges or str(cell) not in self._others)

    def completions(self, cell: str) -> set[str]:
        """The keys of a cell's completion markers: they are the first and the last actions on it."""
        found: set[str] = set()
        for within in self._ranges.get(cell, ()):
            for way in (within, reversed(within)):
                for index in way:
                    if not marks_completion(key := self.action(index).key):
                        break
                    found.add(key)
        return found

    # --- chunks -----------------------------------------------------------------------------------------------------------

    def chunks(self, indices: Sequence[int]) -> Iterator[Step]:
        """Each in the lane of its cell, a completion marker alone there."""
        for cell, ranges in self._ranges.items():
            for within in ranges:
                first, last = bisect_left(indices, within.start), bisect_left(indices, within.stop)
                sweep = None
                if len(ranges) == 1 and last - first == len(within):
                    # All of one kind, and nothing of it done by an earlier try: chunk by chunk the keys follow each other.
                    sweep = self._sweeps[cell] = Sweep(self._prefixes.get(cell, ""), self.completions(cell))
                yield from self._stretch(cell, indices[first:last], sweep)

    def _stretch(self, cell: str, indices: Sequence[int], sweep: Sweep | None) -> Iterator[Step]:
        start, marked = 0, False
        after: str | None = None
        last = ""
        held: dict[int, ObjectAction] = {}
        for at, index in enumerate(indices):
            action = self.action(index)
            marks = marks_completion(action.key)
            if held and (len(held) == CHUNK or marks != marked):
                yield self._step(cell, indices[start:at], held, self._span(sweep, held, after, to_end=marks))
                after = after if marked else last
                start, held = at, {}
            held[index] = action
            marked, last = marks, action.key
        if held:
            yield self._step(cell, indices[start:], held, self._span(sweep, held, after, to_end=True))

    @staticmethod
    def _span(sweep: Sweep | None, held: Mapping[int, ObjectAction], after: str | None, *, to_end: bool) -> Span | None:
        keys = [action.key for action in held.values()]
        if sweep is None or marks_completion(keys[0]):
            return None
        if not keys[0].startswith(sweep.prefix) or any(one >= two for one, two in pairwise([after or "", *keys])):
            sweep.seen(sweep.span((), after, to_end=False), whole=False)  # not in the order of their keys
            return None
        return sweep.span(keys, after, to_end=to_end)

    def _step(self, cell: str, indices: Sequence[int], held: dict[int, ObjectAction], span: Span | None) -> Step:
        self._decoded[indices[0]] = held, span
        size = sum(action.size for action in held.values())
        return Step(indices, lane=cell, alone=marks_completion(held[indices[0]].key), size=size)

    def of(self, chunk: Sequence[int]) -> tuple[dict[int, ObjectAction], Span | None]:
        """The actions of a chunk, and what of its cell is to be looked at with it."""
        actions, span = self._decoded.pop(chunk[0], ({}, None))
        if list(actions) != list(chunk):
            return {index: self.action(index) for index in chunk}, None
        return actions, span

    # --- what lies beside -------------------------------------------------------------------------------------------------

    def swept(self, cell: PlannedCell) -> Beside | None:
        """What lies beside our keys, where the looks at the chunks showed all of the cell."""
        sweep = self._sweeps.get(str(cell))
        return sweep.beside if sweep is not None and sweep.whole else None

    def beside(self, cell: PlannedCell, histories: Iterable[KeyHistory]) -> Beside:
        """What lies beside our keys, by a listing of all the cell."""
        # Eight bytes a key: that two of a cell's keys share them happens once in very many billions.
        acted = array("q", sorted(hash(self.action(index).key) for index in self.indices(str(cell))))
        found = Beside()
        for history in histories:
            at = bisect_left(acted, hash(history.key))
            if at == len(acted) or acted[at] != hash(history.key):
                found.add(history)
        return found


def brings_completion(action: ObjectAction) -> bool:
    """Whether the action makes a completion marker current; an undo also takes back such that a revert had brought."""
    gone = isinstance(action, PutMarker) or (isinstance(action, RemoveOwn) and not action.requires.is_marker)
    return marks_completion(action.key) and not gone
