"""A company's runs as an event index, without the JSON in between: for years of them.

The references are those that decoding its plain events would give; what differs is that no producer's facets are carried along.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from lineage.datasets import DatasetId, JobId
from lineage.events import DatasetRef
from lineage.index.batch import KIND, Batch, Slot
from lineage.index.files import LocalFiles
from lineage.index.ingest import Ingest
from lineage.timestamps import from_datetime
from tests.bench.company import Company, Job, Reading, Run, Table, partitions

_KIND = {str(kind): number for kind, number in KIND.items()}
_DAYS_AT_ONCE = 20
"""Between two checkpoints."""


def year(company: Company, place: Path) -> Path:
    """The index of all of a company's days; the one that is there already, when it is whole."""
    if not (place / "generations").is_dir():
        files = LocalFiles(place)
        with files.locked():
            ingest = Ingest.open(files)
            ingest.begin()
            rows = _Rows(company)
            for first in range(0, company.days, _DAYS_AT_ONCE):
                events = 0
                for batch in rows.batches(range(first, min(first + _DAYS_AT_ONCE, company.days))):
                    ingest.take(batch)
                    events += len(batch)
                made = ingest.manifest({}, [], (), events)
                if first + _DAYS_AT_ONCE < company.days:
                    ingest.checkpoint(made)
            ingest.commit(made)
    return place


class _Rows:
    def __init__(self, company: Company) -> None:
        self._company = company
        self._batch = Batch()
        self._jobs = [JobId(job.namespace, job.name) for job in company.jobs]
        self._owners = [(f"team-{job.index % 40}",) for job in company.jobs]
        self._reads = [tuple(self._ref(job, one.table) for one in job.reads) for job in company.jobs]
        self._writes = [tuple(self._ref(job, one) for one in job.writes) for job in company.jobs]

    def batches(self, days: range) -> Iterator[Batch]:
        """A batch a day."""
        for day in days:
            for run in self._company.day(day):
                self._add(run)
            done, self._batch = self._batch, self._batch.following()
            yield done

    def _ref(self, job: Job, index: int) -> int:
        table = self._company.tables[index]
        suffixed = job.naming == "suffix" and table.grain != "none" and not self._many(job, index)
        return self._batch.ref(DatasetRef(DatasetId(table.namespace, table.name), suffixed=suffixed))

    def _many(self, job: Job, index: int) -> bool:
        """Whether a job reads more than one partition of a table, which the end of a name cannot tell."""
        reading = next((one for one in job.reads if one.table == index), None)
        hours = self._company.tables[index].grain == "hour" and not job.hourly
        return hours or (reading is not None and reading.first != reading.last)

    def _add(self, run: Run) -> None:
        company = self._company
        job = company.jobs[run.job]
        slots: list[Slot] = []
        if job.naming in {"dimensions", "locations", "suffix"}:
            for position, one in enumerate(job.reads):
                if parts := _parts(company.tables[one.table], run.period, (one.first, one.last), hourly=job.hourly):
                    slots.append((position, parts, None))
            for position, index in enumerate(job.writes, len(job.reads)):
                if parts := _parts(company.tables[index], run.period, (0, 0), hourly=job.hourly):
                    slots.append((position, parts, None))
        period = from_datetime(run.period)
        nominal = None if job.naming == "nothing" else (period, period)
        key = _key(run.period, hourly=job.hourly) if job.naming == "key" else None
        told = (self._jobs[run.job], self._reads[run.job], self._writes[run.job], tuple(slots), nominal, key, None)
        owners = self._owners[run.job]
        self._batch.add(_moment(run.start, job), _KIND["START"], run.run_id, *told, owners)
        if run.end is not None:
            self._batch.add(_moment(run.end, job), _KIND[run.state], run.run_id, *told, owners)


@lru_cache(maxsize=1 << 16)
def _parts(table: Table, period: datetime, window: tuple[int, int], *, hourly: bool) -> tuple[str, ...]:
    return tuple(partitions(table, period, Reading(table.index, *window), hourly=hourly))


def _moment(at: datetime, job: Job) -> int:
    """As precise as the producer writes it."""
    return from_datetime(at.replace(microsecond=at.microsecond // 1000 * 1000) if job.producer == "spark" else at)


def _key(period: datetime, *, hourly: bool) -> str:
    return f"{period:%Y-%m-%dT%H}" if hourly else f"{period:%Y-%m-%d}"
