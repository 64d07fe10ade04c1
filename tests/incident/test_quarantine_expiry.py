"""Removing from quarantine for good: exactly the recorded copies, each only as it was recorded, however often it is tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from incident.home import IncidentFolder
from incident.quarantined import Removal, copies, remove
from runbooks.plan import Plan
from runbooks.survey import BucketState
from tests.aside_world import KINDS_OF_PLACE, VAULT, AsideWorld, Kind

OBJECTS = {"a": b"one", "deep/b": b"two", "_SUCCESS": b""}


@pytest.fixture(params=KINDS_OF_PLACE)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsideWorld:
    return laid(tmp_path, request.param)


def laid(folder: Path, kind: Kind, vault: BucketState | None = None) -> AsideWorld:
    made = AsideWorld(folder, kind=kind)
    if vault is not None:
        made.store.buckets[VAULT] = vault
    made.lay(OBJECTS)
    return made


def expire(world: AsideWorld, plan: Plan) -> Removal:
    def store(_bucket: str, _key: str) -> Any:
        return world.store

    return remove(cast("IncidentFolder", world), plan, store, lambda: None)


def purged(world: AsideWorld) -> Plan:
    plan = world.purge(world.reached)
    world.apply(plan)
    assert len(world.kept()) == len(OBJECTS)
    return plan


def test_every_recorded_copy_goes_and_a_second_time_nothing_is_left(world: AsideWorld) -> None:
    plan = purged(world)
    assert [one.size for one in copies(cast("IncidentFolder", world), plan)] == [0, 3, 3]
    assert expire(world, plan) == Removal(3, 6, 0, ())
    assert world.kept() == []
    assert expire(world, plan) == Removal(0, 0, 3, ())
    if world.kind == "local":
        assert not (world.folder / "lake" / "kept" / world.id).exists(), "nor any folder of the incident"
        assert (world.folder / "lake" / "kept").exists()


def test_what_is_not_the_recorded_copy_stays(world: AsideWorld) -> None:
    plan = purged(world)
    if world.kind == "local":
        (kept,) = (path for path in (world.folder / "lake" / "kept").rglob("a") if path.is_file())
        kept.write_bytes(b"eno")
    else:
        (key,) = (key for key in world.store.list_keys(VAULT, "") if key.endswith("/a"))
        world.store.put(VAULT, key, b"eno")
    found = expire(world, plan)
    assert (found.removed, [why for _, why in found.left]) == (2, ["it is not the copy that was recorded"])
    assert world.kept() == [b"eno"]


def test_what_others_put_there_stays(world: AsideWorld) -> None:
    plan = purged(world)
    if world.kind == "local":
        (world.folder / "lake" / "kept" / "INC-0").mkdir()
        (world.folder / "lake" / "kept" / "INC-0" / "x").write_bytes(b"theirs")
    else:
        world.store.put(VAULT, "incident/INC-0/x", b"theirs")
    assert expire(world, plan).removed == 3
    assert world.kept() == [b"theirs"]


def test_where_the_quarantine_keeps_versions_the_very_version_goes(tmp_path: Path) -> None:
    world = laid(tmp_path, "off", BucketState(VAULT, "Enabled"))
    plan = purged(world)
    assert expire(world, plan).removed == 3
    assert world.store.listing(VAULT) == {}, "no version is left, and no marker"


def test_what_lies_over_a_copy_without_versions_keeps_it(tmp_path: Path) -> None:
    world = laid(tmp_path, "off", BucketState(VAULT, "Suspended"))
    plan = purged(world)
    (key,) = (key for key in world.store.list_keys(VAULT, "") if key.endswith("/a"))
    world.store.buckets[VAULT] = BucketState(VAULT, "Enabled")
    world.store.put(VAULT, key, b"over it")
    found = expire(world, plan)
    assert (found.removed, [why for _, why in found.left]) == (2, ["something else lies over it"])
