"""What we do not know of what a fault reached: why it is only SUSPECT, and the gaps behind it. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Protocol

from lineage.attempts import Cell
from lineage.blast_radius import Gap
from lineage.fault import Seeds
from lineage.history import History
from lineage.partitions import same
from lineage.taint import Cause, Taint, WriteAt


class Doubted(Protocol):
    """What was reached, as far as explaining it asks; see ``Taint``."""

    @property
    def reasons(self) -> Mapping[int, str]: ...
    @property
    def causes(self) -> Mapping[int, Cause]: ...
    @property
    def must(self) -> Container[int]: ...
    @property
    def must_writes(self) -> Container[WriteAt]: ...
    @property
    def notes(self) -> Mapping[int, str]: ...
    @property
    def write_notes(self) -> Mapping[WriteAt, str]: ...


def why_suspect(history: History, taint: Doubted, index: int) -> str:
    """Why an attempt is only SUSPECT, in a sentence about the nearest thing we do not know."""
    if index in taint.reasons:
        return taint.reasons[index]
    cause = taint.causes.get(index)
    if cause is None:
        return "wrote a cell that overlaps the one named"
    writer = history.attempts[cause.write[0]]
    write = writer.writes[cause.write[1]]
    if cause.write not in taint.must_writes:
        return f"read {write.cell}, whose writer {writer.job} is itself SUSPECT"
    if index in taint.notes:
        return taint.notes[index]
    if cause.read.reason:
        return cause.read.reason
    if write.reason:
        return f"{writer.job} {write.reason}"
    if not write.cell.known:
        return f"{writer.job} does not say which partition of {write.cell.dataset} it wrote"
    if writer.state != "COMPLETE":
        return f"{writer.job} did not complete ({writer.state}), so it may or may not have written {write.cell}"
    if not same(write.cell.partition, cause.read.cell.partition):
        return f"read {cause.read.cell}, which only overlaps {write.cell}"
    return f"{write.cell} was written again at about the time it was read"


def why_cell_suspect(history: History, taint: Doubted, cell: Cell, at: WriteAt) -> str:
    """Why a cell is only SUSPECT, by one of the reached writes that overlap it and are not certainly cleansed."""
    writer = history.attempts[at[0]]
    write = writer.writes[at[1]]
    if at not in taint.must_writes:
        if at[0] in taint.must and at in taint.write_notes:
            return taint.write_notes[at]
        return f"{writer.job} may have been reached: {why_suspect(history, taint, at[0])}"
    if write.reason:
        return f"{writer.job} {write.reason}"
    if not write.cell.known:
        return f"{writer.job} does not say which partition of {cell.dataset} it wrote"
    if writer.state != "COMPLETE":
        return f"{writer.job} did not complete ({writer.state}), so it may or may not have written this"
    return "written again since, but not by what certainly replaces all of it"


def unknown(history: History, seeds: Seeds, taint: Taint) -> list[Gap]:
    """What we could not know about what was reached, once for each job and dataset."""
    return gaps(history, seeds, sorted(taint.may), sorted(taint.widened))


def gaps(history: History, seeds: Seeds, reached: Iterable[int], widened: Iterable[tuple[int, str]] = ()) -> list[Gap]:
    """What we could not know about these attempts, once for each job and dataset."""
    found: dict[tuple[str, str], Gap] = {}

    def add(gap: Gap) -> None:
        found.setdefault((str(gap.subject), gap.reason), gap)

    for job in seeds.jobs if seeds.may else ():
        add(Gap(job, "job", f"{len(seeds.may)} attempts: {next(iter(seeds.may.values()))}; they count as SUSPECT"))
    for index, reason in widened:
        add(Gap(history.attempts[index].job, "job", reason))
    for index in reached:
        one = history.attempts[index]
        if one.kind != "run":
            continue
        for write in one.writes:
            if write.how == "inferred":
                add(Gap(one.job, "job", f"an attempt {write.reason}"))
            elif not write.cell.known:
                add(Gap(one.job, "job", f"does not say which partition of {write.cell.dataset} it writes"))
        for read in one.reads:
            if not read.cell.known and read.reason and read.how != "declared":
                add(Gap(one.job, "job", read.reason if read.how == "observed" else f"an attempt {read.reason}"))
        if one.state == "OPEN":
            add(Gap(one.job, "job", f"run {one.run_id} never reported its end"))
    return [gap for _, gap in sorted(found.items())]
