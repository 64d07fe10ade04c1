"""Distinct values and ranks of times are what a plain look at each of them tells."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lineage.arrays.facts import Facts, distinct, side
from lineage.arrays.places import ranks
from lineage.timestamps import AFTER, BEFORE

TIMES = st.one_of(st.integers(0, 9), st.sampled_from((BEFORE, AFTER, BEFORE + 1, AFTER - 1)))


@given(values=st.lists(st.integers(0, 40), max_size=20), space=st.sampled_from((41, 1 << 40)))
def test_distinct_values_are_counted_off_however_many_there_could_be(values: list[int], space: int) -> None:
    found, which = distinct(np.array(values, np.int64), space)
    assert found.tolist() == sorted(set(values))
    assert found[which].tolist() == values


@given(spans=st.lists(st.tuples(TIMES, TIMES).map(sorted), min_size=1, max_size=8), skew=st.sampled_from((0, 2, AFTER)))
def test_ranks_are_in_the_order_of_the_times(spans: list[list[int]], skew: int) -> None:
    spans.sort()
    start, end = np.array(spans, np.int64).T
    nothing = side([])
    found = ranks(Facts(start, end, end > start, nothing, nothing, [], []), skew)
    told = {"start": start.tolist(), "end": end.tolist()}
    told["before"] = [at if at == BEFORE else max(at - skew, BEFORE) for at in told["start"]]
    told["after"] = [at if at == AFTER else min(at + skew, AFTER) for at in told["end"]]
    ranked = {at: rank for name, times in told.items() for at, rank in zip(times, getattr(found, name).tolist(), strict=True)}
    for name, times in told.items():
        assert getattr(found, name).tolist() == [ranked[at] for at in times]
    assert [ranked[at] for at in sorted(ranked)] == sorted(set(ranked.values()))
    assert max(ranked.values()) < found.count
    assert found.never == ranked.get(AFTER, found.count)
