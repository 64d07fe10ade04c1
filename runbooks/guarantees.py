"""What a bucket's server was seen to honour: the conditions that keep a concurrent write from being lost.

Absence is never permission: what was not asked, or could not be, counts as not honoured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Guarantee = Literal[
    "conditional-delete",
    "conditional-batch-delete",
    "put-if-absent",
    "put-if-match",
    "copy-source-match",
    "copy-if-absent",
    "copy-if-match",
    "complete-if-absent",
    "complete-if-match",
    "marker-ids",
    "listing-order",
    "tags-copied",
]
ALL: tuple[Guarantee, ...] = get_args(Guarantee)

WITHOUT: dict[Guarantee, str] = {
    "conditional-delete": "a deletion takes away whatever is there, also what was written a moment ago",
    "conditional-batch-delete": "a batch of deletions takes away whatever is there, also what was written a moment ago",
    "put-if-absent": "a put over an absent key replaces what was written a moment ago",
    "put-if-match": "a put over an object replaces what was written a moment ago",
    "copy-source-match": "a copy may be of other bytes than those planned",
    "copy-if-absent": "a copy to an absent key covers what was written a moment ago",
    "copy-if-match": "a copy over an object covers what was written a moment ago",
    "complete-if-absent": "a copy of more than 5 GB to an absent key covers what was written a moment ago",
    "complete-if-match": "a copy of more than 5 GB over an object covers what was written a moment ago",
    "marker-ids": "the storage does not say which delete marker is ours; it is told by its place in the listing",
    "listing-order": "deletions and writes of one moment are listed in no certain order",
    "tags-copied": "copies do not carry tags",
}
"""What is not certain where a guarantee is missing, in words for the operator."""


VERSIONED = frozenset({"marker-ids", "listing-order"})
"""What only a bucket that keeps versions can be asked."""


@dataclass(frozen=True, slots=True)
class Guarantees:
    """``honoured`` and ``ignored`` were seen; everything else is not known, and ``why`` says why.

    ``versioned``: whether the bucket keeps versions. ``asked``: when, in ns UTC by our clock; 0 when never.
    """

    honoured: tuple[Guarantee, ...] = ()
    ignored: tuple[Guarantee, ...] = ()
    why: str = "not asked"
    asked: int = 0
    versioned: bool = True

    def __contains__(self, guarantee: Guarantee) -> bool:
        """Whether it may be relied upon."""
        return guarantee in self.honoured

    @property
    def unknown(self) -> tuple[Guarantee, ...]:
        seen = {*self.honoured, *self.ignored, *(() if self.versioned else VERSIONED)}
        return tuple(one for one in ALL if one not in seen)

    @property
    def degraded(self) -> tuple[Guarantee, ...]:
        """What may not be relied upon."""
        return (*self.ignored, *self.unknown)

    @property
    def fact(self) -> str:
        """In words for a plan: what may be relied upon, and what not."""
        if not self.degraded:
            return "all honoured"
        if not self.honoured and not self.ignored:
            return f"unknown: {self.why}"
        parts = [f"ignored {', '.join(self.ignored)}"] if self.ignored else []
        parts += [f"unknown {', '.join(self.unknown)}: {self.why}"] if self.unknown else []
        return "; ".join(parts)


NOT_ASKED = Guarantees()
EVERYTHING = Guarantees(ALL, (), "")
"""Of a store that honours everything."""
