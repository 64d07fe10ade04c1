"""The attempts that a fault reached, in the order in which they are told; each is made when somebody looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lineage.arrays.facts import Bools, Ints, ranks_of
from lineage.arrays.ledger import Ledger, Made
from lineage.arrays.places import Places
from lineage.arrays.spread import Spread
from lineage.blast_radius import ReachedAttempt
from lineage.doubts import Doubted, why_suspect
from lineage.history import History


@dataclass
class Attempts:
    """``doubted``: what was reached, for those who explain it."""

    history: History
    ledger: Ledger
    spread: Spread
    doubted: Doubted

    @property
    def _places(self) -> Places:
        return self.spread.places

    @cached_property
    def who(self) -> Ints:
        """The attempts reached: by distance, start, job, run and number."""
        places, spread, ledger = self._places, self.spread, self.ledger
        reached = spread.may.attempts.copy()
        reached[[at[0] for at in spread.seeds.writes]] = True
        found = np.flatnonzero(reached)
        rank = ranks_of(sorted(range(len(ledger.jobs)), key=ledger.jobs.__getitem__))
        keys = (rank[ledger.job[found]], places.facts.start[found], np.maximum(spread.may.distance[found], 0))
        order = np.lexsort(keys)
        found = found[order]
        alike = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
        for first in np.flatnonzero(alike & ~np.concatenate(([False], alike[:-1]))) if len(alike) else ():
            last = first + 1
            while last <= len(alike) and alike[last - 1]:
                last += 1
            found[first:last] = sorted(found[first:last], key=ledger.key)
        return found

    def told(self) -> Sequence[ReachedAttempt]:
        who = self.who
        return Made(len(who), lambda number: self._attempt(int(who[number])))

    @cached_property
    def certain(self) -> Bools:
        """Of each attempt whether it was certainly reached."""
        found = self.spread.must.attempts.copy()
        found[self._places.writes.attempt[self.spread.must.writes]] = True
        return found

    def _attempt(self, index: int) -> ReachedAttempt:
        run_id, number = self.ledger.key(index)
        certain = bool(self.certain[index])
        return ReachedAttempt(
            run_id,
            number,
            self.ledger.jobs[self.ledger.job[index]],
            "TAINTED" if certain else "SUSPECT",
            int(self._places.facts.start[index]),
            int(self._places.facts.end[index]),
            max(int(self.spread.may.distance[index]), 0),
            None if certain else why_suspect(self.history, self.doubted, index),
        )
