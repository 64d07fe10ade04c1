"""Our own effects are lineage: a purge drops, a revert cleanses, an undo writes again what it restores."""

from __future__ import annotations

from typing import Literal

import pytest

from lineage.attempts import Cell
from lineage.datasets import DatasetId
from lineage.declarations import DatasetRule, Declarations
from lineage.effects import Effect
from lineage.layouts import Layout
from lineage.partitions import parse_partition
from tests.lineage.openlineage import JSON, cells, history, ns, radius, ran, states

DECLARED = Declarations(datasets=(DatasetRule("*", partition=Layout("dt=%Y-%m-%d"), write="overwrite"),))


def effect(
    kind: Literal["revert", "purge", "undo"],
    start: str,
    end: str,
    *,
    part: str = "dt=2026-11-17",
    complete: bool = True,
    leaves: Literal["nothing", "data"] | None = None,
    plan: str = "p1",
    undoes: str | None = None,
) -> Effect:
    cell = Cell(DatasetId("s3://lake", "made"), parse_partition(part), known=True)
    return Effect(plan, kind, cell, ns(start), ns(end), complete, leaves or ("nothing" if kind == "purge" else "data"), undoes)


BAD = ran("01", "02", "bad", "maker", writes=["made/dt=2026-11-17"])


def look(*effects: Effect, also: list[JSON] | None = None) -> tuple[dict[str, str], dict[str, str]]:
    found = radius(history(BAD, also or [], declared=DECLARED, effects=effects), runs=("bad",))
    return cells(found), states(found)


def test_without_effects_the_cell_is_tainted() -> None:
    assert look()[0] == {"made@dt=2026-11-17": "TAINTED"}


@pytest.mark.parametrize("kind", ["purge", "revert"])
def test_our_own_effects_are_lineage_a_complete_purge_or_revert_cleanses(kind: Literal["purge", "revert"]) -> None:
    assert look(effect(kind, "03", "04"))[0] == {"made@dt=2026-11-17": "CLEANED"}


@pytest.mark.parametrize("kind", ["purge", "revert"])
def test_a_partial_one_does_not(kind: Literal["purge", "revert"]) -> None:
    assert look(effect(kind, "03", "04", complete=False))[0] == {"made@dt=2026-11-17": "SUSPECT"}


def test_a_purge_of_another_cell_changes_nothing() -> None:
    assert look(effect("purge", "03", "04", part="dt=2026-11-18"))[0] == {"made@dt=2026-11-17": "TAINTED"}


@pytest.mark.parametrize("kind", ["purge", "revert"])
def test_an_undo_taints_again(kind: Literal["purge", "revert"]) -> None:
    done = effect(kind, "03", "04")
    undone = effect("undo", "05", "06", plan="u1", undoes="p1")
    found, runs = look(done, undone)
    assert found == {"made@dt=2026-11-17": "TAINTED"}
    assert runs == {"bad": "TAINTED", "u1": "TAINTED"}


@pytest.mark.parametrize("ended", ["06", "05"])
def test_an_undo_of_the_undo_cleans_again(ended: str) -> None:
    done, undone = effect("purge", "03", "04"), effect("undo", "05", ended, plan="u1", undoes="p1")
    twice = effect("undo", "07", "08", plan="u2", undoes="u1", leaves="nothing")
    found, runs = look(done, undone, twice)
    assert found == {"made@dt=2026-11-17": "CLEANED"}
    assert runs == {"bad": "TAINTED", "u1": "TAINTED"}


def test_an_undo_restores_what_lay_there_before_and_not_what_came_between() -> None:
    remade = ran("05", "06", "remake", "maker", writes=["made/dt=2026-11-17"])
    undone = effect("undo", "07", "08", plan="u1", undoes="p1")
    assert look(effect("purge", "03", "04"), undone, also=remade)[0] == {"made@dt=2026-11-17": "TAINTED"}


