"""The promises of DESIGN §4–§5 that stand in bold, each a sentence that Hypothesis tries to refute."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lineage.attempts import Attempt, Cell
from lineage.blast import blast
from lineage.blast_radius import BlastRadius
from lineage.fault import Fault, choose
from lineage.partitions import overlap
from lineage.sweep import Sweep
from lineage.taint import spread
from tests.lineage.histories import run_stories, stories
from tests.lineage.oracle import INF, Deed, Place, Story
from tests.lineage.oracle import Read as OracleRead
from tests.lineage.oracle import Write as OracleWrite
from tests.lineage.told import as_events, as_history, from_events

CHECKS = settings(deadline=None, derandomize=True, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
BAD = Fault(job="test/job", code_versions=("bad",))
DIRTY = frozenset({"TAINTED", "SUSPECT"})


def reached(radius: BlastRadius, states: frozenset[str] = DIRTY | {"CLEANED"}) -> list[Cell]:
    return [one.cell for one in radius.cells if one.state in states]


def names(radius: BlastRadius, states: frozenset[str] = DIRTY) -> set[tuple[str, int]]:
    return {(one.run_id, one.number) for one in radius.attempts if one.state in states}


def covered(cells: list[Cell], by: list[Cell]) -> bool:
    """Whether each of the cells overlaps one of the others."""
    return all(any(one.dataset == other.dataset and overlap(one.partition, other.partition) for other in by) for one in cells)


@CHECKS
@given(stories())
def test_must_lies_within_may(story: Story) -> None:
    history = as_history(story)
    taint = spread(Sweep(history), choose(history, BAD))
    assert taint.must <= taint.may
    assert taint.must_writes <= taint.may_writes


@CHECKS
@given(stories(), st.integers(0, 2**16))
def test_a_larger_fault_never_has_a_smaller_radius(story: Story, chosen: int) -> None:
    runs = [deed.name for deed in story.deeds if not deed.ours]
    more = {name for bit, name in enumerate(runs) if chosen >> bit & 1}
    perhaps = {name for bit, name in enumerate(runs) if chosen >> (bit + 8) & 1}
    larger = replace(story, seeds=story.seeds | more, suspect_seeds=(story.suspect_seeds | perhaps) - story.seeds - more)
    small, large = blast(as_history(story), BAD), blast(as_history(larger), BAD)
    assert names(small) <= names(large)
    assert names(small, frozenset({"TAINTED"})) <= names(large, frozenset({"TAINTED"}))
    for states in (DIRTY | {"CLEANED"}, DIRTY, frozenset({"TAINTED"})):
        assert {str(cell) for cell in reached(small, states)} <= {str(cell) for cell in reached(large, states)}
    since = {str(one.cell): one.since for one in large.cells}
    assert all(since[str(one.cell)] <= one.since for one in small.cells)


def _forgetting(attempt: Attempt, chosen: int) -> Attempt:
    """The attempt with some of its partitions forgotten; what lies whole stays whole."""

    def forget(cell: Cell, bit: int) -> Cell:
        return Cell(cell.dataset) if cell.partition and chosen >> bit & 1 else cell

    reads = tuple(replace(read, cell=forget(read.cell, bit)) for bit, read in enumerate(attempt.reads))
    writes = tuple(replace(write, cell=forget(write.cell, bit + 4)) for bit, write in enumerate(attempt.writes))
    return replace(attempt, reads=reads, writes=writes)


@CHECKS
@given(stories(), st.lists(st.integers(0, 255), min_size=9, max_size=9))
def test_forgetting_partition_knowledge_never_uncovers_a_cell_that_was_may_reached(story: Story, chosen: list[int]) -> None:
    history = as_history(story)
    vague = replace(history, attempts=tuple(map(_forgetting, history.attempts, chosen)))
    before, after = blast(history, BAD), blast(vague, BAD)
    assert names(before) <= names(after)
    assert covered(reached(before), reached(after))
    assert covered(reached(before, DIRTY), reached(after, DIRTY))


def _without_subsets(raw: list[dict[str, Any]], random: Random) -> list[dict[str, Any]]:
    """The events with some mentions of partitions left out: of a mention in all events of its attempt, or in none."""
    told: list[dict[str, Any]] = []
    for one in raw:
        changed = dict(one)
        for side in ("inputs", "outputs"):
            keep = [random.random() < 0.6 for _ in one[side]]
            facets = {"inputs": "inputFacets", "outputs": "outputFacets"}[side]
            changed[side] = [
                item if kept else {key: value for key, value in item.items() if key != facets}
                for item, kept in zip(one[side], keep, strict=True)
            ]
        told.append(changed)
    return told


@CHECKS
@given(run_stories(), st.integers(0, 10_000))
def test_events_that_forget_partitions_never_uncover_a_cell_that_was_may_reached(told: Story, seed: int) -> None:
    raw = as_events(told)
    before = blast(from_events(raw, told.skew), Fault(code_versions=("bad",)))
    after = blast(from_events(_without_subsets(raw, Random(seed)), told.skew), Fault(code_versions=("bad",)))
    assert names(before) <= names(after)
    assert covered(reached(before), reached(after))
    assert covered(reached(before, DIRTY), reached(after, DIRTY))


@CHECKS
@given(run_stories(), st.integers(0, 10_000))
def test_order_and_duplicates_of_events_change_nothing(told: Story, seed: int) -> None:
    raw = as_events(told)
    random = Random(seed)
    again = [*raw, *random.choices(raw, k=random.randrange(1, 6))]
    random.shuffle(again)
    first = blast(from_events(raw, told.skew), Fault(code_versions=("bad",)))
    second = blast(from_events(again, told.skew), Fault(code_versions=("bad",)))
    assert first.to_json() == second.to_json()


def test_events_that_tie_in_everything_but_their_data_are_read_alike_in_any_order() -> None:
    def wrote(name: str, materialized: str) -> dict[str, Any]:
        output = {"namespace": "s3://lake", "name": name, "facets": {"dbt_model": {"config": {"materialized": materialized}}}}
        job = {"namespace": "test", "name": "job"}
        return {
            "eventType": "COMPLETE",
            "eventTime": "2026-11-18T00:00:00Z",
            "run": {"runId": "r"},
            "job": job,
            "outputs": [output],
        }

    raw = [wrote("parts", "table"), wrote("parts", "incremental"), wrote("more", "table")]
    told = {from_events([raw[index] for index in order]).attempts for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0))}
    assert len(told) == 1


@CHECKS
@given(stories(), st.integers(0, 14), st.sampled_from(["OVERWRITE", "DROP"]), st.integers(0, 20))
def test_cleaning_a_cell_never_cleans_those_who_read_it_meanwhile(story: Story, when: int, mode: str, pick: int) -> None:
    places = sorted({write.place for deed in story.deeds for write in deed.writes if write.place.known}, key=str)
    if not places:
        return
    place: Place = places[pick % len(places)]
    cleaner = Deed("cleaner#0", when, when + 1, "COMPLETE", writes=(OracleWrite(place, mode),))
    cleaned = replace(story, deeds=(*story.deeds, cleaner))
    before, after = blast(as_history(story), BAD), blast(as_history(cleaned), BAD)
    meanwhile = {_key(deed) for deed in story.deeds if deed.start < cleaner.end or deed.start == -INF}
    seen_before = names(before) & meanwhile
    assert seen_before <= names(after)
    certain = {_key(deed) for deed in story.deeds if deed.end + story.skew < cleaner.start}
    assert names(before, frozenset({"TAINTED"})) & certain <= names(after, frozenset({"TAINTED"}))


def _key(deed: Deed) -> tuple[str, int]:
    run_id, _, number = deed.name.partition("#")
    return run_id, int(number)


def test_a_cell_cleaned_after_a_read_leaves_its_reader_tainted() -> None:
    place, other = Place("parts", (("p", "a"),), known=True), Place("more", (("p", "a"),), known=True)
    story = Story(
        (
            Deed("bad#0", 1, 2, "COMPLETE", writes=(OracleWrite(place, "OVERWRITE"),)),
            Deed("reader#0", 3, 4, "COMPLETE", reads=(OracleRead(place),), writes=(OracleWrite(other, "OVERWRITE"),)),
            Deed("cleaner#0", 5, 6, "COMPLETE", writes=(OracleWrite(place, "OVERWRITE"),)),
            Deed("late#0", 7, 8, "COMPLETE", reads=(OracleRead(place),)),
        ),
        seeds=frozenset({"bad#0"}),
    )
    radius = blast(as_history(story), BAD)
    assert names(radius) == {("bad", 0), ("reader", 0)}
    assert {(one.cell.dataset.name, one.state) for one in radius.cells} == {("parts", "CLEANED"), ("more", "TAINTED")}
