"""The fault: which attempts, or which cells, the error began in. Different selectors intersect; repeats of one unite."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from lineage.attempts import Attempt, Cell
from lineage.datasets import DatasetId, JobId, split_url
from lineage.errors import AmbiguousJob, FaultError, NothingChosen, PartitionError
from lineage.history import History
from lineage.layouts import Layout
from lineage.partitions import covers, overlap, parse_partition, split_name
from lineage.timestamps import AFTER, BEFORE, SECOND, from_datetime, parse, render, whole_day

_DAY = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class Fault:
    """How an operator chose the fault; the words of the command line. Empty chooses nothing.

    ``nominal`` is ``A..B``, or several of them between commas.
    """

    job: str | None = None
    nominal: str | None = None
    since: str | None = None
    until: str | None = None
    runs: tuple[str, ...] = ()
    code_versions: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def to_json(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Fault:
        known: dict[str, Any] = {key: raw[key] for key in cls.__dataclass_fields__ if raw.get(key)}
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in known.items()}
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Fix:
    """From when runs are good: those of a code version, or those that start after a moment (nanoseconds UTC)."""

    code_version: str | None = None
    good_from: int | None = None

    def covers(self, attempt: Attempt) -> bool:
        if self.code_version is not None and attempt.code_version == self.code_version:
            return True
        return self.good_from is not None and attempt.start > self.good_from


@dataclass(frozen=True, slots=True)
class Seeds:
    """Where taint begins, by index into the history's attempts.

    ``must`` are certainly faulty, ``may`` perhaps (with the reason). ``writes`` are single faulty writes of cell faults, as
    (attempt, write) indexes with whether it is certain. ``words`` says the choice in a sentence.
    """

    must: frozenset[int] = frozenset()
    may: dict[int, str] = field(default_factory=dict)
    writes: dict[tuple[int, int], bool] = field(default_factory=dict)
    words: str = ""
    jobs: tuple[JobId, ...] = ()
    datasets: tuple[DatasetId, ...] = ()

    @property
    def count(self) -> int:
        return len(self.must | self.may.keys() | {attempt for attempt, _ in self.writes})


def find_job(history: History, name: str) -> JobId:
    """The one job that a name, unique suffix or glob means. Raises FaultError, AmbiguousJob."""
    return job_among(history.jobs, name)


def job_among(jobs: Iterable[JobId], name: str) -> JobId:
    """As ``find_job``, among the jobs of a whole history."""
    by_text = {str(job): job for job in jobs}
    if name in by_text:
        return by_text[name]
    by_text = dict(sorted(by_text.items(), key=lambda one: one[1]))
    if set("*?[") & set(name):
        found = [text for text in by_text if fnmatchcase(text, name)]
    else:
        ends = [text for text in by_text if text.endswith(name)]
        found = [text for text in ends if text[: -len(name)].endswith(("/", ".", ":"))] or ends
    if len(found) == 1:
        return by_text[found[0]]
    if found:
        raise AmbiguousJob(name, tuple(sorted(found)))
    near = difflib.get_close_matches(name, by_text, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"the lineage names {len(by_text)} jobs; give NAMESPACE/NAME"
    raise FaultError(f"no job matches {name!r}", hint)


def parse_cell(history: History, text: str) -> Cell:
    """The cell written as DATASET@PARTITION; ``@*`` for all of it. Raises FaultError."""
    name, at, part = text.rpartition("@")
    if not at or not name:
        raise FaultError(f"not a cell: {text!r}", "write DATASET@PARTITION, or DATASET@* for all of it")
    wanted = history.identities.find(named_dataset(name))
    if wanted not in history.datasets:
        ends = [one for one in history.datasets if str(one) == name or str(one).endswith(("/" + name, "." + name))]
        if len(ends) > 1:
            raise FaultError(f"{len(ends)} datasets match {name!r}: {', '.join(map(str, ends))}", "give NAMESPACE/NAME")
        if not ends:
            near = difflib.get_close_matches(name, [str(one) for one in history.datasets], n=3, cutoff=0.5)
            raise FaultError(
                f"no dataset matches {name!r}", f"did you mean {' or '.join(near)}?" if near else "give NAMESPACE/NAME"
            )
        wanted = ends[0]
    layout = history.rule(wanted).partition
    try:
        found = parse_partition(part)
        return Cell(wanted, layout.said(found) if isinstance(layout, Layout) else found, known=True)
    except PartitionError as error:
        raise FaultError(f"not a cell: {text!r}: {error.message}", error.hint) from None


def chosen_cells(history: History, fault: Fault) -> list[Cell]:
    """The cells that a fault names. Raises FaultError, also for what else it says that makes no sense beside them."""
    if fault.job or fault.nominal or fault.runs or fault.code_versions:
        raise FaultError("--cell goes with --since and --until only", "choose attempts of a job, or cells")
    clock_range(fault)
    return [parse_cell(history, text) for text in fault.cells]


def named_dataset(name: str) -> DatasetId:
    """The dataset meant by ``NAMESPACE/NAME``, less a partition at its end."""
    dataset = split_url(name)
    return DatasetId(dataset.namespace, split_name(dataset.name)[0])


def choose(history: History, fault: Fault, fix: Fix | None = None) -> Seeds:
    """The seeds that a fault chooses. Raises FaultError when it chooses nothing, or nothing that exists."""
    if not fault:
        raise FaultError("no fault is chosen", "give --job, --run, --code-version or --cell")
    if fault.cells:
        return _cell_seeds(history, fault, fix)
    if not (fault.job or fault.runs or fault.code_versions):
        raise FaultError("--nominal, --since, --until and --column need --job, --run or --code-version beside them", "add --job")
    job = find_job(history, fault.job) if fault.job else None
    selectors = _selectors(fault)
    must: set[int] = set()
    may: dict[int, str] = {}
    fixed = 0
    for index, attempt in enumerate(history.attempts):
        if attempt.kind != "run" or (job is not None and job not in (attempt.job, *attempt.aliases)):
            continue
        verdicts = [selector(attempt) for selector in selectors]
        if any(verdict is False for verdict in verdicts):
            continue
        if fix is not None and fix.covers(attempt):
            fixed += 1
            continue
        doubts = [verdict for verdict in verdicts if isinstance(verdict, str)]
        if doubts:
            may[index] = doubts[0]
        else:
            must.add(index)
    jobs = tuple(sorted({history.attempts[index].job for index in must | may.keys()} | ({job} if job else set())))
    seeds = Seeds(frozenset(must), may, {}, _words(fault, jobs, len(must), may, fixed), jobs)
    if not seeds.count and not fixed:
        raise NothingChosen(f"no attempt matches: {_choice(fault, jobs)}", _nearest(history, job))
    return seeds


Verdict = bool | str
"""True, False, or the reason why we cannot tell."""


def _selectors(fault: Fault) -> list[Callable[[Attempt], Verdict]]:
    selectors: list[Callable[[Attempt], Verdict]] = []
    if fault.nominal:
        ranges = nominal_ranges(fault)
        selectors.append(lambda attempt: _nominal_within(attempt, ranges))
    if fault.since or fault.until:
        since, until = clock_range(fault)
        selectors.append(lambda attempt: attempt.start < until and attempt.end >= since)
    if fault.runs:
        selectors.append(lambda attempt: attempt.run_id in fault.runs)
    if fault.code_versions:
        selectors.append(
            lambda attempt: (
                attempt.code_version in fault.code_versions
                if attempt.code_version is not None
                else bool(fault.job) and "its code version is not known"
            )
        )
    return selectors


def _nominal_within(attempt: Attempt, ranges: list[tuple[int, int]]) -> Verdict:
    """Whether the attempt's nominal time or partition key lies in one of the [first, last]."""
    moments: list[int] = []
    if attempt.nominal is not None:
        moments.append(attempt.nominal[0])
    if attempt.partition_key is not None:
        try:
            period = parse_partition(attempt.partition_key).period
        except PartitionError:
            period = None
        if period is not None:
            moments.append(from_datetime(period.start))
    if not moments:
        periods = [write.cell.partition.period for write in attempt.writes if write.how == "observed"]
        moments = [from_datetime(period.start) for period in periods if period is not None]
    if not moments:
        return "it names no nominal time and no partition"
    return any(first <= moment <= last for moment in moments for first, last in ranges)


