"""Writers at work beside us where no versions are kept: nothing of theirs is lost, and nothing of theirs is hidden in the end."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incident.errors import IncidentError, StorageUnreachable
from incident.executor import interrupted, resume
from runbooks.consents import Consents
from runbooks.plan import Plan
from tests.aside_world import KINDS_OF_PLACE, AsideWorld, Kind, around, around_files, kept_copy
from tests.recovery_world import Crash

NAMES = ("a", "b", "c")
SCHEDULES = int(os.environ.get("WRITER_SCHEDULES", "20"))
"""For each kind of place and of plan; 250 of them were run by hand."""
CASES = [
    (kind, name)
    for kind in KINDS_OF_PLACE
    for name in ("purge", "undo-purge", "revert", "undo-revert")
    if not (kind == "nulls" and "revert" in name)
]


class Busy:
    """Writers act before and after every step; answers get lost, and our process ends now and then."""

    def __init__(self, world: AsideWorld, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.rate, self.trouble = chance.choice([0.02, 0.1, 0.3]), chance.choice([0.0, 0.05, 0.15])
        self.last: dict[str, bytes | None] = {}
        """What a writer did last, by name."""
        self.same: set[bytes] = set()
        """Bytes that were written once more as they were."""
        self.count = 0

    def writers(self) -> None:
        while self.chance.random() < self.rate:
            self.world.store.tick(self.chance.choice([1, 1_000]) * 1_000_000)
            name = self.chance.choice([*NAMES, "stray"])
            there = self.world.lying().get(name)
            self.count += 1
            match self.chance.randrange(4):
                case 0:
                    self.world.delete(name)
                    self.last[name] = None
                case 1 if there is not None:
                    self.world.put(name, there)
                    self.last[name] = there
                    self.same.add(there)
                case 2 if self.world.kind == "local" and there is not None:
                    with self.world.path(name).open("ab") as file:
                        file.write(b"+")
                    self.last[name] = self.world.path(name).read_bytes()
                case _:
                    data = f"new {self.count}".encode()
                    self.world.put(name, data)
                    self.last[name] = data

    def act(self, name: str, whole: Callable[[], Any]) -> Any:
        self.writers()
        effect = name in {"copy_object", "put_object", "delete_object", "remove_version"}
        if effect and self.chance.random() < self.trouble:
            raise StorageUnreachable("it never arrived")
        found = whole()
        self.writers()
        if self.chance.random() < self.trouble:
            raise Crash
        if effect and self.chance.random() < self.trouble:
            raise StorageUnreachable("the answer was lost")
        return found


def planned(world: AsideWorld, name: str) -> Plan:
    plan = world.purge(world.reached) if "purge" in name else world.revert_to(kept_copy(world, {"a": b"good", "c": b"bad c"}))
    if name.startswith("undo"):
        world.apply(plan)
        world.store.tick()
        plan = world.undo(plan, Consents(include=(str(world.cell),)))
    return plan


def through(world: AsideWorld, plan: Plan, busy: Busy, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Apply, and resume until it is settled; at the end in peace. Whether nothing is left in doubt."""
    for attempt in range(14):
        if attempt == 10:
            busy.trouble = busy.rate = 0.0
        with monkeypatch.context() as patch:
            for where, name, by in around_files(busy.act):
                patch.setattr(where, name, by)
            try:
                store = around(world.store, busy.act)
                again = attempt > 0 or plan.id in interrupted(world)
                applied = resume(world.execution(plan, store)) if again else world.apply(plan, store)
            except (IncidentError, Crash):
                continue
        if applied.already:
            return True
        assert applied.done + applied.failed + applied.drifted + applied.unknown == len(plan.actions)
        if not applied.failed and not applied.unknown:
            return True
    return False


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_nothing_written_after_the_plan_is_lost_or_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, name: str
) -> None:
    for seed in range(SCHEDULES):
        chance = random.Random(f"{kind} {name} {seed}")
        folder = tmp_path / str(seed)
        folder.mkdir()
        world = AsideWorld(folder, kind=kind)
        world.lay({one: f"bad {one}".encode() for one in NAMES})
        plan = planned(world, name)
        assert not plan.refused
        start = world.everything()
        busy = Busy(world, chance)
        busy.writers()
        assert through(world, plan, busy, monkeypatch), seed
        lying = world.lying()
        # Where no versions are kept a writer destroys what it replaces, with us or without us.
        overwritten = {f"bad {one}".encode() for one in NAMES if one in busy.last and kind != "nulls"}
        for one, data in busy.last.items():
            if data is None:
                continue
            if data in busy.same and kind != "local":
                # Written as it was between our last look and the deletion: that cannot be told, and the bytes are kept.
                assert lying.get(one) == data or data in world.kept(), (seed, one)
            else:
                assert lying.get(one) == data, (seed, one, "lost or hidden")
        gone = start - world.everything()
        assert gone <= overwritten | {b"good"}, (seed, gone)
        assert world.taken() == set(), (seed, "nothing is left half way")
