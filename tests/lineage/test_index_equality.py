"""An index answers as the events do that it was made of: the whole history, and what a fault reached.

``INDEX_COMPANIES=200 pytest tests/lineage/test_index_equality.py`` asks that many companies.
"""

from __future__ import annotations

import os
from dataclasses import replace
from random import Random
from typing import Any

import orjson
import pytest

from lineage.attempts import Cell
from lineage.blast import blast
from lineage.cadence import next_readers
from lineage.declarations import Declarations
from lineage.decoding.filling import Filling
from lineage.effects import Effect
from lineage.errors import LineageError
from lineage.events import event
from lineage.fault import Fault, Fix
from lineage.history import History, build
from lineage.index.batch import Batch
from lineage.index.files import Files
from lineage.index.ingest import Ingest
from lineage.index.manifest import Manifest
from lineage.index.query import Query
from lineage.index.reader import Index
from lineage.partitions import overlap
from lineage.timestamps import AFTER, BEFORE, SECOND, parse, render
from tests.bench.company import company
from tests.lineage.histories import decode_runs, seeded
from tests.lineage.index_histories import MemoryFiles, OddHistory
from tests.lineage.told import DECLARED, EPOCH, as_events

COMPANIES = int(os.environ.get("INDEX_COMPANIES", "3"))
STORIES = int(os.environ.get("INDEX_STORIES", "30"))
HOUR = 3600 * SECOND
NOW = 1_800_000_000 * SECOND


def batches(told: list[Any], random: Random) -> list[Batch]:
    """The events in batches of uneven size, as lines decode; some go the tolerant way, and some beginnings wait in vain."""
    filling, made, ways = Filling(), [], Random(len(told))
    for one in told:
        if ways.random() < 0.05 or not filling.add(orjson.dumps(one)):
            filling.batch.event(event(one))
        if random.random() < 1 / 200:
            if ways.random() < 0.5:
                filling.settle()
            made.append(filling.taken())
    filling.settle()
    return [*made, filling.taken()]


def ingested(files: Files, told: list[Any], random: Random) -> Manifest:
    """All events in an index, by several ingests."""
    parts = batches(told, random)
    while parts:
        ingest = Ingest.open(files)
        now, parts = parts[: 1 + random.randrange(len(parts))], parts[1 + random.randrange(len(parts)) :] if len(parts) > 3 else []
        for one in now:
            ingest.take(one)
            if random.random() < 0.3:
                ingest.flush()
        for one in parts[:1]:
            ingest.take(one)
        ingest.commit(ingest.manifest({}, [], (), 0))
    for one in batches(told, random):  # and what was left out, and everything once more
        ingest = Ingest.open(files)
        ingest.take(one)
        ingest.commit(ingest.manifest({}, [], (), 0))
        if random.random() < 0.8:
            break
    ingest = Ingest.open(files)
    for one in batches(told, random):
        ingest.take(one)
    return ingest.commit(ingest.manifest({}, [], (), 0))


def comparable(history: History) -> dict[str, Any]:
    return {
        "attempts": history.attempts,
        "reads": {job: found for job, found in history.job_reads.items() if found},
        "writes": {job: found for job, found in history.job_writes.items() if found},
        "exposed": history.exposed,
        "owners": history.owners,
        "said_by": history.said_by,
        "jobs": history.jobs,
        "datasets": {str(one): history.identities.names(one) for one in history.datasets},
    }


