"""Who read what we had purged, before it was made again (design §4)."""

from __future__ import annotations

import numpy as np

from lineage.arrays.facts import DROP, Ints, NotPlain, Small
from lineage.arrays.ledger import Ledger
from lineage.arrays.places import Places, begins, ordered


def read_while_absent(places: Places, ledger: Ledger) -> dict[int, str]:
    """Attempts that did, each with the reason, by the first purge that it met. Raises NotPlain."""
    writes, ours = places.writes, ledger.ours
    drops = np.flatnonzero(np.isin(writes.attempt, ours) & (writes.mode == DROP))
    if not len(drops):
        return {}
    if bool(np.any(places.wild_writes[drops])):
        raise NotPlain("we purged nobody knows which partition")
    by_place = _Grouped(places.read_place, len(places.dataset))
    made = np.flatnonzero(places.complete & writes.known & (writes.mode != DROP))
    makers = _Grouped(places.write_place[made], len(places.dataset))
    wild = np.flatnonzero(places.wild_reads)
    ranks, facts, skew = places.ranks, places.facts, places.skew
    found: dict[int, str] = {}
    for drop in drops:
        place, purge = int(places.write_place[drop]), int(writes.attempt[drop])
        reads = by_place.of(place)
        reads = np.concatenate((reads, wild[places.reads.dataset[wild] == places.dataset[place]]))
        readers = places.reads.attempt[reads]
        reads = reads[(ranks.end[readers] >= ranks.before[purge]) & ~np.isin(readers, ours)]
        again = made[makers.of(place)]
        by = writes.attempt[again]
        again = again[facts.start[by] >= facts.start[purge] + skew]
        for read in reads:
            reader = int(places.reads.attempt[read])
            done = ranks.after[writes.attempt[again]] <= ranks.start[reader]
            if reader not in found and not bool(np.any(done & (writes.attempt[again] != reader))):
                cell = ledger.attempts[purge].writes[int(writes.number[drop])].cell
                found[reader] = f"read {cell} while it was absent"
    return found


class _Grouped:
    """Positions by place."""

    def __init__(self, place: Small, count: int) -> None:
        self._order = ordered(place)
        self._first = begins(place, count)

    def of(self, place: int) -> Ints:
        return self._order[self._first[place] : self._first[place + 1]]