def test_purging_again_after_an_undo_cleans_again() -> None:
    done, undone = effect("purge", "03", "04"), effect("undo", "05", "06", plan="u1", undoes="p1")
    again = effect("purge", "07", "08", plan="p2")
    assert look(done, undone, again)[0] == {"made@dt=2026-11-17": "CLEANED"}


def test_an_undo_of_what_was_clean_stays_clean() -> None:
    remade = ran("03", "04", "remake", "maker", writes=["made/dt=2026-11-17"])
    done, undone = effect("purge", "05", "06"), effect("undo", "07", "08", plan="u1", undoes="p1")
    found, runs = look(done, undone, also=remade)
    assert found == {"made@dt=2026-11-17": "CLEANED"}
    assert runs == {"bad": "TAINTED"}


def test_an_undo_of_an_effect_that_we_do_not_know_cleans_nothing() -> None:
    assert look(effect("undo", "05", "06", plan="u1", undoes="lost"))[0] == {"made@dt=2026-11-17": "TAINTED"}


def test_a_backfill_after_a_purge_is_clean() -> None:
    remade = ran("05", "06", "remake", "maker", writes=["made/dt=2026-11-17"])
    assert look(effect("purge", "03", "04"), also=remade)[0] == {"made@dt=2026-11-17": "CLEANED"}


def reader(start: str, end: str) -> list[JSON]:
    return ran(start, end, "reader", "reader", reads=["made/dt=2026-11-17"], writes=["next/dt=2026-11-17"])


@pytest.mark.parametrize(("start", "end"), [("04:30", "04:40"), ("03:30", "03:40"), ("02:30", "03:10")])
def test_a_read_of_what_we_purged_is_suspect_until_it_is_made_again(start: str, end: str) -> None:
    remade = ran("05", "06", "remake", "maker", writes=["made/dt=2026-11-17"])
    found, runs = look(effect("purge", "03", "04"), also=[*remade, *reader(start, end)])
    assert runs["reader"] in {"SUSPECT", "TAINTED"}
    assert found["next@dt=2026-11-17"] in {"SUSPECT", "TAINTED"}


def test_a_read_while_absent_says_so() -> None:
    known = history(BAD, reader("04:30", "04:40"), declared=DECLARED, effects=[effect("purge", "03", "04")])
    reached = next(one for one in radius(known, runs=("bad",)).attempts if one.run_id == "reader")
    assert (reached.state, reached.distance) == ("SUSPECT", 0)
    assert "absent" in (reached.reason or "")


def test_a_read_after_it_was_made_again_is_not_reached() -> None:
    remade = ran("05", "06", "remake", "maker", writes=["made/dt=2026-11-17"])
    assert "reader" not in look(effect("purge", "03", "04"), also=[*remade, *reader("07", "08")])[1]


def test_a_read_after_a_remake_that_failed_is_suspect() -> None:
    remade = ran("05", "06", "remake", "maker", writes=["made/dt=2026-11-17"], state="FAIL")
    assert look(effect("purge", "03", "04"), also=[*remade, *reader("07", "08")])[1]["reader"] == "SUSPECT"


def test_a_read_before_the_purge_stays_tainted_and_one_after_a_revert_is_clean() -> None:
    assert look(effect("purge", "05", "06"), also=reader("03", "04"))[1]["reader"] == "TAINTED"
    assert "reader" not in look(effect("revert", "03", "04"), also=reader("05", "06"))[1]


def test_a_revert_to_absence_is_absence() -> None:
    gone = effect("revert", "03", "04", leaves="nothing")
    assert look(gone, also=reader("05", "06"))[1]["reader"] == "SUSPECT"


def test_effects_are_no_attempts_of_a_job_and_never_seeds() -> None:
    known = history(BAD, declared=DECLARED, effects=[effect("purge", "03", "04")])
    assert [str(job) for job in known.jobs] == ["test/maker"]
    found = radius(known, cells=("s3://lake/made@dt=2026-11-17",))
    assert states(found) == {"bad": "TAINTED"}
