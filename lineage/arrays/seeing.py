"""Which reads may, and which must, see which writes (design §5), for all reads and writes at once.

Within one place a write is hidden from a read when some cleansing write began after its end and ended before the read began. So for
each read only the latest beginning of a cleansing write that ended before it decides: writes that end by then are hidden, and all
others that begin before the read ends may be seen. ``*`` and its counterparts are asked for as the taint arrives, for each of them
overlaps everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lineage.arrays.facts import INFERRED, Bools, Ints, NotPlain, Small
from lineage.arrays.places import Places, begins, ordered, spans

_INSTANTS = 1_000_000
"""Comparisons of what has no duration, one by one, before the columns give up."""
_AT_ONCE = 1 << 18
"""Pairs that are looked at together: what is needed meanwhile is some MB."""
_MOST = 40_000_000
"""Pairs that are looked at before the columns give up: some GB."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Pairs of a write and a read that may see it, by write, then read. ``first``: of each write, where its pairs begin."""

    first: Small
    read: Small
    must: Bools

    def certain(self) -> Edges:
        """Those that must."""
        kept = np.zeros(len(self.must) + 1, np.int32)
        np.cumsum(self.must, out=kept[1:])
        return Edges(kept[self.first], self.read[self.must], self.must[self.must])

    def parts(self, writes: Ints) -> Iterator[Ints]:
        """Some writes, as many at a time as have not too many pairs."""
        pairs = np.cumsum(self.first[writes + 1] - self.first[writes])
        last = 0
        while last < len(writes):
            first, before = last, pairs[last - 1] if last else 0
            last = max(first + 1, int(np.searchsorted(pairs, before + _AT_ONCE, "right")))
            yield writes[first:last]

    def of(self, writes: Ints) -> tuple[Ints, Small]:
        """The pairs of some writes: which of these, and the read."""
        which, at = spans(self.first[writes], self.first[writes + 1])
        return which, self.read[at]


