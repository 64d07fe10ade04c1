"""The last attempts of each job, kept beside the days, so that how often a job runs is known without reading them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from itertools import chain, repeat
from operator import itemgetter
from typing import TYPE_CHECKING

from lineage.cadence import RECENT, Begun
from lineage.index.rows import Row
from lineage.index.schema import counted

if TYPE_CHECKING:
    import pyarrow as pa

_KEPT = RECENT + 14
"""So many that a few can go before the days must be read again for those before them."""

Entry = tuple[int, str, int, int | None]
"""Start, run, number and nominal start of an attempt; ordered by the first three."""

_ORDER = itemgetter(0, 1, 2)
_BY = [(name, "ascending") for name in ("job", "start", "run", "number")]
_NAMES = ("job", "start", "run", "number", "nominal_start", "cut")


class Recent:
    """Of each job (by its number) the last attempts whose start is known.

    They stay a table as long as attempts only come: that is nearly always so, and takes a tenth of the time.
    """

    def __init__(self, settled: pa.Table | None = None) -> None:
        self._settled = settled
        self._leaving: list[tuple[int, Entry]] = []
        """What is to go from the table."""
        self._jobs: dict[int, set[Entry]] = defaultdict(set)
        self._first: dict[int, Entry] = {}

    @property
    def jobs(self) -> dict[int, set[Entry]]:
        """The attempts of each job."""
        self._take_apart()
        return self._jobs

    @property
    def first(self) -> dict[int, Entry]:
        """Of jobs with earlier attempts than those here: from which on they are all here."""
        self._take_apart()
        return self._first

    def add(self, jobs: Iterable[int], row: Row) -> None:
        """Add an attempt of which these jobs tell."""
        if row.start is not None:
            self._add(jobs, (row.start, row.run, row.number, row.nominal_start))

    def _add(self, jobs: Iterable[int], entry: Entry) -> None:
        known, first = self.jobs, self.first
        for job in jobs:
            if job in first and entry[:3] < first[job][:3]:
                continue
            known[job].add(entry)
            if len(known[job]) > 2 * _KEPT:
                self._cut(job)

    def extend(self, table: pa.Table) -> None:
        """Add attempts, each of one job and with a start, given by the columns of these names."""
        import pyarrow as pa

        new = table.select(_NAMES[:-1]).append_column("cut", pa.repeat(pa.scalar(value=False), table.num_rows))
        settled = self._settled
        if settled is None and not self._jobs:
            settled = new.slice(0, 0)
        if settled is None or not self._stays(settled):
            for job, *entry in zip(*(column.to_pylist() for column in new.columns[:-1]), strict=True):
                self._add([job], tuple(entry))
            return
        cut = {job for job, so in zip(*(settled[name].to_pylist() for name in ("job", "cut")), strict=True) if so}
        table = pa.concat_tables([settled, new.cast(settled.schema)]).sort_by(_BY)
        last, cuts, end = [], [], 0
        for job, count in counted(table["job"]):
            end += count
            last.append(range(end - min(count, _KEPT), end))
            cuts.append(repeat(count > _KEPT or job in cut, len(last[-1])))
        table = table.take(pa.array(chain.from_iterable(last), pa.int64())).drop_columns(["cut"])
        self._settled = table.append_column("cut", pa.array(chain.from_iterable(cuts), pa.bool_()))

    def _stays(self, settled: pa.Table) -> bool:
        """Whether nothing goes from the table, and of each job that has earlier attempts it has as many as it may have."""
        import pyarrow as pa
        import pyarrow.compute as pc

        leaving = pa.array({entry[1] for _, entry in self._leaving}, pa.string())
        if pc.any(pc.is_in(settled["run"], value_set=leaving)).as_py():
            return False
        self._leaving.clear()
        return all(count >= _KEPT for _, count in counted(settled.filter(settled["cut"])["job"]))

    def remove(self, jobs: Iterable[int], row: Row) -> None:
        """Remove an attempt, should it be here."""
        if row.start is not None:
            self._leaving += [(job, (row.start, row.run, row.number, row.nominal_start)) for job in jobs]

    def _take_apart(self) -> None:
        """Go on without the table."""
        if self._settled is not None:
            columns = [self._settled[name].to_pylist() for name in _NAMES]
            self._settled = None
            for job, start, run, number, nominal, cut in zip(*columns, strict=True):
                self._jobs[job].add((start, run, number, nominal))
                if cut:
                    self._first.setdefault(job, (start, run, number, nominal))
        for job, entry in self._leaving:
            self._jobs[job].discard(entry)
        self._leaving.clear()

    def _cut(self, job: int) -> None:
        found = self._jobs[job]
        if len(found) > _KEPT:
            last = sorted(found, key=_ORDER)[-_KEPT:]
            self._jobs[job], self._first[job] = set(last), last[0]

    def settle(self, read: Callable[[Collection[int]], dict[int, set[Entry]]]) -> None:
        """Read the attempts of jobs that lost too many of their last ones."""
        if self._settled is not None and self._stays(self._settled):
            return
        known, first = self.jobs, self.first
        short = [job for job in first if len(known[job]) < RECENT]
        if short:
            found = read(short)
            for job in short:
                known[job] = found.get(job, set())
                del first[job]
        for job in list(known):
            self._cut(job)

    def table(self) -> pa.Table:
        """As a table, by job."""
        import pyarrow as pa

        if self._settled is not None and not self._leaving:
            return self._settled
        known, first = self.jobs, self.first
        entries = [(job, *entry, job in first) for job in sorted(known) for entry in sorted(known[job], key=_ORDER)]
        columns = list(zip(*entries, strict=True)) or [()] * 6
        types = (pa.int32(), pa.int64(), pa.string(), pa.int32(), pa.int64(), pa.bool_())
        return pa.table({name: pa.array(column, kind) for name, column, kind in zip(_NAMES, columns, types, strict=True)})


def begun_in(table: pa.Table) -> Callable[[int], list[Begun]]:
    """The last attempts of each job of a table; those of one are made when somebody asks for them."""
    import pyarrow.compute as pc

    job, start = (table[name].to_numpy() for name in ("job", "start"))
    nominal = pc.fill_null(table["nominal_start"], 0).to_numpy()
    told = pc.is_valid(table["nominal_start"]).to_numpy()

    def begun(number: int) -> list[Begun]:
        last = bisect_right(job, number)
        first = max(bisect_left(job, number), last - RECENT)
        times = start[first:last].tolist()
        if told[first:last].all():
            return [Begun(*one, None) for one in zip(times, nominal[first:last].tolist(), strict=True)]
        named = table.slice(first, last - first)
        runs = zip(times, named["nominal_start"].to_pylist(), named["run"].to_pylist(), strict=True)
        return [Begun(at, time, run if time is None else None) for at, time, run in runs]

    return begun
