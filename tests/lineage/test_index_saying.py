"""What rows say of the partitions of their references is what a plain reading of their slots says."""

from __future__ import annotations

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lineage.index import saying
from lineage.index.saying import said_once

NAMES = st.sampled_from(["dt=1", "dt=2", 'a"],null],[1,["b', "c\\d", "", "é,]"])
SLOTS = st.lists(st.tuples(st.integers(0, 3), st.lists(NAMES, max_size=2)), max_size=3, unique_by=lambda one: one[0])


def said(texts: list[str], width: int, copies: int, kind: str = "string") -> list[dict[int, tuple[str, ...]] | None]:
    """Of a row for each text, its partitions by position; None where it is to be looked at by itself."""
    rows = np.ones(len(texts), np.int64)
    found = said_once(np.arange(len(texts)), pa.array(["", *texts]).cast(kind)[1:], rows * width, rows * copies, width)
    parts = [None if of < 0 else enumerate(found.parts[of].tolist()) for of in found.of.tolist()]
    return [None if some is None else {at: found.texts[one] for at, one in some if one >= 0} for some in parts]


def text(slots: list[tuple[int, list[str]]], width: int, copies: int) -> str:
    return orjson.dumps([[at + width * copy, parts, None] for copy in range(copies) for at, parts in slots]).decode()


@pytest.mark.parametrize(("block", "factor"), [(1 << 14, saying._ODD), (2, saying._ODD), (1 << 14, np.uint64(0))])
@given(several=st.lists(SLOTS, min_size=1, max_size=6), copies=st.integers(1, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_row_says_what_its_own_slots_say(
    monkeypatch: pytest.MonkeyPatch, block: int, factor: np.uint64, several: list[list[tuple[int, list[str]]]], copies: int
) -> None:
    """However few texts are cut together, and where all forms have the same sum."""
    monkeypatch.setattr(saying, "_BLOCK", block)
    monkeypatch.setattr(saying, "_ODD", factor)
    told = [{at: tuple(parts) for at, parts in sorted(slots)} for slots in several]
    assert said([text(sorted(slots), 4, copies) for slots in several], 4, copies) == told


@pytest.mark.parametrize("copies", [2, 63, 64, 70])
def test_copies_that_differ_are_looked_at_by_themselves(copies: int) -> None:
    same = text([(0, ["dt=1"])], 1, copies)
    last = same[: same.rindex("dt=1")] + "dt=2" + same[same.rindex("dt=1") + 4 :]
    for kind in ("string", "large_string"):
        assert said([same, last], 1, copies, kind) == [{0: ("dt=1",)}, None]


@pytest.mark.parametrize(
    "slots",
    [
        [[0, ["dt=1"], None], [3, ["dt=1"], None]],  # of another position
        [[0, ["dt=1", "dt=2"], None], [2, ["dt=1"], None]],  # fewer names
        [[0, ["dt=1"], None], [2, ["dt=1"], "7"]],  # a version
        [[0, ["dt=1"], "7"], [2, ["dt=1"], "7"]],  # the same version
        [[0, ["dt=1"], None]],  # only one
    ],
)
def test_copies_of_another_form_are_looked_at_by_themselves(slots: list[list[object]]) -> None:
    assert said([orjson.dumps(slots).decode()], 2, 2) == [None]
