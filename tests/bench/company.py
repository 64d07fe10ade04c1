"""A company by a seed: its jobs, its tables, and what ran on each day. The same seed always gives the same company.

A layered DAG whose tables have readers by a power law (a few hubs, a long tail); hourly and daily jobs in such shares that 2,000
jobs make 20,000 runs a day; rolling 7-day readers, jobs that read their own output of the period before, daily jobs that read all
hours of their day; re-runs under the same run id and under a new one, failures, aborts, runs that never end, and late ones. Each
job names its partitions as some producer does: by a subset's dimensions or locations, by the end of a dataset's name, by Airflow's
partition key, by its nominal time only, or not at all.

``company(seed, jobs, days)`` is all a test needs: ``.events()``, OpenLineage objects, each day's in the order of their times, and
``.declarations()``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import accumulate
from random import Random
from typing import Any, Literal

from lineage.declarations import DatasetRule, Declarations, EdgeRule
from lineage.layouts import Layout
from lineage.windows import Window

Grain = Literal["hour", "day", "none"]
Naming = Literal["dimensions", "locations", "suffix", "key", "nominal", "nothing"]
State = Literal["COMPLETE", "FAIL", "ABORT", "OPEN"]

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LAYERS = ("raw", "stg", "core", "mart", "ml", "serving")
_WORDS = (
    "orders",
    "plays",
    "users",
    "ads",
    "royalties",
    "search",
    "playlists",
    "payments",
    "sessions",
    "catalog",
    "podcasts",
    "skips",
)
_SHARES = (0.08, 0.26, 0.28, 0.20, 0.10, 0.08)
_NAMINGS: tuple[Naming, ...] = ("dimensions", "locations", "suffix", "key", "nominal", "nothing")
_USUAL = (52, 24, 14, 5, 4, 1)
_ODD = (24, 16, 16, 14, 16, 14)
_CERTAIN = (58, 26, 16, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Table:
    """A dataset. ``grain``: of its partitions."""

    index: int
    namespace: str
    name: str
    grain: Grain
    columns: int

    @property
    def glob(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a job reads of a table: the partitions from ``first`` to ``last``, in the table's periods, around the run's own."""

    table: int
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """``begins`` and ``lasts``: how long after its period's end it starts, and how long it runs."""

    index: int
    namespace: str
    name: str
    producer: Literal["airflow", "spark", "dbt"]
    hourly: bool
    begins: timedelta
    lasts: timedelta
    reads: tuple[Reading, ...]
    writes: tuple[int, ...]
    naming: Naming
    mode: Literal["overwrite", "append"]


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt as it really went. ``period``: the start of the hour or day that it is about. ``end`` is None for one without."""

    job: int
    run_id: str
    period: datetime
    start: datetime
    end: datetime | None
    state: State


@dataclass(frozen=True)
class Company:
    """``odd``: more of everything that is unusual, for tests of equality rather than of speed."""

    seed: int
    jobs: tuple[Job, ...]
    tables: tuple[Table, ...]
    days: int
    odd: bool

    def day(self, number: int) -> Iterator[Run]:
        """The attempts of the periods of one day, from 0; each day is drawn by itself, so any can be asked for alone."""
        random = Random(f"{self.seed} {number}")
        midnight = FIRST + number * DAY
        for job in self.jobs:
            for hour in range(24) if job.hourly else (0,):
                yield from self._period(job, midnight + hour * HOUR, random)

    def runs(self, days: Iterable[int] | None = None) -> Iterator[Run]:
        """The attempts of some days, or of all."""
        for number in range(self.days) if days is None else days:
            yield from self.day(number)

    def read_by(self, run: Run) -> Iterator[tuple[Table, list[str]]]:
        """The tables that an attempt read, each with its partitions as paths; none for an unpartitioned table."""
        for reading in self.jobs[run.job].reads:
            table = self.tables[reading.table]
            yield table, partitions(table, run.period, reading, hourly=self.jobs[run.job].hourly)

    def written_by(self, run: Run) -> Iterator[tuple[Table, list[str]]]:
        job = self.jobs[run.job]
        for index in job.writes:
            table = self.tables[index]
            yield table, partitions(table, run.period, Reading(index), hourly=job.hourly)

    def events(self, days: Iterable[int] | None = None, *, full: bool = False) -> Iterator[dict[str, Any]]:
        """OpenLineage objects, those of a day in the order of their times. ``full``: with all the facets that producers send.

        Late runs and long ones make a day's events reach into the next.
        """
        from tests.bench.company_events import Producer

        producer = Producer(self, full=full)
        for number in range(self.days) if days is None else days:
            yield from producer.events(self.day(number))

    def declarations(self) -> Declarations:
        """What such a company would have in its incident.toml: layouts, write modes, and the windows that events do not tell."""
        return Declarations(datasets=tuple(self._dataset_rules()), edges=tuple(self._edge_rules()))

    @cached_property
    def readers(self) -> dict[int, list[int]]:
        """Table → the jobs that read it."""
        found: dict[int, list[int]] = {}
        for job in self.jobs:
            for reading in job.reads:
                found.setdefault(reading.table, []).append(job.index)
        return found

    def downstream(self, job: int) -> set[int]:
        """Every job that can be reached from a job's output, itself included."""
        found, waiting = {job}, [job]
        while waiting:
            for table in self.jobs[waiting.pop()].writes:
                new = set(self.readers.get(table, ())) - found
                found |= new
                waiting += sorted(new)
        return found

    def _period(self, job: Job, period: datetime, random: Random) -> Iterator[Run]:
        length = HOUR if job.hourly else DAY
        due = period + length + job.begins + random.random() * timedelta(minutes=3)
        luck = random.random() * (0.4 if self.odd else 1)
        if luck < 0.01:
            due += random.random() * 3 * DAY  # late
        lasted = job.lasts * (0.6 + random.random())
        run_id = _run_id(due, random)
        if luck < 0.12:
            yield from self._trouble(job, period, due, lasted, run_id, luck, random)
        else:
            yield Run(job.index, run_id, period, due, due + lasted, "COMPLETE")

    def _trouble(
        self, job: Job, period: datetime, due: datetime, lasted: timedelta, run_id: str, luck: float, random: Random
    ) -> Iterator[Run]:
        """Failed and tried again under the same run id; failed or aborted for good; never ended; made again later."""
        again = due + lasted + random.random() * 2 * HOUR
        if luck < 0.035:
            yield Run(job.index, run_id, period, due, due + lasted / 2, "FAIL")
            yield Run(job.index, run_id, period, again, again + lasted, "COMPLETE")
        elif luck < 0.05:
            yield Run(job.index, run_id, period, due, due + lasted / 3, "FAIL" if luck < 0.045 else "ABORT")
        elif luck < 0.0505 or (self.odd and luck < 0.06):
            yield Run(job.index, run_id, period, due, None, "OPEN")
        else:
            yield Run(job.index, run_id, period, due, due + lasted, "COMPLETE")
            if luck < 0.07:
                later = again + random.random() * 2 * DAY
                yield Run(job.index, _run_id(later, random), period, later, later + lasted, "COMPLETE")

    def _dataset_rules(self) -> Iterator[DatasetRule]:
        yield DatasetRule("*_d", partition=Layout("dt=%Y-%m-%d"), nominal=True)
        yield DatasetRule("*_h", partition=Layout("dt=%Y-%m-%d/hour=%H"), nominal=True)
        yield DatasetRule("*_t", partition=False)
        yield DatasetRule("*/serving/*", serving=True)
        yield DatasetRule("*", write="overwrite")
        for job in self.jobs:
            if job.mode == "append":
                yield from (DatasetRule(self.tables[index].glob, write="append") for index in job.writes)

    def _edge_rules(self) -> Iterator[EdgeRule]:
        for job in self.jobs:
            if job.naming in {"key", "nominal"}:
                for reading in job.reads:
                    table = self.tables[reading.table]
                    yield EdgeRule(f"{job.namespace}/{job.name}", table.glob, _window(job, reading, table))


