"""One execution that two kinds of sources tell of under two run ids is one. Pure.

openlineage-dbt makes up a run id for what dbt's own ``run_results.json`` tells too, with the same job, start and end. Left apart,
each would be a write by another between its twin's write and every reader, so that nothing was ever convicted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from lineage.datasets import JobId
from lineage.events import Event

_ENDS = frozenset({"COMPLETE", "FAIL", "ABORT"})


def told_once(runs: Mapping[str, Sequence[Event]]) -> dict[str, list[Event]]:
    """The events of each run, those of twins together under one run id.

    Twins are runs of one job that began at one moment and ended at one moment, each told by kinds of sources that told of none of
    the others. Two such runs by one kind are two executions, and then none of them is merged. The run id that stays is another
    source's rather than dbt's, which is made of an invocation and a node.
    """
    if len({one.said_by for events in runs.values() for one in events}) < 2:
        return {run_id: list(events) for run_id, events in runs.items()}
    spans: dict[tuple[JobId, int, int], list[str]] = defaultdict(list)
    for run_id, events in runs.items():
        if (span := _span(events)) is not None:
            spans[span].append(run_id)
    joined = {run_id: list(events) for run_id, events in runs.items()}
    for twins in spans.values():
        told_by = {run_id: {one.said_by for one in runs[run_id]} for run_id in twins}
        if len(twins) < 2 or sum(map(len, told_by.values())) > len(set().union(*told_by.values())):
            continue
        first, *others = sorted(twins, key=lambda run_id: ("dbt" in told_by[run_id], run_id))
        for other in others:
            joined[first] += joined.pop(other)
    return joined


def _span(events: Sequence[Event]) -> tuple[JobId, int, int] | None:
    """The job, start and end of a run that has one of each; None for retries and for what is not whole."""
    jobs = {one.job for one in events if one.job is not None}
    starts = {one.time for one in events if one.type == "START"}
    ends = {one.time for one in events if one.type in _ENDS}
    if len(jobs) != 1 or len(starts) != 1 or len(ends) != 1:
        return None
    return jobs.pop(), starts.pop(), ends.pop()
