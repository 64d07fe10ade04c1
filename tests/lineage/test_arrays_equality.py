"""Taint over columns answers as the engine does, word for word, over thousands of small nasty histories.

``ARRAY_HISTORIES=100000 pytest tests/lineage/test_arrays_equality.py`` asks that many more, from seeds 0 on.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from lineage.arrays import blast as columns
from lineage.arrays import facts, seeing
from lineage.arrays.facts import NotPlain
from lineage.arrays.ledger import ledger_of
from lineage.blast import blast
from lineage.blast_radius import BlastRadius
from lineage.errors import FaultError
from lineage.events import event
from lineage.fault import Fault, choose
from lineage.history import History, build
from lineage.overview import overview_of
from tests.bench.company import company
from tests.lineage.histories import decode, decode_runs, seeded
from tests.lineage.test_index_equality import faults
from tests.lineage.told import JOB, as_events, as_history, from_events

HISTORIES = int(os.environ.get("ARRAY_HISTORIES", "2000"))
COMPANIES = int(os.environ.get("ARRAY_COMPANIES", "6"))


def by_columns(history: History, fault: Fault) -> BlastRadius:
    ledger = ledger_of(history.attempts)
    judged = columns.judge(ledger, choose(history, fault), history.declarations.skew)
    return columns.radius_of(history, ledger, fault, judged)[0]


def _nothing() -> None:
    """For what is told apart from the rest."""


def said(radius: BlastRadius) -> dict[str, Any]:
    told = radius.overview
    groups = [(replace(one, through=_nothing, groups=tuple), one.through(), one.groups()) for one in told.by_dataset()]
    whole = {"whole": (list(radius.attempts), list(radius.cells))}
    return {**radius.to_json(), **whole, "overview": replace(told, by_dataset=tuple), "groups": groups}


def compare(history: History, fault: Fault, met: Counter[str], what: object) -> None:
    try:
        found = by_columns(history, fault)
    except (NotPlain, FaultError) as error:
        met[str(error)[:20]] += 1
        return
    met["plain"] += 1
    whole = blast(history, fault)
    assert said(found) == said(whole), what
    assert overview_of(found.attempts, found.cells).cells == found.overview.cells


def plainly(history: History) -> History:
    """The history as if nobody had named versions, and all that was done had been done by runs."""
    attempts = [
        replace(
            one,
            kind="run",
            reads=tuple(dict.fromkeys(replace(read, version=None, at=None, ignoring=frozenset()) for read in one.reads)),
            writes=tuple(replace(write, version=None) for write in one.writes),
        )
        for one in history.attempts
    ]
    return replace(history, attempts=tuple(attempts))


@pytest.fixture(params=range(2))
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Half of the histories; the second as if they were too many to be looked at together."""
    if request.param:
        monkeypatch.setattr(seeing, "_AT_ONCE", 1)
        monkeypatch.setattr(facts, "_DENSE", 0)
    return int(request.param)


def test_columns_answer_as_the_engine_does_over_nasty_histories(block: int) -> None:
    met: Counter[str] = Counter()
    for seed in range(block * HISTORIES // 2, (block + 1) * HISTORIES // 2):
        history = plainly(as_history(decode(seeded(seed))))
        compare(history, Fault(job=str(JOB), code_versions=("bad",)), met, seed)
    assert met["plain"] > HISTORIES // 16, met


def test_columns_answer_as_the_engine_does_over_nasty_events(block: int) -> None:
    met: Counter[str] = Counter()
    for seed in range(block * HISTORIES // 8, (block + 1) * HISTORIES // 8):
        story = decode_runs(seeded(seed))
        history = plainly(from_events(as_events(story), story.skew))
        for number, fault in enumerate(faults(history, Random(seed))):
            compare(history, fault, met, (seed, number))
    assert met["plain"] > HISTORIES // 16, met


@pytest.mark.parametrize("seed", range(COMPANIES))
def test_columns_answer_as_the_engine_does_over_companies(seed: int) -> None:
    made = company(seed, 14, 6, odd=bool(seed % 2))
    history = build(map(event, made.events()), made.declarations())
    met: Counter[str] = Counter()
    for number, fault in enumerate(faults(history, Random(seed))):
        compare(history, fault, met, (seed, number))
