"""A second process that decodes parts of a large file while this one does the rest of them, and everything else.

It tells with each part what it has waiting after it: whoever asked needs nothing else of it. A helper that cannot be started, or
dies, costs time only. It ends with the pipe to this process, also when this process is killed.
"""

from __future__ import annotations

import fcntl
import gc
import io
import os
import pickle
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self

from lineage.decoding.batches import read_batches
from lineage.decoding.filling import Filling
from lineage.decoding.streams import BUFFER, Range
from lineage.events import DatasetRef
from lineage.index.batch import Batch, Dated, Extra, Head
from lineage.sources import Problems

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import pyarrow as pa

LARGE: Final = 96 * 1024 * 1024
"""Bytes of lines from which a helper pays: starting one costs what a tenth of them does."""


_WIDE: Final = 1 << 20
"""Bytes of a pipe: twice an answer, and as many as anybody may have."""


@dataclass(frozen=True, slots=True)
class Part:
    """A range of a file's bytes that holds whole lines. ``inode``: of the file meant, should another take its name."""

    path: str
    inode: tuple[int, int]
    begin: int
    end: int


@dataclass(slots=True)
class Decoded:
    """What a part gave: how many lines and events it has, and what could not be used, its lines counted from 1."""

    lines: int
    events: int
    problems: Problems


def may_pay(size: int) -> bool:
    """Whether a helper is worth its start for so many bytes of lines; never where this process may use one processor only."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return size >= LARGE and allowed > 1


def pays(file: BinaryIO, size: int) -> bool:
    """Whether a helper is worth its start for so many bytes of a file, and could open it."""
    try:
        return may_pay(size) and stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError:
        return False


def inode_of(file: BinaryIO) -> tuple[int, int]:
    """What tells an open file from another that took its name."""
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino


def decoded(part: Part, file: BinaryIO, problems: Problems, filling: Filling, *, size: int = 20_000) -> Iterator[Batch]:
    """The events of a part but for what ``filling`` goes on with."""
    stream = io.BufferedReader(Range(file, part.begin, part.end), BUFFER)
    return read_batches(part.path, stream, problems, first_line=1, size=size, filling=filling, ends=False)


# --- the helper ----------------------------------------------------------------------------------------------------------

_Repeated = tuple[list[DatasetRef], list[Head], list[tuple[int, ...]], list[Dated]]
"""What is told once for batches that follow one another: references, heads, shapes, and notes."""

_Events = tuple[list[int], list[int], list[str | None], list[Any]]
"""The columns of events by themselves: time, head, run, and what else is told."""

_Answer = tuple[bool, _Repeated, "pa.RecordBatch | None", _Events, bytes, Decoded]
"""Whether what repeats is numbered anew, what is new of it, pairs and events of one batch, events that wait (packed by themselves:
they are seldom looked at), and how it went."""


def main() -> None:
    """The helper's program."""
    from multiprocessing.connection import Connection

    sys.modules["numpy"] = None  # type: ignore[assignment]  # pyarrow does without, and so is there in a third of the time
    asked, told = map(int, sys.argv[1:])
    serve(Connection(asked, writable=False), Connection(told, readable=False))


_PROGRAM = "from lineage.decoding.workers import main; main()"


