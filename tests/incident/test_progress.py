"""How far an apply is: objects, bytes, rate and time left; and Ctrl-C with several chunks in flight."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from incident.errors import Interrupted
from incident.executor import apply
from incident.journal import read_journal
from incident.object_actions import KINDS, ObjectActions
from incident.plan_actions import PlanActions
from incident.progress import Reckoning, progress
from incident.storage.port import Marked
from tests.recovery_world import BUCKET, Interfere, World, cell, reached

DAYS = tuple(cell(f"dt=2026-11-{day}") for day in range(1, 9))


def world_of(folder: Path) -> World:
    world = World(folder)
    for day in DAYS:
        for name in "abc":
            world.store.put(BUCKET, f"clean/orders/{day.partition}/{name}", b"bad!")
    world.store.tick()
    return world


class Told:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[int, int, bool]] = []

    def advance(self, n: int = 1, size: int = 0, *, earlier: bool = False) -> None:
        self.events.append((n, size, earlier))


def test_every_chunk_is_told_with_its_bytes_and_what_was_done_before_by_itself(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    plan, told = world.purge(*(reached(day) for day in DAYS)), Told()
    apply(replace(world.execution(plan, None), progress=told))
    assert told.events == [(3, 12, False)] * 8


def test_rate_and_time_left_are_of_this_try_only() -> None:
    now = [0.0]
    reckoning = Reckoning(100, 1_000, seconds=lambda: now[0])
    before = reckoning.left
    assert before is None
    reckoning.advance(50, 500, earlier=True)
    now[0] = 5.0
    reckoning.advance(25, 250, earlier=False)
    assert (reckoning.done, reckoning.bytes, reckoning.rate) == (75, 750, 5.0)
    assert reckoning.left == 5.0
    assert "5/s" in reckoning.pace


def test_events_tell_objects_bytes_rate_and_time_left() -> None:
    lines: list[dict[str, Any]] = []

    def tell(event: str, **fields: Any) -> None:
        lines.append({"event": event, **fields})

    with progress("purge-1", 2_000, 10_000, tell=tell, shown=False, no_color=True) as bar:
        for _ in range(2_000):
            bar.advance(1, 5)
    assert 90 <= len(lines) <= 110
    assert set(lines[-1]) == {"event", "description", "done", "total", "bytes", "total_bytes", "rate", "seconds_left"}
    assert (lines[-1]["done"], lines[-1]["bytes"], lines[-1]["total_bytes"]) == (2_000, 10_000, 10_000)


def test_without_bytes_events_are_as_they_were() -> None:
    lines: list[dict[str, Any]] = []
    with progress(
        "survey", 1, None, tell=lambda event, **more: lines.append({"event": event, **more}), shown=False, no_color=True
    ) as bar:
        bar.advance()
    assert lines[-1] == {"event": "progress", "description": "survey", "done": 1, "total": 1}


class Pressed(Interfere):
    """Ctrl-C in the middle of the first requests; all of them take their time."""

    lock = threading.Lock()

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        with self.lock:
            self._once()
        time.sleep(0.02)
        return self._inner.put_markers(bucket, etags)


@pytest.mark.parametrize("at_once", [1, 3])
def test_ctrl_c_finishes_the_chunks_in_flight_and_begins_no_other(tmp_path: Path, at_once: int) -> None:
    world = world_of(tmp_path)
    plan = world.purge(*(reached(day) for day in DAYS))
    store = Pressed(world.store, lambda: os.kill(os.getpid(), signal.SIGINT))
    objects = ObjectActions(plan, lambda _b, _p: store, lambda: world.store.now, workers=1)
    performer = PlanActions(plan, dict.fromkeys(KINDS, objects), lambda: world.store.now, at_once=at_once)
    with pytest.raises(Interrupted, match="not begun") as caught:
        apply(replace(world.execution(plan, None), performer=performer))
    state = read_journal(world.folder, plan.id)
    assert not state.doubtful, "what was begun was finished"
    assert 3 <= state.count("done") <= 3 * 2 * at_once
    assert caught.value.data["done"] == state.count("done") == 24 - len(world.contents())
    assert "incident resume" in caught.value.hint
    assert not list(world.folder.glob("*.claim"))
    assert world.go_on(plan).done == 24
    assert world.contents() == {}


def test_a_second_ctrl_c_leaves_the_claim_to_whoever_follows_the_dead_process(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    plan = world.purge(*(reached(day) for day in DAYS))
    store = Pressed(world.store, lambda: None)

    first, ended = threading.Lock(), threading.Event()

    class Twice(ObjectActions):
        def perform(self, *_arguments: Any) -> None:
            if first.acquire(blocking=False):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)
                os.kill(os.getpid(), signal.SIGINT)
            assert ended.wait(20)

    objects = Twice(plan, lambda _b, _p: store, lambda: world.store.now, workers=1)
    performer = PlanActions(plan, dict.fromkeys(KINDS, objects), lambda: world.store.now, at_once=2)
    with pytest.raises(KeyboardInterrupt):
        apply(replace(world.execution(plan, None), performer=performer))
    assert [path.name for path in world.folder.glob("*.claim")] == ["apply.claim"]
    ended.set()
