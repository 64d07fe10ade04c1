"""The last attempts of a job are the same however they came: many at once, one by one, from an index, and when some went again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from random import Random

import pyarrow as pa
import pytest

from lineage.cadence import RECENT
from lineage.index.recent import Entry, Recent
from lineage.index.rows import Row

Told = dict[int, set[Entry]]


def row(entry: Entry) -> Row:
    start, run, number, nominal = entry
    return Row(0, run, number, start, None, "O", nominal, None, None, None, 0, None, None, None, None, 0)


def columns(some: Collection[tuple[int, Entry]]) -> pa.Table:
    jobs = pa.array([job for job, _ in some], pa.int32())
    starts, runs, numbers, nominals = ([entry[place] for _, entry in some] for place in range(4))
    made = {"job": jobs, "run": pa.array(runs, pa.string()), "number": pa.array(numbers, pa.int32())}
    return pa.table({**made, "start": pa.array(starts, pa.int64()), "nominal_start": pa.array(nominals, pa.int64())})


@pytest.mark.parametrize("seed", range(12))
def test_the_last_attempts_of_each_job_are_known_whatever_came_and_went(seed: int) -> None:
    random = Random(seed)
    every: Told = defaultdict(set)

    def read(jobs: Collection[int]) -> Told:
        return {job: set(every[job]) for job in jobs}

    at_once, one_by_one = Recent(), Recent()
    for _ in range(8):
        for job in range(4):
            leaving = random.sample(sorted(every[job], key=repr), k=min(len(every[job]), random.choice((0, 0, 2, 30))))
            every[job].difference_update(leaving)
            for entry in leaving:
                at_once.remove([job], row(entry))
                one_by_one.remove([job], row(entry))
        new = []
        for _ in range(random.choice((5, 400))):
            start = random.randrange(2000)
            new.append((random.randrange(4), (start, f"r{random.randrange(10**9)}", 0, random.choice((None, start)))))
        for job, entry in new:
            every[job].add(entry)
            one_by_one.add([job], row(entry))
        at_once.extend(columns(new))
        for one in (at_once, one_by_one):
            one.settle(read)
        if random.random() < 0.5:
            at_once = Recent(at_once.table())  # as the next ingest finds it
        found = Recent(at_once.table())
        for job in range(4):
            last = sorted(every[job])
            assert sorted(found.jobs[job])[-RECENT:] == sorted(one_by_one.jobs[job])[-RECENT:] == last[-RECENT:]
            known = len(found.jobs[job])
            assert known == len(last) or (job in found.first and known >= RECENT)
            if job in found.first:
                assert found.jobs[job] == {entry for entry in last if entry[:3] >= found.first[job][:3]}
