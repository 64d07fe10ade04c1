"""DESIGN §5 once more, as slowly and as literally as possible.

Nothing here is shared with the engine: times are plain numbers (±∞ included), a partition is a small map or None for `*`,
and each rule is a loop over everything. What is quadratic in the text is quadratic here. The engine is held to this.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

INF = float("inf")

Keys = tuple[tuple[str, str], ...]  # a named partition, sorted by key


@dataclass(frozen=True)
class Place:
    """A cell: a dataset and a named partition, or `*` (keys is None)."""

    dataset: str
    keys: Keys | None
    known: bool  # a named partition, or `*` of a dataset that is unpartitioned


@dataclass(frozen=True)
class Read:
    place: Place
    versioned: bool = False  # names a table version whose ancestry nobody told: at most SUSPECT


@dataclass(frozen=True)
class Write:
    place: Place
    mode: str  # OVERWRITE, APPEND, MERGE, DROP, UNKNOWN


@dataclass(frozen=True)
class Deed:
    """One attempt."""

    name: str
    start: float
    end: float
    state: str  # COMPLETE, FAIL, ABORT, OPEN
    reads: tuple[Read, ...] = ()
    writes: tuple[Write, ...] = ()
    ours: bool = False  # an effect of our own, such as a purge


@dataclass(frozen=True)
class Story:
    """A whole history, its clock skew, and where the fault began."""

    deeds: tuple[Deed, ...]
    skew: float = 0
    seeds: frozenset[str] = frozenset()
    suspect_seeds: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CellVerdict:
    state: str
    since: float
    exposure: frozenset[tuple[float, float]]  # from, until; ∞ = still exposed


@dataclass(frozen=True)
class Verdict:
    attempts: dict[str, tuple[str, int]]  # name → state, distance
    cells: dict[Place, CellVerdict]


def overlap(a: Place, b: Place) -> bool:
    """Of one dataset, and no shared key differs."""
    if a.dataset != b.dataset:
        return False
    if a.keys is None or b.keys is None:
        return True
    return not any(ka == kb and va != vb for ka, va in a.keys for kb, vb in b.keys)


def covers(big: Place, a: Place, b: Place) -> bool:
    """Whether a known place holds all of a ∩ b (which overlap)."""
    if big.dataset != a.dataset or not big.known:
        return False
    if big.keys is None:
        return True  # all of an unpartitioned dataset
    both = set(a.keys or ()) | set(b.keys or ())
    return all(pair in both for pair in big.keys)


def cleansing(deed: Deed, write: Write) -> bool:
    return deed.state == "COMPLETE" and write.mode in {"OVERWRITE", "DROP"} and write.place.known


def may_see(story: Story, w: Deed, r: Deed) -> bool:
    return any(_may_see(story, w, x.place, r, y.place) for x in w.writes for y in r.reads)


def _may_see(story: Story, w: Deed, c_w: Place, r: Deed, c_r: Place) -> bool:
    if w.name == r.name or not overlap(c_w, c_r) or not w.start <= r.end + story.skew:
        return False
    for o in story.deeds:
        if o.name in {w.name, r.name}:
            continue
        for x in o.writes:
            if cleansing(o, x) and covers(x.place, c_w, c_r) and w.end + story.skew <= o.start and o.end + story.skew <= r.start:
                return False
    return True


def must_see(story: Story, w: Deed, r: Deed) -> bool:
    return any(_must_see(story, w, x.place, r, y) for x in w.writes for y in r.reads)


def _must_see(story: Story, w: Deed, c_w: Place, r: Deed, read: Read) -> bool:
    c_r = read.place
    if w.name == r.name or read.versioned or w.state != "COMPLETE":
        return False
    if (c_w.dataset, c_w.keys) != (c_r.dataset, c_r.keys) or not c_w.known or not c_r.known:
        return False
    if not w.end + story.skew <= r.start:
        return False
    for o in story.deeds:
        if o.name in {w.name, r.name}:
            continue
        for x in o.writes:
            meets = o.start <= r.end + story.skew and w.start - story.skew <= o.end
            if x.mode != "APPEND" and overlap(x.place, c_r) and meets:
                return False
    return True


def read_while_absent(story: Story, r: Deed) -> bool:
    """Whether r, not ours, read what we had purged and nobody had made again."""
    if r.ours:
        return False
    for p in story.deeds:
        for x in p.writes:
            if not p.ours or x.mode != "DROP" or not p.start - story.skew <= r.end:
                continue
            for y in r.reads:
                if overlap(x.place, y.place) and not _made_again(story, p, x.place, r, y.place):
                    return True
    return False


def _made_again(story: Story, p: Deed, c_p: Place, r: Deed, c_r: Place) -> bool:
    return any(
        m.name != r.name
        and m.state == "COMPLETE"
        and y.mode != "DROP"
        and covers(y.place, c_p, c_r)
        and p.start + story.skew <= m.start
        and m.end + story.skew <= r.start
        for m in story.deeds
        for y in m.writes
    )


def may_tainted(story: Story) -> dict[str, int]:
    """Name → distance, breadth first: each round adds who sees a write of the round before."""
    seeds = story.seeds | story.suspect_seeds
    distance = {deed.name: 0 for deed in story.deeds if deed.name in seeds or read_while_absent(story, deed)}
    for step in itertools.count(1):
        fresh = {
            r.name
            for r in story.deeds
            if r.name not in distance and any(w.name in distance and may_see(story, w, r) for w in story.deeds)
        }
        if not fresh:
            return distance
        distance |= dict.fromkeys(fresh, step)
    raise AssertionError


def must_tainted(story: Story) -> frozenset[str]:
    reached = {deed.name for deed in story.deeds if deed.name in story.seeds}
    while True:
        fresh = {
            r.name
            for r in story.deeds
            if r.name not in reached and any(w.name in reached and must_see(story, w, r) for w in story.deeds)
        }
        if not fresh:
            return frozenset(reached)
        reached |= fresh


def judge(story: Story) -> Verdict:
    may = may_tainted(story)
    must = must_tainted(story)
    attempts = {name: ("TAINTED" if name in must else "SUSPECT", far) for name, far in may.items()}
    written = {write.place for deed in story.deeds if deed.name in may for write in deed.writes}
    return Verdict(attempts, {place: _cell(story, place, frozenset(may), must) for place in written})


def _cell(story: Story, c: Place, may: frozenset[str], must: frozenset[str]) -> CellVerdict:
    bad = [(w, x) for w in story.deeds if w.name in may for x in w.writes if overlap(x.place, c)]
    exposure = []
    for w, x in bad:
        ends = [
            o.end
            for o in story.deeds
            if o.name not in may
            for y in o.writes
            if cleansing(o, y) and covers(y.place, x.place, c) and w.end + story.skew <= o.start
        ]
        exposure.append((w.start, min(ends, default=INF)))
    if _convicted(story, c, must):
        state = "TAINTED"
    elif all(until < INF for _, until in exposure):
        state = "CLEANED"
    else:
        state = "SUSPECT"
    return CellVerdict(state, min(start for start, _ in exposure), frozenset(exposure))


def _convicted(story: Story, c: Place, must: frozenset[str]) -> bool:
    """Some must-tainted COMPLETE write of c itself, and nobody else's non-append write ends at or after s_w − ε."""
    for w in story.deeds:
        if w.name not in must or w.state != "COMPLETE" or not c.known or not any(x.place == c for x in w.writes):
            continue
        others = [o for o in story.deeds if o.name != w.name and any(y.mode != "APPEND" and overlap(y.place, c) for y in o.writes)]
        if not any(o.end >= w.start - story.skew for o in others):
            return True
    return False
