"""Taint: which attempts may and which must have been reached, by least fixpoint over the rules of the design (§5).

All times are nanoseconds UTC; ε is the declared clock skew. Both fixpoints walk forward from the seeds through an index by dataset
and partition, so that their cost grows with what was reached and not with the history.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from lineage.attempts import Attempt, Mode, Read, Write
from lineage.datasets import DatasetId
from lineage.fault import Seeds
from lineage.partition_index import PartitionIndex
from lineage.partitions import covers, same
from lineage.sweep import ReadEntry, Sweep, latest_of

WriteAt = tuple[int, int]
"""A write: index of the attempt, index of the write in it."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an attempt was reached: the write it saw, through which of its reads."""

    write: WriteAt
    read: Read


@dataclass(slots=True)
class Taint:
    """What the fault reached. ``causes`` and ``distances`` explain may-tainted attempts; seeds have no cause."""

    may: set[int] = field(default_factory=set)
    must: set[int] = field(default_factory=set)
    may_writes: set[WriteAt] = field(default_factory=set)
    must_writes: set[WriteAt] = field(default_factory=set)
    causes: dict[int, Cause] = field(default_factory=dict)
    convictions: dict[int, Cause] = field(default_factory=dict)
    """As ``causes``, for must-tainted attempts: what they certainly saw."""
    distances: dict[int, int] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    origins: frozenset[WriteAt] = frozenset()
    """Writes that are faulty themselves, whatever their attempts read."""
    columns: dict[WriteAt, frozenset[str] | None] = field(default_factory=dict)
    """Of a fault narrowed to columns: those it reached in each may-tainted write; None for all."""
    notes: dict[int, str] = field(default_factory=dict)
    write_notes: dict[WriteAt, str] = field(default_factory=dict)
    """Why the columns of an attempt, and of a write, are not certain."""
    write_causes: dict[WriteAt, Cause] = field(default_factory=dict)
    write_convictions: dict[WriteAt, Cause] = field(default_factory=dict)
    """As ``causes`` and ``convictions``, by write: with columns, an attempt may take one read to one of its writes only."""
    widened: set[tuple[int, str]] = field(default_factory=set)
    """Where column lineage told too little: attempts, with the reason."""


def spread(sweep: Sweep, seeds: Seeds) -> Taint:
    """Both least fixpoints from the seeds, and from reads of what we ourselves had purged."""
    taint = Taint(origins=frozenset(seeds.writes))
    queue: deque[WriteAt] = deque()
    absent = {index: reason for index, reason in read_while_absent(sweep).items() if index not in seeds.must}
    for index in sorted(seeds.must | seeds.may.keys() | absent.keys()):
        taint.may.add(index)
        taint.distances[index] = 0
        queue.extend((index, number) for number in range(len(sweep.attempts[index].writes)))
    taint.reasons.update(absent | seeds.may)
    for index, number in sorted(seeds.writes):
        taint.distances.setdefault(index, 0)
        queue.append((index, number))
    pending: dict[DatasetId, PartitionIndex[list[ReadEntry]]] = defaultdict(PartitionIndex)
    for dataset, index_of_reads in sweep.reads.items():
        for part, reads in index_of_reads.pairs():
            pending[dataset].add(part, list(reads))
    while queue:
        at = queue.popleft()
        if at in taint.may_writes:
            continue
        taint.may_writes.add(at)
        for reader in sorted(_newly_seeing(sweep, at, pending, taint.may), key=_by_attempt):
            if reader.attempt in taint.may:
                continue
            taint.may.add(reader.attempt)
            taint.causes[reader.attempt] = Cause(at, reader.read)
            taint.distances.setdefault(reader.attempt, taint.distances[at[0]] + 1)
            queue.extend((reader.attempt, number) for number in range(len(sweep.attempts[reader.attempt].writes)))
    _convict(sweep, seeds, taint)
    return taint


_by_attempt = attrgetter("attempt", "number")
"""An order of reads that does not depend on what else there is, so that part of a history explains as all of it does."""


