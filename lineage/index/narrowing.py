"""The part of the dimension tables that a question can be about, found by numbers before anything is made of them.

A large company's tables are some hundred thousand names; a fault's are some hundred. What is left out is kept in its place as a
word that says nothing, so that numbers mean the same. What is kept is closed: whatever the whole tables tell of a job or a dataset
that the fault may reach, these tell too, so that ``lineage.index.reach`` finds the same in both. It may be too much, never too
little:

- a job that writes a reached dataset counts as reached, since its write may be a merge, which reads;
- names that may be one dataset are one, by every symlink and renaming that was ever told;
- of what kept jobs touch, every reference that says more than a name is kept, whoever made it.

Views are seen through from wherever they are read, however far below they are made: where there are any, nothing is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

import numpy as np

from lineage.arrays.facts import Bools, Ints
from lineage.arrays.places import spans
from lineage.datasets import DatasetId, Identities
from lineage.events import DatasetRef
from lineage.history import VIEWS
from lineage.index.batch import Head
from lineage.index.dimensions import NOTHING, Dimensions
from lineage.index.schema import heads_in, named, reference_of

if TYPE_CHECKING:
    import pyarrow as pa

_NO_HEAD = Head(0, None, (), (), (), 0)


def narrowed(tables: dict[str, pa.Table], jobs: Collection[int], datasets: Collection[DatasetId]) -> Dimensions | None:
    """What a fault of these jobs and datasets can be about.

    None where that is everything, or no job touches a dataset by this name: the name may mean another by its end.
    """
    told = tables["references"]["told"].to_pylist()
    if _saying(told, [f'"materialized":"{one}"' for one in sorted(VIEWS)]):
        return None
    known = named(tables)
    of_reference = _whole(tables["references"]["dataset"])
    aliased = _saying(told, ['"symlinks"', '"renamed_from"'])
    references = {one: reference_of(known.datasets[of_reference[one]], told[one]) for one in aliased}
    find, group = _groups(known, references.values())
    starts = [number for one in datasets if (number := find(one)) is not None]
    edges = tables["edges"]
    job, dataset = _whole(edges["job"]), group[_whole(edges["dataset"])]
    if len(starts) < len(datasets) or not np.isin(starts, dataset).all():
        return None
    writes = np.array([one == "write" for one in edges["direction"].to_pylist()], bool)
    heads, shapes = _Lists(tables["heads"], ("inputs", "outputs")), _Lists(tables["shapes"], ("heads",))
    by = _whole(tables["heads"]["job"])
    count = len(known.jobs)
    pairs = [(job[writes], dataset[writes] + count), (dataset + count, job), *_together(shapes, by)]
    seen = _closure(
        np.concatenate([one for one, _ in pairs]),
        np.concatenate([one for _, one in pairs]),
        [*jobs, *(one + count for one in starts)],
        count + len(known.datasets),
    )
    ours, touched = seen[:count], seen[count:]
    touched[dataset[ours[job]]] = True
    kept_shapes = np.flatnonzero(_of(ours, _whole(tables["shapes"]["job"])))
    kept = _of(ours, by)
    kept[shapes.members("heads", kept_shapes)] = True
    kept_heads = np.flatnonzero(kept)
    wanted = np.array([one is not None for one in told], bool) & touched[group[of_reference]]
    for side in ("inputs", "outputs"):
        wanted[heads.members(side, kept_heads)] = True
    wanted[aliased] = False
    references |= {int(one): reference_of(known.datasets[of_reference[one]], told[one]) for one in np.flatnonzero(wanted)}
    _fill(known, tables, references, kept_heads, kept_shapes)
    _date(known, tables, touched[group])
    return known


def _saying(told: list[str | None], words: list[str]) -> list[int]:
    """Which references say one of these."""
    return [number for number, text in enumerate(told) if text is not None and any(one in text for one in words)]


def _groups(known: Dimensions, references: Iterable[DatasetRef]) -> tuple[Callable[[DatasetId], int | None], Ints]:
    """What finds the number of the group of a name (None where it is not known), and that of each dataset."""
    identities = Identities()
    names: set[DatasetId] = set()
    for one in references:
        others = [*one.symlinks, *([one.renamed_from] if one.renamed_from is not None else ())]
        for other in others:
            identities.merge(one.dataset, other, "")
        names.update((one.dataset, *others))
    group = np.arange(len(known.datasets))
    members: dict[DatasetId, list[int]] = defaultdict(list)
    for name in names:
        if (number := known.number(name)) is not None:
            members[identities.find(name)].append(number)
    for numbers in members.values():
        group[numbers] = min(numbers)

    def find(name: DatasetId) -> int | None:
        if found := members.get(identities.find(name)):
            return min(found)
        return known.number(name)

    return find, group


def _together(shapes: _Lists, by: Ints) -> tuple[tuple[Ints, Ints], ...]:
    """Jobs that reported under one run id, each with the first of them, in both directions."""
    heads, owner = shapes.values["heads"], shapes.owners("heads")
    found = by[heads]
    first = np.full(len(shapes), -1)
    order = np.flatnonzero(found >= 0)[::-1]  # the last assignment stays: the first job of each
    first[owner[order]] = found[order]
    others = np.flatnonzero((found >= 0) & (found != first[owner]))
    one, other = found[others], first[owner[others]]
    return (one, other), (other, one)


def _closure(sources: Ints, targets: Ints, starts: Iterable[int], count: int) -> Bools:
    """What can be reached along the edges, the starts included."""
    order = np.argsort(sources, kind="stable")
    targets = targets[order]
    begins = np.searchsorted(sources[order], np.arange(count + 1))
    seen = np.zeros(count, bool)
    frontier = np.unique(np.array(list(starts), np.int64))
    while len(frontier):
        seen[frontier] = True
        _, at = spans(begins[frontier], begins[frontier + 1])
        following = np.unique(targets[at])
        frontier = following[~seen[following]]
    return seen


class _Lists:
    """Columns of lists, flattened."""

    def __init__(self, table: pa.Table, names: Iterable[str]) -> None:
        self._count: int = table.num_rows
        self.values: dict[str, Ints] = {}
        self._ends: dict[str, Ints] = {}
        for name in names:
            column = table[name].combine_chunks()
            self.values[name] = column.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
            self._ends[name] = np.cumsum(column.value_lengths().to_numpy(zero_copy_only=False), dtype=np.int64)

    def __len__(self) -> int:
        return self._count

    def owners(self, name: str) -> Ints:
        """Of each value the row that it is of."""
        return np.repeat(np.arange(self._count), np.diff(self._ends[name], prepend=0))

    def members(self, name: str, rows: Ints) -> Ints:
        """The values of some rows."""
        chosen = np.zeros(self._count, bool)
        chosen[rows] = True
        return self.values[name][chosen[self.owners(name)]]


def _fill(known: Dimensions, tables: dict[str, pa.Table], references: dict[int, DatasetRef], heads: Ints, shapes: Ints) -> None:
    """Make what is kept, in its place."""
    known.refs[:] = [NOTHING] * tables["references"].num_rows
    for number, one in references.items():
        known.refs[number] = one
    known.heads[:] = [_NO_HEAD] * tables["heads"].num_rows
    known.widths[:] = [0] * len(known.heads)
    for number, head in zip(heads.tolist(), heads_in(tables["heads"].take(heads), known), strict=True):
        known.heads[number] = head
        known.widths[number] = len(head.inputs) + len(head.outputs)
    known.shapes[:] = [()] * tables["shapes"].num_rows
    known.attempts[:] = [0] * len(known.shapes)
    kept = tables["shapes"].take(shapes)
    for number, members, attempts in zip(shapes.tolist(), kept["heads"].to_pylist(), kept["attempts"].to_pylist(), strict=True):
        known.shapes[number], known.attempts[number] = tuple(members), attempts


def _date(known: Dimensions, tables: dict[str, pa.Table], touched: Bools) -> None:
    """Under which keys the touched datasets have dates, and of which a version was named."""
    versioned = tables["datasets"]["versioned"].to_numpy()
    known.versioned.update(known.datasets[one] for one in np.flatnonzero(versioned & touched))
    dates = tables["dates"]
    here = dates.take(np.flatnonzero(touched[_whole(dates["dataset"])]))
    columns = (here[name].to_pylist() for name in ("dataset", "key", "sure"))
    known.dated.update((known.datasets[number], key, sure) for number, key, sure in zip(*columns, strict=True))


def _of(ours: Bools, jobs: Ints) -> Bools:
    """Which of some jobs, −1 for none, are ours."""
    found: Bools = (jobs >= 0) & ours[jobs]
    return found


def _whole(column: pa.ChunkedArray) -> Ints:
    """A column of numbers, −1 for null."""
    found: Ints = (column.fill_null(-1) if column.null_count else column).to_numpy().astype(np.int64)
    return found
