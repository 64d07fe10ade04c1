"""Where in an index the attempts are among which a fault chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from lineage.datasets import JobId
from lineage.errors import NothingChosen
from lineage.fault import Fault, Fix, choose, chosen_cells, clock_range, find_job, nominal_ranges, there_is
from lineage.graph import Tagged
from lineage.history import History, in_order
from lineage.index.manifest import Part
from lineage.index.reach import Reach
from lineage.index.reader import Index
from lineage.index.rows import Row
from lineage.index.told import Teller
from lineage.partitions import overlap
from lineage.timestamps import AFTER, BEFORE


@dataclass(frozen=True)
class Choosing:
    """Of one fault, with its job's whole name. ``bare``: all that is known but the attempts."""

    fault: Fault
    index: Index
    teller: Teller
    reach: Reach
    bare: History

    def starts(self) -> set[Tagged] | None:
        """Where in the dependency graph the fault begins; None where only the whole history tells."""
        if self.fault.cells:
            return {("dataset", one.dataset) for one in chosen_cells(self.bare, self.fault)}
        if self.fault.runs or not self.fault.job:
            if not (self.fault.runs or self.fault.code_versions):
                return None
            told = self.teller.attempts(rows_of_any_job(self.index, self.fault), widen=True)
            return {("job", job) for job in self.reach.together({job for one in told for job in (one.job, *one.aliases)})}
        return {("job", job) for job in self.reach.together({find_job(self.bare, self.fault.job)})}

    def rows(self) -> list[Row]:
        """The rows among which the fault chooses."""
        if self.fault.cells:
            return self._cell_rows()
        if self.fault.runs or not self.fault.job:
            return rows_of_any_job(self.index, self.fault)
        jobs = self.reach.together({find_job(self.bare, self.fault.job or "")})
        since = clock_range(self.fault)[0]
        return self.index.rows(self.teller.numbers(jobs), since=since if since > BEFORE else None, wanted=self._wanted(jobs))

    def _wanted(self, jobs: set[JobId]) -> Callable[[Part], bool]:
        """Which files may hold attempts of the nominal times chosen; all where an attempt of these jobs tells none."""
        ranges = nominal_ranges(self.fault)
        if not ranges or self.reach.undated(jobs):
            return lambda _: True

        def wanted(part: Part) -> bool:
            moments = part.moments
            return moments is not None and any(first <= moments[1] and moments[0] <= last for first, last in ranges)

        return wanted

    def _cell_rows(self) -> list[Row]:
        cells = chosen_cells(self.bare, self.fault)
        datasets = {cell.dataset for cell in cells}
        numbers = self.teller.numbers(self.reach.touching(datasets))
        since = clock_range(self.fault)[0]
        rows = self.index.rows(numbers, since=since if since > BEFORE else None)
        if since > BEFORE:
            written = [write.cell for one in self.teller.attempts(rows, widen=True) for write in one.writes]
            if not all(
                any(cell.dataset == one.dataset and overlap(cell.partition, one.partition) for one in written) for cell in cells
            ):
                rows = self.index.rows(numbers)  # whether anybody ever wrote it decides who brought it in: writers or readers
        return rows

    def earliest(self, rows: Iterable[Row]) -> int:
        """None of these attempts that the fault chooses by its time and nominal time began before this."""
        since, until = clock_range(self.fault)
        ranges = nominal_ranges(self.fault)
        found = AFTER
        for row in rows:
            start, end = self.teller.bounds(row)
            if start < found and start < until and end >= since:
                nominal = row.nominal_start if row.partition_key is None else None  # a key may name another date
                if not ranges or nominal is None or any(first <= nominal <= last for first, last in ranges):
                    found = start
        return found

    def refuse(self, error: NothingChosen | None, fix: Fix | None) -> None:
        """Say why it chooses nothing, and what there is instead: of its job, else of all."""
        if self.fault.job:
            jobs = self.reach.together({find_job(self.bare, self.fault.job)})
            attempts = in_order(self.teller.attempts(self.index.rows(self.teller.numbers(jobs)), widen=True))
            choose(replace(self.bare, attempts=attempts), self.fault, fix)
        elif error is not None:
            raise NothingChosen(error.message, there_is(*self.index.extent())) from None


def rows_of_any_job(index: Index, fault: Fault) -> list[Row]:
    """The rows that runs or code versions choose, whatever their job."""
    if fault.runs:
        return index.rows_of_runs(fault.runs)
    return index.rows_of_code(fault.code_versions) if fault.code_versions else []
