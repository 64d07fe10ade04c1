"""Plans for places without versions: what is set aside, what comes from a kept copy, and every way in which neither is certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lineage.attempts import Cell
from lineage.blast_radius import ReachedCell
from lineage.datasets import DatasetId
from lineage.partitions import parse_partition
from lineage.timestamps import BEFORE, SECOND
from runbooks.aside import identity, kept_at, object_place
from runbooks.consents import Consents
from runbooks.facts import Facts, Keeping
from runbooks.guarantees import EVERYTHING
from runbooks.plan import BringBack, Plan, PutMarker, Refusal, SetAside
from runbooks.purge import plan_purge
from runbooks.revert import plan_revert
from runbooks.survey import LOCAL, BucketState, CellSurvey, KeyHistory, ObjectVersion, Target
from tests.recovery_world import JOB, radius

CELL = Cell(DatasetId("s3://lake", "clean/orders"), parse_partition("dt=2026-11-1"), known=True)
PREFIX = "clean/orders/dt=2026-11-1/"
VAULT = Keeping("s3://vault/incident/")
NOON = 1_000 * SECOND
NAMED = Consents(include=(str(CELL),))


def reached(since: int = NOON, *, serving: bool = True) -> ReachedCell:
    return ReachedCell(CELL, "TAINTED", since, (), serving, (), (), None, (JOB,), False, None)


def one(
    name: str, etag: str = "e", *, at: int = 0, version_id: str = "null", prefix: str = PREFIX, storage: str = "STANDARD"
) -> KeyHistory:
    key = prefix + name
    return KeyHistory(key, (ObjectVersion(key, version_id, etag, 3, at, storage_class=storage),))


def survey(*keys: KeyHistory, state: BucketState | None = None, target: Target | None = None) -> CellSurvey:
    ordered = tuple(sorted(keys, key=lambda history: history.key.encode()))
    return CellSurvey(CELL, target or Target("lake", PREFIX), state or BucketState("lake", "Off", guarantees=EVERYTHING), ordered)


def copy(*names: tuple[str, str], at: int = 0, state: BucketState | None = None) -> CellSurvey:
    prefix = "orders/dt=2026-11-1/"
    keys = [one(name, etag, at=at, prefix=prefix) for name, etag in names]
    return survey(*keys, state=state or BucketState("backup", "Off"), target=Target("backup", prefix))


def purge(found: CellSurvey, keeping: Keeping | Refusal | None = VAULT, consents: Consents | None = None) -> Plan:
    keepings = {CELL: keeping} if keeping is not None else {}
    facts = Facts("INC-1", radius(reached()), {CELL: found}, lambda _job: True, keepings=keepings)
    return plan_purge(facts, consents or Consents())


def revert(
    found: CellSurvey,
    kept: CellSurvey | Refusal | None,
    consents: Consents | None = None,
    *,
    keeping: Keeping = VAULT,
    since: int = NOON,
    protected: bool = False,
) -> Plan:
    copies = {CELL: kept} if kept is not None else {}
    facts = Facts("INC-1", radius(reached(since)), {CELL: found}, lambda _job: True, keepings={CELL: keeping}, copies=copies)
    return plan_revert(facts, consents or Consents(), protected=frozenset({CELL} if protected else ()))


def codes(plan: Plan) -> list[str]:
    return [refusal.code for refusal in plan.refused]


def names(plan: Plan, kind: type[SetAside | BringBack]) -> Sequence[str]:
    return [action.key.removeprefix(PREFIX) for action in plan.actions if isinstance(action, kind)]


def test_what_keeps_versions_is_covered_and_what_does_not_is_set_aside() -> None:
    versioned = survey(one("a", version_id="v1"), one("b", version_id="v2"), state=BucketState("lake", "Enabled"))
    assert {type(action) for action in purge(versioned).actions} == {PutMarker}
    mixed = survey(one("a", version_id="v1"), one("b"), state=BucketState("lake", "Enabled"))
    for found in (mixed, survey(one("a"), one("b")), survey(one("a", version_id="v1"), state=BucketState("lake", "Suspended"))):
        plan = purge(found)
        assert {type(action) for action in plan.actions} == {SetAside}
        assert all(isinstance(action, SetAside) and action.to == VAULT.to for action in plan.actions)
        assert any(VAULT.to in warning for warning in plan.warnings)


@pytest.mark.parametrize(
    ("keeping", "code"),
    [
        (None, "no-quarantine"),
        (Refusal(str(CELL), "set [policy] quarantine", "no-quarantine"), "no-quarantine"),
        (Keeping("s3://vault/incident/", exact=False, why="nobody knows"), "no-conditional-delete"),
    ],
)
def test_without_a_quarantine_or_a_condition_nothing_is_taken(keeping: Keeping | Refusal | None, code: str) -> None:
    assert codes(purge(survey(one("a")), keeping)) == [code]
    assert codes(purge(survey(one("a")), keeping, NAMED)) == [code], "naming the cell is no consent to that"
    assert not purge(survey(one("a")), keeping).actions


def test_a_quarantine_that_might_not_last_is_a_question() -> None:
    keeping = replace(VAULT, expires="a lifecycle rule expires it")
    assert codes(purge(survey(one("a")), keeping)) == ["expiring"]
    named = purge(survey(one("a")), keeping, NAMED)
    assert not named.refused
    assert any("included by name" in warning for warning in named.warnings)


def test_a_cell_goes_back_to_its_kept_copy_absence_included() -> None:
    plan = revert(
        survey(one("changed", "bad"), one("same", "s"), one("extra", "x"), one("_SUCCESS", "old")),
        copy(("changed", "good"), ("same", "s"), ("gone", "g"), ("_SUCCESS", "new")),
    )
    assert not plan.refused
    assert names(plan, SetAside) == ["_SUCCESS", "changed", "extra"]
    assert names(plan, BringBack) == ["changed", "gone", "_SUCCESS"]
    assert [cell.leaves for cell in plan.cells] == ["data"]
    sources = {action.source for action in plan.actions if isinstance(action, BringBack)}
    assert "s3://backup/orders/dt=2026-11-1/gone" in sources
    kinds = [type(action) for action in plan.actions]
    assert kinds == sorted(kinds, key=lambda kind: kind is BringBack), "everything goes before anything comes"


@pytest.mark.parametrize(
    ("kept", "code", "named"),
    [
        (None, "unversioned", False),
        (Refusal(str(CELL), "there is no bucket", "no-bucket"), "no-bucket", False),
        (copy(), "nothing-kept", True),
        (copy(("a", "good"), at=NOON), "copy-too-new", True),
        (copy(("a", "good"), state=BucketState("backup", "Off", server="https://elsewhere")), "other-server", False),
    ],
)
def test_a_kept_copy_is_used_only_where_it_certainly_is_older_and_reached(
    kept: CellSurvey | Refusal | None, code: str, named: bool
) -> None:
    found = survey(one("a", "bad"))
    assert codes(revert(found, kept)) == [code]
    assert codes(revert(found, kept, NAMED)) == ([] if named else [code])


@pytest.mark.parametrize("prefix", [PREFIX, f"{PREFIX}kept/", "clean/orders/"])
def test_a_kept_copy_within_what_it_is_a_copy_of_is_none(prefix: str) -> None:
    kept = survey(one("a", "good", prefix=prefix), target=Target("lake", prefix))
    assert codes(revert(survey(one("a", "bad")), kept)) == ["overlap"]
    assert codes(revert(survey(one("a", "bad")), kept, NAMED)) == ["overlap"]


def test_an_unknown_beginning_needs_a_moment_from_the_operator() -> None:
    found, kept = survey(one("a", "bad")), copy(("a", "good"), at=NOON)
    assert codes(revert(found, kept, since=BEFORE)) == ["unbounded"]
    assert codes(revert(found, kept, Consents(before=NOON), since=BEFORE)) == ["copy-too-new"]
    assert codes(revert(found, kept, Consents(before=NOON + 1), since=BEFORE)) == []


def test_what_comes_back_needs_a_condition_too() -> None:
    keeping = replace(VAULT, absent=False, why="nobody knows")
    found, kept = survey(one("a", "bad")), copy(("a", "good"))
    assert codes(revert(found, kept, keeping=keeping)) == ["no-conditional-put"]
    stopped = revert(found, kept, Consents(writers_stopped=True), keeping=keeping)
    assert [action.writers_stopped for action in stopped.actions if isinstance(action, BringBack)] == [True]
    assert any("your word" in warning for warning in stopped.warnings)


def test_protected_data_may_be_replaced_and_never_only_removed() -> None:
    found = survey(one("a", "bad"), one("b", "bad"))
    assert codes(revert(found, copy(("a", "good"), ("b", "good")), protected=True)) == []
    assert codes(revert(found, copy(("a", "good")), protected=True)) == ["protected"]


def test_archived_objects_can_neither_go_nor_come() -> None:
    assert codes(purge(survey(one("a", storage="DEEP_ARCHIVE")))) == ["archived"]
    kept = survey(
        one("a", "good", prefix="orders/dt=2026-11-1/", storage="GLACIER"), target=Target("backup", "orders/dt=2026-11-1/")
    )
    assert codes(revert(survey(one("a", "bad")), kept)) == ["archived"]


def test_a_null_version_since_the_first_bad_write_hides_what_was_there_before() -> None:
    key = f"{PREFIX}a"
    state = BucketState("lake", "Enabled")
    bad = ObjectVersion(key, "v2", "bad", 3, NOON + SECOND)
    null = ObjectVersion(key, "null", "old", 3, NOON - 10 * SECOND)
    plan = revert(survey(KeyHistory(key, (bad, null)), state=state), None)
    assert not plan.refused, "a null version from before is as good as any"
    late = replace(null, last_modified=NOON)
    assert codes(revert(survey(KeyHistory(key, (bad, late)), state=state), None)) == ["undecidable"]


def test_a_copy_s_name_says_what_it_is_and_where_it_belongs() -> None:
    assert kept_at("s3://q/i/", "INC-1", "purge-1", "lake", "a/b") == "s3://q/i/INC-1/purge-1/lake/a/b"
    assert kept_at("file:///q/", "INC-1", "purge-1", LOCAL, "data/a") == "file:///q/INC-1/purge-1/local/data/a"
    long = "é" * 511
    name = kept_at("s3://q/i/", "INC-1", "purge-1", "lake", long)
    assert object_place(name)[0] == "q"
    assert len(object_place(name)[1].encode()) <= 1_024
    assert name != kept_at("s3://q/i/", "INC-1", "purge-1", "lake", f"{long[:-1]}e")


def test_null_versions_are_told_by_bytes_and_time() -> None:
    first = ObjectVersion("k", "null", "e", 1, 1)
    assert identity(first) != identity(replace(first, last_modified=2))
    assert identity(first) != identity(replace(first, etag="f"))
    assert identity(replace(first, version_id="v")) == "v"
