"""Changes of tables: for every crash point resume ends where an uninterrupted run ends, and nobody else's commit is lost."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from incident import journal as journal_module
from incident.effects import effects
from incident.executor import interrupted
from incident.journal import Journal, read_journal
from incident.plan_actions import PlanActions
from incident.tables.actions import TableActions, tables_now
from incident.tables.port import LakeTable
from incident.tables.surveys import TableSurveyor
from lineage.datasets import DatasetId
from lineage.declarations import DatasetRule, Declarations
from lineage.events import Event
from lineage.history import build
from runbooks.consents import Consents
from runbooks.facts import Facts
from runbooks.plan import ChangeTable, Plan
from runbooks.purge import plan_purge
from runbooks.revert import plan_revert
from runbooks.table_survey import TablePlace
from runbooks.undo import plan_undo
from tests.memory_table import FailingTable, MemoryLake
from tests.recovery_world import Crash, FailAfter, Moment, Plans, World, cell, radius, reached
from tests.table_world import KINDS, make

ORDERS = DatasetId("lake", "orders")
RULES = Declarations(
    datasets=(DatasetRule("lake/orders", format="iceberg", table="db.orders", catalog="test"),),
)
BAD, WORSE, CLEAN = "2026-11-17", "2026-11-18", "2026-11-19"
CELLS = (cell(f"dt={BAD}", ORDERS), cell(f"dt={WORSE}", ORDERS))
WHOLE = cell("*", ORDERS)
Around = Callable[[LakeTable], Any]


@dataclass
class TableWorld(World):
    """A world whose cells are in one table."""

    lake: Any = field(default_factory=MemoryLake)
    rules: Declarations = RULES
    since: int = 0
    around: Around = lambda table: table

    def build(self) -> TableWorld:
        for day in (BAD, WORSE, CLEAN):
            self.lake.put(day, f"good-{day}")
        self.since = self.lake.open().history()[0][-1].committed + 5_000_000
        if not isinstance(self.lake, MemoryLake):
            time.sleep(0.02)  # so that the bad commits certainly begin later
        for day in (BAD, WORSE):
            self.lake.overwrite(day, f"bad-{day}")
        return self

    def tables(self, place: TablePlace) -> LakeTable:
        del place
        found: LakeTable = self.around(self.lake.open())
        return found

    def table_facts(self, *cells: Any, reverting: bool) -> Facts:
        events: list[Event] = []
        surveyor = TableSurveyor(self.tables, build(events, self.rules), radius(*cells), reverting)
        found = surveyor.survey(cells)
        last = self.timeline.records()[-1].evidence.get("plan_id") if self.timeline.records() else None
        return Facts(self.id, radius(*cells), {}, lambda _job: True, previous=last, tables=found)

    def cells(self, *, whole: bool = False) -> list[Any]:
        return [reached(one, since=self.since, serving=True) for one in ((WHOLE,) if whole else CELLS)]

    def purged(self) -> Plan:
        return plan_purge(self.table_facts(*self.cells(), reverting=False), Consents())

    def reverted(self, *, whole: bool = False) -> Plan:
        consents = Consents(include=(str(WHOLE),)) if whole else Consents()
        return plan_revert(self.table_facts(*self.cells(whole=whole), reverting=True), consents)

    def undone(self, target: Plan) -> Plan:
        state = read_journal(self.folder, target.id)
        done = {index: one.version_id for index, one in state.outcomes.items() if one.status == "done"}
        last = self.timeline.records()[-1].evidence.get("plan_id")
        return plan_undo(
            target, done, {}, [], consents=Consents(), previous=last, places=tables_now(target, self.tables, self.rules)
        )

    def performer(self, plan: Plan, store: Any) -> PlanActions:
        del store
        actions = TableActions(plan, self.tables, self.rules, lambda: self.store.now)
        return PlanActions(plan, {ChangeTable: actions}, lambda: self.store.now)


def world(folder: Path, lake: Any = None) -> TableWorld:
    folder.mkdir(parents=True, exist_ok=True)
    return TableWorld(folder, lake=lake if lake is not None else MemoryLake()).build()


def undo_of(make_plan: Callable[[TableWorld], Plan], one: TableWorld) -> Plan:
    plan = make_plan(one)
    one.apply(plan)
    return one.undone(plan)


MAKERS: dict[str, Callable[[TableWorld], Plan]] = {
    "purge": TableWorld.purged,
    "revert": TableWorld.reverted,
    "revert of all": partial(TableWorld.reverted, whole=True),
    "undo of purge": partial(undo_of, TableWorld.purged),
    "undo of revert": partial(undo_of, TableWorld.reverted),
    "undo of revert of all": partial(undo_of, partial(TableWorld.reverted, whole=True)),
}


def crash(one: TableWorld, plan: Plan, fail: FailAfter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply, ending the process at one boundary of table, journal or timeline."""
    append, tell = Journal._append, one.timeline.append

    def failing_append(self: Journal, record: dict[str, Any], *arguments: Any, **more: Any) -> None:
        def torn() -> None:
            assert self._file is not None
            os.write(self._file, b'{"type":"outcome","at":"2026-')

        fail.around(lambda: append(self, record, *arguments, **more), torn)

    with monkeypatch.context() as patch:
        patch.setattr(journal_module.Journal, "_append", failing_append)
        patch.setattr(one.timeline, "append", lambda *a, **k: fail.around(lambda: tell(*a, **k), lambda: None))
        one.around = lambda table: FailingTable(table, fail)
        try:
            one.apply(plan)
        finally:
            one.around = lambda table: table


