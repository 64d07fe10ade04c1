"""What rows say of the partitions of their references is what a plain reading of their slots says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.index.saying import Saying
from lineage.index.slots import Slot, read, written

NAMES = st.sampled_from(["dt=1", "dt=2", 'a"],null],[1,["b', "c\\d", "", "é,]"])
SLOTS = st.lists(
    st.tuples(st.integers(0, 3), st.lists(NAMES, max_size=3).map(tuple), st.sampled_from([None, None, None, "7"])),
    max_size=3,
    unique_by=lambda one: one[0],
)
WIDTH = 4


def said(rows: list[tuple[str | None, str | None]], width: int, copies: int) -> list[dict[int, tuple[str, ...]] | None]:
    """Of each row its partitions by position; None where it is to be looked at by itself."""
    forms, lists = (list(dict.fromkeys(one for one in column if one is not None)) for column in zip(*rows, strict=True))
    numbers = [
        [-1 if one is None else of.index(one) for one in column]
        for of, column in zip((forms, lists), zip(*rows, strict=True), strict=True)
    ]
    every = np.ones(len(rows), np.int64)
    found = Saying(np.array(numbers[0]), pa.array(forms, pa.string()), np.array(numbers[1]), pa.array(lists, pa.string())).said(
        every * width, every * copies
    )
    parts = [None if of < 0 else enumerate(found.parts[of].tolist()) for of in found.of.tolist()]
    return [None if some is None else {at: found.texts[one] for at, one in some if one >= 0} for some in parts]


@given(events=st.lists(st.tuples(st.integers(0, 9), SLOTS), max_size=4))
def test_slots_are_read_as_they_were_written(events: list[tuple[int, list[Slot]]]) -> None:
    assert read(*written(events)) == [(offset + at, *rest) for offset, slots in events for at, *rest in slots]


@given(several=st.lists(st.tuples(SLOTS, SLOTS | st.none()), min_size=1, max_size=6), copies=st.integers(1, 3))
def test_each_row_says_what_its_own_slots_say(several: list[tuple[list[Slot], list[Slot] | None]], copies: int) -> None:
    """Each row is of so many events, the last of which may say something else."""
    events = [[first] * (copies - 1) + [first if last is None else last] for first, last in several]
    rows = [written((WIDTH * number, slots) for number, slots in enumerate(some)) for some in events]
    told: list[dict[int, tuple[str, ...]] | None] = []
    for some in events:
        plain = all(one == some[0] for one in some) and all(version is None for _, _, version in some[0])
        told.append({at: parts for at, parts, _ in sorted(some[0], key=lambda one: one[0])} if plain else None)
    assert said(rows, WIDTH, copies) == told


@pytest.mark.parametrize(
    "slots",
    [
        [(0, ("dt=1",), None), (3, ("dt=1",), None)],  # the second event another reference
        [(0, ("dt=1", "dt=2"), None), (2, ("dt=1",), None)],  # fewer partitions
        [(0, ("dt=1",), None), (2, ("dt=1",), "7")],  # a version
        [(0, ("dt=1",), "7"), (2, ("dt=1",), "7")],  # the same version
        [(0, ("dt=1",), None)],  # nothing
        [(2, ("dt=1",), None)],  # the first nothing
    ],
)
def test_copies_of_another_form_are_looked_at_by_themselves(slots: list[Slot]) -> None:
    events = [(0, [one for one in slots if one[0] < 2]), (2, [(one[0] - 2, one[1], one[2]) for one in slots if one[0] >= 2])]
    assert said([written(events)], 2, 2) == [None]


def test_what_repeats_is_written_once() -> None:
    """However often a partition is named, and by how many events."""
    hour: list[Slot] = [(0, ("h=1",), None), (2, ("h=1", "h=2"), None)]
    slots, partitions = written([(0, hour), (3, []), (6, hour)])
    assert (slots, partitions) == ("[[0,6],[[0,[0]],[2,[0,1]]]]", '["h=1","h=2"]')