def _time(text: str, option: str) -> int:
    try:
        return parse(text)
    except (ValueError, OverflowError):
        raise FaultError(f"{option}: {text!r} is not a time", "write 2026-11-18 or 2026-11-18T03:00:00Z") from None


def _nominal_range(text: str) -> tuple[int, int]:
    """Both ends included; a date is a whole UTC day."""
    start, dots, end = text.partition("..")
    end = end if dots else start
    first, last = _time(start, "--nominal"), _time(end, "--nominal")
    if whole_day(end):
        last += _DAY - 1
    if last < first:
        raise FaultError(f"--nominal {text}: the end is before the start", "write A..B with A before B")
    return first, last


def nominal_ranges(fault: Fault) -> list[tuple[int, int]]:
    """The [first, last] that ``nominal`` names."""
    return [_nominal_range(one) for one in (fault.nominal or "").split(",") if one]


def clock_range(fault: Fault) -> tuple[int, int]:
    """The [since, until) that the fault names; unbounded where it names none."""
    since = _time(fault.since, "--since") if fault.since else BEFORE
    until = _time(fault.until, "--until") if fault.until else AFTER + 1
    if until <= since:
        raise FaultError(f"--until {fault.until} is not after --since {fault.since}", "give a later --until")
    return since, until


def _cell_seeds(history: History, fault: Fault, fix: Fix | None) -> Seeds:
    """Data that arrived bad: overlapping writes that end in the window; where there is no writer, overlapping reads in it."""
    cells = chosen_cells(history, fault)
    since, until = clock_range(fault)
    must: set[int] = set()
    may: dict[int, str] = {}
    writes: dict[tuple[int, int], bool] = {}
    for cell in cells:
        written = any(_meets(write.cell, cell) for one in history.attempts for write in one.writes if one.kind == "run")
        for index, one in enumerate(history.attempts):
            if one.kind != "run" or (fix is not None and fix.covers(one)):
                continue
            for number, write in enumerate(one.writes):
                if _meets(write.cell, cell) and since <= one.end < until:
                    certain = write.cell.known and covers(cell.partition, write.cell.partition)
                    writes[index, number] = writes.get((index, number), False) or certain
            if written or one.end < since or one.start >= until:
                continue
            for read in one.reads:
                if not _meets(read.cell, cell):
                    continue
                if read.cell.known and covers(cell.partition, read.cell.partition):
                    must.add(index)
                else:
                    may.setdefault(index, read.reason or f"may have read {cell}")
    may = {index: reason for index, reason in may.items() if index not in must}
    words = f"data that arrived bad in {', '.join(map(str, cells))}{_window_words(fault)}{_column_words(fault)}"
    seeds = Seeds(frozenset(must), may, writes, "", (), tuple(dict.fromkeys(cell.dataset for cell in cells)))
    if not seeds.count:
        raise FaultError(
            f"no attempt matches: {words}", "check the partition and the window; incident lineage show lists what was written"
        )
    return Seeds(seeds.must, may, writes, f"{words}: {seeds.count} attempts wrote or read it", (), seeds.datasets)


