"""The runs that a backfill may need: what each makes, what it reads, and the values its command is given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lineage.attempts import Cell, Read
from lineage.datasets import JobId
from lineage.partitions import Partition
from lineage.periods import Grain
from lineage.timestamps import render
from runbooks.makers import Making

Command = Callable[[JobId], tuple[str, ...] | None]
"""The command template of the orchestrator that runs a job; None where there is none."""


@dataclass(eq=False, slots=True)
class RunNode:
    """One run to be: what it makes, and what it has to wait for."""

    job: JobId
    order: int
    makings: list[Making]
    waits: set[RunNode] = field(default_factory=set)

    @property
    def cells(self) -> list[Cell]:
        return sorted({making.cell for making in self.makings}, key=str)

    @property
    def reads(self) -> list[Read]:
        return list(dict.fromkeys(read for making in self.makings for read in making.attempt.reads))

    @property
    def partition(self) -> Partition:
        """What all its partitions have in common (a run over all countries of a day: the day)."""
        partitions = sorted({making.cell.partition for making in self.makings}, key=lambda found: (not found, str(found)))
        common = tuple(item for item in partitions[0].items if all(item in other.items for other in partitions))
        return Partition(common) if common else partitions[0]

    @property
    def dated(self) -> Cell | None:
        """The first of its cells that is a period of time."""
        return next((making.cell for making in self.makings if making.cell.partition.period is not None), None)

    @property
    def interval(self) -> tuple[int, int] | None:
        return max((making.interval for making in self.makings if making.interval is not None), default=None)

    def values(self) -> dict[str, str]:
        """The values of the command's placeholders."""
        start, end = self.interval or (None, None)
        return {
            "job": str(self.job),
            "namespace": self.job.namespace,
            "name": self.job.name,
            "partition": str(self.partition),
            "start": "" if start is None else render(start) or "",
            "end": "" if end is None else render(end) or "",
            "dataset": ",".join(sorted({str(cell.dataset) for cell in self.cells})),
        }


def group(makings: Iterable[Making]) -> list[RunNode]:
    """Runs, grouped by job and interval. Keys beside the date split an interval only when different attempts made them."""
    grouped: dict[tuple[object, ...], list[Making]] = defaultdict(list)
    for making in makings:
        partition = making.cell.partition
        period = partition.period
        beside = len(partition.items) > (2 if period is not None and period.grain is Grain.HOUR and partition.get("hour") else 1)
        plain = partition if period is None and partition else None
        grouped[making.job, making.interval, plain, making.attempt.key if beside else None].append(making)
    return [RunNode(found[0].job, min(making.order for making in found), found) for found in grouped.values()]
