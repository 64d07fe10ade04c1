"""The engine answers as the oracle does, over thousands of small nasty histories.

``ORACLE_HISTORIES=100000 pytest tests/lineage/test_taint_oracle.py`` plays that many more, from seeds 0 on.
"""

from __future__ import annotations

import os
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lineage.histories import decode, decode_runs, run_stories, seeded, stories, with_merge_reads, with_missing_lineage
from tests.lineage.oracle import Story, judge
from tests.lineage.told import as_events, engine, engine_by_events, one_cell_a_name, verdict

CHECKS = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
HISTORIES = int(os.environ.get("ORACLE_HISTORIES", "4000"))


def agree(story: Story) -> None:
    assert engine(story) == one_cell_a_name(judge(story))


def agree_by_events(told: Story, shuffle: int) -> None:
    raw = as_events(told)
    random = Random(shuffle)
    raw += random.sample(raw, k=len(raw) // 3)  # late, early and twice
    random.shuffle(raw)
    radius = engine_by_events(raw, told.skew)
    assert radius is not None
    assert verdict(radius) == one_cell_a_name(judge(as_heard(told)))


def as_heard(told: Story) -> Story:
    """What events mean beyond what they say."""
    return replace(told, deeds=with_missing_lineage(tuple(with_merge_reads(deed) for deed in told.deeds)))


@settings(CHECKS, max_examples=1000)
@given(stories())
def test_the_engine_answers_as_the_oracle_does(story: Story) -> None:
    agree(story)


@settings(CHECKS, max_examples=500)
@given(run_stories(), st.integers(0, 1000))
def test_the_engine_answers_as_the_oracle_does_when_it_hears_of_it_by_events(told: Story, shuffle: int) -> None:
    agree_by_events(told, shuffle)


@pytest.mark.parametrize("block", range(4))
def test_the_engine_answers_as_the_oracle_does_from_seeds(block: int) -> None:
    for seed in range(block * HISTORIES // 4, (block + 1) * HISTORIES // 4):
        story = decode(seeded(seed))
        if engine(story) != one_cell_a_name(judge(story)):
            pytest.fail(f"seed {seed}: {story}")
        if seed % 4 == 0:
            agree_by_events(decode_runs(seeded(seed)), seed)
