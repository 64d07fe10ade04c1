"""The last look at a plan's cells, put together from the looks at its chunks where those showed every key.

The keys of a cell's chunks follow each other, so that each chunk's look can list everything from the end of the chunk before to
its own. Where all of them did, the cell was seen as a whole after its effects, and is not listed once more.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from runbooks.survey import KeyHistory, Rest


@dataclass(slots=True)
class Beside:
    """What lies in a cell besides the keys that the plan acts on."""

    rest: Rest = field(default_factory=Rest)
    count: int = 0
    first: str = ""

    def add(self, history: KeyHistory) -> None:
        self.rest.add(history)
        if history.current is not None:
            self.count += 1
            self.first = min(self.first or history.key, history.key)

    def differs(self, planned: str) -> str:
        """In words, why it is not what it was when the cell was planned; empty when it is."""
        if str(self.rest) == planned:
            return ""
        if planned or not self.count:
            return "objects that the plan leaves alone were written or deleted since the plan"
        return f"{self.count} objects were written there since the plan, the first {self.first}"


@dataclass(slots=True)
class Span:
    """The part of a cell that a chunk of these ``keys`` looks at, behind ``after`` (None: from the first on)."""

    sweep: Sweep
    keys: frozenset[str]
    after: str | None
    to_end: bool
    others: list[KeyHistory] = field(default_factory=list)


@dataclass(slots=True)
class Sweep:
    """One cell's looks. ``own``: keys that the plan acts on in chunks of their own, such as completion markers."""

    prefix: str
    own: Collection[str] = ()
    beside: Beside = field(default_factory=Beside)
    _spans: int = 0
    _seen: int = 0
    _closed: bool = False
    _broken: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def span(self, keys: Iterable[str], after: str | None, *, to_end: bool) -> Span:
        """The next part, in the order of keys, with the keys of its chunk; ``to_end`` with the last."""
        with self._lock:
            self._spans += 1
            self._broken = self._broken or self._closed
            self._closed = self._closed or to_end
        return Span(self, frozenset(keys), after, to_end)

    def seen(self, span: Span, *, whole: bool) -> None:
        """The look at a part is over. ``whole``: it showed every key of it."""
        with self._lock:
            self._seen += 1
            self._broken = self._broken or not whole
            for history in span.others:
                if history.key not in self.own:
                    self.beside.add(history)
        span.others = []

    @property
    def whole(self) -> bool:
        """Whether every key of the cell was seen, each after what was done to it."""
        return self._closed and not self._broken and self._spans == self._seen
