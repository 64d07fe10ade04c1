"""From attempts as columns and a fault to the blast radius."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lineage.arrays.absent import read_while_absent
from lineage.arrays.facts import INFERRED, Bools, Ints
from lineage.arrays.ledger import Ledger
from lineage.arrays.places import Places
from lineage.arrays.reached_attempts import Attempts
from lineage.arrays.reached_cells import Cells
from lineage.arrays.spread import Spread, spread
from lineage.arrays.states import states
from lineage.arrays.summary import Summary
from lineage.blast import echo, static
from lineage.blast_radius import BlastRadius
from lineage.datasets import DatasetId
from lineage.doubts import gaps
from lineage.fault import Fault, Seeds
from lineage.graph import DependencyGraph
from lineage.history import History

_AT_ONCE = 1 << 12


@dataclass(frozen=True, slots=True)
class Judged:
    """``reasons``: of attempts with which taint begins, why they are only SUSPECT."""

    spread: Spread
    reasons: dict[int, str]


def judge(ledger: Ledger, seeds: Seeds, skew: int, within: Bools | None = None) -> Judged:
    """What these seeds reach. ``within``: by dataset, what they can reach at all. Raises NotPlain."""
    places = Places(ledger.facts, skew, within)
    absent = {index: reason for index, reason in read_while_absent(places, ledger).items() if index not in seeds.must}
    return Judged(spread(places, seeds, absent), absent | seeds.may)


def since(judged: Judged) -> dict[DatasetId, int]:
    """Of each dataset when the first write began that was reached."""
    found = judged.spread
    places = found.places
    names = places.facts.datasets
    least = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(least, places.writes.dataset[found.may.writes], places.facts.start[places.writes.attempt[found.may.writes]])
    return {names[one]: int(least[one]) for one in np.unique(places.writes.dataset[found.may.writes])}


def radius_of(history: History, ledger: Ledger, fault: Fault, judged: Judged) -> tuple[BlastRadius, Ints]:
    """What was reached, as a blast radius, and the numbers of the attempts. ``history``: with the attempts of the ledger."""
    found = judged.spread
    cells = Cells(history, ledger, found, states(found), judged.reasons)
    attempts = Attempts(history, ledger, found, cells.doubted)
    graph = DependencyGraph(history)
    told = Summary(cells, attempts).overview()
    reached, seeds = np.sort(attempts.who), found.seeds
    readers = {job for dataset in told.dirty for job in graph.readers(dataset)}
    unsaid = ledger.alike(reached[_silent(ledger)[reached] & found.may.attempts[reached]])
    radius = BlastRadius(
        fault=echo(fault, seeds),
        attempts=attempts.told(),
        cells=cells.told(),
        gaps=tuple(gaps(history, seeds, _together(ledger, unsaid))),
        at_risk=tuple(sorted(readers - ledger.ran(reached))),
        static_datasets=static(graph, seeds, ledger.ran(np.array(sorted(seeds.must | seeds.may.keys()), np.int64))),
        told=told,
    )
    return radius, reached


def _together(ledger: Ledger, chosen: Ints) -> Iterator[int]:
    """Attempts that somebody is about to look at one by one, made together."""
    for at in range(0, len(chosen), _AT_ONCE):
        some = chosen[at : at + _AT_ONCE].tolist()
        ledger.several(some)
        yield from some


def _silent(ledger: Ledger) -> Bools:
    """Attempts that leave something open: an end, or which partitions they read or wrote."""
    found: Bools = ledger.open | ledger.unsaid
    reads, writes = ledger.facts.reads, ledger.facts.writes
    found[reads.attempt[~reads.known]] = True
    found[writes.attempt[~writes.known | (writes.how == INFERRED)]] = True
    return found