def faults(history: History, random: Random) -> list[Fault]:
    """Faults of every kind, of what there is."""
    runs = [one for one in history.attempts if one.kind == "run"]
    one, other = random.choice(runs), random.choice(runs)
    moments = sorted(moment for attempt in runs for moment in (attempt.start, attempt.end) if BEFORE < moment < AFTER)
    since = render(random.choice(moments))
    late = render(moments[len(moments) * 3 // 4])
    found = [
        Fault(job=str(one.job), since=since),
        Fault(job=str(other.job), since=late),
        Fault(job=str(other.job)),
        Fault(runs=(one.run_id, other.run_id)),
        Fault(runs=("nobody's",)),
        Fault(runs=(one.run_id,), until=str(render(moments[0]))),
        Fault(code_versions=("never ran",)),
    ]
    if one.nominal is not None:
        found.append(Fault(job=str(one.job), nominal=str(render(one.nominal[0]))[:10]))
    if one.code_version:
        found.append(Fault(job=str(one.job), code_versions=(one.code_version,)))
        found.append(Fault(code_versions=(one.code_version,), since=late))
    cells = [read.cell for read in one.reads] + [write.cell for write in (*one.writes, *other.writes)]
    if cells:
        cell = random.choice(cells)
        found += [
            Fault(cells=(str(cell),)),
            Fault(cells=(str(cell),), since=late),
            Fault(cells=(f"{cell.dataset}@*",), since=since),
        ]
    return found


def effects(history: History, random: Random) -> tuple[Effect, ...]:
    """Things that we did to some of the cells."""
    made = []
    for number in range(random.choice((0, 0, 1, 3))):
        one = random.choice(history.attempts)
        if not one.writes or one.end >= AFTER:
            continue
        cell = random.choice(one.writes).cell
        start = one.end + random.randrange(20) * HOUR
        kind: Any = random.choice(("purge", "revert"))
        made.append(
            Effect(
                f"{kind}-{number}", kind, cell, start, start + HOUR, random.random() < 0.8, "nothing" if kind == "purge" else "data"
            )
        )
        if random.random() < 0.5:
            undone = Effect(f"undo-{number}", "undo", cell, start + 2 * HOUR, start + 3 * HOUR, True, "data", f"{kind}-{number}")
            made.append(undone)
    return tuple(made)


def asked(query: Query | None, history: History, fault: Fault, fix: Fix | None, *, narrow: bool = False) -> Any:
    """The answer, or what was said instead of one."""
    try:
        known, radius = (history, blast(history, fault, fix)) if query is None else query.blast(fault, fix, narrow=narrow)
        reached = list(radius.attempts), list(radius.cells)
        return radius.to_json(), [one.to_json() for one in next_readers(known, radius, NOW)], reached
    except LineageError as error:
        return type(error), error.message, error.hint


def _changed(cell: Cell, told: tuple[Effect, ...], whole: History) -> bool:
    find = whole.identities.find
    return any(cell.dataset == find(one.cell.dataset) and overlap(cell.partition, one.cell.partition) for one in told)


def agree(raw: list[Any], rules: Declarations, seed: int, questions: list[Fault] | None = None) -> None:
    random = Random(seed)
    events = list(map(event, raw))
    declared = replace(rules, lost_after=random.choice((None, 2 * HOUR, 60 * HOUR)), _memo={})
    plain = build(events, declared)
    told = effects(plain, random) if plain.attempts else ()
    ended = {one.run_id: one.start + HOUR for one in plain.attempts if one.state == "OPEN" and random.random() < 0.3}
    whole = build(events, declared, effects=told, ended=ended)
    files = MemoryFiles()
    ingested(files, raw, random)
    index = Index.open(files)
    assert comparable(Query(index, declared, told, ended).whole()) == comparable(whole)
    made = {one.cell.dataset for one in told}
    wrote = [one for one in whole.attempts if one.kind != "run" or any(_changed(write.cell, told, whole) for write in one.writes)]
    assert Query(index, declared, told, ended).makers() == (wrote if made else [])
    for fault in questions if questions is not None else faults(whole, random):
        fix = random.choice((None, None, Fix("v2"), Fix(None, random.choice(whole.attempts).start)))
        query = Query(index, declared, told, ended)
        expected = asked(None, whole, fault, fix)
        for narrow in (False, True):
            assert asked(query, whole, fault, fix, narrow=narrow) == expected, f"seed {seed}: {fault} {fix} {narrow=}"


@pytest.mark.parametrize("seed", range(COMPANIES))
def test_an_index_of_a_company_answers_as_its_events_do(seed: int) -> None:
    made = company(seed, 12, 6, odd=True)
    agree(list(made.events()), made.declarations(), seed)


@pytest.mark.parametrize("block", range(2))
def test_an_index_of_nasty_histories_answers_as_their_events_do(block: int) -> None:
    for seed in range(block * STORIES // 2, (block + 1) * STORIES // 2):
        story = decode_runs(seeded(seed))
        raw = as_events(story)
        for one in raw:  # seconds apart, they would all be read with the day of any
            one["eventTime"] = render(EPOCH + (parse(one["eventTime"]) - EPOCH) * 30_000)
        random = Random(seed)
        raw += random.sample(raw, k=len(raw) // 3)
        random.shuffle(raw)
        declared = Declarations(datasets=DECLARED, skew=int(story.skew) * 30_000 * SECOND)
        agree(raw, declared, seed)


@pytest.mark.parametrize("block", range(2))
def test_an_index_of_odd_histories_answers_as_their_events_do(block: int) -> None:
    for seed in range(block * STORIES // 2, (block + 1) * STORIES // 2):
        odd = OddHistory(seed)
        agree(list(odd.events()), odd.declarations(), seed)
