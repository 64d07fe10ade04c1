"""A blast radius in few words: its counts, and what it is about each dataset. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lineage.attempts import Cell
from lineage.datasets import DatasetId
from lineage.partitions import Partition

if TYPE_CHECKING:
    from lineage.blast_radius import Hop, Reached, ReachedAttempt, ReachedCell

_STATES: tuple[Reached, ...] = ("TAINTED", "SUSPECT", "CLEANED")


@dataclass(frozen=True, slots=True)
class StateGroup:
    """The cells of a dataset that have one state, the earliest first.

    ``since`` (ns UTC) and ``reason`` of the earliest; ``last``: the latest cell;
    ``columns``: those reached in any of them, None for all.
    """

    state: Reached
    partitions: tuple[Partition, ...]
    since: int
    reason: str | None
    last: Cell
    columns: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class ReachedDataset:
    """``steps``: attempts from the fault to it, along the shortest explanation; ``through``: the dataset before it there.

    ``through`` and ``groups`` are made only for who looks at them.
    """

    dataset: DatasetId
    serving: bool
    owners: tuple[str, ...]
    steps: int
    through: Callable[[], DatasetId | None]
    groups: Callable[[], tuple[StateGroup, ...]]


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts by state: ``may`` counts TAINTED and SUSPECT together, ``must`` counts TAINTED. ``dirty``: datasets with either.

    ``since``: when the first reached write began (ns UTC); None when nothing was reached.
    """

    attempts: dict[str, int]
    cells: dict[str, int]
    datasets: tuple[DatasetId, ...]
    dirty: frozenset[DatasetId]
    since: int | None
    teams: tuple[str, ...]
    by_dataset: Callable[[], Iterable[ReachedDataset]]


def overview_of(attempts: Sequence[ReachedAttempt], cells: Sequence[ReachedCell]) -> Overview:
    """Of a radius whose cells are all there."""
    states = [one.state for one in cells]
    return Overview(
        attempts={"may": len(attempts), "must": sum(one.state == "TAINTED" for one in attempts)},
        cells={
            "may": sum(state != "CLEANED" for state in states),
            "must": states.count("TAINTED"),
            "cleaned": states.count("CLEANED"),
        },
        datasets=tuple(sorted({one.cell.dataset for one in cells})),
        dirty=frozenset(one.cell.dataset for one in cells if one.state != "CLEANED"),
        since=min((one.since for one in cells), default=None),
        teams=tuple(sorted({owner for one in cells for owner in one.owners})),
        by_dataset=partial(_by_dataset, cells),
    )


def _by_dataset(cells: Sequence[ReachedCell]) -> Iterator[ReachedDataset]:
    found: dict[DatasetId, list[ReachedCell]] = defaultdict(list)
    for one in cells:
        found[one.cell.dataset].append(one)
    for dataset, own in found.items():
        path = min((one.path for one in own), key=len)
        yield ReachedDataset(
            dataset, own[0].serving, own[0].owners, len(path), partial(before, path, dataset), partial(_groups, own)
        )


def before(path: Sequence[Hop], dataset: DatasetId) -> DatasetId | None:
    """The last other dataset on the way to one."""
    return next((hop.cell.dataset for hop in reversed(path[:-1]) if hop.cell.dataset != dataset), None)


def _groups(cells: Sequence[ReachedCell]) -> tuple[StateGroup, ...]:
    found = []
    for state in _STATES:
        own = sorted((one for one in cells if one.state == state), key=lambda one: one.since)
        if own:
            partitions = tuple(one.cell.partition for one in own)
            found.append(StateGroup(state, partitions, own[0].since, own[0].reason, own[-1].cell, _columns(own)))
    return tuple(found)


def _columns(cells: Sequence[ReachedCell]) -> tuple[str, ...] | None:
    found = [one.columns for one in cells]
    names = sorted({name for columns in found for name in columns or ()})
    return None if None in found or not names else tuple(names)
