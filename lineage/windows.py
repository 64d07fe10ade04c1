"""Which partitions of an input a job reads, relative to the partition it writes, and the same map the other way round.

The vocabulary: ``identity`` (the same period), ``contained`` (the input's periods inside the output's: a month reads its days),
``refine`` (the one input period around the output's: an hour reads its day), ``[a, b]`` (from a to b input periods away: a
rolling week is ``[-6, 0]``), ``all`` and ``none``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lineage.errors import PartitionError
from lineage.partitions import Grain, Period, floor, shift

Kind = Literal["identity", "contained", "refine", "all", "none", "offsets"]


@dataclass(frozen=True, slots=True)
class Window:
    """One edge's window; ``first`` and ``last`` are offsets in input periods and only meant for ``offsets``."""

    kind: Kind
    first: int = 0
    last: int = 0

    @classmethod
    def parse(cls, value: object) -> Window:
        """From configuration: a word of the vocabulary or a list of two whole numbers."""
        match value:
            case "identity" | "contained" | "refine" | "all" | "none":
                return cls(value)
            case [int(first), int(last)] if first <= last and not isinstance(first, bool) and not isinstance(last, bool):
                return cls("offsets", first, last)
        raise PartitionError(
            f"not a window: {value!r}",
            "use identity, contained, refine, all, none, or two whole numbers such as [-6, 0]",
        )

    def __str__(self) -> str:
        return f"[{self.first}, {self.last}]" if self.kind == "offsets" else self.kind

    def backward(self, output: Period, grain: Grain) -> tuple[Period, ...] | None:
        """The input periods of that grain which the output period is made from; None for all of the input, () for none."""
        match self.kind:
            case "all":
                return None
            case "none":
                return ()
            case "refine":
                return (floor(output.start, grain),)
            case "identity" | "contained":
                return _inside(output, grain)
            case "offsets":
                inside = _inside(output, grain)
                return _between(shift(inside[0], self.first), shift(inside[-1], self.last))

    def forward(self, source: Period, grain: Grain) -> tuple[Period, ...] | None:
        """The output periods of that grain which are made from the input period; the inverse of ``backward``."""
        match self.kind:
            case "all":
                return None
            case "none":
                return ()
            case "identity" | "contained" | "refine":
                candidates = _inside(source, grain)
            case "offsets":
                first = _inside(shift(source, -self.last), grain)[0]
                last = _inside(shift(source, -self.first), grain)[-1]
                candidates = _between(first, last)
        return tuple(output for output in candidates if source in (self.backward(output, source.grain) or ()))


def _inside(period: Period, grain: Grain) -> tuple[Period, ...]:
    """The periods of a grain that share time with a period: those inside it, the one around it, or as weeks and months overlap."""
    if period.grain is grain:
        return (period,)
    found = [floor(period.start, grain)]
    while (following := shift(found[-1], 1)).start < period.end:
        found.append(following)
    return tuple(found)


def _between(first: Period, last: Period) -> tuple[Period, ...]:
    found = [first]
    while found[-1].start < last.start:
        found.append(shift(found[-1], 1))
    return tuple(found)