def finish(one: TableWorld, plan: Plan) -> None:
    for _ in range(3):
        if one.go_on(plan).already:
            return
    raise AssertionError("it never ends")


@pytest.mark.parametrize("moment", ["before", "half", "after"])
@pytest.mark.parametrize("name", list(MAKERS))
def test_for_every_crash_point_resume_ends_where_an_uninterrupted_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, moment: Moment
) -> None:
    whole = world(tmp_path / "whole")
    plan = MAKERS[name](whole)
    assert not plan.refused
    assert plan.actions
    count = FailAfter(-1, moment)
    crash(whole, plan, count, monkeypatch)
    ended = whole.lake.read()
    assert count.calls >= 12
    commits = len(whole.lake.versions)
    for point in range(count.calls):
        one = world(tmp_path / f"{point}")
        again = MAKERS[name](one)
        with pytest.raises(Crash):
            crash(one, again, FailAfter(point, moment), monkeypatch)
        finish(one, again)
        assert one.lake.read() == ended, point
        assert len(one.lake.versions) == commits, f"{point}: no commit is made twice"
        outcomes = read_journal(one.folder, again.id).outcomes
        assert {outcome.status for outcome in outcomes.values()} == {"done"}, point
        assert interrupted(one) == []
        assert all(effect.complete for effect in effects(Plans(one, again))), point


@pytest.mark.parametrize("name", list(MAKERS))
def test_a_commit_whose_answer_is_lost_is_found_in_the_table(tmp_path: Path, name: str) -> None:
    one = world(tmp_path)
    plan = MAKERS[name](one)
    before = len(one.lake.versions)
    one.around = lambda table: FailingTable(table, lose=True)
    assert one.apply(plan).exit_code == 0
    assert len(one.lake.versions) == before + 1
    assert {outcome.status for outcome in read_journal(one.folder, plan.id).outcomes.values()} == {"done"}


@pytest.mark.parametrize("name", ["purge", "revert", "undo of purge"])
def test_others_who_commit_elsewhere_meanwhile_neither_stop_us_nor_are_lost(tmp_path: Path, name: str) -> None:
    one = world(tmp_path)
    plan = MAKERS[name](one)
    words = iter(["first", "second"])

    def meanwhile() -> None:
        if (word := next(words, None)) is not None:
            one.lake.put(CLEAN, word)

    one.around = lambda table: FailingTable(table, meanwhile=meanwhile)
    assert one.apply(plan).exit_code == 0
    assert one.lake.read()[CLEAN] == ["first", f"good-{CLEAN}", "second"]