class Seeing:
    """Of one set of places."""

    def __init__(self, places: Places) -> None:
        self.places = places
        ranks = places.ranks
        self._read_start, self._read_after = places.of_reads(ranks.start), places.of_reads(ranks.after)
        self._start, self._end = places.of_writes(ranks.start), places.of_writes(ranks.end)
        self._before, self._after = places.of_writes(ranks.before), places.of_writes(ranks.after)
        if bool(np.any(places.wild)) and bool(np.any(places.instant[places.writes.attempt[places.cleansing]])):
            raise NotPlain("an instant")
        count = np.bincount(places.write_place, minlength=len(places.dataset))
        self._several = _where(count[places.write_place] > 1), _where(count[places.read_place] > 1)
        """The writes and reads of places that are written several times, as few are."""
        only = np.full(len(places.dataset), -1, np.int32)
        only[places.write_place] = np.arange(len(places.writes))
        reads = _where(count[places.read_place] == 1)
        self._lone = only[places.read_place[reads]], reads
        """The only writes of their places with the reads of these."""

    # --- cleansing --------------------------------------------------------------------------------------------------------

    @cached_property
    def cleansed_since(self) -> Small:
        """Of each read the latest start of a cleansing write of its place that ended before it; −1 where there is none."""
        places = self.places
        found = np.full(len(places.reads), -1, np.int32)
        write, read = self._lone
        before = places.cleansing[write] & (self._after[write] <= self._read_start[read])
        found[read[before]] = self._start[write[before]]
        chosen, reads = self._several
        chosen = chosen[places.cleansing[chosen]]
        by_end = chosen[ordered(places.composed(places.write_place[chosen], self._after[chosen]))]
        ends = places.composed(places.write_place[by_end], self._after[by_end])
        latest = np.maximum.accumulate(places.composed(places.write_place[by_end], self._start[by_end]))
        if len(latest):
            place = places.read_place[reads]
            upto = np.searchsorted(ends, places.composed(place, self._read_start[reads]), "right")
            last = latest[np.maximum(upto - 1, 0)]
            found[reads] = np.where((upto > 0) & (last // places.scale == place), last % places.scale, -1)
        return found

    @cached_property
    def cleansed_until(self) -> Small:
        """Of each write when the first cleansing write that began after it had ended; above all ranks where there is none."""
        places = self.places
        chosen = np.flatnonzero(places.cleansing)
        by_start = chosen[ordered(places.composed(places.write_place[chosen], self._start[chosen]))]
        starts = places.composed(places.write_place[by_start], self._start[by_start])
        soonest = np.minimum.accumulate(places.composed(places.write_place[by_start], self._after[by_start])[::-1])[::-1]
        if not len(starts):
            return np.full(len(self._start), places.ranks.count, np.int32)
        at = np.searchsorted(starts, places.composed(places.write_place, self._after), "left")
        found = soonest[np.minimum(at, len(soonest) - 1)]
        here = (at < len(soonest)) & (found // places.scale == places.write_place)
        return np.where(here, found % places.scale, places.ranks.count).astype(np.int32)

    # --- within a place ---------------------------------------------------------------------------------------------------

    def edges(self) -> Edges:
        """All pairs within places that are not wild. Raises NotPlain when there are too many."""
        places = self.places
        writes, reads = self._several
        reads, ended = reads[~places.wild_reads[reads]], self._end[writes] < places.ranks.never
        lone = range(0, len(self._lone[0]), _AT_ONCE)
        keys = np.concatenate(
            [
                *(_key(*self._seen(*(one[at : at + _AT_ONCE] for one in self._lone))) for at in lone),
                _key(*self._visible(writes[ended], reads, by_end=True)),
                _key(*self._visible(writes[~ended], reads, by_end=False)),
                _key(*self._instants(np.flatnonzero(~places.wild_reads))),
            ]
        )
        keys.sort()
        write, read = (keys >> 32).astype(np.int32), keys.astype(np.int32)  # the lower half
        del keys
        return Edges(begins(write, len(places.writes)), read, self._must(write, read))

    def _seen(self, write: Small, read: Small) -> tuple[Small, Small]:
        """The pairs of these, each of one place, that are of two attempts, in time, and with no cleansing write between."""
        places = self.places
        seen = self._after[write] > self.cleansed_since[read]
        seen &= self._start[write] <= self._read_after[read]
        seen &= (places.writes.attempt[write] != places.reads.attempt[read]) & ~places.wild_reads[read]
        return write[seen], read[seen]

    def _visible(self, writes: Small, reads: Small, *, by_end: bool) -> tuple[Small, Small]:
        """Pairs of these. ``by_end``: they ended, so that those which did before anything else can be left out at once."""
        places = self.places
        writes = writes[ordered(places.composed(places.write_place[writes], self._start[writes]))]
        place = places.write_place[writes]
        begins = places.composed(place, self._start[writes])
        last = np.searchsorted(begins, places.composed(places.read_place[reads], self._read_after[reads]), "right")
        if by_end:
            ends = np.maximum.accumulate(places.composed(place, self._after[writes]))
            first = np.searchsorted(ends, places.composed(places.read_place[reads], self.cleansed_since[reads]), "right")
        else:
            first = np.searchsorted(place, places.read_place[reads])
        if int(np.maximum(last - first, 0).sum()) > _MOST:
            raise NotPlain("too many reads of the same data")
        which, at = spans(first, last)
        return self._seen(writes[at], reads[which])

    def _instants(self, reads: Ints) -> tuple[Small, Small]:
        """Pairs that only a write or read of no duration seemed to come between, namely the pair's own."""
        places = self.places
        instant = places.instant[places.writes.attempt] & places.cleansing
        nothing = np.zeros(0, np.int32)
        if not bool(np.any(instant)):
            return nothing, nothing
        found: list[tuple[int, int]] = []
        at = np.unique(places.composed(places.write_place[instant], self._start[instant]))
        deciding = places.composed(places.read_place[reads], self.cleansed_since[reads])
        by_place = ordered(places.write_place)
        first = np.searchsorted(places.write_place[by_place], np.arange(len(places.dataset) + 1))
        doubtful = reads[(self.cleansed_since[reads] >= 0) & np.isin(deciding, at)]
        size = first[places.read_place[doubtful] + 1] - first[places.read_place[doubtful]]
        if int((size**2).sum()) > _INSTANTS:
            raise NotPlain("many instants")
        for read in doubtful:
            place = places.read_place[read]
            here = by_place[first[place] : first[place + 1]]
            found += ((write, read) for write in here if self._hidden_and_seen(write, read, here))
        pairs = np.array(found, np.int32).reshape(len(found), 2)
        return pairs[:, 0], pairs[:, 1]

    def _hidden_and_seen(self, write: int, read: int, here: Ints) -> bool:
        """Whether a pair that ``_visible`` left out may see after all."""
        places = self.places
        own = (places.writes.attempt[write], places.reads.attempt[read])
        if own[0] == own[1] or self._after[write] > self.cleansed_since[read] or self._start[write] > self._read_after[read]:
            return False
        between = (
            places.cleansing[here]
            & (self._after[write] <= self._start[here])
            & (self._after[here] <= self._read_start[read])
            & ~np.isin(places.writes.attempt[here], own)
        )
        return not bool(np.any(between))

    def _must(self, write: Small, read: Small) -> Bools:
        """Which pairs must see: the write ended before, and nothing else may have replaced any of it meanwhile."""
        places = self.places
        reads, writes = places.reads, places.writes
        certain = (
            places.complete[write]
            & writes.known[write]
            & reads.known[read]
            & (writes.how[write] != INFERRED)
            & (reads.how[read] != INFERRED)
            & (self._after[write] <= self._read_start[read])
        )
        at = np.flatnonzero(certain & ~places.alone[write])
        w, r = write[at], read[at]
        others = self._meeting(places.write_place, places.read_place[r], ~places.wild_writes, self._before[w], self._read_after[r])
        others -= places.replacing[w]
        others -= self._writes_too(reads.attempt[r], places.read_place[r])
        if bool(np.any(places.wild_writes)):
            data, read_data = writes.dataset, reads.dataset[r]
            others += self._meeting(data, read_data, places.wild_writes, self._before[w], self._read_after[r])
            others -= self._writes_all_too(reads.attempt[r], read_data)
        found: Bools = certain
        found[at] = others == 0
        return found

    def _meeting(self, key_of_writes: Small, key: Small, which: Bools, since: Small, until: Small) -> Ints:
        """How many replacing writes of a place (or dataset) end at or after ``since`` and begin by ``until`` (since ≤ until)."""
        places = self.places
        chosen = np.flatnonzero(which & places.replacing)
        of = key_of_writes[chosen]
        starts = np.sort(places.composed(of, self._start[chosen]))
        ends = np.sort(places.composed(of, self._end[chosen]))
        begun = np.searchsorted(starts, places.composed(key, until), "right")
        ended = np.searchsorted(ends, places.composed(key, since), "left")
        return begun - ended

    def _writes_too(self, attempt: Small, place: Small) -> Bools:
        """Whether an attempt itself replaces the place."""
        places = self.places
        replaces = places.replacing & ~places.wild_writes
        first = places.first_write[attempt]
        writes = places.first_write[attempt + 1] - first
        found: Bools = np.zeros(len(attempt), bool)
        one = np.flatnonzero(writes == 1)  # as nearly all
        found[one] = replaces[first[one]] & (places.write_place[first[one]] == place[one])
        several = np.flatnonzero(writes > 1)
        if len(several):
            keys = places.writes.attempt.astype(np.int64) * len(places.dataset) + places.write_place
            asked = attempt[several].astype(np.int64) * len(places.dataset) + place[several]
            found[several] = np.isin(asked, keys[replaces])
        return found

    def _writes_all_too(self, attempt: Small, dataset: Small) -> Bools:
        places, count = self.places, len(self.places.facts.datasets)
        keys = places.writes.attempt.astype(np.int64) * count + places.writes.dataset
        return np.isin(attempt.astype(np.int64) * count + dataset, keys[places.replacing & places.wild_writes])

    # --- wild places --------------------------------------------------------------------------------------------------------

    @cached_property
    def _reads_of(self) -> tuple[Ints, Small]:
        """Reads by dataset, and where each dataset's begin."""
        return ordered(self.places.reads.dataset), begins(self.places.reads.dataset, len(self.places.facts.datasets))

    @cached_property
    def _wild_readers(self) -> dict[int, Ints]:
        """Of each dataset its wild reads."""
        places = self.places
        found = np.flatnonzero(places.wild_reads)
        return {int(one): found[places.reads.dataset[found] == one] for one in np.unique(places.reads.dataset[found])}

    def of_wild(self, writes: Ints, reached: Bools) -> tuple[Ints, Ints]:
        """Pairs of these writes that are not in ``edges``: which of them, and the read. ``reached``: attempts to leave out."""
        places = self.places
        if not bool(np.any(places.wild)):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        which: list[Ints] = []
        found: list[Ints] = []
        reached = reached.copy()  # one write is enough to reach an attempt, and the first counts
        for number in np.flatnonzero(places.partitioned[places.writes.dataset[writes]]):
            write = int(writes[number])
            dataset = int(places.writes.dataset[write])
            if places.wild_writes[write]:
                order, first = self._reads_of
                reads = order[first[dataset] : first[dataset + 1]]
            else:
                reads = self._wild_readers.get(dataset, np.zeros(0, np.int64))
            if not len(reads):
                continue
            seen = self._start[write] <= self._read_after[reads]
            seen &= ~reached[places.reads.attempt[reads]] & (places.reads.attempt[reads] != places.writes.attempt[write])
            if places.wild_writes[write]:
                seen &= places.wild_reads[reads] | (self._after[write] > self.cleansed_since[reads])
            else:
                seen &= self.cleansed_until[write] > self._read_start[reads]
            which.append(np.full(int(seen.sum()), number))
            found.append(np.sort(reads[seen]))
            reached[places.reads.attempt[reads[seen]]] = True
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(which), np.concatenate(found)


def _key(write: Small, read: Small) -> Ints:
    """A write and a read as one integer; by write, then read."""
    return write.astype(np.int64) << 32 | read


def _where(chosen: Bools) -> Small:
    """The positions of those chosen."""
    return np.flatnonzero(chosen).astype(np.int32)
