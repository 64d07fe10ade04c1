"""Who makes a cell: the jobs whose runs wrote it, and which of their runs has to be run again for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from lineage.attempts import Attempt, Cell, Mode, Write
from lineage.datasets import DatasetId, JobId
from lineage.partitions import Partition, overlap
from lineage.timestamps import AFTER, BEFORE, from_datetime
from lineage.zones import Zone, interval
from runbooks.missing import Missing
from runbooks.plan import Refusal

Runs = Callable[[JobId], bool]
"""Whether an orchestrator is configured that runs the job."""

_ADDS = frozenset({Mode.APPEND, Mode.MERGE})


@dataclass(frozen=True, slots=True)
class Making:
    """One run that makes a cell: by which job, and as which attempt did it before. ``job`` is the name the orchestrator knows.

    ``interval``: the stretch of time that the cell is, in nanoseconds UTC; the nominal interval to run for one that is none.
    """

    cell: Cell
    job: JobId
    attempt: Attempt
    interval: tuple[int, int] | None

    @property
    def order(self) -> int:
        """Where this run stands in time among the runs of its job; nanoseconds UTC."""
        return self.interval[0] if self.interval is not None else moment(self.attempt)


def moment(attempt: Attempt) -> int:
    """When an attempt happened, as far as anybody reported: its end, else its start."""
    return attempt.end if BEFORE < attempt.end < AFTER else attempt.start


class Makers:
    """Every run that wrote something, by the cell it wrote.

    ``reached``: the keys of the attempts that the fault reached; ``zone``: the time zone of a dataset's dates, None for UTC.
    """

    def __init__(
        self,
        attempts: Iterable[Attempt],
        runs: Runs,
        reached: Collection[tuple[str, int]] = frozenset(),
        zone: Callable[[DatasetId], Zone] = lambda _: None,
    ) -> None:
        self._runs = runs
        self._zone = zone
        self._reached = reached
        self._written: dict[DatasetId, dict[Partition, list[tuple[Attempt, Write]]]] = defaultdict(lambda: defaultdict(list))
        for attempt in attempts:
            for write in attempt.writes if attempt.kind == "run" else ():
                # A job that drops partitions (retention) does not make them.
                if write.mode is not Mode.DROP:
                    self._written[write.cell.dataset][write.cell.partition].append((attempt, write))

    def of(self, missing: Missing) -> tuple[Making, ...] | Refusal:
        """The runs that make a cell again, in the order of time, or why none can.

        - All jobs that wrote the cell take part, each as in its latest attempt (COMPLETE ones if there are any), in the order of
          those attempts, so that the last word is had by the job that had it.
        - A job whose result was replaced (a later COMPLETE overwrite by a job that does not read the cell) has no part in it.
        - When two producers report one execution (an Airflow task and the Spark application it starts: one attempt within the
          other), and an orchestrator knows only one of them, that one is run.
        """
        cell = missing.cell
        writers = self._written.get(cell.dataset, {}).get(cell.partition, [])
        if not writers:
            return Refusal(str(cell), "no run that names this partition is known to have written it", "no-writer")
        latest = _latest(writers)
        runnable: list[tuple[JobId, Attempt]] = []
        for attempt in latest:
            job = next((job for job in (attempt.job, *attempt.aliases) if self._runs(job)), None)
            if job is not None:
                runnable.append((job, attempt))
            elif not any(_nested(attempt, other) and self._known(other) for other in latest if other is not attempt):
                return Refusal(
                    str(cell), f"no orchestrator is configured for the job {attempt.job}, which makes it", "no-orchestrator"
                )
        found: list[Making] = []
        for job, attempt in runnable:
            makings = self._intervals(missing, job, attempt, writers)
            if isinstance(makings, Refusal):
                return makings
            found += makings
        return tuple(found)

    def _known(self, attempt: Attempt) -> bool:
        return any(self._runs(job) for job in (attempt.job, *attempt.aliases))

    def _intervals(
        self, missing: Missing, job: JobId, latest: Attempt, writers: list[tuple[Attempt, Write]]
    ) -> list[Making] | Refusal:
        """One run; but what was put together run by run, without partitions, is put together run by run again."""
        cell = missing.cell
        if (period := cell.partition.period) is not None:
            start, end = interval(period, self._zone(cell.dataset))
            return [Making(cell, job, latest, (from_datetime(start), from_datetime(end)))]
        own = [(attempt, write) for attempt, write in writers if attempt.job == latest.job]
        adds = any(write.mode in _ADDS for _, write in own) or any(
            read.cell == cell for attempt, _ in own for read in attempt.reads
        )
        if cell.partition or not adds:
            said = [attempt for attempt, _ in own if attempt.nominal is not None]
            return [Making(cell, job, latest, latest.nominal or (max(said, key=moment).nominal if said else None))]
        good = [attempt for attempt, _ in own if attempt.state == "COMPLETE"] or [attempt for attempt, _ in own]
        if missing.leaves == "data":
            # What a revert brought back holds the runs before the first bad one.
            first = min((attempt.start for attempt in good if attempt.key in self._reached), default=moment(latest))
            good = [attempt for attempt in good if attempt.end >= first]
        by_interval: dict[tuple[int, int], Attempt] = {}
        for attempt in sorted(good, key=moment):
            if attempt.nominal is None:
                return Refusal(
                    str(cell),
                    f"{job} adds to it run by run, and a run at least does not say for which interval (run {attempt.run_id})",
                    "no-interval",
                )
            by_interval[attempt.nominal] = attempt
        return [Making(cell, job, attempt, nominal) for nominal, attempt in sorted(by_interval.items())]


def _latest(writers: list[tuple[Attempt, Write]]) -> list[Attempt]:
    """The latest attempt of each job that has a part in what the cell holds, in the order of time."""
    complete = [(attempt, write) for attempt, write in writers if attempt.state == "COMPLETE"] or writers
    latest: dict[JobId, tuple[Attempt, Write]] = {}
    for attempt, write in sorted(complete, key=lambda pair: (moment(pair[0]), pair[0].key)):
        latest[attempt.job] = (attempt, write)
    ordered = sorted(latest.values(), key=lambda pair: (moment(pair[0]), pair[0].key))
    return [
        attempt
        for number, (attempt, write) in enumerate(ordered)
        if not any(_replaces(later, over, attempt, write) for later, over in ordered[number + 1 :])
    ]


def _replaces(later: Attempt, over: Write, earlier: Attempt, write: Write) -> bool:
    reads_it = any(
        read.cell.dataset == write.cell.dataset and overlap(read.cell.partition, write.cell.partition) for read in later.reads
    )
    return over.mode is Mode.OVERWRITE and later.state == "COMPLETE" and not reads_it and later.start >= moment(earlier)


def _nested(one: Attempt, other: Attempt) -> bool:
    """One attempt ran within the other: as far as we can tell, one execution reported twice."""
    return (one.start <= other.start and other.end <= one.end) or (other.start <= one.start and one.end <= other.end)
