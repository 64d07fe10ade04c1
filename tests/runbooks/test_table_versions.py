"""The last good version: by the order of the table's history, by what lineage says, and by times only where they decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.timestamps import BEFORE, SECOND
from runbooks.plan import Refusal
from runbooks.table_survey import TableVersion
from runbooks.table_versions import good_version

MS = 1_000_000
T = 1_700_000_000 * SECOND


def history(*times: int) -> list[TableVersion]:
    return [TableVersion(f"v{at}", T + time * MS, "write") for at, time in enumerate(times)]


def good(found: Sequence[TableVersion], since: int, **more: Any) -> int | Refusal:
    said = {"skew": 0, "before": None, "begins": True, **more}
    return good_version("a", found, since if since <= BEFORE else T + since * MS, said.pop("skew"), said.pop("before"), **said)


def code(found: int | Refusal) -> str:
    assert isinstance(found, Refusal)
    return found.code


def test_it_is_the_last_one_committed_before_the_first_bad_write_began() -> None:
    versions = history(0, 10, 20, 30)
    assert good(versions, 15) == 1
    assert good(versions, 15, skew=6 * MS) == 0
    assert good(versions, 40) == 3


def test_before_the_first_there_was_nothing_unless_older_versions_have_expired() -> None:
    assert good(history(10, 20), 5) == -1
    found = good(history(10, 20), 5, begins=False)
    assert code(found) == "expired"
    assert isinstance(found, Refusal)
    assert "v1 at 2023-11-14T22:13:20.02Z (write)" in found.why, "the candidates are told"


def test_a_commit_of_the_very_millisecond_is_decided_by_hand_and_only_nearby() -> None:
    versions = history(0, 10, 20)
    since = T + 10 * MS + 300
    assert code(good_version("a", versions, since, 0, None, begins=True)) == "undecidable"
    assert good_version("a", versions, since, 0, T + 9 * MS, begins=True) == 0
    assert good_version("a", versions, since, 0, T + 11 * MS, begins=True) == 1
    assert code(good_version("a", versions, since, 0, T + 5 * SECOND, begins=True)) == "undecidable"


def test_commits_out_of_the_order_of_their_times_are_refused_where_it_matters() -> None:
    assert code(good(history(0, 30, 20), 25)) == "undecidable"
    assert good(history(0, 30, 20, 40), 35) == 2


def test_without_a_time_somebody_has_to_say_it() -> None:
    assert code(good(history(0, 10), BEFORE)) == "unbounded"
    assert good(history(0, 10), BEFORE, before=T + 5 * MS) == 0


def test_versions_that_lineage_names_decide_over_times() -> None:
    versions = history(0, 10, 20, 30)
    assert good(versions, 5, bad={"v2"}, named=True) == 1, "a clean commit while the bad run was at work stays"
    assert good(versions, 5, bad={"v2"}) == 0, "but not when another bad run told no version"
    assert good(versions, 25, bad={"v1"}) == 0, "clocks may be wrong"
    assert good(versions, BEFORE, bad={"v1"}, named=True) == 0
    assert good(versions, 15, bad={"gone"}) == 1


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(0, 60), st.integers(0, 20))
def test_no_version_committed_since_the_fault_is_ever_good(times: list[int], since: int, skew: int) -> None:
    found = good(history(*times), since, skew=skew * MS)
    if not isinstance(found, Refusal):
        assert all(time < since - skew for time in times[: found + 1])
        assert found == len(times) - 1 or times[found + 1] >= since - skew


def test_a_larger_skew_never_goes_back_less_far() -> None:
    versions = history(*range(0, 100, 10))
    found = [good(versions, 77, skew=skew * MS) for skew in range(0, 70, 7)]
    assert found == sorted(found, key=lambda at: -at if isinstance(at, int) else 0)


@pytest.mark.parametrize("begins", [True, False])
def test_an_empty_history_is_nothing_or_unknown(begins: bool) -> None:
    found = good([], 5, begins=begins)
    assert found == -1 if begins else code(found) == "expired"
