"""What a revert plans, and where it says that it cannot know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lineage.declarations import DatasetRule, Declarations
from lineage.layouts import Layout
from lineage.timestamps import BEFORE, SECOND
from runbooks.consents import Consents
from runbooks.plan import CopyVersion, Plan, PutMarker
from runbooks.revert import plan_revert
from runbooks.survey import BucketState, KeyHistory
from tests.recovery_world import BUCKET, MS, World, cell, reached

DAY = cell("dt=2026-11-1")
KEY = "clean/orders/dt=2026-11-1/a"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def codes(plan: Plan) -> list[str]:
    return [one.code for one in plan.refused]


def test_only_serving_cells_are_reverted_unless_others_are_named(world: World) -> None:
    world.store.put(BUCKET, KEY, b"bad")
    plan = world.revert(reached(DAY, since=1))
    assert (plan.actions, plan.refused, plan.cells) == ((), (), ())
    assert len(world.revert(reached(DAY, since=1), consents=Consents(include=(str(DAY),))).actions) == 1


def test_an_unbounded_start_is_refused_without_before(world: World) -> None:
    good = world.store.put(BUCKET, KEY, b"good")
    moment = world.store.tick(5_000 * MS)
    world.store.tick(5_000 * MS)
    world.store.put(BUCKET, KEY, b"bad")
    one = reached(DAY, since=BEFORE, serving=True)
    plan = world.revert(one)
    assert codes(plan) == ["unbounded"]
    assert "--before" in plan.refused[0].why
    [action] = world.revert(one, consents=Consents(before=moment)).actions
    assert isinstance(action, CopyVersion)
    assert action.source_version_id == good


def test_a_time_on_a_whole_second_is_exact_where_the_server_tells_milliseconds(world: World) -> None:
    """One time in a thousand falls on .000; another of the same listing shows that the server does not cut to seconds."""
    world.store.now = 1_800_000_000 * SECOND - 7 * MS
    world.store.put(BUCKET, KEY, b"older")
    second = world.store.now = 1_800_000_000 * SECOND
    good = world.store.put(BUCKET, KEY, b"good")
    world.store.tick(600 * MS)
    world.store.put(BUCKET, KEY, b"bad")
    plan = world.revert(reached(DAY, since=second + 500 * MS, serving=True))
    assert [one.source_version_id for one in plan.actions if isinstance(one, CopyVersion)] == [good], plan.refused


def test_whole_seconds_are_not_read_as_exact(world: World) -> None:
    """A version of 10:00:00 may be of 10:00:00.999: whether that is before 10:00:00.5 nobody can say."""
    second = world.store.now = 1_800_000_000 * SECOND
    world.store.put(BUCKET, KEY, b"?")
    world.store.tick(60 * SECOND)
    for since, code in ((second + 500 * MS, "undecidable"), (second + 1, "undecidable"), (second, None), (second + SECOND, None)):
        plan = world.revert(reached(DAY, since=since, serving=True))
        assert codes(plan) == ([code] if code else [])
    one = reached(DAY, since=second + 500 * MS, serving=True)
    assert "--before" in world.revert(one).refused[0].why
    good = world.revert(one, consents=Consents(before=second + SECOND))
    assert (good.actions, good.refused, len(good.cells)) == ((), (), 1)
    bad = world.revert(one, consents=Consents(before=second))
    assert [type(action) for action in bad.actions] == [PutMarker]
    assert codes(world.revert(one, consents=Consents(before=second + 9 * SECOND))) == ["undecidable"]


def test_before_does_not_move_a_start_that_is_known(world: World) -> None:
    good = world.store.put(BUCKET, KEY, b"good")
    since = world.store.tick(5_000 * MS)
    world.store.tick()
    world.store.put(BUCKET, KEY, b"bad")
    world.store.tick(90 * SECOND)
    [action] = world.revert(reached(DAY, since=since, serving=True), consents=Consents(before=world.store.now)).actions
    assert isinstance(action, CopyVersion)
    assert action.source_version_id == good


def test_skew_widens_what_counts_as_bad(world: World) -> None:
    older = world.store.put(BUCKET, KEY, b"older")
    world.store.tick(10_000 * MS)
    world.store.put(BUCKET, KEY, b"within the skew")
    since = world.store.tick(2_000 * MS)
    [action] = world.revert(reached(DAY, since=since, serving=True), skew=5 * SECOND).actions
    assert isinstance(action, CopyVersion)
    assert action.source_version_id == older


def test_a_tie_between_object_and_marker_that_decides_is_refused(world: World) -> None:
    world.store.put(BUCKET, KEY, b"good")
    world.store.delete(BUCKET, KEY)
    since = world.store.tick(1_000 * MS)
    world.store.tick()
    world.store.put(BUCKET, KEY, b"bad")
    facts = world.facts(reached(DAY, since=since, serving=True))
    assert not plan_revert(facts, Consents()).refused
    survey = facts.surveys[DAY]
    [history] = survey.keys  # type: ignore[union-attr]
    unsure = replace(survey, keys=(KeyHistory(history.key, history.versions, ordered=False),))  # type: ignore[arg-type]
    plan = plan_revert(replace(facts, surveys={DAY: unsure}), Consents())
    assert codes(plan) == ["undecidable"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"storage_class": "GLACIER"}, "archived"),
        ({"storage_class": "DEEP_ARCHIVE"}, "archived"),
    ],
)
def test_versions_that_cannot_be_copied_are_refused(world: World, change: dict[str, object], code: str) -> None:
    world.store.put(BUCKET, KEY, b"good")
    since = world.store.tick(1_000 * MS)
    world.store.tick()
    world.store.put(BUCKET, KEY, b"bad")
    versions = world.store._versions[BUCKET, KEY]
    versions[1] = replace(versions[1], **change)  # type: ignore[arg-type]
    assert codes(world.revert(reached(DAY, since=since, serving=True))) == [code]


def test_an_archived_version_that_was_restored_and_a_large_one_are_copied(world: World) -> None:
    world.store.put(BUCKET, KEY, b"good")
    since = world.store.tick(1_000 * MS)
    world.store.tick()
    world.store.put(BUCKET, KEY, b"bad")
    versions = world.store._versions[BUCKET, KEY]
    versions[1] = replace(versions[1], storage_class="GLACIER", size=6 * 1000**3)
    facts = world.facts(reached(DAY, since=since, serving=True), deleting=False)
    plan = plan_revert(replace(facts, unreadable=lambda _bucket, _version: ""), Consents())
    assert codes(plan) == []
    assert [action.op for action in plan.actions] == ["copy-version"]


def test_a_storage_class_is_kept(world: World) -> None:
    world.store.put(BUCKET, KEY, b"good", "STANDARD_IA")
    since = world.store.tick(1_000 * MS)
    world.store.tick()
    world.store.put(BUCKET, KEY, b"bad")
    [action] = world.revert(reached(DAY, since=since, serving=True)).actions
    assert isinstance(action, CopyVersion)
    assert action.storage_class == "STANDARD_IA"


def test_a_protected_cell_gets_data_back_but_loses_none(world: World) -> None:
    world.rules = Declarations(datasets=(DatasetRule("*", partition=Layout("dt={dt}"), protected=True),))
    world.store.put(BUCKET, KEY, b"good")
    since = world.store.tick(1_000 * MS)
    world.store.tick()
    world.store.put(BUCKET, KEY, b"bad")
    one = reached(DAY, since=since, serving=True)
    assert len(plan_revert(world.facts(one, deleting=False), Consents(), 0, frozenset({DAY})).actions) == 1
    world.store.put(BUCKET, KEY + "2", b"bad")
    assert codes(plan_revert(world.facts(one, deleting=False), Consents(), 0, frozenset({DAY}))) == ["protected"]


def test_a_revert_never_touches_an_unversioned_bucket(world: World) -> None:
    world.store.put(BUCKET, KEY, b"bad")
    world.store.buckets[BUCKET] = BucketState(BUCKET, "Off")
    assert codes(world.revert(reached(DAY, since=1, serving=True), consents=Consents(include=(str(DAY),)))) == ["unversioned"]
