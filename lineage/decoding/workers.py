"""A second process that decodes parts of a large file while this one does the rest of them, and everything else.

The parts are byte ranges that end at line ends; whoever is free takes the next. Nothing depends on who did which: the events are
the same, and line numbers are counted together afterwards. A helper that cannot be started, or dies, costs time only: what it had
in hand is decoded here. It ends with the pipe to this process, also when this process is killed.
"""

from __future__ import annotations

import gc
import io
import os
import pickle
import signal
import stat
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self

from lineage.decoding.batches import read_batches
from lineage.decoding.filling import Filling
from lineage.decoding.streams import BUFFER, Range
from lineage.events import DatasetRef
from lineage.index.batch import Batch, Dated, Extra, Head
from lineage.sources import Problems, Skipped

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import pyarrow as pa

LARGE: Final = 96 * 1024 * 1024
"""Bytes of lines from which a helper pays: starting one costs what a tenth of them does."""

_PART = 32 * 1024 * 1024
"""Large: a run whose beginning and end are in two parts costs more than one that a decoder sees whole."""

_AHEAD = 3
"""Parts that the helper is given ahead, so that it does not wait while we write; what bounds the memory of its answers."""


@dataclass(frozen=True, slots=True)
class Part:
    """A range of a file's bytes that holds whole lines. ``inode``: of the file meant, should another take its name."""

    path: str
    inode: tuple[int, int]
    begin: int
    end: int


@dataclass(slots=True)
class Decoded:
    """What a part gave: how many lines it has, and what could not be used, its lines counted from 1."""

    lines: int
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


