"""Faults narrowed to columns: the engine answers as a slow oracle of its own does, and never reaches more than without columns.

When an attempt saw a write is the word of the oracle of DESIGN §5 (``oracle.py``); which columns went where is worked out here, by
loops over everything and without the code of the engine. ``*`` stands for every column.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from lineage.attempts import MERGED, Attempt, Mode
from lineage.blast import blast
from lineage.blast_radius import BlastRadius
from lineage.column_flow import ColumnFlow
from lineage.column_taint import Starts, spread_by_columns
from lineage.columns import ALL, ColumnLineage
from lineage.errors import FaultError
from lineage.events import Event
from lineage.fault import Fault, Seeds, choose
from lineage.history import History
from lineage.sweep import Sweep
from lineage.taint import WriteAt, spread
from tests.lineage.histories import decode, run_of, seeded
from tests.lineage.oracle import Deed, Place, Story, _may_see, _must_see, overlap, read_while_absent
from tests.lineage.told import as_history

COLUMNS = ("a", "b", "c")
EVERY = frozenset("*")
Set = frozenset[str]
HISTORIES = 1200


@dataclass(frozen=True)
class Facet:
    """What one attempt tells of one output: who feeds what, with how; and what decides the rows."""

    feeds: tuple[tuple[str, str, str, str], ...]  # output column, dataset, column, kind
    empty: tuple[str, ...]  # output columns made of nothing
    rows: tuple[tuple[str, str], ...]
    schema: Set | None

    @property
    def told(self) -> bool:
        return bool(self.feeds or self.empty or self.rows)

    @property
    def complete(self) -> bool:
        return bool(self.rows) or any(kind not in {"DIRECT", ""} for *_, kind in self.feeds)

    def as_facets(self) -> dict[str, Any]:
        fields: dict[str, Any] = {made: {"inputFields": []} for made in self.empty}
        for made, dataset, column, kind in self.feeds:
            changes = [{"type": "DIRECT"}] if kind == "DIRECT" else [{"type": "INDIRECT", "subtype": kind}] if kind else []
            source = {"namespace": "s3a://lake/", "name": dataset, "field": column, "transformations": changes}
            fields.setdefault(made, {"inputFields": []})["inputFields"].append(source)
        deciding = [{"namespace": "s3://lake", "name": dataset, "field": column} for dataset, column in self.rows]
        facets: dict[str, Any] = {"columnLineage": {"fields": fields, "dataset": deciding}}
        if self.schema:
            facets["schema"] = {"fields": [{"name": column} for column in sorted(self.schema)]}
        return facets


@dataclass(frozen=True)
class World:
    story: Story
    facets: dict[tuple[str, str], Facet]  # by deed and output


def world(seed: int) -> World:
    random = Random(seed)
    story = decode(seeded(seed))
    facets: dict[tuple[str, str], Facet] = {}
    for deed in story.deeds:
        sources = sorted({read.place.dataset for read in deed.reads}) or ["parts"]
        for output in sorted({write.place.dataset for write in deed.writes}):
            if random.random() < 0.1:
                continue
            kinds = ("DIRECT", "DIRECT", "", "CONDITIONAL", "FILTER") if random.random() < 0.4 else ("DIRECT", "DIRECT", "")
            feeds = {
                (random.choice(COLUMNS), random.choice(sources), random.choice(COLUMNS), random.choice(kinds))
                for _ in range(random.randrange(5))
            }
            rows = {(random.choice(sources), random.choice("abcccc")) for _ in range(random.choice((0, 1, 1, 2)))}
            empty = {random.choice(COLUMNS) for _ in range(random.choice((0, 0, 1)))}
            schema = frozenset(random.sample(COLUMNS, random.choice((1, 2, 3)))) if random.random() < 0.7 else None
            facets[deed.name, output] = Facet(tuple(sorted(feeds)), tuple(sorted(empty)), tuple(sorted(rows)), schema)
    return World(story, facets)


# --- the oracle ----------------------------------------------------------------------------------------------------------


def flow(facet: Facet | None, source: str, column: str) -> tuple[Set, Set]:
    """The output columns that one input column certainly and possibly reaches."""
    nothing: Set = frozenset()
    if facet is None or not facet.told:
        return nothing, EVERY
    mentioned = {field for _, dataset, field, _ in facet.feeds if dataset == source}
    mentioned |= {field for dataset, field in facet.rows if dataset == source}
    if not mentioned:
        return nothing, EVERY
    deciding = set(facet.rows) | {(dataset, field) for _, dataset, field, kind in facet.feeds if kind == "FILTER"}
    if (source, column) in deciding:
        return nothing, EVERY
    direct = {made for made, dataset, field, kind in facet.feeds if (dataset, field) == (source, column) and kind in {"DIRECT", ""}}
    reached = {made for made, dataset, field, _ in facet.feeds if (dataset, field) == (source, column)}
    if not reached and not (facet.complete and facet.schema):
        return nothing, EVERY
    dark = (facet.schema or frozenset()) - {made for made, *_ in facet.feeds} - set(facet.empty)
    return frozenset(direct), frozenset(reached | dark)


def plus(left: Set, right: Set) -> Set:
    return EVERY if "*" in left | right else left | right


def through(told: World, r: Deed, source: Place, output: int, columns: Set, *, certain: bool) -> Set:
    target = r.writes[output]
    if r.ours or "*" in columns or (target.mode == "MERGE" and target.place == source):
        return columns
    found: Set = frozenset()
    for column in columns:
        found = plus(found, flow(told.facets.get((r.name, target.place.dataset)), source.dataset, column)[0 if certain else 1])
    return found


@dataclass
class Answer:
    attempts: dict[str, str]
    columns: dict[tuple[str, int], Set]


def judge(told: World, named: Set) -> Answer | None:
    """None when nothing that the fault chose has the columns."""
    story = told.story
    may: dict[tuple[str, int], Set] = {}
    must: dict[tuple[str, int], Set] = {}
    seeds = set()
    for deed in story.deeds:
        if deed.name not in story.seeds | story.suspect_seeds or deed.ours:
            continue
        began = not deed.writes
        for number, write in enumerate(deed.writes):
            facet = told.facets.get((deed.name, write.place.dataset))
            known = facet is not None and facet.schema is not None
            there = named
            if facet is not None and facet.schema is not None:
                there = named & (facet.schema | {made for made, *_ in facet.feeds} | set(facet.empty))
            if not there:
                continue
            began = True
            may[deed.name, number] = there
            if deed.name in story.seeds and (known or len({one.place.dataset for one in deed.writes}) == 1):
                must[deed.name, number] = there
        if began:
            seeds.add(deed.name)
    if not seeds:
        return None
    reached = set(seeds)
    for deed in story.deeds:
        if read_while_absent(story, deed):
            reached.add(deed.name)
            may |= {(deed.name, number): EVERY for number in range(len(deed.writes))}
    convicted = {name for name in seeds if name in story.seeds}
    reached |= _grow(told, may, certain=False)
    convicted |= _grow(told, must, certain=True)
    return Answer({name: "TAINTED" if name in convicted else "SUSPECT" for name in reached}, may)


def _grow(told: World, sets: dict[tuple[str, int], Set], *, certain: bool) -> set[str]:
    """Rounds over everything until nothing changes; the result is who was reached on the way."""
    story, reached = told.story, set()
    while True:
        before = dict(sets)
        for w in story.deeds:
            for number, x in enumerate(w.writes):
                columns = sets.get((w.name, number))
                if not columns:
                    continue
                for r in story.deeds:
                    for y in r.reads:
                        saw = (
                            overlap(x.place, y.place) and _must_see(story, w, x.place, r, y)
                            if certain
                            else _may_see(story, w, x.place, r, y.place)
                        )
                        if not saw:
                            continue
                        if not r.writes and (not certain or "*" in columns):
                            reached.add(r.name)
                        for output in range(len(r.writes)):
                            got = through(told, r, y.place, output, columns, certain=certain)
                            if got:
                                sets[r.name, output] = plus(sets.get((r.name, output), frozenset()), got)
                                reached.add(r.name)
        if sets == before:
            return reached


# --- the engine ----------------------------------------------------------------------------------------------------------


def engine_history(told: World) -> History:
    lineage = ColumnLineage()
    for (name, output), facet in told.facets.items():
        raw = {"outputs": [{"namespace": "s3://lake", "name": output, "facets": facet.as_facets()}]}
        lineage.hear(raw, Event(0, "OTHER", run_of(name), None))
    plain = as_history(told.story)
    return replace(plain, attempts=tuple(map(_with_merges, plain.attempts)), columns=lineage)


def _with_merges(one: Attempt) -> Attempt:
    merged = {write.cell for write in one.writes if write.mode is Mode.MERGE}
    return replace(one, reads=tuple(replace(read, reason=MERGED) if read.cell in merged else read for read in one.reads))


def radius(history: History, columns: tuple[str, ...]) -> BlastRadius | None:
    try:
        return blast(history, Fault(job="test/job", code_versions=("bad",), columns=columns))
    except FaultError:
        return None


def states(found: BlastRadius) -> dict[str, str]:
    return {f"{one.run_id}#{one.number}": one.state for one in found.attempts}


def engine_columns(history: History, told: World) -> dict[tuple[str, int], Set]:
    """By write, from the cells' union: the engine's answer read off each cell by itself."""
    found = radius(history, ("a",))
    assert found is not None
    cells = {
        Place(
            one.cell.dataset.name, tuple((key, str(value)) for key, value in one.cell.partition.items) or None, known=False
        ): EVERY if one.columns is None else frozenset(one.columns)
        for one in found.cells
    }
    return {
        (deed.name, number): cells[replace(write.place, known=False)]
        for deed in told.story.deeds
        for number, write in enumerate(deed.writes)
        if replace(write.place, known=False) in cells
    }


def expected_columns(answer: Answer, told: World) -> dict[tuple[str, int], Set]:
    bad = [
        (write.place, answer.columns[deed.name, number])
        for deed in told.story.deeds
        for number, write in enumerate(deed.writes)
        if answer.columns.get((deed.name, number))
    ]
    exact = {(place.dataset, place.keys) for place, _ in bad}
    found = {}
    for deed in told.story.deeds:
        for number, write in enumerate(deed.writes):
            if (write.place.dataset, write.place.keys) in exact:
                union: Set = frozenset()
                for place, columns in bad:
                    union = plus(union, columns) if overlap(place, write.place) else union
                found[deed.name, number] = union
    return found


@pytest.mark.parametrize("block", range(4))
def test_the_engine_agrees_with_the_oracle_on_attempts_and_columns(block: int) -> None:
    narrowed = 0
    for seed in range(block * HISTORIES // 4, (block + 1) * HISTORIES // 4):
        told = world(seed)
        history, answer = engine_history(told), judge(told, frozenset("a"))
        found = radius(history, ("a",))
        assert (found is None) == (answer is None), seed
        if found is None or answer is None:
            continue
        assert states(found) == answer.attempts, seed
        assert engine_columns(history, told) == expected_columns(answer, told), seed
        narrowed += any(one.columns is not None for one in found.cells)
    assert narrowed > HISTORIES // 20  # else they say nothing


def test_columns_never_reach_more_than_no_columns_and_more_columns_never_less() -> None:
    fewer = 0
    for seed in range(500):
        history = engine_history(world(seed))
        plain, one, two = radius(history, ()), radius(history, ("a",)), radius(history, ("a", "b"))
        assert plain is not None
        if one is not None:
            assert two is not None, seed
            _within(one, two, seed)
        if two is not None:
            _within(two, plain, seed)
            fewer += len(two.attempts) < len(plain.attempts)
    assert fewer > 5


def _within(small: BlastRadius, large: BlastRadius, seed: int) -> None:
    inner, outer = states(small), states(large)
    assert inner.keys() <= outer.keys(), seed
    assert all(outer[name] == "TAINTED" for name, state in inner.items() if state == "TAINTED"), seed
    cells = {one.cell: one for one in large.cells}
    for one in small.cells:
        there = cells.get(one.cell) or next(other for cell, other in cells.items() if _same(cell, one.cell))
        assert there.columns is None or (one.columns is not None and set(one.columns) <= set(there.columns)), seed
        assert there.since <= one.since, seed


def _same(left: Any, right: Any) -> bool:
    return bool(left.dataset == right.dataset and left.partition == right.partition)


def test_all_columns_everywhere_is_the_plain_engine() -> None:
    for seed in range(500):
        history = engine_history(world(seed))
        seeds = choose(history, Fault(job="test/job", code_versions=("bad",)))
        sweep = Sweep(history)
        plain = spread(sweep, seeds)
        starts = all_of(sweep, seeds)
        found = spread_by_columns(sweep, seeds, starts, ColumnFlow(history.columns or ColumnLineage(), history.attempts, _as_is))
        assert (found.may, found.must) == (plain.may, plain.must), seed
        assert (found.may_writes, found.must_writes) == (plain.may_writes, plain.must_writes), seed
        assert set(found.columns.values()) <= {None}, seed
        assert found.distances == plain.distances, seed


def all_of(sweep: Sweep, seeds: Seeds) -> Starts:
    def writes(indexes: set[int]) -> dict[WriteAt, Any]:
        return {(index, number): ALL for index in indexes for number in range(len(sweep.attempts[index].writes))}

    return Starts(writes({*seeds.must, *seeds.may}), writes({*seeds.must}))


def _as_is(dataset: Any) -> Any:
    return dataset
