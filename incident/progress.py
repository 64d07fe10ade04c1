"""How far a piece of work is: a bar on stderr for a person, NDJSON lines for ``--events``, silence for everybody else."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from incident.sizes import render_size


class Progress(Protocol):
    """Is told how far the work is: parts done, and their bytes where they have any. ``earlier``: by an earlier try."""

    def advance(self, n: int = 1, size: int = 0, *, earlier: bool = False) -> None: ...


@contextlib.contextmanager
def progress(
    description: str,
    total: int | None,
    size: int | None,
    *,
    tell: Callable[..., None] | None,
    shown: bool,
    no_color: bool,
) -> Iterator[Progress]:
    """``total`` parts of ``size`` bytes together. ``tell`` writes an event; ``shown``: a person is watching stderr."""
    if tell is not None:
        yield _Told(tell, description, total, size)
    elif shown:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
        with Bar(*parts, TimeRemainingColumn(), console=Console(stderr=True, no_color=no_color or None), transient=True) as bar:
            yield _Shown(bar, bar.add_task(description, total=total, pace=""), Reckoning(total, size))
    else:
        yield _Silent()


@dataclass
class Reckoning:
    """What follows from how much was done when. ``seconds`` tells elapsed time.

    What an earlier try had done counts as done, not as fast.
    """

    total: int | None
    size: int | None
    seconds: Callable[[], float] = time.monotonic
    done: int = 0
    bytes: int = 0
    _before: int = 0
    _began: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._began = self.seconds()

    def advance(self, n: int, size: int, *, earlier: bool) -> None:
        self.done += n
        self.bytes += size
        if earlier:
            self._before += n

    @property
    def rate(self) -> float:
        """Parts a second, of this try."""
        elapsed = self.seconds() - self._began
        return (self.done - self._before) / elapsed if elapsed > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds, at the rate so far; None while nobody can say."""
        rate = self.rate
        return (self.total - self.done) / rate if self.total is not None and rate > 0 else None

    @property
    def pace(self) -> str:
        """For a person: bytes so far and the rate."""
        told = f"{self.rate:,.0f}/s"
        return f"{render_size(self.bytes)} of {render_size(self.size)}, {told}" if self.size else told


class _Silent:
    def advance(self, n: int = 1, size: int = 0, *, earlier: bool = False) -> None:
        del n, size, earlier


@dataclass
class _Shown:
    bar: Any
    task: Any
    reckoning: Reckoning

    def advance(self, n: int = 1, size: int = 0, *, earlier: bool = False) -> None:
        self.reckoning.advance(n, size, earlier=earlier)
        self.bar.update(self.task, advance=n, pace=self.reckoning.pace)


@dataclass
class _Told:
    """About a hundred lines a piece of work, however large it is."""

    tell: Callable[..., None]
    description: str
    total: int | None
    size: int | None
    told: int = -1

    def __post_init__(self) -> None:
        self.reckoning = Reckoning(self.total, self.size)
        self.advance(0)

    def advance(self, n: int = 1, size: int = 0, *, earlier: bool = False) -> None:
        now = self.reckoning
        now.advance(n, size, earlier=earlier)
        step = max(1, (self.total or 0) // 100)
        if self.told < 0 or now.done - self.told >= step or now.done == self.total:
            self.told = now.done
            more: dict[str, Any] = {}
            if self.size is not None:
                left = now.left
                more = {
                    "bytes": now.bytes,
                    "total_bytes": self.size,
                    "rate": round(now.rate, 1),
                    "seconds_left": None if left is None else round(left, 1),
                }
            self.tell("progress", description=self.description, done=now.done, total=self.total, **more)
