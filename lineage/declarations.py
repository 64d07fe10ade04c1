"""What people declared about datasets and edges. Only what is declared or observed convicts or cleanses.

Patterns are globs over ``NAMESPACE/NAME``; ``*`` crosses ``/``. Later dataset rules override earlier ones key by key; for
edges the last match wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from lineage.datasets import DatasetId, JobId
from lineage.layouts import Layout
from lineage.timestamps import AFTER
from lineage.windows import Window

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_UTC = frozenset({"UTC", "Etc/UTC"})

WriteWord = Literal["overwrite", "append", "merge"]


@dataclass(frozen=True, slots=True)
class DatasetRule:
    """One ``[[dataset]]`` entry; None where it says nothing."""

    match: str
    location: str | None = None
    partition: Layout | Literal[False] | None = None
    timezone: ZoneInfo | None = None
    nominal: bool | None = None
    write: WriteWord | None = None
    serving: bool | None = None
    owners: tuple[str, ...] | None = None
    protected: bool | None = None
    format: str | None = None
    pointer: str | None = None
    copy: str | None = None
    """Where a kept copy lies, in the layout of the dataset: what a place without versions goes back to."""
    table: str | None = None
    """An Iceberg table's name in its catalog."""
    catalog: str | None = None


@dataclass(frozen=True, slots=True)
class EdgeRule:
    """One ``[[edge]]`` entry: which partitions a job reads, relative to the one it writes."""

    job: str
    reads: str
    window: Window | None = None
    until: Literal["latest"] | None = None


@dataclass(frozen=True, slots=True)
class Declarations:
    """All that the configuration says about lineage. ``skew`` is ε, in nanoseconds.

    ``lost_after``: a run that never told its end is taken to have ended so long after its last event (ns), as soon as lineage
    knows of something later; None: it may still run, however long ago it began.
    """

    datasets: tuple[DatasetRule, ...] = ()
    edges: tuple[EdgeRule, ...] = ()
    skew: int = 0
    lost_after: int | None = None
    _memo: dict[DatasetId | tuple[JobId, DatasetId] | tuple[int, ...], Any] = field(default_factory=dict, compare=False, repr=False)
    """What was asked before: a dataset's rule, rules by number as one, an edge's. To be given anew to a copy with other rules."""

    def dataset(self, dataset: DatasetId) -> DatasetRule:
        """What is declared about a dataset, merged key by key."""
        found: DatasetRule | None = self._memo.get(dataset)
        if found is not None:
            return found
        name = str(dataset)
        chosen = tuple(number for number, rule in enumerate(self.datasets) if fnmatchcase(name, rule.match.rstrip("/")))
        if chosen not in self._memo:
            self._memo[chosen] = self._merged(chosen)
        merged: DatasetRule = replace(self._memo[chosen], match=name)
        self._memo[dataset] = merged
        return merged

    def _merged(self, chosen: Iterable[int]) -> DatasetRule:
        """Some rules, the later over the earlier."""
        merged = DatasetRule(match="")
        for rule in map(self.datasets.__getitem__, chosen):
            said = {key.name: getattr(rule, key.name) for key in fields(rule) if key.name != "match"}
            merged = replace(merged, **{key: value for key, value in said.items() if value is not None})
        if merged.timezone is not None and isinstance(merged.partition, Layout):
            zone = None if merged.timezone.key in _UTC else merged.timezone
            merged = replace(merged, partition=replace(merged.partition, zone=zone))
        return merged

    def lost_at(self, last: int, latest: int) -> int:
        """When a run whose ``last`` event told no end is taken to have ended; ``latest``: the last moment that lineage knows."""
        if self.lost_after is None or last + self.lost_after >= latest:
            return AFTER
        return last + self.lost_after

    def zone(self, dataset: DatasetId) -> ZoneInfo | None:
        """The time zone whose clock a dataset's dates go by; None for UTC."""
        layout = self.dataset(dataset).partition
        return layout.zone if isinstance(layout, Layout) else None

    def edge(self, job: JobId, dataset: DatasetId) -> EdgeRule | None:
        """What is declared about a job's reads of a dataset."""
        if (job, dataset) not in self._memo:
            reader, name = str(job), str(dataset)
            matching = (
                rule for rule in reversed(self.edges) if fnmatchcase(reader, rule.job) and fnmatchcase(name, rule.reads.rstrip("/"))
            )
            self._memo[job, dataset] = next(matching, None)
        found: EdgeRule | None = self._memo[job, dataset]
        return found
