"""Plans on tables: one commit a cell, on condition of its files; what is refused, and what asks for a consent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lineage.attempts import Cell
from lineage.datasets import DatasetId
from lineage.partitions import parse_partition
from lineage.timestamps import SECOND
from runbooks.consents import Consents
from runbooks.facts import Facts
from runbooks.plan import ChangeTable, Plan, Refusal, Requirement
from runbooks.purge import plan_purge
from runbooks.revert import plan_revert
from runbooks.table_survey import CellFiles, Good, TablePlace, TableSurvey, TableVersion
from tests.recovery_world import radius, reached

ORDERS = DatasetId("lake", "orders")
NOW, THEN = CellFiles("1:now", 1, 10), CellFiles("1:then", 2, 30)
GOOD = TableVersion("3", 5 * SECOND, "WRITE")


def cell(partition: str, *, known: bool = True) -> Cell:
    return Cell(ORDERS, parse_partition(partition), known)


def survey(partition: str = "dt=2026-11-17", **more: Any) -> TableSurvey:
    place = TablePlace("delta", "s3://lake/orders/", partition)
    return replace(TableSurvey(cell(partition), place, "u", "7", NOW, Good(GOOD, THEN, ())), **more)


def facts(*surveys: TableSurvey | Refusal, makeable: bool = True, **more: Any) -> Facts:
    told = {one.cell if isinstance(one, TableSurvey) else cell(one.what.rpartition("@")[2]): one for one in surveys}
    cells = [reached(one, since=6 * SECOND, serving=True, **more) for one in told]
    return Facts("INC-1", radius(*cells), {}, lambda _job: makeable, tables=told)


def codes(plan: Plan) -> list[str]:
    return [refused.code for refused in plan.refused]


def actions(plan: Plan) -> list[ChangeTable]:
    return [one for one in plan.actions if isinstance(one, ChangeTable)]


def test_a_partition_is_purged_on_condition_of_its_files() -> None:
    plan = plan_purge(facts(survey()), Consents())
    (action,) = actions(plan)
    assert (action.change, action.requires, action.target, action.leaves) == ("files", Requirement("7", "1:now"), "", "")
    assert action.table == "delta+s3://lake/orders/#dt=2026-11-17"
    assert plan.cells[0].leaves == "nothing"
    assert plan.bytes == 10


def test_a_partition_is_reverted_to_the_files_it_had_and_a_whole_table_to_the_version() -> None:
    (part,) = actions(plan_revert(facts(survey()), Consents()))
    assert (part.change, part.target, part.leaves) == ("files", "3", "1:then")
    (whole,) = actions(plan_revert(facts(survey("*")), Consents()))
    assert (whole.change, whole.target, whole.leaves) == ("version", "3", "1:then")


def test_what_was_not_there_before_the_fault_is_emptied() -> None:
    for partition in ("dt=2026-11-17", "*"):
        plan = plan_revert(facts(survey(partition, good=Good(None, CellFiles(), ()))), Consents())
        (action,) = actions(plan)
        assert (action.change, action.target, action.leaves, plan.cells[0].leaves) == ("files", "", "", "nothing")


def test_what_is_as_it_was_needs_no_commit() -> None:
    assert not plan_revert(facts(survey(good=Good(GOOD, NOW, ()))), Consents()).actions
    assert not plan_purge(facts(survey(now=CellFiles())), Consents(include=("lake/orders@dt=2026-11-17",))).actions


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"now": replace(NOW, unclear="shared")}, "table-partition"),
        ({"now": CellFiles(), "good": Good(GOOD, CellFiles(), ())}, "nothing-there"),
        ({"unconditional": "the server ignores"}, "unconditional"),
    ],
)
def test_what_cannot_be_done_exactly_is_refused(changed: dict[str, Any], code: str) -> None:
    for plan in (plan_purge(facts(survey(**changed)), Consents()), plan_revert(facts(survey(**changed)), Consents())):
        assert codes(plan) == [code]
        assert not plan.actions


def test_only_a_consent_to_have_stopped_the_writers_stands_in_for_a_missing_condition() -> None:
    one = survey(unconditional="the server ignores")
    assert codes(plan_purge(facts(one), Consents(include=(str(one.cell),)))) == ["unconditional"]
    plan = plan_purge(facts(one), Consents(writers_stopped=True))
    assert not plan.refused
    assert actions(plan)[0].writers_stopped


def test_good_files_that_are_unclear_or_gone_are_refused() -> None:
    unclear = survey(good=Good(GOOD, replace(THEN, unclear="deletes rows"), ()))
    assert codes(plan_revert(facts(unclear), Consents())) == ["table-partition"]
    gone = survey(good=Refusal("x", "f of version 3 is not in the storage any more", "expired"))
    assert codes(plan_revert(facts(gone), Consents(include=(str(gone.cell),)))) == ["expired"]
    whole = survey("*", now=replace(NOW, unclear="deletes rows"))
    assert actions(plan_revert(facts(whole), Consents()))[0].change == "version", "a version holds its deleted rows too"


def test_commits_of_others_are_given_up_only_by_name() -> None:
    one = survey("*", others=(TableVersion("5", 7 * SECOND, "WRITE"),))
    plan = plan_revert(facts(one), Consents())
    assert codes(plan) == ["drops-commits"]
    assert "5 at 1970-01-01T00:00:07Z (WRITE)" in plan.refused[0].why
    named = plan_revert(facts(one), Consents(include=("lake/orders@*",)))
    assert not named.refused
    assert any("drop 1 commits" in warning for warning in named.warnings)
    assert not plan_revert(facts(replace(survey(), others=one.others)), Consents()).refused, "a partition drops nothing of others"


def test_cells_that_share_files_are_not_changed_twice() -> None:
    plan = plan_purge(facts(survey(), survey("dt=2026-11-17/hour=03"), survey("dt=2026-11-18")), Consents())
    assert codes(plan) == ["overlap"]
    assert len(plan.actions) == 2


def test_the_questions_of_all_cells_are_asked_of_tables_too() -> None:
    assert codes(plan_purge(facts(survey(), makeable=False), Consents())) == ["not-remakeable"]
    assert codes(plan_purge(facts(survey(), state="SUSPECT"), Consents())) == ["suspect"]
    assert codes(plan_purge(facts(survey(), open_writer=True), Consents())) == ["open-writer"]
    plan = plan_purge(facts(survey(), makeable=False), Consents(include=("lake/orders@dt=2026-11-17",)))
    assert len(plan.actions) == 1
    assert any("readers will find nothing" in warning for warning in plan.warnings)


def test_a_protected_table_may_go_back_but_not_to_nothing() -> None:
    one = survey()
    assert not plan_revert(facts(one), Consents(), protected=frozenset({one.cell})).refused
    empty = survey(good=Good(None, CellFiles(), ()))
    assert codes(plan_revert(facts(empty), Consents(), protected=frozenset({empty.cell}))) == ["protected"]


def test_why_a_table_could_not_be_surveyed_is_told_once() -> None:
    refused = Refusal("lake/orders@dt=2026-11-17", "is not installed", "not-installed")
    for plan in (plan_purge(facts(refused), Consents()), plan_revert(facts(refused), Consents())):
        assert codes(plan) == ["not-installed"]
        assert not plan.cells


def test_caps_hold_for_tables() -> None:
    assert codes(plan_purge(facts(survey()), Consents(max_bytes=5))) == ["cap-bytes"]


@pytest.mark.parametrize("partition", ["*", "dt=2026-11-17/hour=03", "dt=a%2Fb", "dt=a #b", "dt=é😀", "20261117"])
@pytest.mark.parametrize(("form", "table"), [("iceberg", "prod/db.orders"), ("delta", "s3://lake/a#b/"), ("delta", "file:///x y/")])
def test_places_are_told_as_urls(form: Any, table: str, partition: str) -> None:
    place = TablePlace(form, table, str(parse_partition(partition)))
    assert TablePlace.parse(place.url) == place
    assert place.cells == parse_partition(partition)


@pytest.mark.parametrize(
    "url", ["", "s3://lake/a/", "file:///a/", "iceberg://prod/db.orders", "delta+s3://lake/a/#", "delta+#*", "x#*"]
)
def test_other_urls_are_no_places_of_tables(url: str) -> None:
    assert TablePlace.parse(url) is None
