"""Which partitions of an input a job reads, relative to the partition it writes, and the same map the other way round.

The vocabulary: ``identity`` (the same period), ``contained`` (the input's periods inside the output's: a month reads its days),
``refine`` (the one input period around the output's: an hour reads its day), ``[a, b]`` (from a to b input periods away: a
rolling week is ``[-6, 0]``), ``all`` and ``none``.

Where input and output go by the clocks of two time zones, no period is the same or inside: the three words then mean all periods
that share time, and offsets count from these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lineage.errors import PartitionError
from lineage.periods import Grain, Period, floor, shift
from lineage.zones import Zone, between, sharing

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

    def backward(self, output: Period, grain: Grain, *, made_in: Zone = None, read_in: Zone = None) -> tuple[Period, ...] | None:
        """The input periods of that grain which the output period is made from; None for all of the input, () for none.

        ``made_in`` and ``read_in``: the zones whose clocks the output and the input go by.
        """
        match self.kind:
            case "all":
                return None
            case "none":
                return ()
            case "refine" if made_in is read_in:
                return (floor(output.start, grain),)
            case "identity" | "contained" | "refine":
                return sharing(output, made_in, grain, read_in)
            case "offsets":
                inside = sharing(output, made_in, grain, read_in)
                return between(shift(inside[0], self.first), shift(inside[-1], self.last))

    def forward(self, source: Period, grain: Grain, *, read_in: Zone = None, made_in: Zone = None) -> tuple[Period, ...] | None:
        """The output periods of that grain which are made from the input period; the inverse of ``backward``."""
        match self.kind:
            case "all":
                return None
            case "none":
                return ()
            case "identity" | "contained" | "refine":
                candidates = sharing(source, read_in, grain, made_in)
            case "offsets":
                first = sharing(shift(source, -self.last), read_in, grain, made_in)[0]
                last = sharing(shift(source, -self.first), read_in, grain, made_in)[-1]
                candidates = between(first, last)
        back = ((output, self.backward(output, source.grain, made_in=made_in, read_in=read_in)) for output in candidates)
        return tuple(output for output, inputs in back if source in (inputs or ()))