def partitions(table: Table, period: datetime, reading: Reading, *, hourly: bool) -> list[str]:
    """The partitions of a table that a reading around a period means, as paths; none for an unpartitioned table."""
    if table.grain == "none":
        return []
    if table.grain == "day":
        day = period.replace(hour=0)
        return [f"dt={day + offset * DAY:%Y-%m-%d}" for offset in range(reading.first, reading.last + 1)]
    hours = [period + offset * HOUR for offset in (range(reading.first, reading.last + 1) if hourly else range(24))]
    return [f"dt={hour:%Y-%m-%d}/hour={hour:%H}" for hour in hours]


def _window(job: Job, reading: Reading, table: Table) -> Window:
    if job.hourly != (table.grain == "hour"):
        return Window("contained") if table.grain == "hour" else Window("offsets", reading.first, reading.last)
    return Window("offsets", reading.first, reading.last) if reading.first or reading.last else Window("identity")


def _run_id(at: datetime, random: Random) -> str:
    """A UUIDv7 of that moment."""
    bits = random.getrandbits(74)
    stamp = int(at.timestamp() * 1000)
    head, tail = f"{stamp:012x}", f"{bits:019x}"
    return f"{head[:8]}-{head[8:]}-7{tail[:3]}-{8 + bits % 4:x}{tail[4:7]}-{tail[7:]}"