def _newly_seeing(
    sweep: Sweep, at: WriteAt, pending: dict[DatasetId, PartitionIndex[list[ReadEntry]]], reached: set[int]
) -> Iterator[ReadEntry]:
    """Reads by attempts not reached yet that may see a write. Reads of reached attempts leave the pending ones for good."""
    writer, write = sweep.attempts[at[0]], sweep.attempts[at[0]].writes[at[1]]
    for _, reads in pending[write.cell.dataset].overlapping(write.cell.partition):
        first = bisect_left(reads, writer.start - sweep.skew, key=latest_of)
        later, reads[first:] = reads[first:], []
        for reader in later:
            if reader.attempt in reached:
                continue
            if sweep.may_see(at[0], write, reader):
                yield reader
            else:
                reads.append(reader)


def _convict(sweep: Sweep, seeds: Seeds, taint: Taint) -> None:
    """The must fixpoint, inside the may one."""
    queue: deque[WriteAt] = deque()
    for index in sorted(seeds.must):
        taint.must.add(index)
        queue.extend((index, number) for number in range(len(sweep.attempts[index].writes)))
    queue.extend(at for at, certain in sorted(seeds.writes.items()) if certain)
    while queue:
        at = queue.popleft()
        if at in taint.must_writes:
            continue
        taint.must_writes.add(at)
        writer, write = at[0], sweep.attempts[at[0]].writes[at[1]]
        for reader in sorted(_certainly_seeing(sweep, writer, write, taint.must), key=_by_attempt):
            if reader.attempt not in taint.must:
                taint.must.add(reader.attempt)
                taint.convictions[reader.attempt] = Cause(at, reader.read)
                queue.extend((reader.attempt, number) for number in range(len(sweep.attempts[reader.attempt].writes)))


def _certainly_seeing(sweep: Sweep, writer: int, write: Write, reached: set[int]) -> list[ReadEntry]:
    """Reads by attempts not reached yet that must see a write: only those of the same cell can."""
    if sweep.attempts[writer].state != "COMPLETE" or not write.cell.known:
        return []
    found: list[ReadEntry] = []
    for part, reads in sweep.reads[write.cell.dataset].overlapping(write.cell.partition):
        if same(write.cell.partition, part):
            later = reads[bisect_left(reads, sweep.attempts[writer].end, key=latest_of) :]
            found += (reader for reader in later if reader.attempt not in reached and sweep.must_see(writer, write, reader))
    return found


def read_while_absent(sweep: Sweep) -> dict[int, str]:
    """Attempts that read a cell which we had purged, before it was made again; each with the reason."""
    found: dict[int, str] = {}
    for one in sweep.attempts:
        if one.kind == "run":
            continue
        for write in one.writes:
            if write.mode is not Mode.DROP:
                continue
            for reader in sweep.readers_after(write.cell, one.start - sweep.skew):
                attempt = sweep.attempts[reader.attempt]
                if reader.end < one.start - sweep.skew:
                    continue  # a read of a version made before the purge
                if attempt.kind == "run" and reader.attempt not in found and not _made_again(sweep, one, write, reader):
                    found[reader.attempt] = f"read {write.cell} while it was absent"
    return found


def _made_again(sweep: Sweep, purge: Attempt, write: Write, reader: ReadEntry) -> bool:
    """Whether a complete write made the shared part again, certainly begun after the purge and ended before the read."""
    narrow = reader.read.cell.partition or write.cell.partition
    for part, writes in sweep.writes[write.cell.dataset].overlapping(narrow):
        if not covers(part, write.cell.partition, reader.read.cell.partition):
            continue
        for one in writes:
            maker = sweep.attempts[one.attempt]
            if (
                one.write.mode is Mode.DROP
                or maker.state != "COMPLETE"
                or not one.write.cell.known
                or one.attempt == reader.attempt
            ):
                continue
            if one.end + sweep.skew <= reader.start and purge.start + sweep.skew <= one.start:
                return True
    return False
