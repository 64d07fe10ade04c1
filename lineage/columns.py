"""Which columns of its inputs each output is made of, as ``columnLineage`` facets tell it. Pure; filled through a source's tap.

Column lineage narrows only by what it says: a use of a column that nobody told of widens to every column, with the reason.
An empty ``dataset`` list says nothing of filters and joins: openlineage-python writes one whatever the query does.
Source: https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from lineage.datasets import DatasetId, normalise
from lineage.events import Event
from lineage.partitions import split_name


class Every(enum.Enum):
    """The one value that means every column, those that we do not know of included."""

    COLUMN = "*"


ALL: Final = Every.COLUMN
Columns = frozenset[str] | Literal[Every.COLUMN]
"""Column names with their case folded, since engines differ in it; or ALL."""

NONE: frozenset[str] = frozenset()
_OF_ONE_COLUMN = frozenset({"CONDITIONAL", "WINDOW"})
"""Indirect uses that shape the column they are told of; all others decide which rows there are."""


def united(left: Columns, right: Columns) -> Columns:
    """The columns of either."""
    return ALL if left is ALL or right is ALL else left | right


def fold(column: str) -> str:
    """The name by which columns are compared."""
    return column.casefold()


def meets(left: str, right: str) -> bool:
    """Whether two names are one column, or one is a field inside the other."""
    return left == right or left.startswith(right + ".") or right.startswith(left + ".")


@dataclass(frozen=True, slots=True)
class Making:
    """How one output was made: which of its columns from which (dataset, column)."""

    feeds: frozenset[tuple[str, DatasetId, str]] = frozenset()
    shapes: frozenset[tuple[str, DatasetId, str]] = frozenset()
    """As ``feeds``, by conditions and windows."""
    rows: frozenset[tuple[DatasetId, str]] = frozenset()
    """What decides which rows there are: filters, joins, groups."""
    explained: frozenset[str] = frozenset()
    """The output's columns of which it is told what they are made of."""
    schema: frozenset[str] = frozenset()
    """The output's columns; empty where nobody told them."""
    told: bool = False
    rows_told: bool = False

    def __or__(self, other: Making) -> Making:
        facets = [one for one in (self, other) if one.told]
        return Making(
            self.feeds | other.feeds,
            self.shapes | other.shapes,
            self.rows | other.rows,
            self.explained | other.explained,
            self.schema | other.schema,
            bool(facets),
            bool(facets) and all(one.rows_told for one in facets),
        )

    @property
    def unexplained(self) -> frozenset[str]:
        return frozenset(one for one in self.schema if not any(meets(one, other) for other in self.explained))

    def renamed(self, find: Callable[[DatasetId], DatasetId]) -> Making:
        """With one name for each dataset."""
        return Making(
            frozenset((made, find(dataset), column) for made, dataset, column in self.feeds),
            frozenset((made, find(dataset), column) for made, dataset, column in self.shapes),
            frozenset((find(dataset), column) for dataset, column in self.rows),
            self.explained,
            self.schema,
            self.told,
            self.rows_told,
        )


class ColumnLineage:
    """What events tell of columns. ``hear`` is a tap of ``lineage.sources.read``; whatever a facet holds, nothing raises."""

    def __init__(self) -> None:
        self.told: dict[str, list[tuple[int, DatasetId, Making]]] = defaultdict(list)
        """By run id: when it was told, of which output, what."""
        self.schemas: dict[DatasetId, set[str]] = defaultdict(set)
        self.spellings: dict[str, str] = {}

    def hear(self, raw: Any, made: Event) -> None:
        for side in ("inputs", "outputs"):
            for one in _list(_dict(raw).get(side)):
                if not (dataset := _dataset(one)):
                    continue
                facets = _dict(one.get("facets"))
                schema = frozenset(self._columns(_dict(facets.get("schema")).get("fields")))
                self.schemas[dataset] |= schema
                if side == "outputs" and made.run_id is not None:
                    self.told[made.run_id].append((made.time, dataset, self._making(_dict(facets.get("columnLineage")), schema)))

    def _columns(self, raw: Any) -> Iterator[str]:
        return (self._name(name) for one in _list(raw) if (name := _text(_dict(one).get("name"))))

    def _name(self, text: str) -> str:
        name = fold(text)
        self.spellings[name] = min(text, self.spellings.get(name, text))
        return name

    def _making(self, facet: dict[str, Any], schema: frozenset[str]) -> Making:
        feeds: set[tuple[str, DatasetId, str]] = set()
        shapes: set[tuple[str, DatasetId, str]] = set()
        rows: set[tuple[DatasetId, str]] = set()
        explained: set[str] = set()
        rows_told = unread = False
        for output, what in _dict(facet.get("fields")).items():
            if not (text := _text(output)):
                continue
            made, sources = self._name(text), _list(_dict(what).get("inputFields"))
            read = [self._source(one) for one in sources]
            if all(one is not None for one in read) and isinstance(_dict(what).get("inputFields"), list):
                explained.add(made)  # one that we cannot read may be any
            for source, raw in zip(read, sources, strict=True):
                if source is None:
                    unread = True
                    continue
                kinds = [(_text(_dict(one).get("type")).upper(), _text(_dict(one).get("subtype")).upper()) for one in _changes(raw)]
                rows_told = rows_told or any(kind == "INDIRECT" for kind, _ in kinds)
                if not kinds or any(kind != "INDIRECT" for kind, _ in kinds):
                    feeds.add((made, *source))
                if any(kind == "INDIRECT" and subtype in _OF_ONE_COLUMN for kind, subtype in kinds):
                    shapes.add((made, *source))
                if any(kind == "INDIRECT" and subtype not in _OF_ONE_COLUMN for kind, subtype in kinds):
                    rows.add(source)
        deciding = [self._source(one) for one in _list(facet.get("dataset"))]
        rows.update(source for source in deciding if source is not None)
        rows_told = (rows_told or bool(deciding)) and None not in deciding and not unread
        told = bool(explained or feeds or shapes or rows)
        return Making(frozenset(feeds), frozenset(shapes), frozenset(rows), frozenset(explained), schema, told, rows_told)

    def _source(self, raw: Any) -> tuple[DatasetId, str] | None:
        dataset, column = _dataset(raw), _text(_dict(raw).get("field"))
        return (dataset, self._name(column)) if dataset and dataset.namespace and column else None


def _dataset(raw: Any) -> DatasetId | None:
    """A dataset named, as events name it."""
    name = _text(_dict(raw).get("name"))
    full = normalise(_text(_dict(raw).get("namespace")), name) if name else None
    return DatasetId(full.namespace, split_name(full.name)[0]) if full else None


def _changes(raw: Any) -> list[Any]:
    return _list(_dict(raw).get("transformations"))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
