"""A large file decoded by two processes: each takes part after part, going on from its last one as long as it can.

Parts are byte ranges that end at line ends. Who goes on from a part knows the runs that began in it, so that only where the two
meet are runs cut in two. Nothing depends on who did which: the events are the same, and line numbers are counted together
afterwards. What a helper had in hand that died is decoded here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from lineage.decoding.filling import Filling
from lineage.decoding.workers import Decoded, Helper, Part, decoded, inode_of
from lineage.index.batch import Batch
from lineage.sources import Problems, Skipped

_PART = 16 * 1024 * 1024
"""Bytes: a tenth of a second's work, so that both are done at once, and some hundred times what handing it over costs."""

_AHEAD = 6
"""Parts that the helper is given ahead, so that it does not wait while we write; what bounds the memory of its answers."""

_OURS: Final = 0.45
"""Of all parts, those that we begin with; we also write what both decode."""


def read_together(
    path: str, file: BinaryIO, begin: int, end: int, problems: Problems, first_line: int, filling: Filling, helper: Helper
) -> Iterator[Batch]:
    """The events of a range of an open file of lines, in no order, but for what ``filling`` goes on with.

    ``filling.lines`` and ``filling.events`` are those of the whole range afterwards.
    """
    parts = list(_parts(path, file, begin, end))
    done: dict[int, Decoded] = {}
    shared = _Shared(len(parts))
    given: deque[tuple[int, bool]] = deque()
    left: Callable[[], Batch] = Batch
    """What the helper has waiting: it may go on from there, or be gone."""
    try:
        while shared.left() or given:
            while len(given) < min(_AHEAD, 1 + shared.left() // 2) and (one := shared.for_helper()) is not None:
                if not helper.give(parts[one[0]], goes_on=one[1]):
                    shared.back([one[0]])
                    break
                given.append(one)  # fewer towards the end, so that both are done at once
            if given and (not shared.left() or helper.has_answered()):
                answer = helper.answer()
                if answer is None:  # it is gone, and what it was given is still to be done
                    shared.back([number for number, _ in given])
                    given.clear()
                    continue
                number, goes_on = given.popleft()
                if not goes_on:
                    yield left()
                batch, left, done[number] = answer
                yield batch
            elif (one := shared.for_us()) is not None:
                number, goes_on = one
                if not goes_on:
                    filling.settle()
                found = Problems()
                yield from decoded(parts[number], file, found, filling)
                done[number] = Decoded(filling.lines, filling.events, found)
    finally:
        if given:
            helper.close()  # nobody would take its answers for what they are
    yield left()
    _count_together(path, [done[number] for number in range(len(parts))], problems, first_line, filling)


@dataclass
class _Shared:
    """Parts by their numbers, so divided that each of two processes has some that follow one another."""

    count: int
    ours: deque[int] = field(init=False)
    theirs: deque[int] = field(init=False)
    _here: int = -1
    _there: int = -1

    def __post_init__(self) -> None:
        first = int(self.count * _OURS)
        self.ours, self.theirs = deque(range(first)), deque(range(first, self.count))

    def left(self) -> int:
        """How many nobody has taken."""
        return len(self.ours) + len(self.theirs)

    def for_us(self) -> tuple[int, bool] | None:
        """The next part to be decoded here, of the later half of theirs if ours are done, and whether it goes on from our last.

        The first of all goes on from what we had before.
        """
        if not self.ours:
            self.ours = _later_half(self.theirs)
        if not self.ours:
            return None
        before, self._here = self._here, self.ours.popleft()
        return self._here, self._here == before + 1

    def for_helper(self) -> tuple[int, bool] | None:
        """The same for the helper."""
        if not self.theirs:
            self.theirs = _later_half(self.ours)
        if not self.theirs:
            return None
        before, self._there = self._there, self.theirs.popleft()
        return self._there, self._there == before + 1 > 0

    def back(self, numbers: Iterable[int]) -> None:
        """The helper is gone: all that it did not do is ours, in order."""
        self.ours = deque(sorted([*self.ours, *self.theirs, *numbers]))
        self.theirs.clear()


def _later_half(parts: deque[int]) -> deque[int]:
    """Half of these parts, the later ones, which are taken out; the only one if there is no other."""
    return deque(reversed([parts.pop() for _ in range(-(-len(parts) // 2))]))


def _count_together(path: str, decoded: list[Decoded], problems: Problems, first_line: int, filling: Filling) -> None:
    """The problems of all parts with the line numbers of the whole."""
    lines = first_line - 1
    for one in decoded:
        for mine, all_of_them in ((one.problems.skipped, problems.skipped), (one.problems.noted, problems.noted)):
            all_of_them += [Skipped(path, said.line + lines if said.line else 0, said.reason) for said in mine]
        lines += one.lines
    filling.lines = lines - (first_line - 1)
    filling.events = sum(one.events for one in decoded)


def _parts(path: str, file: BinaryIO, begin: int, end: int) -> Iterator[Part]:
    inode = inode_of(file)
    while begin < end:
        file.seek(min(begin + _PART, end) - 1)
        file.readline()  # to the end of the line that the part's last byte is in
        last = min(file.tell(), end)
        yield Part(path, inode, begin, last)
        begin = last
