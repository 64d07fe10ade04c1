"""Where columns of an input went in the outputs of an attempt, and why it cannot be told more narrowly. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lineage.attempts import Attempt
from lineage.columns import ALL, NONE, ColumnLineage, Columns, Making, meets, united
from lineage.datasets import DatasetId


@dataclass(frozen=True, slots=True)
class Carried:
    """The columns of an output that columns of an input reach. ``certain`` ⊆ ``possible``.

    ``why`` says why a column is not certain; ``gaps`` where column lineage told too little to narrow.
    """

    certain: Columns = NONE
    possible: Columns = NONE
    gaps: frozenset[str] = frozenset()
    why: str = ""

    def __or__(self, other: Carried) -> Carried:
        return Carried(
            united(self.certain, other.certain),
            united(self.possible, other.possible),
            self.gaps | other.gaps,
            self.why or other.why,
        )


class ColumnFlow:
    """Column lineage as the attempts of one history have it. ``find``: the one name of a dataset."""

    def __init__(self, lineage: ColumnLineage, attempts: Iterable[Attempt], find: Callable[[DatasetId], DatasetId]) -> None:
        self._spellings = lineage.spellings
        self._makings: dict[tuple[tuple[str, int], DatasetId], Making] = {}
        self._schemas: dict[DatasetId, frozenset[str]] = {}
        for dataset, schema in lineage.schemas.items():
            self._schemas[find(dataset)] = self._schemas.get(find(dataset), NONE) | schema
        runs: dict[str, list[Attempt]] = defaultdict(list)
        for one in attempts:
            if one.run_id in lineage.told:
                runs[one.run_id].append(one)
        for run_id, tries in runs.items():
            tries.sort(key=lambda one: one.number)
            starts = [one.start for one in tries]
            for time, dataset, making in lineage.told[run_id]:
                key = tries[max(bisect_right(starts, time) - 1, 0)].key, find(dataset)  # what a try said is not its retry's word
                self._makings[key] = self._makings.get(key, Making()) | making.renamed(find)

    def spelled(self, column: str) -> str:
        """As a producer writes it."""
        return self._spellings.get(column, column)

    def columns_of(self, dataset: DatasetId) -> frozenset[str]:
        """The columns that a dataset has by the word of any event; empty where nobody told."""
        return self._schemas.get(dataset, NONE)

    def written(self, attempt: Attempt, output: DatasetId) -> frozenset[str]:
        """The columns that an attempt wrote of an output; empty where nobody told its schema."""
        making = self._makings.get((attempt.key, output), Making())
        return making.schema | making.explained if making.schema else NONE

    def carry(self, attempt: Attempt, output: DatasetId, source: DatasetId, columns: Columns) -> Carried:
        """Where columns of an input went in an output of an attempt. More columns never reach less."""
        if columns is ALL:
            return Carried(ALL, ALL)
        making = self._makings.get((attempt.key, output), Making())
        if not making.told:
            return _widened(f"there is no column lineage of {output}, so that every column counts as reached")
        found = [one for edges in (making.feeds, making.shapes) for one in edges if one[1] == source]
        if not found and not any(dataset == source for dataset, _ in making.rows):
            return _widened(f"the column lineage of {output} does not mention {source}, so that every column counts as reached")
        carried = Carried()
        for column in sorted(columns):
            carried |= self._carry(making, output, source, column)
        return carried

    def _carry(self, making: Making, output: DatasetId, source: DatasetId, column: str) -> Carried:
        name = self.spelled(column)
        if any(dataset == source and meets(column, other) for dataset, other in making.rows):
            return Carried(NONE, ALL, why=f"{name} of {source} decides which rows of {output} there are")
        fed = {made for made, dataset, other in making.feeds if dataset == source and meets(column, other)}
        exact = {made for made, dataset, other in making.feeds if dataset == source and column == other}
        shaped = {made for made, dataset, other in making.shapes if dataset == source and meets(column, other)}
        unexplained = making.unexplained
        if not fed | shaped and not (making.rows_told and making.schema):
            return _widened(f"the column lineage of {output} does not mention {name} of {source}, and does not tell all uses")
        gaps: set[str] = set()
        if not making.rows_told:
            gaps.add(f"the column lineage of {output} does not tell of filters and joins; a use of {name} in them is not followed")
        why = f"a part of {name}, or a condition on it, is in {output}" if fed | shaped else ""
        if unexplained:
            unknown = ", ".join(map(self.spelled, sorted(unexplained)))
            why = why or f"the column lineage of {output} does not say what {unknown} is made of"
            gaps.add(f"the column lineage of {output} does not say what {unknown} is made of")
        return Carried(frozenset(exact), frozenset(fed | shaped | unexplained), frozenset(gaps), why)


def _widened(reason: str) -> Carried:
    return Carried(NONE, ALL, frozenset({reason}), reason)
