"""What the lineage cannot tell, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lineage.attempts import Attempt, Read
from lineage.blast_radius import Gap
from lineage.datasets import JobId
from lineage.history import History

_PRODUCER = "have the job report it, or"


def gaps(history: History) -> tuple[Gap, ...]:
    """Data without a writer or a reader, unknown partitions, attempts without their usual data, runs without an end."""
    found = [*_datasets(history), *_attempts(history), *_jobs(history)]
    return tuple(sorted(found, key=lambda gap: (gap.kind, str(gap.subject), gap.reason)))


def _datasets(history: History) -> Iterator[Gap]:
    written = {dataset for datasets in history.job_writes.values() for dataset in datasets}
    read = {dataset for datasets in history.job_reads.values() for dataset in datasets}
    for one in read - written:
        advice = f"send the lineage of its writer; if it comes from outside and arrives bad, choose --cell {one}@PARTITION"
        yield Gap(one, "dataset", "is read but never written: it comes from outside, or its writer sends no lineage", advice)
    for one in written - read:
        if history.rule(one).serving is None and not history.serving(one):
            advice = "declare serving = true if people or services read it, serving = false if nobody does"
            yield Gap(one, "dataset", "is written but never read: whoever uses it sends no lineage", advice)


def _attempts(history: History) -> Iterator[Gap]:
    """Counted by job and kind of gap, over the job's attempts."""
    counted: Counter[tuple[JobId, str, str]] = Counter()
    total: Counter[JobId] = Counter()
    for one in history.attempts:
        if one.kind != "run":
            continue
        total[one.job] += 1
        silent = not any(read.how != "inferred" for read in one.reads) and any(_usual(read) for read in one.reads)
        if silent:
            advice = f'look whether they really read nothing: {_PRODUCER} declare an [[edge]] with window = "none"'
            counted[
                one.job, "attempts report no input at all, though others of the job do: they count as reading all of it", advice
            ] += 1
        for reason, advice in {*_reads(one, silent=silent), *_writes(one)}:
            counted[one.job, reason, advice] += 1
        if one.state == "OPEN":
            counted[one.job, "attempts never reported their end", "when it is known, incident note TEXT --run ID --ended T"] += 1
    for (job, reason, advice), count in counted.items():
        yield Gap(job, "job", f"{count:,} of {total[job]:,} {reason}", advice)


def _usual(read: Read) -> bool:
    """Whether the read was taken over from the job's other attempts."""
    return read.how == "inferred" and read.reason.startswith("reported no input")


def _reads(one: Attempt, *, silent: bool) -> Iterator[tuple[str, str]]:
    for read in one.reads:
        dataset = read.cell.dataset
        if _usual(read) and not silent:
            yield f"attempts {read.reason}", f'{_PRODUCER} declare an [[edge]] with window = "none" if it reads no more of it'
        elif read.how == "inferred" and not _usual(read) and not read.reason.startswith("reads the "):  # through a view: no gap
            yield f"attempts may have read {dataset}: {read.reason}", f"have {one.job} report its inputs"
        elif read.how == "observed" and not read.cell.known:
            if read.version is not None:
                advice = "declare partition = false if it has none; else the version's age decides what they saw"
                yield f"attempts name a version of {dataset}, and not which partitions they read", advice
            elif "cannot be worked out" in read.reason or "relative to a partition" in read.reason:
                yield f"attempts: {read.reason}", f"declare which partition {one.job} writes (nominal = true), or another window"
            else:
                yield f"attempts do not say which partitions of {dataset} they read", "declare an [[edge]] with a window"


def _writes(one: Attempt) -> Iterator[tuple[str, str]]:
    for write in one.writes:
        if write.how == "inferred":
            yield f"attempts {write.reason}", "have the job report its outputs: until then it may have written any of it"
        elif not write.cell.known:
            advice = "declare its partition layout and nominal = true, or partition = false"
            yield f"attempts do not say which partition of {write.cell.dataset} they wrote", advice


def _jobs(history: History) -> Iterator[Gap]:
    """Jobs that name no partition of anything, and jobs of which there are only edges."""
    known: dict[JobId, bool] = {}
    count: Counter[JobId] = Counter()
    for one in history.attempts:
        if one.kind == "run" and (one.reads or one.writes):
            told = any(read.cell.known for read in one.reads) or any(write.cell.known for write in one.writes)
            known[one.job] = known.get(one.job, False) or told
            count[one.job] += 1
    for job, told in known.items():
        if not told:
            reason = f"names no partition of anything that it reads or writes, in any of {count[job]:,} attempts"
            yield Gap(job, "job", reason, "declare the layouts of its datasets; incident lineage gaps --suggest shows what is seen")
    ran = {job for one in history.attempts for job in (one.job, *one.aliases)}
    for job in history.jobs:
        if job not in ran:
            yield Gap(job, "job", "is known by its edges only: no run of it was reported", "add the lineage of its runs")
