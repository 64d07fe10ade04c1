"""What a purge plans, and what it refuses unless somebody names it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lineage.declarations import DatasetRule, Declarations
from lineage.layouts import Layout
from runbooks.consents import Consents, blocking
from runbooks.facts import Place
from runbooks.plan import Plan, PutMarker
from runbooks.survey import BucketState, Expiry
from tests.recovery_world import BUCKET, ORDERS, World, cell, reached

DAY = cell("dt=2026-11-1")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    for key in ("dt=2026-11-1/a", "dt=2026-11-1/b", "dt=2026-11-1/_SUCCESS", "dt=2026-11-10/a"):
        made.store.put(BUCKET, f"clean/orders/{key}", b"12345")
    made.store.put(BUCKET, "clean/orders/dt=2026-11-1/gone", b"1")
    made.store.delete(BUCKET, "clean/orders/dt=2026-11-1/gone")
    return made


def codes(plan: Plan) -> list[str]:
    return [one.code for one in plan.refused]


def test_a_purge_covers_the_current_objects_of_tainted_cells_and_nothing_else(world: World) -> None:
    before = world.listing()
    plan = world.purge(reached(DAY))
    assert [action.key.rpartition("/")[2] for action in plan.actions if isinstance(action, PutMarker)] == ["_SUCCESS", "a", "b"]
    assert plan.bytes == 15
    assert not plan.refused
    assert world.listing() == before


def test_an_empty_radius_is_refused_and_never_skipped(world: World) -> None:
    plan = world.purge()
    assert codes(plan) == ["empty"]
    assert blocking(plan, Consents(skip_refused=True))


def test_cleaned_cells_are_left_alone_even_when_named(world: World) -> None:
    plan = world.purge(reached(DAY, "CLEANED"))
    assert (plan.actions, plan.refused) == ((), ())
    assert codes(world.purge(reached(DAY, "CLEANED"), consents=Consents(include=(str(DAY),)))) == ["not-included"]


@pytest.mark.parametrize("name", ["s3://lake/clean/orders@dt=2026-11-1", "clean/orders@dt=2026-11-1", "orders@dt=2026-11-1"])
def test_suspect_cells_are_purged_only_when_named(world: World, name: str) -> None:
    suspect = reached(DAY, "SUSPECT")
    plan = world.purge(suspect)
    assert (codes(plan), plan.actions) == (["suspect"], ())
    assert "--include" in plan.refused[0].why
    named = world.purge(suspect, consents=Consents(include=(name,)))
    assert len(named.actions) == 3
    assert not named.refused
    assert any("SUSPECT" in warning for warning in named.warnings)


def test_a_name_that_is_no_cell_or_several_is_refused(world: World) -> None:
    cells = (reached(DAY, "SUSPECT"), reached(cell("dt=2026-11-10"), "SUSPECT"))
    for name in ("orders@dt=2026-11-2", "orders", "@dt=2026-11-1", "rders@dt=2026-11-1", "*", ""):
        assert "not-included" in codes(world.purge(*cells, consents=Consents(include=(name,))))


def test_cells_that_cannot_be_made_again_are_refused_unless_named(world: World) -> None:
    assert codes(world.purge(reached(DAY), makeable=False)) == ["not-remakeable"]
    assert world.purge(reached(DAY), makeable=False, consents=Consents(include=(str(DAY),))).actions


def test_cells_with_an_open_writer_are_refused_unless_named_or_stopped(world: World) -> None:
    assert codes(world.purge(reached(DAY, open_writer=True))) == ["open-writer"]
    assert world.purge(reached(DAY, open_writer=True), consents=Consents(writers_stopped=True)).actions
    assert world.purge(reached(DAY, open_writer=True), consents=Consents(include=(str(DAY),))).actions


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (BucketState(BUCKET, "Enabled", (Expiry("", 7),)), "expiring"),
        (BucketState(BUCKET, "Enabled", (Expiry("clean/", 29),)), "expiring"),
        (BucketState(BUCKET, "Enabled", (Expiry("clean/orders/dt=2026-11-1/b", 1),)), "expiring"),
        (BucketState(BUCKET, "Enabled", (), lifecycle_known=False), "expiring"),
        (BucketState(BUCKET, "Enabled", (Expiry("", 30),)), None),
        (BucketState(BUCKET, "Enabled", (Expiry("raw/", 1),)), None),
        (BucketState(BUCKET, "Suspended"), "no-quarantine"),
        (BucketState(BUCKET, "Off"), "no-quarantine"),
        (BucketState(BUCKET, "Enabled", mfa_delete=True), "mfa-delete"),
    ],
)
def test_buckets_that_would_lose_the_purged_versions_are_refused(world: World, state: BucketState, code: str | None) -> None:
    world.store.buckets[BUCKET] = state
    assert codes(world.purge(reached(DAY))) == ([] if code is None else [code])
    named = world.purge(reached(DAY), consents=Consents(include=(str(DAY),)))
    assert codes(named) == ([] if code in {None, "expiring"} else [code])


def test_current_null_versions_count_as_unversioned_even_when_named(world: World) -> None:
    """One that lies beneath a version with an id stays where it is when that is covered."""
    history = world.store._versions[BUCKET, "clean/orders/dt=2026-11-1/a"]
    history.append(replace(history[0], version_id="null"))
    assert world.purge(reached(DAY)).actions
    history[0] = replace(history.pop(), last_modified=history[0].last_modified)
    assert codes(world.purge(reached(DAY), consents=Consents(include=(str(DAY),)))) == ["no-quarantine"]


def test_a_missing_bucket_and_a_missing_mapping_are_refused_by_name(world: World) -> None:
    del world.store.buckets[BUCKET]
    assert codes(world.purge(reached(DAY))) == ["no-bucket"]
    assert codes(world.purge(reached(replace(DAY, dataset=ORDERS._replace(namespace="hive"))))) == ["no-mapping"]


def test_a_prefix_under_which_nothing_ever_lay_is_refused(world: World) -> None:
    assert codes(world.purge(reached(cell("dt=2026-12-1")))) == ["nothing-there"]


@pytest.mark.parametrize("key", ["clean/orders/_delta_log/0.json", "clean/.hoodie/x", "clean/orders/metadata/1.metadata.json"])
def test_a_table_s_files_are_never_touched_one_by_one(world: World, key: str) -> None:
    world.store.put(BUCKET, key, b"x")
    assert codes(world.purge(reached(DAY), consents=Consents(include=(str(DAY),)))) == ["table-format"]


def test_home_quarantine_and_other_datasets_are_not_taken_along(world: World) -> None:
    inside = "clean/orders/dt=2026-11-1/incidents/"
    assert codes(world.purge(reached(DAY), places=(Place("the incident home", BUCKET, inside),))) == ["keep-out"]
    other = ORDERS._replace(name="clean/orders/dt=2026-11-1/audit")
    assert codes(world.purge(reached(DAY), places=(Place("the dataset x", BUCKET, inside, other),))) == ["contains"]
    own = Place("itself", BUCKET, "clean/orders/", ORDERS)
    assert codes(world.purge(reached(DAY), places=(own, Place("the quarantine", BUCKET, "quarantine/")))) == []


@pytest.mark.parametrize("prefix", ["clean/orders/dt=2026-11-1/", "clean/", ""])
@pytest.mark.parametrize("what", ["the incident home", "the quarantine", "the lineage"])
def test_what_lies_in_a_place_of_ours_is_never_touched_even_when_named(world: World, what: str, prefix: str) -> None:
    plan = world.purge(reached(DAY), places=(Place(what, BUCKET, prefix),), consents=Consents(include=(str(DAY),)))
    assert (codes(plan), plan.actions) == (["keep-out"], ())


@pytest.mark.parametrize(
    ("root", "whole"),
    [("clean/orders/", False), ("clean/orders/dt=2026-11-1/", False), ("clean/", True)],
)
def test_data_that_another_dataset_has_in_the_same_place_is_not_taken_along(world: World, root: str, whole: bool) -> None:
    own = Place("itself", BUCKET, "clean/orders/", ORDERS)
    other = Place("the dataset x", BUCKET, root, ORDERS._replace(name="x"), whole)
    plan = world.purge(reached(DAY), places=(own, other))
    assert (codes(plan), plan.actions) == (["contains"], ())
    assert "the dataset x" in plan.refused[0].why
    assert world.purge(reached(DAY), places=(own, other), consents=Consents(include=(str(DAY),))).actions
    beside = Place("the dataset x", BUCKET, "clean/", ORDERS._replace(name="x"))
    assert world.purge(reached(DAY), places=(own, beside)).actions


def test_two_cells_in_one_place_are_not_both_purged(world: World) -> None:
    world.rules = Declarations(
        datasets=(
            DatasetRule("s3://lake/clean/*", partition=Layout("dt={dt}")),
            DatasetRule("s3://lake/clean/all", partition=False, location="s3://lake/clean"),
        )
    )
    everything = cell("*", ORDERS._replace(name="clean/all"))
    plan = world.purge(reached(DAY), reached(everything))
    assert (len(plan.actions), codes(plan)) == (3, ["overlap"])


def test_caps_must_be_raised_by_hand(world: World) -> None:
    plan = world.purge(reached(DAY), consents=Consents(max_objects=2, max_bytes=14, skip_refused=True))
    assert codes(plan) == ["cap-objects", "cap-bytes"]
    assert len(blocking(plan, Consents(skip_refused=True))) == 2
    assert codes(world.purge(reached(DAY), consents=Consents(max_objects=3, max_bytes=15))) == []


def test_a_serving_cell_that_was_not_reverted_is_warned_about(world: World) -> None:
    assert any("not reverted" in warning for warning in world.purge(reached(DAY, serving=True)).warnings)


def test_two_engineers_get_one_id_and_another_effect_another_id(world: World, tmp_path: Path) -> None:
    plan = world.purge(reached(DAY))
    assert plan.id == world.purge(reached(DAY)).id
    assert replace(plan, previous="purge-x").id != plan.id
    world.store.put(BUCKET, "clean/orders/dt=2026-11-1/a", b"new")
    assert world.purge(reached(DAY)).id != plan.id
