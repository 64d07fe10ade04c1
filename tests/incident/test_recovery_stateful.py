"""Any order of writes, plans, applies, crashes, resumes and undos, against a model of what writers did."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from incident.errors import Drift, InputNeeded
from incident.executor import Applied, interrupted, resume, unsettled
from incident.storage.memory import MemoryStore
from runbooks.consents import Consents, blocking
from runbooks.plan import Plan
from tests.aside_world import AsideWorld, Kind, around_files, failing
from tests.recovery_world import Crash, FailAfter, Moment, reached

EXAMPLES = int(os.environ.get("RECOVERY_EXAMPLES", "50"))
"""For each kind of place."""
NAMES = ("a", "b", "_SUCCESS")
CALLS = frozenset(
    [
        "histories",
        "history",
        "describe",
        "put_markers",
        "copy_version",
        "copy_object",
        "put_object",
        "delete_object",
        "remove_version",
        "remove_versions",
    ]
)
names = st.sampled_from((*NAMES, "stray"))
moments: st.SearchStrategy[Moment] = st.sampled_from(("before", "after"))


class Passing:
    """A store whose calls pass through ``act``."""

    def __init__(self, store: MemoryStore, act: Callable[[str, Callable[[], Any]], Any]) -> None:
        self._store, self._act = store, act

    def __getattr__(self, name: str) -> Any:
        whole = getattr(self._store, name)
        if name not in CALLS:
            return whole
        return lambda *arguments, **more: self._act(name, lambda: whole(*arguments, **more))


class Recovery(RuleBasedStateMachine):
    """``last``: what a writer did last with each name, and when; ``lost``: bytes that writers themselves replaced."""

    kind: ClassVar[Kind | None]

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.moment, self.planned_at = 0, 0
        self.plan: Plan | None = None
        self.applied: list[Plan] = []
        self.last: dict[str, tuple[int, bytes | None]] = {}
        self.written: set[bytes] = set()
        self.lost: set[bytes] = set()
        self.same: set[bytes] = set()
        """Bytes that were written once more as they were: where no versions are kept that cannot always be told."""
        self.before: dict[str, bytes] | None = None
        """What lay there before the last apply, while no writer acted since."""

    @initialize()
    def lake(self) -> None:
        self.world = AsideWorld(Path(self.temporary.name), kind=self.kind or "nulls")
        if self.kind is None:  # versioned from the beginning
            self.world.store.create("lake")
            for name in NAMES:
                self._put(name, f"old {name}".encode())
            self.world.store.tick(1_000_000_000)
            self.since = self.world.store.now
            self.world.store.tick(1_000_000_000)
            for name in NAMES:
                self._put(name, f"bad {name}".encode())
            self.world.store.tick()
        else:
            self.world.lay({name: f"bad {name}".encode() for name in NAMES})
            self.last = {name: (0, f"bad {name}".encode()) for name in NAMES}
            self.written = {data for _, data in self.last.values() if data is not None}

    def teardown(self) -> None:
        self.temporary.cleanup()

    # --- writers ----------------------------------------------------------------------------------------------------------

    def _put(self, name: str, data: bytes) -> None:
        self.world.put(name, data)
        self.written.add(data)
        self.last[name] = (self.moment, data)

    def _act(self, name: str, data: bytes | None) -> None:
        self.moment += 1
        there = self.world.lying().get(name)
        if there is not None and there != data:
            self.lost.add(there)  # where no versions are kept a writer destroys what it replaces
        self.world.store.tick(1_000_000)
        if data is None:
            self.world.delete(name)
            self.last[name] = (self.moment, None)
        else:
            self._put(name, data)
        self.world.store.tick(1_000_000)
        self.before = None

    @rule(name=names)
    def write(self, name: str) -> None:
        self._act(name, f"new {self.moment} {name}".encode())

    @rule(name=names)
    def delete(self, name: str) -> None:
        self._act(name, None)

    @rule(name=names)
    def write_again_as_it_is(self, name: str) -> None:
        self.write_again(name)

    def write_again(self, name: str) -> None:
        if (there := self.world.lying().get(name)) is not None:
            self.same.add(there)
            self._act(name, there)

    # --- us ---------------------------------------------------------------------------------------------------------------

    @precondition(lambda self: not interrupted(self.world))
    @rule()
    def plan_a_purge(self) -> None:
        self._planned(self.world.purge(self.world.reached))

    @precondition(lambda self: self.kind is None and not interrupted(self.world))
    @rule()
    def plan_a_revert(self) -> None:
        one = reached(self.world.cell, since=self.since, serving=True)
        self._planned(self.world.revert(one))

    @precondition(lambda self: bool(self.applied) and self.applied[-1].phase != "undo" and not interrupted(self.world))
    @rule()
    def plan_an_undo(self) -> None:
        self._planned(self.world.undo(self.applied[-1], Consents(include=(str(self.world.cell),))))

    def _planned(self, plan: Plan) -> None:
        self.plan = None if blocking(plan, Consents()) else plan
        self.planned_at = self.moment

    @precondition(lambda self: self.plan is not None and not interrupted(self.world))
    @rule()
    def apply(self) -> None:
        self._through()

    @precondition(lambda self: self.plan is not None)
    @rule(at=st.integers(0, 12), moment=moments)
    def crash(self, at: int, moment: Moment) -> None:
        fail = FailAfter(at, moment)
        act = failing(fail)
        with pytest.MonkeyPatch.context() as patch:
            for where, name, by in around_files(act):
                patch.setattr(where, name, by)
            try:
                self._through(Passing(self.world.store, act))
            except Crash:
                self.before = None

    @precondition(lambda self: self.plan is not None)
    @rule(at=st.integers(0, 12), after=st.booleans(), name=names, what=st.sampled_from(("new", "same", "delete")))
    def apply_beside_a_writer(self, at: int, after: bool, name: str, what: str) -> None:
        calls = 0

        def act(_name: str, whole: Callable[[], Any]) -> Any:
            nonlocal calls
            calls += 1
            if calls - 1 == at and not after:
                writes()
            try:
                return whole()
            finally:
                if calls - 1 == at and after:
                    writes()

        def writes() -> None:
            if what == "same":
                self.write_again(name)
            else:
                self._act(name, None if what == "delete" else f"new {self.moment} {name}".encode())

        with pytest.MonkeyPatch.context() as patch:
            for where, patched, by in around_files(act):
                patch.setattr(where, patched, by)
            self._through(Passing(self.world.store, act))

    @precondition(lambda self: bool(interrupted(self.world)))
    @rule()
    def resume(self) -> None:
        self._through()

    def _through(self, store: Any = None) -> None:
        assert self.plan is not None
        plan, before, moment = self.plan, self.world.lying(), self.moment
        begun = plan.id in interrupted(self.world)
        try:
            run = self.world.execution(plan, store)
            applied = resume(run) if begun else self.world.apply(plan, store)
        except (Drift, InputNeeded):
            self.plan = None  # stale, or another is to be finished first
            return
        if applied.already:
            return
        assert applied.done + applied.failed + applied.drifted + applied.unknown == len(plan.actions)
        self._settled(plan, applied, before if not begun and moment == self.moment else None)

    def _settled(self, plan: Plan, applied: Applied, before: dict[str, bytes] | None) -> None:
        if unsettled(self.world, plan):
            self.before, self.plan = None, None
            self.applied.append(plan)
            return
        lying = self.world.lying()
        for name, (when, data) in self.last.items():
            if when > self.planned_at:
                if data is None:
                    continue
                untold = self.kind is not None and data in self.same and data in self.world.kept()
                assert lying.get(name) == data or untold, f"{name} was written after the plan and is hidden"
        clean = applied.done == len(plan.actions) and not applied.strays
        if plan.phase == "purge" and clean and all(when <= self.planned_at for when, _ in self.last.values()):
            assert lying == {}
        if plan.phase == "undo" and clean and self.before is not None:
            assert lying == self.before
        self.before = before if plan.phase != "undo" else None
        self.applied.append(plan)
        self.plan = None

    # --- always -----------------------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "world"):
            return
        lost = self.written - self.world.everything() - self.world.taken()
        assert lost <= (set() if self.kind is None else self.lost), lost


@pytest.mark.parametrize("kind", [None, "off", "suspended", "nulls", "local"])
def test_whatever_happens_nothing_is_lost_or_hidden_and_an_undo_restores(kind: Kind | None) -> None:
    machine = type("Machine", (Recovery,), {"kind": kind})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            phases=(Phase.generate,),  # shrinking takes minutes, and the steps are told as they are
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