@pytest.mark.parametrize("name", list(MAKERS))
def test_who_commits_to_the_cell_meanwhile_is_neither_lost_nor_hidden(tmp_path: Path, name: str) -> None:
    one = world(tmp_path)
    plan = MAKERS[name](one)
    words = iter(["fresh"])

    def meanwhile() -> None:
        if (word := next(words, None)) is not None:
            one.lake.put(BAD, word)

    one.around = lambda table: FailingTable(table, meanwhile=meanwhile)
    applied = one.apply(plan)
    assert applied.exit_code == 5
    assert applied.drifted == 1
    assert "fresh" in one.lake.read()[BAD]


@pytest.mark.parametrize("name", list(MAKERS))
def test_what_is_committed_between_crash_and_resume_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    whole = world(tmp_path / "whole")
    count = FailAfter(-1, "after")
    crash(whole, MAKERS[name](whole), count, monkeypatch)
    for point in range(count.calls):
        one = world(tmp_path / f"{point}")
        plan = MAKERS[name](one)
        with pytest.raises(Crash):
            crash(one, plan, FailAfter(point, "after"), monkeypatch)
        one.lake.put(BAD, "fresh")
        one.lake.put(CLEAN, "also")
        finish(one, plan)
        assert "fresh" in one.lake.read()[BAD], point
        assert "also" in one.lake.read()[CLEAN], point


def test_applying_and_resuming_beside_others_who_commit_at_random_loses_nothing(tmp_path: Path) -> None:
    for seed in range(int(os.environ.get("TABLE_SCHEDULES", "60"))):
        dice = random.Random(seed)
        one = world(tmp_path / f"{seed}")
        plan = MAKERS[dice.choice(list(MAKERS))](one)
        written: list[tuple[str, str]] = []

        def meanwhile(one: TableWorld = one, dice: random.Random = dice, written: list[tuple[str, str]] = written) -> None:
            if dice.random() < 0.5:
                day = dice.choice((BAD, WORSE, CLEAN, "2026-11-1"))
                written.append((day, f"w{len(written)}"))
                one.lake.put(*written[-1])

        meanwhile()
        one.around = lambda table, meanwhile=meanwhile, dice=dice: FailingTable(  # type: ignore[misc]
            table, lose=dice.random() < 0.3, meanwhile=meanwhile
        )
        for _ in range(3):
            one.go_on(plan)
        one.around = lambda table: table
        finish(one, plan)
        now = one.lake.read()
        assert all(word in now.get(day, ()) for day, word in written), seed


# --- real tables ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["purge", "revert of all", "undo of purge"])
@pytest.mark.parametrize("form", KINDS)
def test_on_real_tables_a_lost_answer_or_a_crash_after_the_commit_commits_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, name: str
) -> None:
    one = world(tmp_path, make(form, tmp_path))
    plan = MAKERS[name](one)
    before = len(one.lake.open().history()[0])
    commit = FailAfter(-1, "after")
    one.around = lambda table: FailingTable(table, commit)
    found = FailingTable.__getattr__

    def dies(self: FailingTable, called: str) -> Any:
        if called in {"replace", "go_to"}:
            commit.at = commit.calls
        return found(self, called)

    monkeypatch.setattr(FailingTable, "__getattr__", dies)
    with pytest.raises(Crash):
        one.apply(plan)
    monkeypatch.undo()
    one.around = lambda table: table
    finish(one, plan)
    assert len(one.lake.open().history()[0]) == before + 1
    assert {outcome.status for outcome in read_journal(one.folder, plan.id).outcomes.values()} == {"done"}
    if name == "purge":
        assert one.lake.read() == {CLEAN: [f"good-{CLEAN}"]}
