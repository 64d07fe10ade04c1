"""What every place without versions promises, held against each: a local folder, and real buckets that keep none or null ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from incident.journal import read_journal
from runbooks.plan import BringBack
from tests.aside_world import DAY, AsideWorld, Kind, kept_copy
from tests.live_store import live
from tests.recovery_world import BUCKET
from tests.s3_server import LiveServer

ODD_NAMES = {
    "a b": b"1",
    "a+b": b"2",
    "a%2Fb": b"3",
    "a&b<c>\"d'": b"4",
    "é": b"5",
    "日本/x=1": b"6",
    "😀": b"7",
    "trailing ": b"8",
    " leading": b"",
    "x/_SUCCESS": b"",
    ".hidden": b"10",
}
SERVED: tuple[Kind, ...] = ("off", "suspended", "nulls")


@pytest.fixture(params=["local", *SERVED])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsideWorld:
    if request.param == "local":
        return AsideWorld(tmp_path, kind="local")
    server: LiveServer = request.getfixturevalue("ministack")
    return AsideWorld(tmp_path, store=live(server), kind=request.param)


def test_odd_names_go_and_come_back(world: AsideWorld) -> None:
    names = ODD_NAMES | ({"\x01": b"9"} if world.kind == "local" else {})  # ministack answers 500 about a bucket with such a key
    world.lay(names)
    plan = world.purge(world.reached)
    assert not plan.refused
    applied = world.apply(plan)
    assert (applied.done, applied.exit_code) == (len(names), 0), applied.notes
    assert world.lying() == {}
    assert sorted(world.kept()) == sorted(names.values())
    undo = world.undo(plan)
    assert all(isinstance(action, BringBack) and not action.writers_stopped for action in undo.actions)
    assert world.apply(undo).exit_code == 0
    assert world.lying() == names


def test_what_changed_since_the_plan_is_drift_and_stays(world: AsideWorld) -> None:
    before = {"deleted": b"1", "rewritten": b"2", "same": b"3", "plain": b"4"}
    world.lay(before)
    plan = world.purge(world.reached)
    world.store.tick()
    world.delete("deleted")
    world.put("rewritten", b"new")
    world.put("same", before["same"])
    applied = world.apply(plan)
    assert (applied.done, applied.drifted) == (1, 3)
    assert world.lying() == {"rewritten": b"new", "same": before["same"]}
    outcomes = read_journal(world.journal_dir, plan.id).outcomes
    assert sorted(one.status for one in outcomes.values()) == ["done", "drifted", "drifted", "drifted"]


def test_what_was_set_aside_never_comes_back_over_new_data(world: AsideWorld) -> None:
    world.lay({"a": b"1", "b": b"2"})
    plan = world.purge(world.reached)
    world.apply(plan)
    undo = world.undo(plan)
    world.put("a", b"made again")
    applied = world.apply(undo)
    assert (applied.done, applied.drifted) == (1, 1)
    assert world.lying() == {"a": b"made again", "b": b"2"}


@pytest.mark.parametrize("world", ["local", "off", "suspended"], indirect=True)
def test_a_kept_copy_comes_and_goes_again(world: AsideWorld) -> None:
    """A bucket with versioning enabled goes back by its versions instead."""
    copy = kept_copy(world, {"changed": b"good", "same": b"same", "added": b"more"})
    world.store.tick()
    before = {"changed": b"bad", "same": b"same", "extra": b"bad too"}
    world.lay(before)
    plan = world.revert_to(copy)
    assert not plan.refused
    assert world.apply(plan).exit_code == 0
    assert world.lying() == {"changed": b"good", "same": b"same", "added": b"more"}
    assert world.apply(world.undo(plan)).exit_code == 0
    assert world.lying() == before


@pytest.mark.parametrize("kind", SERVED)
def test_what_an_object_is_besides_its_bytes_comes_back_with_it(tmp_path: Path, ministack: LiveServer, kind: Kind) -> None:
    world = AsideWorld(tmp_path, store=live(ministack), kind=kind)
    name = world.store._names[BUCKET].name  # type: ignore[attr-defined]
    key = f"clean/orders/{DAY}/a"
    ministack.client.put_object(
        Bucket=name, Key=key, Body=b"one", Metadata={"owner": "pricing"}, ContentType="text/x-csv", Tagging="team=a&b=c"
    )
    world.lay({})
    plan = world.purge(world.reached)
    world.apply(plan)
    world.apply(world.undo(plan))
    found = ministack.client.get_object(Bucket=name, Key=key)
    assert (found["Body"].read(), found["Metadata"], found["ContentType"]) == (b"one", {"owner": "pricing"}, "text/x-csv")
    tags = ministack.client.get_object_tagging(Bucket=name, Key=key)["TagSet"]
    assert sorted((tag["Key"], tag["Value"]) for tag in tags) == [("b", "c"), ("team", "a")]
