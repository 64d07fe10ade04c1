"""The compact state of a journal says what plain dictionaries would say, in a fraction of their room."""

from __future__ import annotations

import tracemalloc
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from incident.compact import Numbers, Texts
from incident.journal import Journal, Outcome, read_journal
from incident.journal_state import JournalState, Outcomes, Status, ranges, spread

INDICES = st.integers(0, 40)
STATUSES: st.SearchStrategy[Status] = st.sampled_from(["done", "failed", "drifted", "unknown"])
OUTCOMES = st.builds(Outcome, STATUSES, st.none() | st.text(max_size=5), st.sampled_from(["", "moved", "SlowDown"]))
T = 1_700_000_000_000_000_000


def same(found: MutableMapping[int, Any], steps: list[tuple[int, Any]]) -> dict[int, Any]:
    """Sets, or with None removes, in both; they never differ."""
    plain: dict[int, Any] = {}
    for index, value in steps:
        if value is None:
            assert found.pop(index, None) == plain.pop(index, None)
        else:
            found[index] = plain[index] = value
        assert found == plain
        assert len(found) == len(plain)
        assert list(found) == sorted(plain)
        assert (index in found) == (index in plain)
    return plain


@given(st.lists(st.tuples(INDICES, st.none() | st.integers(-(2**60), 2**60))))
def test_numbers_are_a_dictionary(steps: list[tuple[int, int | None]]) -> None:
    same(Numbers(), steps)


@given(st.lists(st.tuples(INDICES, st.none() | st.text(st.characters(codec=None), max_size=8))))
def test_texts_are_a_dictionary(steps: list[tuple[int, str | None]]) -> None:
    same(Texts(), steps)


@given(st.lists(st.tuples(INDICES, st.none() | OUTCOMES)))
def test_outcomes_are_a_dictionary_that_counts(steps: list[tuple[int, Outcome | None]]) -> None:
    found = Outcomes()
    plain = same(found, steps)
    for status in ("done", "failed", "drifted", "unknown"):
        assert found.count(status) == sum(one.status == status for one in plain.values())
        assert list(found.but(status)) == sorted(index for index, one in plain.items() if one.status != status)


@given(st.sets(INDICES))
def test_ranges_are_what_they_are_made_of(indices: set[int]) -> None:
    assert list(spread(ranges(indices))) == sorted(indices)


def test_what_is_done_as_made_is_kept_once_and_read_back(tmp_path: Path) -> None:
    with Journal(tmp_path, "purge-0123456789ab", {}) as journal:
        journal.begin(4, T)
        journal.intent(range(4), T)
        journal.made({0: "m0", 1: "m1", 2: "m2"}, T)
        journal.outcome({0: Outcome("done", "m0"), 1: Outcome("done", "m1"), 2: Outcome("drifted", None, "moved")}, T + 1)
        journal.outcome({3: Outcome("done", "adopted")}, T + 2)
        kept = journal.state
        text = journal.path.read_text()
    found = read_journal(tmp_path, "purge-0123456789ab")
    assert (
        found.outcomes
        == kept.outcomes
        == {
            0: Outcome("done", "m0"),
            1: Outcome("done", "m1"),
            2: Outcome("drifted", None, "moved"),
            3: Outcome("done", "adopted"),
        }
    )
    assert not found.doubtful
    assert not found.made
    assert found.finished(4)
    assert not found.finished(5)
    assert text.count("m0") == 1


def test_a_journal_of_very_many_actions_takes_some_ten_megabytes() -> None:
    """A hundred bytes an action, as a bound that leaves room for other interpreters; objects would take ten times that."""
    count = 20_000
    state = JournalState()
    tracemalloc.start()
    try:
        for start in range(0, count, 1_000):
            pair = [[start, start + 999]]
            made = {str(index): f"{index:036}" for index in range(start, start + 1_000)}
            state.read({"type": "intent", "at": "2026-11-20T00:00:00Z", "actions": pair})
            state.read({"type": "made", "at": "2026-11-20T00:00:00Z", "versions": made})
            state.read({"type": "outcome", "at": "2026-11-20T00:00:01Z", "done": pair, "results": {}})
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert state.finished(count)
    assert used < 100 * count


@given(st.lists(st.tuples(st.sets(st.integers(0, 12)), st.sampled_from(["done", "one by one", "drifted", "unknown", "intent"]))))
def test_settling_many_at_once_is_settling_each(steps: list[tuple[set[int], str]]) -> None:
    at_once, one_by_one = JournalState(), JournalState()
    for number, (indices, how) in enumerate(steps):
        said: dict[str, Any] = {"at": "2026-11-20T00:00:00Z", "type": "outcome", "results": {}}
        if how == "intent":
            for state in (at_once, one_by_one):
                state.read({**said, "type": "intent", "actions": ranges(indices), "since": "2026-11-19T00:00:00Z"})
                state.read({**said, "type": "made", "versions": {str(one): f"v{number}-{one}" for one in indices if one % 3}})
            continue
        if how != "done":
            results = {str(one): [how, "v" if one % 2 else None, "a note"] for one in indices}
            if how == "one by one":
                results = {str(one): ["done", at_once.made.get(one), ""] for one in indices}
            at_once.read({**said, "results": results})
            one_by_one.read({**said, "results": results})
            continue
        made = {str(one): ["done", one_by_one.made.get(one), ""] for one in indices}
        at_once.read({**said, "done": ranges(indices)})
        one_by_one.read({**said, "results": made})
    assert repr(at_once) == repr(one_by_one)
    assert len(at_once.outcomes) == len(one_by_one.outcomes) == len(list(at_once.outcomes))
    assert at_once.count("done") == one_by_one.count("done")
    assert len(at_once.doubtful) == len(one_by_one.doubtful) == len(list(at_once.doubtful))
