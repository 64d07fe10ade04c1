"""The keys of cells while they are surveyed: in memory as long as they are few, then in a temporary file, always in order.

S3 lists keys in the order of their bytes. Some servers do not, or tell markers and versions apart; so keys are sorted in runs, and
where runs overlap they are merged, a few frames at a time.
"""

from __future__ import annotations

import heapq
import json
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice, pairwise
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident.frames import LINES, Frame, Framed, Raw, Source, Spool
from runbooks.survey import KeyHistory

if TYPE_CHECKING:
    from collections.abc import Callable

ROOM = 20_000
"""Keys that all cells together keep in memory."""
RUN = 4_000
"""Keys that are sorted together."""
_WHAT = "the temporary file of this survey"


class Keys(Framed[KeyHistory]):
    """Keys in frames on disk, in the order of their bytes. ``starts``: the first key of each frame."""

    def __init__(self, frames: Sequence[Frame], raw: Raw, starts: Sequence[str]) -> None:
        super().__init__(frames, raw, _decoded, _WHAT)
        self._starts = starts

    def find(self, key: str) -> KeyHistory | None:
        """The history of a key; quick where keys are asked for in about their order."""
        number = bisect_right(self._starts, key) - 1
        return _named(self.source, number).get(key) if number >= 0 else None


@lru_cache(maxsize=4)
def _named(source: Source[KeyHistory], number: int) -> dict[str, KeyHistory]:
    """The keys of a frame by their names; of few frames at a time, whatever the number of cells."""
    return {one.key: one for one in source.values(number)}


class KeySpool:
    """Takes the listings of cells, several at once. ``folder``: where the temporary file may lie, made when it is needed."""

    def __init__(self, folder: Path | None = None, *, room: int = ROOM, run: int = RUN) -> None:
        self._folder, self._room, self._run = folder, room, run
        self._lock = threading.Lock()
        self._spool: Spool | None = None

    def gather(self, histories: Iterable[KeyHistory]) -> Sequence[KeyHistory]:
        """All of a listing, in order. Raises TimelineUnwritable where there is no room for it."""
        listing = iter(histories)
        first = sorted(islice(listing, self._run), key=_order)
        if not first or (len(first) < self._run and self._fits(len(first))):
            return tuple(first)
        spool = self._opened()
        runs = [_Run.written(spool, first)]
        while some := sorted(islice(listing, self._run), key=_order):
            runs.append(_Run.written(spool, some))
        runs.sort(key=lambda run: run.first)
        if any(one.last >= two.first for one, two in pairwise(runs)):
            runs = list(_rewritten(spool, _merged(spool, runs), self._run))
        frames = [frame for run in runs for frame in run.frames]
        return Keys(frames, spool.raw, [start for run in runs for start in run.starts])

    def _fits(self, count: int) -> bool:
        with self._lock:
            fits = count <= self._room
            self._room -= count if fits else 0
            return fits

    def _opened(self) -> Spool:
        with self._lock:
            self._spool = self._spool or Spool(self._folder, level=-3)
            return self._spool


class _Run:
    """Keys that were sorted and written together."""

    def __init__(self, frames: list[Frame], starts: list[str], last: str) -> None:
        self.frames, self.starts, self.first, self.last = frames, starts, starts[0], last

    @classmethod
    def written(cls, spool: Spool, keys: list[KeyHistory]) -> _Run:
        parts = [keys[at : at + LINES] for at in range(0, len(keys), LINES)]
        frames = [spool.add(_encoded(part), len(part)) for part in parts]
        return cls(frames, [_order(part[0]) for part in parts], _order(keys[-1]))


def _merged(spool: Spool, runs: list[_Run]) -> Iterator[KeyHistory]:
    """All keys of runs, sorted by their first keys; a run is opened only when its turn has come."""
    heap: list[tuple[str, int, KeyHistory, Iterator[KeyHistory]]] = []
    waiting = list(enumerate(runs))[::-1]
    while heap or waiting:
        while waiting and (not heap or waiting[-1][1].first <= heap[0][0]):
            number, run = waiting.pop()
            keys = iter(Framed(run.frames, spool.raw, _decoded, _WHAT))
            if (one := next(keys, None)) is not None:
                heapq.heappush(heap, (_order(one), number, one, keys))
        if not heap:
            continue
        _, number, one, keys = heap[0]
        yield one
        if (following := next(keys, None)) is not None:
            heapq.heapreplace(heap, (_order(following), number, following, keys))
        else:
            heapq.heappop(heap)


def _rewritten(spool: Spool, keys: Iterator[KeyHistory], size: int) -> Iterator[_Run]:
    while some := list(islice(keys, size)):
        yield _Run.written(spool, some)


_order = attrgetter("key")
"""The order of the bytes of UTF-8 is that of the code points."""


def _encoded(keys: list[KeyHistory]) -> bytes:
    try:
        return b"m" + _codec()[0](keys)
    except UnicodeEncodeError:  # names of local files that are not Unicode
        import msgspec

        return b"j" + json.dumps(msgspec.to_builtins(keys)).encode()


def _decoded(data: bytes) -> list[KeyHistory]:
    if data[:1] == b"m":
        found: list[KeyHistory] = _codec()[1](data[1:])
        return found
    import msgspec

    return msgspec.convert(json.loads(data[1:]), list[KeyHistory])


@lru_cache(maxsize=1)
def _codec() -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    import msgspec

    return msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(list[KeyHistory]).decode
