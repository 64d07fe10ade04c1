"""The states of the places that the fault may have reached (design §5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lineage.arrays.facts import Bools, Ints, Small, distinct
from lineage.arrays.places import Places, ordered
from lineage.arrays.spread import Spread


@dataclass(frozen=True, slots=True)
class States:
    """Places that may-tainted writes wrote, ascending.

    ``tainted`` and ``cleaned`` by place (neither: SUSPECT); ``since``: the least start (ns UTC) of reached writes that overlap it.
    ``convicting``: by write, whether it alone makes its place TAINTED.
    """

    place: Ints
    tainted: Bools
    cleaned: Bools
    since: Ints
    convicting: Bools
    cleansing: Ints
    """The writes that may clean: clean themselves, by place and start."""


def states(spread: Spread) -> States:
    """Judge every place that was reached."""
    places = spread.places
    ranks = places.ranks
    reached = np.flatnonzero(spread.may.writes)
    place, inverse = distinct(places.write_place[reached], len(places.dataset))
    start = places.facts.start[places.writes.attempt]
    after = places.of_writes(ranks.after)
    since = np.full(len(place), np.iinfo(np.int64).max)
    latest = np.full(len(place), -1)
    np.minimum.at(since, inverse, start[reached])
    np.maximum.at(latest, inverse, after[reached])
    wild = places.wild[place]
    if bool(np.any(places.wild_writes[reached])):
        since, latest = _overlapping(places, reached, place, since, latest)
    convicting = _convicting(places, spread)
    tainted = np.zeros(len(places.dataset), bool)
    tainted[places.write_place[convicting]] = True
    cleansing = np.flatnonzero(places.cleansing & ~spread.may.writes)
    cleansing = cleansing[ordered(places.composed(places.write_place[cleansing], places.of_writes(ranks.start)[cleansing]))]
    last = np.full(len(places.dataset), -1)
    last[places.write_place[cleansing]] = places.of_writes(ranks.start)[cleansing]  # the last of each place is the latest
    cleaned = ~tainted[place] & ~wild & (latest <= last[place])
    return States(place, tainted[place], cleaned, since, convicting, cleansing)


def _overlapping(places: Places, reached: Ints, place: Ints, since: Ints, latest: Ints) -> tuple[Ints, Ints]:
    """With the reached writes of ``*``, which every place of the dataset overlaps; and ``*`` with all of them."""
    start = places.facts.start[places.writes.attempt]
    after = places.of_writes(places.ranks.after)
    count = len(places.facts.datasets)
    least, most = np.full((2, count), np.iinfo(np.int64).max), np.full((2, count), -1)
    for number, which in enumerate((reached[places.wild_writes[reached]], reached)):
        np.minimum.at(least[number], places.writes.dataset[which], start[which])
        np.maximum.at(most[number], places.writes.dataset[which], after[which])
    dataset, whole = places.dataset[place], places.wild[place].astype(int)
    return np.minimum(since, least[whole, dataset]), np.maximum(latest, most[whole, dataset])


def _convicting(places: Places, spread: Spread) -> Bools:
    """Must-tainted COMPLETE writes of exactly a known place that nobody may have written over."""
    ranks, writes = places.ranks, places.writes
    found = spread.must.writes & places.complete & writes.known
    at = np.flatnonzero(found & ~places.alone)
    before, end = places.of_writes(ranks.before), places.of_writes(ranks.end)

    def later(key: Small, which: Bools, of: Ints) -> Ints:
        """How many replacing writes of a place or dataset end at or after the beginning of these."""
        chosen = np.flatnonzero(which & places.replacing)
        ends = np.sort(places.composed(key[chosen], end[chosen]))
        last = np.searchsorted(ends, places.composed(key[of] + 1, np.zeros(len(of), np.int64)), "left")
        return last - np.searchsorted(ends, places.composed(key[of], before[of]), "left")

    others = later(places.write_place, ~places.wild_writes, at) - places.replacing[at]
    if bool(np.any(places.wild_writes)):
        others += later(writes.dataset, places.wild_writes, at)
    found[at] = others == 0
    return found
