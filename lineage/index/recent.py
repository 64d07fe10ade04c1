"""The last attempts of each job, kept beside the days, so that how often a job runs is known without reading them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING

from lineage.cadence import RECENT
from lineage.index.rows import Row

if TYPE_CHECKING:
    import pyarrow as pa

_KEPT = RECENT + 14
"""So many that a few can go before the days must be read again for those before them."""

Entry = tuple[int, str, int, int | None]
"""Start, run, number and nominal start of an attempt; ordered by the first three."""

_ORDER = itemgetter(0, 1, 2)


@dataclass(slots=True)
class Recent:
    """Of each job (by its number) the last attempts whose start is known."""

    jobs: dict[int, set[Entry]] = field(default_factory=lambda: defaultdict(set))
    first: dict[int, Entry] = field(default_factory=dict)
    """Of jobs with earlier attempts than those here: from which on they are all here."""

    def add(self, jobs: Iterable[int], row: Row) -> None:
        if row.start is None:
            return
        entry = (row.start, row.run, row.number, row.nominal_start)
        for job in jobs:
            if job in self.first and entry[:3] < self.first[job][:3]:
                continue
            found = self.jobs[job]
            found.add(entry)
            if len(found) > 2 * _KEPT:
                self._cut(job)

    def remove(self, jobs: Iterable[int], row: Row) -> None:
        if row.start is not None:
            for job in jobs:
                self.jobs[job].discard((row.start, row.run, row.number, row.nominal_start))

    def _cut(self, job: int) -> None:
        found = self.jobs[job]
        if len(found) > _KEPT:
            last = sorted(found, key=_ORDER)[-_KEPT:]
            self.jobs[job], self.first[job] = set(last), last[0]

    def settle(self, read: Callable[[Collection[int]], dict[int, set[Entry]]]) -> None:
        """Read the attempts of jobs that lost too many of their last ones."""
        short = [job for job in self.first if len(self.jobs[job]) < RECENT]
        if short:
            found = read(short)
            for job in short:
                self.jobs[job] = found.get(job, set())
                del self.first[job]
        for job in list(self.jobs):
            self._cut(job)

    def table(self) -> pa.Table:
        """As a table, by job."""
        import pyarrow as pa

        entries = [(job, *entry, job in self.first) for job in sorted(self.jobs) for entry in sorted(self.jobs[job], key=_ORDER)]
        columns = list(zip(*entries, strict=True)) or [()] * 6
        types = (pa.int32(), pa.int64(), pa.string(), pa.int32(), pa.int64(), pa.bool_())
        names = ("job", "start", "run", "number", "nominal_start", "cut")
        return pa.table({name: pa.array(column, kind) for name, column, kind in zip(names, columns, types, strict=True)})


def recent(table: pa.Table) -> Recent:
    """What a table holds."""
    found = Recent()
    names = ("job", "start", "run", "number", "nominal_start", "cut")
    for job, start, run, number, nominal, cut in zip(*(table[name].to_pylist() for name in names), strict=True):
        found.jobs[job].add((start, run, number, nominal))
        if cut:
            found.first.setdefault(job, (start, run, number, nominal))
    return found
