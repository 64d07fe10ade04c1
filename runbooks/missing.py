"""Which cells an incident took away or set back, and nobody has made again since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lineage.attempts import Attempt, Cell, Mode
from lineage.datasets import DatasetId
from lineage.effects import Effect
from lineage.partition_index import PartitionIndex
from lineage.partitions import Partition, covers
from lineage.timestamps import BEFORE


@dataclass(frozen=True, slots=True)
class Missing:
    """A cell that a purge left empty or a revert set back. ``since``: when that ended, nanoseconds UTC."""

    cell: Cell
    leaves: Literal["nothing", "data"]
    since: int

    def __str__(self) -> str:
        return str(self.cell)


@dataclass(frozen=True, slots=True)
class Made:
    """What a backfill's journal says: this cell was made by a run that began at ``start`` and passed its output check."""

    cell: str
    start: int


def missing_cells(
    effects: Iterable[Effect],
    attempts: Sequence[Attempt],
    made: Iterable[Made] = (),
    tainted: Collection[tuple[str, int]] = frozenset(),
) -> tuple[Missing, ...]:
    """The cells whose last effect of ours that still holds took something away, and that were not made again after it.

    Made again: our backfill's journal says so, or a COMPLETE run that began after the effect wrote all of the cell. A run that is
    itself ``tainted`` (its keys) made nothing good. A cell that no run ever wrote as such (all of a partitioned dataset) stands
    for the partitions in it that runs wrote.
    """
    standing = standing_effects(effects)
    written = _written({effect.cell.dataset for effect in standing}, attempts, tainted)
    journalled: dict[str, int] = {}
    for one in made:
        journalled[one.cell] = max(one.start, journalled.get(one.cell, one.start))
    indexes: dict[DatasetId, PartitionIndex[int]] = {}
    for dataset, starts in written.items():
        indexes[dataset] = PartitionIndex()
        for partition, start in starts.items():
            indexes[dataset].add(partition, start)
    found: dict[Cell, Missing] = {}
    for effect in standing:
        cells = written[effect.cell.dataset]
        for cell in _parts(effect.cell, cells):
            near = indexes[cell.dataset].overlapping(cell.partition)
            again = max((start for other, start in near if other and covers(other, cell.partition)), default=BEFORE)
            again = max(again, cells.get(cell.partition, BEFORE) if cell.known else BEFORE, journalled.get(str(cell), BEFORE))
            found.pop(cell, None)
            if again < effect.end:
                # An effect that stopped halfway left neither the old data nor the new: that is worth no more than nothing.
                found[cell] = Missing(cell, effect.leaves if effect.complete else "nothing", effect.end)
    return tuple(sorted(found.values(), key=str))


def _parts(cell: Cell, written: Collection[Partition]) -> list[Cell]:
    if cell.partition in written and (cell.known or not any(written)):
        return [cell]
    inside = [Cell(cell.dataset, part, known=True) for part in written if part and covers(cell.partition, part)]
    return inside or [cell]


def standing_effects(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """For each cell the last revert or purge that was not taken back, in the order of their ends. An undo can be undone too."""
    by_cell: dict[Cell, list[Effect]] = {}
    for effect in effects:
        by_cell.setdefault(effect.cell, []).append(effect)
    standing: list[Effect] = []
    for found in by_cell.values():
        undone: dict[str, list[Effect]] = {}
        for effect in found:
            if effect.kind == "undo" and effect.undoes and effect.complete:
                undone.setdefault(effect.undoes, []).append(effect)
        holding = [effect for effect in found if effect.kind != "undo" and _holds(effect.plan_id, undone, frozenset())]
        standing += [max(holding, key=_order)] if holding else []
    return tuple(sorted(standing, key=_order))


def _order(effect: Effect) -> tuple[int, str, str]:
    return effect.end, effect.plan_id, str(effect.cell)


def _holds(plan_id: str, undone: Mapping[str, Sequence[Effect]], seen: frozenset[str]) -> bool:
    if plan_id in seen:
        return True
    return not any(_holds(undo.plan_id, undone, seen | {plan_id}) for undo in undone.get(plan_id, ()))


def _written(
    datasets: Collection[DatasetId], attempts: Iterable[Attempt], tainted: Collection[tuple[str, int]]
) -> dict[DatasetId, dict[Partition, int]]:
    """For each partition that runs wrote in these datasets, when the last good run of it began (BEFORE when none is known)."""
    found: dict[DatasetId, dict[Partition, int]] = {dataset: {} for dataset in datasets}
    for attempt in attempts:
        good = attempt.state == "COMPLETE" and attempt.key not in tainted
        for write in attempt.writes if attempt.kind == "run" else ():
            if write.cell.dataset in found and write.mode is not Mode.DROP:
                starts = found[write.cell.dataset]
                start = attempt.start if good else BEFORE
                starts[write.cell.partition] = max(start, starts.get(write.cell.partition, BEFORE))
    return found
