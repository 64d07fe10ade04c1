"""What the lineage cannot tell, and what to do about it."""

from __future__ import annotations

from collections import Counter

from lineage.blast_radius import Gap
from lineage.datasets import DatasetId, JobId
from lineage.history import History


def gaps(history: History) -> tuple[Gap, ...]:
    """Data without a writer or a reader, unknown partitions, attempts without their usual data, runs without an end."""
    written = {dataset for datasets in history.job_writes.values() for dataset in datasets}
    read = {dataset for datasets in history.job_reads.values() for dataset in datasets}
    found = [
        Gap(one, "dataset", "is read but never written: it comes from outside, or its writer sends no lineage")
        for one in read - written
    ]
    found += [
        Gap(one, "dataset", "is written but never read: declare it serving if people or services read it")
        for one in written - read
        if not history.serving(one)
    ]
    counted: Counter[tuple[JobId | DatasetId, str]] = Counter()
    for one in history.attempts:
        for write in one.writes:
            if write.how == "inferred":
                counted[one.job, f"attempts {write.reason}"] += 1
            elif not write.cell.known:
                advice = "declare its partition layout and nominal = true, or partition = false"
                counted[one.job, f"attempts do not say which partition of {write.cell.dataset} they wrote: {advice}"] += 1
        for read_ in one.reads:
            if read_.how == "inferred":
                counted[one.job, f"attempts {read_.reason}"] += 1
            elif read_.how == "observed" and not read_.cell.known:
                counted[
                    one.job, f"attempts do not say which partitions of {read_.cell.dataset} they read: declare an [[edge]]"
                ] += 1
        if one.state == "OPEN":
            counted[one.job, "attempts never reported their end"] += 1
    found += [Gap(subject, "job", f"{count} {reason}") for (subject, reason), count in counted.items()]
    return tuple(sorted(found, key=lambda gap: (gap.kind, str(gap.subject), gap.reason)))