def serve(asked: Connection, told: Connection) -> None:
    """Decode parts as they are asked for, until nobody is there to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for who asked
    gc.disable()
    filling = Filling()
    before, known = Batch(), (0, 0, 0, 0)
    with suppress(EOFError, OSError):
        while True:
            problems = Problems()
            part, goes_on = asked.recv()
            with Path(part.path).open("rb", 0) as file:
                if inode_of(file) != part.inode:
                    return  # who asked has the right one open
                if not goes_on:
                    filling.forget()
                for _ in decoded(part, file, problems, filling, size=1 << 62):
                    pass  # it is one batch
            batch = filling.taken()
            anew = batch.refs is not before.refs
            if anew:
                before, known = batch, (0, 0, 0, 0)
            waiting = pickle.dumps(
                _columns(filling.waiting()), pickle.HIGHEST_PROTOCOL
            )  # its numbers are among those that are told now
            refs, heads, shapes, dated = _repeated(before)
            new = refs[known[0] :], heads[known[1] :], shapes[known[2] :], dated[known[3] :]
            known = len(refs), len(heads), len(shapes), len(dated)
            answer: _Answer = (anew, new, batch.pairs, _columns(batch), waiting, Decoded(filling.lines, filling.events, problems))
            told.send_bytes(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))


def _columns(batch: Batch) -> _Events:
    return batch.time, batch.head, batch.run, [one and tuple(one) for one in batch.extra]


def _repeated(batch: Batch) -> _Repeated:
    return batch.refs, batch.heads, batch.shapes, batch.dated


@dataclass
class Helper:
    """The other process, started when it is first given something, or before; of use for one file after another."""

    _questions: Connection | None = None
    _process: Any = None
    _answers: SimpleQueue[bytes | None] = field(default_factory=SimpleQueue)
    _gone: bool = False
    _last: Batch = field(default_factory=Batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; who asks it again is told that it is gone."""
        self._gone = True
        if self._process is not None:
            self._process.kill()  # it holds nothing that anybody needs
            self._process.wait()
        if self._questions is not None:
            self._questions.close()

    def begin(self) -> bool:
        """Start it, if that was not done; while it starts, we do other things. False when it is gone or cannot be started."""
        with suppress(OSError):
            if self._questions is None and not self._gone:
                self._start()
            return not self._gone
        self._gone = True
        return False

    def give(self, part: Part, *, goes_on: bool) -> bool:
        """Ask for a part, which may go on from the one that was asked for before; False when there is nobody to ask."""
        if self.begin() and self._questions is not None:
            with suppress(OSError):
                self._questions.send((part, goes_on))
                return True
        self._gone = True
        return False

    def has_answered(self) -> bool:
        """Whether an answer is here already, or none will ever come."""
        return not self._answers.empty()

    def answer(self) -> tuple[Batch, Callable[[], Batch], Decoded] | None:
        """The next answer, in the order of asking: a batch, what waits after it, and how it went; None when there will be none."""
        told = self._answers.get()
        if told is None:
            self._gone = True
            return None
        answer: _Answer = pickle.loads(told)  # noqa: S301  # our own process made it
        anew, new, pairs, events, waiting, done = answer
        self._last = Batch() if anew else self._last.following()
        refs, heads, shapes, dated = new
        self._last.refs.extend(refs)
        self._last.heads.extend(heads)
        self._last.shapes.extend(shapes)
        self._last.dated.extend(dated)
        self._last.pairs = pairs
        return _with(self._last, events), partial(_unpacked, self._last.following(), waiting), done

    def _start(self) -> None:
        """As a program of its own: a fork would copy locks of threads that are not there, a spawn would run our caller again."""
        import subprocess
        import threading
        from multiprocessing.connection import Pipe

        asked, self._questions = Pipe(duplex=False)
        answers, told = Pipe(duplex=False)
        _widen(told)
        theirs = [asked.fileno(), told.fileno()]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, *map(str, theirs)],
                pass_fds=theirs,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        finally:
            asked.close()
            told.close()
        threading.Thread(target=_receive, args=(answers, self._answers), daemon=True).start()


def _widen(pipe: Connection) -> None:
    """Let a pipe hold an answer as large as nearly all are, so that the helper goes on while this process is busy."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _WIDE)


def _receive(pipe: Connection, answers: SimpleQueue[bytes | None]) -> None:
    """Take answers off the pipe, so that the helper goes on while this process is busy, until it has ended."""
    with suppress(EOFError, OSError), pipe:
        while True:
            answers.put(pipe.recv_bytes())
    answers.put(None)


def _unpacked(batch: Batch, events: bytes) -> Batch:
    return _with(batch, pickle.loads(events))  # noqa: S301  # our own process made it


def _with(batch: Batch, events: _Events) -> Batch:
    batch.time, batch.head, batch.run, extra = events
    batch.extra = [None if one is None else _extra(Extra, one) for one in extra]
    return batch


_extra = tuple.__new__
