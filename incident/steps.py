"""Steps of an apply, several in flight at once as far as their order allows.

Lanes are independent of each other. Within a lane any number may be in flight, except that a step that is ``alone`` begins only
when everything before it in its lane has ended, and nothing behind it begins before it has ended: that is how a completion marker
goes before the rest of its folder and comes back after it. A step without a lane is alone among all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import overload

_AHEAD = 64
"""How many steps are looked at ahead of those in flight, for one whose lane is free."""


@dataclass(frozen=True, slots=True)
class Step(Sequence[int]):
    """The indices of the actions that are done together, in the plan's order."""

    indices: Sequence[int]
    lane: str | None = None
    alone: bool = False
    size: int | None = None
    """Bytes of what is acted on; None where nobody reckoned it."""

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[int]: ...
    def __getitem__(self, at: int | slice) -> int | Sequence[int]:
        return self.indices[at]

    def after(self, earlier: Step) -> bool:
        """Whether it must not begin before an earlier one has ended."""
        if self.lane is None or earlier.lane is None:
            return True
        return self.lane == earlier.lane and (self.alone or earlier.alone)


def step_of(chunk: Sequence[int]) -> Step:
    """A chunk as a step: alone among all, unless it says otherwise."""
    return chunk if isinstance(chunk, Step) else Step(chunk)


def walk(chunks: Iterable[Sequence[int]], perform: Callable[[Step], None], ended: Callable[[Step], None], *, at_once: int) -> None:
    """Perform every chunk, at most ``at_once`` at a time, and tell when each has ended.

    After the first that raises nothing is begun any more; those in flight end, and then it is raised. ``ended`` is called from
    here, in no certain order, and may raise to stop. With ``at_once`` 1 everything happens here and in order. A KeyboardInterrupt
    is raised at once, and leaves behind what is in flight.
    """
    steps = map(step_of, chunks)
    if at_once <= 1:
        for step in steps:
            perform(step)
            ended(step)
        return
    _Flight(steps, perform, ended, at_once).fly()


class _Flight:
    def __init__(self, steps: Iterator[Step], perform: Callable[[Step], None], ended: Callable[[Step], None], at_once: int) -> None:
        self._steps, self._perform, self._ended, self._at_once = steps, perform, ended, at_once
        self._waiting: deque[Step] = deque()
        self._running: dict[Future[None], Step] = {}
        self._failed: BaseException | None = None

    def fly(self) -> None:
        pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="apply")
        try:
            while self._start(pool) or self._running:
                if self._running:
                    self._collect()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        except BaseException as error:  # noqa: BLE001  # raised when those in flight have ended
            self._failed = self._failed or error
        pool.shutdown(wait=True)
        if self._failed is not None:
            raise self._failed

    def _start(self, pool: ThreadPoolExecutor) -> bool:
        """Begin whatever may begin. Whether a step was done right here: one that is alone among all."""
        if self._failed is not None:
            return False
        while len(self._waiting) < _AHEAD and (step := next(self._steps, None)) is not None:
            self._waiting.append(step)
        before = list(self._running.values())
        for step in list(self._waiting):
            if len(self._running) >= self._at_once:
                break
            if not any(step.after(earlier) for earlier in before):
                self._waiting.remove(step)
                if step.lane is None:
                    self._perform(step)  # in this thread, which alone hears signals
                    self._ended(step)
                    return True
                self._running[pool.submit(self._perform, step)] = step
            before.append(step)
        return False

    def _collect(self) -> None:
        for one in wait(self._running, return_when=FIRST_COMPLETED).done:
            step = self._running.pop(one)
            error = one.exception()
            if error is None:
                try:
                    self._ended(step)
                except BaseException as stopped:  # noqa: BLE001  # raised when those in flight have ended
                    error = stopped
            self._failed = self._failed or error
