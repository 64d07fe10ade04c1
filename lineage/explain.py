"""Why a cell is in the state it is in: the chain of attempts that reached it, who cleansed it, or why nothing reached it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lineage.attempts import Attempt, Cell, Read, Write
from lineage.blast_radius import BlastRadius, Exposure, Hop, ReachedAttempt, ReachedCell
from lineage.history import History
from lineage.partitions import covers, overlap
from lineage.timestamps import AFTER

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt of the chain: what it read of the step before (None for the fault itself), and what it wrote.

    ``doubt`` says why this step is not certain; empty where it is.
    """

    attempt: Attempt
    read: Read | None
    write: Write
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Touch:
    """An attempt that read or wrote the cell, beside the chain. ``reached``: the state that the fault gave it, if it did."""

    attempt: Attempt
    cell: Cell
    reached: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """A cell and why. ``reached`` is None for a CLEAN one, of which ``writers`` are the last who wrote it."""

    cell: Cell
    reached: ReachedCell | None
    steps: tuple[Step, ...] = ()
    cleansed: tuple[Touch, ...] = ()
    read_meanwhile: tuple[Touch, ...] = ()
    writers: tuple[Touch, ...] = ()

    @property
    def state(self) -> str:
        return "CLEAN" if self.reached is None else self.reached.state

    @property
    def first_doubt(self) -> int | None:
        """The number of the first step that is not certain."""
        return next((number for number, step in enumerate(self.steps) if step.doubt), None)


def explain(history: History, radius: BlastRadius, cell: Cell) -> tuple[Explanation, ...]:
    """Each reached cell that overlaps the one asked for, or else why that one is CLEAN."""
    found = [one for one in radius.cells if one.cell.dataset == cell.dataset and overlap(one.cell.partition, cell.partition)]
    told = _Told(history, radius)
    return tuple(told.reached(one) for one in found) or (told.clean(cell),)


class _Told:
    def __init__(self, history: History, radius: BlastRadius) -> None:
        self.history, self.radius = history, radius
        self.by_key = {one.key: one for one in history.attempts}
        self.states: dict[tuple[str, int], ReachedAttempt] = {(one.run_id, one.number): one for one in radius.attempts}

    def reached(self, cell: ReachedCell) -> Explanation:
        return Explanation(
            cell.cell,
            cell,
            steps=self._steps(cell),
            cleansed=self._cleansed(cell),
            read_meanwhile=self._read_meanwhile(cell) if cell.state == "CLEANED" else (),
        )

    # --- the chain -------------------------------------------------------------------------------------------------------

    def _steps(self, cell: ReachedCell) -> tuple[Step, ...]:
        steps: list[Step] = []
        before: Hop | None = None
        for hop in cell.path:
            attempt = self.by_key[hop.run_id, hop.attempt]
            write = next(one for one in attempt.writes if one.cell == hop.cell)
            read = None if before is None else _read_of(attempt, before.cell)
            state = self.states.get(attempt.key)
            doubt = (state.reason or "") if state is not None and state.state == "SUSPECT" else ""
            steps.append(Step(attempt, read, write, doubt))
            before = hop
        if cell.state == "SUSPECT" and not any(step.doubt for step in steps):  # its writer is certain, and what became of it is not
            last = steps.pop()
            steps.append(Step(last.attempt, last.read, last.write, cell.reason or ""))
        return tuple(steps)

    # --- cleansing -------------------------------------------------------------------------------------------------------

    def _cleansed(self, cell: ReachedCell) -> tuple[Touch, ...]:
        """The writes that ended an exposure."""
        ends = {one.until for one in cell.exposure if one.until is not None}
        return tuple(
            Touch(one, write.cell)
            for one in self.history.attempts
            if one.end in ends and one.state == "COMPLETE"
            for write in one.writes
            if write.cell.dataset == cell.cell.dataset
            and write.mode.value in {"overwrite", "drop"}
            and write.cell.known
            and overlap(write.cell.partition, cell.cell.partition)
        )

    def _read_meanwhile(self, cell: ReachedCell) -> tuple[Touch, ...]:
        """Attempts that read the cell while it was exposed: cleaning it has not cleaned them."""
        return tuple(
            self._touch(one, read.cell)
            for one in self.history.attempts
            if one.kind == "run" and any(_meets(one, exposure) for exposure in cell.exposure)
            for read in one.reads
            if read.cell.dataset == cell.cell.dataset and overlap(read.cell.partition, cell.cell.partition)
        )

    def _touch(self, one: Attempt, cell: Cell, notes: Iterable[str] = ()) -> Touch:
        state = self.states.get(one.key)
        return Touch(one, cell, state.state if state is not None else None, tuple(notes))

    # --- clean -----------------------------------------------------------------------------------------------------------

    def clean(self, cell: Cell) -> Explanation:
        """The last who wrote the cell, each with why the fault did not come through it."""
        writers = [
            self._touch(one, write.cell, self._not_through(one))
            for one in self.history.attempts
            for write in one.writes
            if write.cell.dataset == cell.dataset and overlap(write.cell.partition, cell.partition)
        ]
        return Explanation(cell, None, writers=tuple(writers[-_SHOWN:]))

    def _not_through(self, one: Attempt) -> list[str]:
        """What it read of datasets that the fault reached, and why that was not the bad data."""
        notes = []
        for read in one.reads:
            bad = [cell for cell in self.radius.cells if cell.cell.dataset == read.cell.dataset]
            touching = [cell for cell in bad if overlap(cell.cell.partition, read.cell.partition)]
            if not bad:
                continue
            if not touching:
                notes.append(f"read {read.cell}, which is CLEAN")
            elif all(one.end < cell.since for cell in touching):
                notes.append(f"read {read.cell} before it turned bad")
            elif any(cell.columns is not None for cell in touching):
                names = ", ".join(sorted({name for cell in touching for name in cell.columns or ()}))
                notes.append(f"read {read.cell}, but not its bad data as to column {names}: it was replaced, or is not used here")
            else:
                notes.append(f"read {read.cell} when clean data had replaced what was bad")
        if not notes:
            notes.append("read nothing that the fault reached" if one.reads else "reported no input")
        return notes


def _read_of(attempt: Attempt, cell: Cell) -> Read | None:
    """The read through which a cell came: the one most like it."""
    reads = [read for read in attempt.reads if read.cell.dataset == cell.dataset and overlap(read.cell.partition, cell.partition)]
    return min(reads, key=lambda read: (not read.cell.known, not covers(cell.partition, read.cell.partition)), default=None)


def _meets(one: Attempt, exposure: Exposure) -> bool:
    until = AFTER if exposure.until is None else exposure.until
    return exposure.start <= one.end and one.start < until
