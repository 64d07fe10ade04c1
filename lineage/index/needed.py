"""How far back the attempts of which jobs are needed, and how far they were read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lineage.datasets import DatasetId, JobId
from lineage.index.reach import Reach
from lineage.index.reader import Span
from lineage.timestamps import AFTER, BEFORE, SECOND

if TYPE_CHECKING:
    import pyarrow as pa

_DAY = 86_400 * SECOND
_DAYS_BACK = 8
"""How many days more are read of what long runs write, in case they were reached."""


@dataclass
class Needed:
    """Times in ns UTC; ``skew`` is taken off what is asked for."""

    reach: Reach
    skew: int
    _wanted: dict[JobId, int] = field(default_factory=dict)
    _read: dict[JobId, int] = field(default_factory=dict)

    def want(self, jobs: Iterable[JobId], since: int) -> None:
        """Attempts of these jobs that ended since."""
        since = max(since - self.skew, BEFORE)
        for job in jobs:
            self._wanted[job] = min(since, self._wanted.get(job, AFTER))

    def want_touching(self, datasets: Iterable[DatasetId], since: int) -> None:
        """Attempts that ended since, of whoever may read or write these."""
        self.want(self.reach.touching(datasets), since)

    def want_before(self, tables: list[pa.Table], since: int) -> None:
        """What runs that began before ``since`` may need, before it is asked for: it is little, and asking again is not."""
        import pyarrow.compute as pc

        begun: dict[int, int] = {}
        for table in tables:
            early = table.select(["job", "start"]).filter(pc.less(table["start"], since))
            for job, start in zip(early["job"].to_pylist(), early["start"].to_pylist(), strict=True):
                if start >= since - _DAYS_BACK * _DAY:
                    begun[job] = min(start, begun.get(job, start))
        teller = self.reach.teller
        find = teller.gathering.identities.find
        for number, start in begun.items():
            self.want_touching(map(find, teller.gathering.writes.get(teller.known.jobs[number], ())), start)

    @property
    def enough(self) -> bool:
        """Whether all that is wanted was read."""
        return all(self._read.get(job, AFTER) <= since for job, since in self._wanted.items())

    @property
    def complete(self) -> set[JobId]:
        """The jobs of which every attempt was read."""
        return {job for job, since in self._read.items() if since <= BEFORE}

    def unread(self) -> list[Span]:
        """What to read next, which is noted down as done: one that reaches to the end, or all that do not."""
        steps: dict[tuple[int, int], set[JobId]] = defaultdict(set)
        for job, since in self._wanted.items():
            if since < self._read.get(job, AFTER + 1):
                steps[since if since <= BEFORE else since - since % _DAY, self._read.get(job, AFTER)].add(job)
        to_the_end = next((one for one in steps if one[1] >= AFTER), None)
        if to_the_end is not None:
            steps = {to_the_end: steps[to_the_end]}
        for (since, _), jobs in steps.items():
            self._read |= dict.fromkeys(jobs, since)
        return [
            Span(
                frozenset(self.reach.teller.numbers(jobs)),
                None if since <= BEFORE else since,
                None if until >= AFTER else until,
            )
            for (since, until), jobs in steps.items()
        ]
