"""A company's runs as an event index, without the JSON in between: for years of them.

The references are those that decoding its plain events would give; what differs is that no producer's facets are carried along.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lineage.datasets import DatasetId, JobId
from lineage.events import DatasetRef
from lineage.index.batch import KIND, Batch
from lineage.index.days import read_table
from lineage.index.files import LocalFiles
from lineage.index.ingest import Ingest
from lineage.index.rows import checksum
from lineage.index.slots import Slot
from lineage.timestamps import SECOND, from_datetime
from tests.bench.company import Company, Job, Reading, Run, Table, partitions

_KIND = {str(kind): number for kind, number in KIND.items()}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
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


def repeated(made: Path, days: int, times: int, place: Path) -> Path:
    """The index of a company whose every so many days are as the first; the one that is there already, when it is whole.

    For histories that take hours to draw: dates, times and run ids differ, all else is as it was.
    """
    if not (place / "generations").is_dir():
        shutil.rmtree(place, ignore_errors=True)
        ingest, base = Ingest.open(LocalFiles(place)), Ingest.open(LocalFiles(made))
        ingest.dimensions = base.dimensions
        ingest.dimensions.attempts = [count * times for count in ingest.dimensions.attempts]
        with LocalFiles(place).locked():
            ingest.begin()
            for time in range(times):
                for _, part in base.base.parts():
                    table = _moved(read_table(base.files, part.file), timedelta(days=days * time), time)
                    ingest._days.add(table, {})
                    if time == times - 1:
                        ingest._lately.add(table, ingest.dimensions)
            ingest.commit(ingest.manifest({}, [], (), base.base.events * times))
    return place


def _moved(table: pa.Table, by: timedelta, number: int) -> pa.Table:
    """Attempts so much later."""
    later = int(by.total_seconds()) * SECOND
    for name in ("start", "end", "nominal_start", "nominal_end"):
        table = _with(table, name, pc.add(table[name], later))
    runs = pc.binary_join_element_wise(pc.utf8_slice_codeunits(table["run"], 0, -3), f"{number:03x}", "")
    table = _with(table, "run", runs)
    table = _with(table, "run_crc", pa.array(map(checksum, runs.to_pylist()), pa.uint32()))
    named = table["partitions"].combine_chunks().dictionary_encode()
    moved = _dates_moved("\n".join(named.dictionary.to_pylist()), by).split("\n")
    table = _with(table, "partitions", pa.array(moved, pa.string()).take(named.indices))
    times = [None if told is None else [one + later for one in told] for told in table["times"].to_pylist()]
    return _with(table, "times", pa.array(times, table.schema.field("times").type))


def _with(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


def _dates_moved(text: str, by: timedelta) -> str:
    found = {day: str(date.fromisoformat(day) + by) for day in set(_DATE.findall(text))}
    return _DATE.sub(lambda match: found[match[0]], text)


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