def read_together(
    path: str, file: BinaryIO, begin: int, end: int, problems: Problems, first_line: int, filling: Filling, helper: Helper
) -> Iterator[Batch]:
    """The events of a range of an open file of lines, in no order; ``filling.lines`` is the number of its lines afterwards."""
    parts = list(_parts(path, file, begin, end))
    done: dict[int, Decoded] = {}
    waiting = deque(range(len(parts)))
    given: deque[int] = deque()
    try:
        while waiting or given:
            while waiting and len(given) < min(_AHEAD, 1 + len(waiting) // 2) and helper.give(parts[waiting[0]]):
                given.append(waiting.popleft())  # fewer towards the end, so that both are done at once
            if given and (not waiting or helper.has_answered()):
                answer = helper.answer()
                if answer is None:  # it is gone, and what it was given is still to be done
                    waiting.extendleft(reversed(given))
                    given.clear()
                    continue
                batch, done[given.popleft()] = answer
                if len(batch):
                    yield batch
            elif waiting:
                number = waiting.popleft()
                found = Problems()
                yield from _batches(parts[number], file, found, filling)
                done[number] = Decoded(filling.lines, found)
    finally:
        if given:
            helper.close()  # nobody would take its answers for what they are
    _count_together(path, [done[number] for number in range(len(parts))], problems, first_line, filling)


def _count_together(path: str, decoded: list[Decoded], problems: Problems, first_line: int, filling: Filling) -> None:
    """The problems of all parts with the line numbers of the whole."""
    lines = first_line - 1
    for one in decoded:
        for mine, all_of_them in ((one.problems.skipped, problems.skipped), (one.problems.noted, problems.noted)):
            all_of_them += [Skipped(path, said.line + lines if said.line else 0, said.reason) for said in mine]
        lines += one.lines
    filling.lines = lines - (first_line - 1)


def _parts(path: str, file: BinaryIO, begin: int, end: int) -> Iterator[Part]:
    inode = _inode(file)
    while begin < end:
        file.seek(min(begin + _PART, end) - 1)
        file.readline()  # to the end of the line that the part's last byte is in
        last = min(file.tell(), end)
        yield Part(path, inode, begin, last)
        begin = last


def _inode(file: BinaryIO) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino


def _batches(part: Part, file: BinaryIO, problems: Problems, filling: Filling, size: int = 20_000) -> Iterator[Batch]:
    stream = io.BufferedReader(Range(file, part.begin, part.end), BUFFER)
    yield from read_batches(part.path, stream, problems, first_line=1, size=size, filling=filling)


# --- the helper ----------------------------------------------------------------------------------------------------------

_Repeated = tuple[list[DatasetRef], list[Head], list[tuple[int, ...]], list[Dated]]
"""What is told once for batches that follow one another: references, heads, shapes, and notes."""

_Answer = tuple[bool, _Repeated, "pa.RecordBatch | None", list[int], list[int], list[str | None], list[Any], Decoded]
"""Whether what repeats is numbered anew, what is new of it, the columns of one batch, and what else is to be told."""


def main() -> None:
    """The helper's program."""
    from multiprocessing.connection import Connection

    serve(Connection(int(sys.argv[1])))


_PROGRAM = "from lineage.decoding.workers import main; main()"


def serve(pipe: Connection) -> None:
    """Decode parts as they are asked for, until nobody is there to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for who asked
    gc.disable()
    filling = Filling()
    before, told = Batch(), (0, 0, 0, 0)
    with suppress(EOFError, OSError):
        while True:
            problems = Problems()
            part: Part = pipe.recv()
            with Path(part.path).open("rb", 0) as file:
                if _inode(file) != part.inode:
                    return  # who asked has the right one open
                batch = next(_batches(part, file, problems, filling, size=1 << 62), Batch())
            anew = batch.refs is not before.refs and len(batch) > 0
            if anew:
                before, told = batch, (0, 0, 0, 0)
            refs, heads, shapes, dated = _repeated(before)
            new = refs[told[0] :], heads[told[1] :], shapes[told[2] :], dated[told[3] :]
            told = len(refs), len(heads), len(shapes), len(dated)
            extra = [one and tuple(one) for one in batch.extra]
            decoded = Decoded(filling.lines, problems)
            answer: _Answer = (anew, new, batch.pairs, batch.time, batch.head, batch.run, extra, decoded)
            pipe.send_bytes(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))


def _repeated(batch: Batch) -> _Repeated:
    return batch.refs, batch.heads, batch.shapes, batch.dated


@dataclass
class Helper:
    """The other process, started when it is first given something, or before; of use for one file after another."""

    _pipe: Connection | None = None
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
        if self._pipe is not None:
            self._pipe.close()

    def begin(self) -> bool:
        """Start it, if that was not done; while it starts, we do other things. False when it is gone or cannot be started."""
        with suppress(OSError):
            if self._pipe is None and not self._gone:
                self._start()
            return not self._gone
        self._gone = True
        return False

    def give(self, part: Part) -> bool:
        """Ask for a part; False when there is nobody to ask."""
        if self.begin() and self._pipe is not None:
            with suppress(OSError):
                self._pipe.send(part)
                return True
        self._gone = True
        return False

    def has_answered(self) -> bool:
        """Whether an answer is here already, or none will ever come."""
        return not self._answers.empty()

    def answer(self) -> tuple[Batch, Decoded] | None:
        """The next answer, in the order of asking; None when there will be none."""
        told = self._answers.get()
        if told is None:
            self._gone = True
            return None
        answer: _Answer = pickle.loads(told)  # noqa: S301  # our own process made it
        anew, new, pairs, time, head, run, extra, decoded = answer
        self._last = Batch() if anew else self._last.following()
        refs, heads, shapes, dated = new
        self._last.refs.extend(refs)
        self._last.heads.extend(heads)
        self._last.shapes.extend(shapes)
        self._last.dated.extend(dated)
        self._last.pairs = pairs
        self._last.time, self._last.head, self._last.run = time, head, run
        self._last.extra = [None if one is None else _extra(Extra, one) for one in extra]
        return self._last, decoded

    def _start(self) -> None:
        """As a program of its own: a fork would copy locks of threads that are not there, a spawn would run our caller again."""
        import subprocess
        import threading
        from multiprocessing.connection import Pipe

        self._pipe, theirs = Pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        finally:
            theirs.close()
        threading.Thread(target=_receive, args=(self._pipe, self._answers), daemon=True).start()


def _receive(pipe: Connection, answers: SimpleQueue[bytes | None]) -> None:
    """Take answers off the pipe, so that the helper goes on while this process is busy."""
    with suppress(EOFError, OSError):
        while True:
            answers.put(pipe.recv_bytes())
    answers.put(None)


_extra = tuple.__new__
