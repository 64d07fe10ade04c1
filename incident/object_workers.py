"""How many requests with effects are sent at once: fewer when the storage asks to slow down, more again as it takes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each further try."""

_LEAST = 8
"""So many may be in flight at first: as many as there are chunks, one of each."""

_T = TypeVar("_T")
_R = TypeVar("_R")


class Workers:
    """Does small things side by side; with one worker one after the other, in order and right here.

    ``pause`` waits some seconds. The number of requests in flight is halved whenever one was throttled, and grows by one with as
    many successes as there may be in flight: additive increase, multiplicative decrease, as TCP does.
    """

    def __init__(self, count: int, pause: Callable[[float], None] | None = None) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="requests") if count > 1 else None
        self.pause = pause or time.sleep
        self._most = max(count, _LEAST)
        self.limit = float(self._most)
        self._flying = 0
        self._room = threading.Condition()

    def each(self, act: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
        """What comes of each, in order."""
        return [act(item) for item in items] if self._pool is None else list(self._pool.map(act, items))

    def both(self, one: Callable[[], _T], other: Callable[[], _R]) -> tuple[_T, _R]:
        """What comes of two things that need not wait for each other."""
        if self._pool is None:
            return one(), other()
        beside = self._pool.submit(one)
        found = other()
        return beside.result(), found

    @contextmanager
    def request(self) -> Iterator[None]:
        """Wait until one more may be in flight."""
        with self._room:
            self._room.wait_for(lambda: self._flying < max(1, int(self.limit)))
            self._flying += 1
        try:
            yield
        finally:
            with self._room:
                self._flying -= 1
                self._room.notify_all()

    def answered(self, *, throttled: bool) -> None:
        """How a request was answered."""
        with self._room:
            self.limit = max(1.0, self.limit / 2) if throttled else min(self._most, self.limit + 1 / self.limit)
            self._room.notify_all()
