"""Places without versions: what is set aside is whole in quarantine, comes back by undo, and no concurrent write is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from incident.errors import StorageUnreachable
from incident.executor import apply, resume
from runbooks.consents import Consents
from runbooks.guarantees import EVERYTHING, Guarantees
from runbooks.plan import BringBack, SetAside
from runbooks.survey import BucketState
from tests.aside_world import DAY, KINDS_OF_PLACE, VAULT, AsideWorld, Kind, around, around_files, kept_copy
from tests.recovery_world import BUCKET

OBJECTS = {"a": b"one", "b": b"two", "_SUCCESS": b"", "deep/c": b"three"}
PAIR = {"a": b"one", "b": b"two"}


@pytest.fixture(params=KINDS_OF_PLACE)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsideWorld:
    return laid(tmp_path, request.param)


def laid(folder: Path, kind: Kind, objects: dict[str, bytes] | None = None) -> AsideWorld:
    folder.mkdir(parents=True, exist_ok=True)
    world = AsideWorld(folder, kind=kind)
    world.lay(OBJECTS if objects is None else objects)
    return world


def test_where_no_versions_are_kept_a_purge_goes_to_quarantine_and_its_undo_brings_it_back(world: AsideWorld) -> None:
    plan = world.purge(world.reached)
    assert not plan.refused
    assert [action.op for action in plan.actions] == ["set-aside"] * len(OBJECTS)
    applied = world.apply(plan)
    assert (applied.done, applied.exit_code) == (len(OBJECTS), 0)
    assert world.lying() == {}
    assert sorted(world.kept()) == sorted(OBJECTS.values())
    world.store.tick()
    undo = world.undo(plan)
    assert not undo.refused
    assert world.apply(undo).exit_code == 0
    assert world.lying() == OBJECTS
    assert sorted(world.kept()) == sorted(OBJECTS.values()), "the copies stay"
    world.store.tick()
    again = world.purge(world.reached)
    assert again.id != plan.id
    assert world.apply(again).done == len(OBJECTS)
    assert world.lying() == {}


def test_what_was_written_between_plan_and_apply_stays(world: AsideWorld) -> None:
    plan = world.purge(world.reached)
    world.store.tick()
    world.put("a", b"new")
    world.put("b", OBJECTS["b"])
    world.delete("deep/c")
    world.put("stray", b"stray")
    applied = world.apply(plan)
    assert (applied.done, applied.drifted, applied.strays, applied.exit_code) == (1, 3, 1, 5)
    assert world.lying() == {"a": b"new", "b": OBJECTS["b"], "stray": b"stray"}
    undo = world.undo(plan)
    assert [refusal.code for refusal in undo.refused] == ["rewritten"]


@pytest.mark.parametrize("step", ["copy_object", "delete_object"])
@pytest.mark.parametrize("kind", ["off", "suspended", "nulls"])
def test_what_is_written_just_before_a_step_stays(tmp_path: Path, kind: Kind, step: str) -> None:
    """With other bytes the condition tells; with the same bytes the time does, or the list of versions."""
    for data in (b"new", PAIR["a"]):
        world = laid(tmp_path / f"{data!r}", kind, PAIR)
        plan = world.purge(world.reached)
        wrote: list[bytes] = []

        def act(
            name: str, whole: Callable[[], Any], world: AsideWorld = world, data: bytes = data, wrote: list[bytes] = wrote
        ) -> Any:
            if name == step and not wrote:
                world.store.tick()
                wrote.append(data)
                world.put("a", data)
                world.put("b", b"other")
            return whole()

        applied = world.apply(plan, around(world.store, act))
        assert world.lying()["b"] == b"other"
        if step == "copy_object" or data == b"new" or kind == "nulls":
            assert (applied.drifted, world.lying()["a"]) == (2, data)
        else:
            # The same bytes between our last look and the deletion: nobody can tell, and nothing is lost.
            assert (applied.drifted, data in world.kept()) == (1, True)


@pytest.mark.parametrize("kind", ["off", "suspended", "nulls"])
def test_what_is_written_right_after_the_deletion_keeps_the_cell_from_counting_as_purged(tmp_path: Path, kind: Kind) -> None:
    world = laid(tmp_path, kind, PAIR)
    plan = world.purge(world.reached)

    def act(name: str, whole: Callable[[], Any]) -> Any:
        found = whole()
        if name == "delete_object" and "a" not in world.lying():
            world.put("a", b"new")
        return found

    applied = world.apply(plan, around(world.store, act))
    assert (applied.done, applied.drifted, world.lying()) == (1, 1, {"a": b"new"})
    assert sorted(world.kept()) == sorted(PAIR.values())


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("step", ["rename", "fingerprint", "name_too"])
def test_files_that_are_replaced_while_they_are_taken_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, same: bool
) -> None:
    """Also by files with the same bytes: what was taken is told by its place on the disk and its time."""
    world = laid(tmp_path, "local")
    plan = world.purge(world.reached)
    after = OBJECTS if same else dict.fromkeys(OBJECTS, b"new")
    wrote: list[str] = []

    def act(name: str, whole: Callable[[], Any]) -> Any:
        if name == step and not wrote:
            wrote.append(name)
            for one, data in after.items():
                world.put(one, data)
        return whole()

    for where, name, by in around_files(act):
        monkeypatch.setattr(where, name, by)
    applied = world.apply(plan)
    assert world.lying() == after
    assert applied.drifted == len(OBJECTS), "also where one was taken before, its cell is not empty"


def test_a_program_that_writes_on_into_a_file_that_was_moved_keeps_it(tmp_path: Path) -> None:
    world = laid(tmp_path, "local")
    plan = world.purge(world.reached)
    performer = world.performer(plan, None)
    with world.path("a").open("ab") as held:
        finish = performer.finish

        def late(journal: Any) -> None:
            held.write(b" and more")
            held.flush()
            finish(journal)

        performer.finish = late  # type: ignore[method-assign]
        applied = apply(replace(world.execution(plan, None), performer=performer))
    assert (applied.done, applied.strays, applied.exit_code) == (len(OBJECTS), 1, 5)
    assert world.lying() == {"a": b"one and more"}


def test_a_cell_in_which_nothing_lay_is_looked_at_in_the_end(world: AsideWorld) -> None:
    for name in OBJECTS:
        world.delete(name)
    plan = world.purge(world.reached, consents=Consents(include=(str(world.cell),)))
    assert (len(plan.actions), len(plan.cells)) == (0, 1)
    assert world.apply(plan).exit_code == 0
    world.store.tick()
    later = replace(plan, previous=plan.id)
    world.put("a", b"new")
    assert world.apply(later).strays == 1


def test_an_undo_never_covers_what_was_made_since(world: AsideWorld) -> None:
    plan = world.purge(world.reached)
    world.apply(plan)
    world.store.tick()
    undo = world.undo(plan)
    world.put("a", b"made again")
    applied = world.apply(undo)
    assert (applied.done, applied.drifted, applied.failed) == (len(OBJECTS) - 2, 1, 1)
    assert world.lying() == {**{name: OBJECTS[name] for name in ("b", "deep/c")}, "a": b"made again"}, (
        "and no word that all is there"
    )


def test_an_undo_leaves_what_was_written_before_it_was_planned(world: AsideWorld) -> None:
    plan = world.purge(world.reached)
    world.apply(plan)
    world.store.tick()
    world.put("a", b"made again")
    assert [refusal.code for refusal in world.undo(plan).refused] == ["rewritten"]
    named = world.undo(plan, Consents(include=(str(world.cell),)))
    assert sorted(action.key[-1] for action in named.actions if isinstance(action, BringBack)) == ["S", "b", "c"]
    world.apply(named)
    assert world.lying()["a"] == b"made again"


@pytest.mark.parametrize("world", ["off", "suspended", "local"], indirect=True)
def test_the_undo_of_a_revert_leaves_what_was_written_over_the_kept_copy(world: AsideWorld) -> None:
    plan = world.revert_to(kept_copy(world, {"a": b"good a", "b": b"good b"}))
    world.apply(plan)
    world.store.tick()
    world.put("a", b"made again")
    undo = world.undo(plan, Consents(include=(str(world.cell),)))
    assert not [action for action in undo.actions if isinstance(action, SetAside | BringBack) and action.key.endswith("/a")]
    world.apply(undo)
    assert world.lying() == {**OBJECTS, "a": b"made again"}


@pytest.mark.parametrize("step", ["copy_object", "delete_object", "history"])
@pytest.mark.parametrize("kind", ["off", "suspended", "nulls"])
def test_a_lost_answer_is_looked_for_at_once(tmp_path: Path, kind: Kind, step: str) -> None:
    world = laid(tmp_path, kind, PAIR)
    plan = world.purge(world.reached)
    lost: list[str] = []

    def act(name: str, whole: Callable[[], Any]) -> Any:
        found = whole()
        if name == step and not lost:
            lost.append(name)
            raise StorageUnreachable("the answer was lost", "")
        return found

    applied = world.apply(plan, around(world.store, act))
    assert applied.done == 2 - (step != "delete_object")
    if step != "delete_object":
        assert applied.unknown == 1
        assert resume(world.execution(plan, None)).done == 2
    assert world.lying() == {}


@pytest.mark.parametrize("kind", ["off", "suspended", "nulls"])
def test_an_undo_never_covers_what_is_written_just_before_it_comes_back(tmp_path: Path, kind: Kind) -> None:
    """Where a copy's condition is ignored, a put's is used; where neither is known, nothing comes back without a word."""
    for number, honoured in enumerate((EVERYTHING.honoured, ("conditional-delete", "put-if-absent"), ("conditional-delete",))):
        world = laid(tmp_path / str(number), kind, PAIR)
        plan = world.purge(world.reached)
        world.apply(plan)
        world.store.tick()
        state = world.store.state(BUCKET)
        guarantees = Guarantees(honoured, ignored=tuple(one for one in EVERYTHING.honoured if one not in honoured))
        world.store.buckets[BUCKET] = replace(state, guarantees=guarantees)
        undo = world.undo(plan)
        if "put-if-absent" not in honoured:
            assert [refusal.code for refusal in undo.refused] == ["no-conditional-put"]
            named = world.undo(plan, Consents(writers_stopped=True))
            assert all(action.writers_stopped for action in named.actions if isinstance(action, BringBack))
            assert world.apply(named).exit_code == 0
            assert world.lying() == PAIR
            continue
        used: list[str] = []

        def act(name: str, whole: Callable[[], Any], world: AsideWorld = world, used: list[str] = used) -> Any:
            if name in {"copy_object", "put_object"}:
                if not used:
                    world.put("a", b"new")
                    world.put("b", b"new")
                used.append(name)
            return whole()

        applied = world.apply(undo, around(world.store, act))
        assert applied.drifted == 2
        assert world.lying() == {"a": b"new", "b": b"new"}
        assert ("put_object" in used) == ("copy-if-absent" not in honoured)


def test_without_conditional_deletes_it_is_refused_unless_writers_are_stopped(tmp_path: Path) -> None:
    world = laid(tmp_path, "off")
    world.store.buckets[BUCKET] = BucketState(BUCKET, "Off")
    refused = world.purge(world.reached)
    assert [refusal.code for refusal in refused.refused] == ["no-conditional-delete"]
    assert "--writers-stopped" in refused.refused[0].why
    named = world.purge(world.reached, consents=Consents(writers_stopped=True))
    assert all(action.writers_stopped for action in named.actions if isinstance(action, SetAside))
    assert any("your word" in warning for warning in named.warnings)
    assert world.apply(named).done == len(OBJECTS)
    assert world.lying() == {}


def test_archived_objects_and_null_versions_beneath_are_refused(tmp_path: Path) -> None:
    world = AsideWorld(tmp_path / "1", kind="off")
    world.store.put(BUCKET, f"clean/orders/{DAY}/a", b"one", "GLACIER")
    assert [refusal.code for refusal in world.purge(world.reached).refused] == ["archived"]
    beneath = AsideWorld(tmp_path / "2", kind="suspended")
    beneath.lay({"a": b"null"})
    beneath.store.buckets[BUCKET] = BucketState(BUCKET, "Enabled", guarantees=EVERYTHING)
    beneath.put("a", b"with an id")
    beneath.store.buckets[BUCKET] = BucketState(BUCKET, "Suspended", guarantees=EVERYTHING)
    assert [refusal.code for refusal in beneath.purge(beneath.reached).refused] == ["null-beneath"]


def test_an_undo_does_not_destroy_a_null_version_beneath(tmp_path: Path) -> None:
    world = laid(tmp_path, "suspended", PAIR)
    plan = world.purge(world.reached)
    world.apply(plan)
    world.put("a", b"somebody's")
    world.store.buckets[BUCKET] = BucketState(BUCKET, "Enabled", guarantees=EVERYTHING)
    world.delete("a")  # a marker with an id, over a null version
    world.store.buckets[BUCKET] = BucketState(BUCKET, "Suspended", guarantees=EVERYTHING)
    applied = world.apply(world.undo(plan))
    assert (applied.done, applied.failed) == (1, 1)
    assert b"somebody's" in world.everything()


@pytest.mark.parametrize("world", ["off", "suspended", "nulls"], indirect=True)
def test_a_copy_that_is_not_whole_takes_nothing_away(world: AsideWorld) -> None:
    plan = world.purge(world.reached)

    def act(name: str, whole: Callable[[], Any]) -> Any:
        found = whole()
        if name == "copy_object":
            for key in list(world.store.list_keys(VAULT, "")):
                world.store.put(VAULT, key, b"half")
        return found

    applied = world.apply(plan, around(world.store, act))
    assert (applied.done, applied.exit_code) == (0, 1)
    assert world.lying() == OBJECTS


def test_copies_with_another_etag_are_compared_byte_by_byte(tmp_path: Path) -> None:
    """As those of objects that were uploaded in parts, or encrypted with KMS keys."""
    for data, done in ((b"one", 1), (b"eno", 0)):
        world = AsideWorld(tmp_path / str(done), kind="off")
        world.lay({"a": b"one"})
        plan = world.purge(world.reached)

        def act(name: str, whole: Callable[[], Any], world: AsideWorld = world, data: bytes = data) -> Any:
            found = whole()
            if name == "copy_object":
                (key,) = world.store.list_keys(VAULT, "")
                world.store.put(VAULT, key, data)
                top = world.store._versions[VAULT, key]
                top[0] = replace(top[0], etag='"0123-2"')
            return found

        assert world.apply(plan, around(world.store, act)).done == done
        assert (world.lying() == {}) == bool(done)


def test_a_name_that_is_too_long_for_the_quarantine_ends_in_its_hash(tmp_path: Path) -> None:
    world = AsideWorld(tmp_path, kind="off")
    long = "x" * (1_024 - len(f"clean/orders/{DAY}/"))
    world.lay({long: b"one", f"{long[:-1]}y": b"two"})
    plan = world.purge(world.reached)
    assert world.apply(plan).done == 2
    keys = list(world.store.list_keys(VAULT, ""))
    assert len(set(keys)) == 2
    assert all(len(key.encode()) == 1_024 for key in keys)
    world.apply(world.undo(plan))
    assert world.lying() == {long: b"one", f"{long[:-1]}y": b"two"}


def test_a_completion_marker_goes_first_and_comes_back_last(world: AsideWorld) -> None:
    plan = world.purge(world.reached)
    assert [action.key.endswith("_SUCCESS") for action in plan.actions if isinstance(action, SetAside)] == [
        True,
        False,
        False,
        False,
    ]
    world.apply(plan)
    world.store.tick()
    undo = world.undo(plan)
    assert [action.key.endswith("_SUCCESS") for action in undo.actions if isinstance(action, BringBack)] == [
        False,
        False,
        False,
        True,
    ]
    world.put("a", b"made again")
    applied = world.apply(undo)
    assert "_SUCCESS" not in world.lying()
    assert (applied.failed, applied.drifted) == (1, 1)