def company(seed: int, jobs: int, days: int, *, odd: bool = False, certain: bool = False) -> Company:
    """A company of so many jobs. ``odd``: with many more of the unusual things, as tests of equality want them.

    ``certain``: every job names its partitions; else one in ten leaves them to declarations.
    """
    random = Random(f"company {seed} {jobs}")
    layers = [layer for layer, share in zip(range(len(LAYERS)), _SHARES, strict=True) for _ in range(max(1, round(share * jobs)))][
        :jobs
    ]
    layers += [len(LAYERS) - 1] * (jobs - len(layers))
    tables: list[Table] = []
    popular: list[float] = []
    made: list[Job] = []
    for index, layer in enumerate(layers):
        hourly = random.random() < (0.60, 0.50, 0.42, 0.25, 0.20, 0.15)[layer]
        below = [one.index for one in tables if layers[made[one.index].index] < layer] if layer else []
        reads = _readings(random, [tables[one] for one in below], popular, hourly=hourly)
        grain: Grain = "none" if random.random() < 0.04 else "hour" if hourly else "day"
        word = f"{random.choice(_WORDS)}_{index}"
        table = Table(
            index,
            f"s3://lake-{layer}",
            f"{LAYERS[layer]}/{word}_{grain[0] if grain != 'none' else 't'}",
            grain,
            random.randint(3, 10),
        )
        if layer and grain != "none" and random.random() < (0.2 if odd else 0.03):
            reads.append(Reading(index, -1, -1))  # what it made of the period before
        tables.append(table)
        popular.append(random.paretovariate(1.1))
        producer: Literal["airflow", "spark", "dbt"] = random.choice(("airflow", "spark", "spark", "dbt"))
        naming = random.choices(_NAMINGS, _ODD if odd else _CERTAIN if certain else _USUAL)[0]
        made.append(
            Job(
                index,
                f"{producer}-prod",
                f"{LAYERS[layer]}.{word}",
                producer,
                hourly,
                layer * timedelta(minutes=8 if hourly else 45) + random.random() * timedelta(minutes=6),
                timedelta(seconds=20 + random.expovariate(1 / (120 if hourly else 900))),
                tuple(reads),
                (index,),
                naming,
                "append" if random.random() < (0.2 if odd else 0.03) else "overwrite",
            )
        )
    return Company(seed, tuple(made), tuple(tables), days, odd)


def _readings(random: Random, below: list[Table], popular: list[float], *, hourly: bool) -> list[Reading]:
    """Up to six tables of lower layers, the popular ones far more often."""
    if not below:
        return []
    bounds = list(accumulate(popular[one.index] for one in below))
    found: dict[int, Reading] = {}
    for _ in range(min(6, 1 + int(random.expovariate(0.55)))):
        table = random.choices(below, cum_weights=bounds)[0]
        if table.grain == "hour" and not hourly and random.random() < 0.6:
            table = random.choices(below, cum_weights=bounds)[0]  # most daily jobs read days
        if hourly and table.grain == "day":
            reading = Reading(table.index, -1, -1)  # the last whole day
        elif table.grain == "day" and random.random() < 0.06:
            reading = Reading(table.index, -6, 0)
        else:
            reading = Reading(table.index)
        found[table.index] = reading
    return list(found.values())
