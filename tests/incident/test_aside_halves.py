"""A revert without versions takes an object away and brings another to its place; trouble may come between the halves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incident.errors import StorageError, StorageUnreachable
from incident.executor import resume
from tests.aside_world import AsideWorld, around, kept_copy
from tests.recovery_world import BUCKET

KEY = "clean/orders/dt=2026-11-1/a"


def refusing(call: str, error: StorageError) -> Callable[[str, Callable[[], Any]], Any]:
    """Every such call fails, without an effect."""

    def act(name: str, whole: Callable[[], Any]) -> Any:
        if name == call:
            raise error
        return whole()

    return act


@pytest.mark.parametrize("call", ["copy_object", "delete_object"])
@pytest.mark.parametrize(
    "error", [StorageError("slow down", code="slow-down"), StorageUnreachable("no answer")], ids=lambda one: one.code
)
def test_what_could_not_be_set_aside_is_no_drift_to_what_belongs_there(tmp_path: Path, call: str, error: StorageError) -> None:
    world = AsideWorld(tmp_path, kind="off")
    world.lay({"a": b"bad", "b": b"bad too", "_SUCCESS": b""})
    plan = world.revert_to(kept_copy(world, {"a": b"good", "b": b"good too", "_SUCCESS": b""}))
    first = world.apply(plan, around(world.store, refusing(call, error)))
    assert first.drifted == 0
    assert first.failed + first.unknown == len(plan.actions)
    assert first.exit_code == 1
    again = resume(world.execution(plan, None))
    assert (again.done, again.exit_code) == (len(plan.actions), 0)
    assert world.lying() == {"a": b"good", "b": b"good too", "_SUCCESS": b""}


def test_what_somebody_wrote_in_between_stays(tmp_path: Path) -> None:
    world = AsideWorld(tmp_path, kind="off")
    world.lay({"a": b"bad"})
    plan = world.revert_to(kept_copy(world, {"a": b"good"}))
    first = world.apply(plan, around(world.store, refusing("delete_object", StorageError("slow down", code="slow-down"))))
    assert (first.drifted, first.failed) == (0, 2)
    world.store.tick()
    world.store.put(BUCKET, KEY, b"new")
    assert resume(world.execution(plan, None)).drifted == 2
    assert world.lying() == {"a": b"new"}