def _meets(left: Cell, right: Cell) -> bool:
    return left.dataset == right.dataset and overlap(left.partition, right.partition)


def _window_words(fault: Fault) -> str:
    since = f" since {fault.since}" if fault.since else ""
    return since + (f" until {fault.until}" if fault.until else "")


def _column_words(fault: Fault) -> str:
    return f" as to column {', '.join(fault.columns)}" if fault.columns else ""


def _choice(fault: Fault, jobs: tuple[JobId, ...]) -> str:
    words = [f"attempts of {', '.join(map(str, jobs))}" if fault.job else "attempts"]
    if fault.nominal:
        ranges = [one.partition("..") for one in fault.nominal.split(",")]
        words.append(" or ".join(f"for {start} to {end}, both included" if dots else f"for {start}" for start, dots, end in ranges))
    if window := _window_words(fault):
        words.append(f"running{window}")
    if fault.runs:
        words.append(f"of run {' or '.join(fault.runs)}")
    if fault.code_versions:
        words.append(f"with code version {' or '.join(fault.code_versions)}")
    return " ".join(words) + _column_words(fault)


def _words(fault: Fault, jobs: tuple[JobId, ...], certain: int, may: dict[int, str], fixed: int) -> str:
    words = f"{_choice(fault, jobs)}: {certain + len(may)} matched"
    if may:
        words += f", {len(may)} of them SUSPECT because {next(iter(may.values()))}"
    return words + (f"; {fixed} more are good since the fix" if fixed else "")


def _nearest(history: History, job: JobId | None) -> str:
    """What there is instead."""
    there = [one for one in history.attempts if one.kind == "run" and (job is None or one.job == job)]
    nominal = [one.nominal[0] for one in there if one.nominal is not None]
    return there_is(len(there), nominal, [one.start for one in there if one.start > BEFORE], job)


def there_is(attempts: int, nominal: Sequence[int], starts: Sequence[int], job: JobId | None = None) -> str:
    """What there is instead of what was chosen; of nominal times and known starts (ns UTC) the first and last matter."""
    if not attempts:
        return "the lineage has no attempts; check --lineage"
    words = f"the lineage has {attempts} attempts{f' of {job}' if job else ''}"
    if nominal:
        return f"{words}, for {render(min(nominal))} to {render(max(nominal))}"
    return f"{words}, started {render(min(starts))} to {render(max(starts))}" if starts else words
