"""Which value a pointer held before the taint: told by what it held, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from lineage.attempts import Cell
from lineage.datasets import DatasetId
from lineage.partitions import parse_partition
from lineage.timestamps import AFTER, BEFORE, SECOND
from runbooks.consents import Consents
from runbooks.plan import PlannedCell, Refusal
from runbooks.pointers import Elsewhere, Swap, decide, doubts, moments, shown, unseen, wrong
from runbooks.serving import AtPointers, served
from runbooks.survey import BucketState, Overlap, PointedAt, PointerSurvey, PointerVersion
from tests.recovery_world import reached

URL = "s3://lake/current.json#version"
FEATURES = DatasetId("s3://lake", "features")


def cell(version: str) -> Cell:
    return Cell(FEATURES, parse_partition(f"v={version}"), known=True)


def held(value: str | None, at: int, beside: str = "") -> PointerVersion:
    return PointerVersion(value, f"id-{at}", f"etag-{value}", at * SECOND, beside, value or "")


def clean(objects: int = 1, lost: int = 0) -> PointedAt:
    return PointedAt(("s3://lake/features/",), objects, () if objects else ("s3://lake/features/",), (), lost * SECOND)


def tainted(version: str, newest: int) -> PointedAt:
    return PointedAt((f"s3://lake/features/v={version}/",), 1, (), (Overlap(cell(version), newest * SECOND),))


NOWHERE = PointedAt(())
SINCE: Mapping[Cell, int | None] = {cell("42"): 100 * SECOND}
"""Version 42 is bad since 100 s; the pointer named it at 110 s, and 41 before."""


def survey(
    targets: Mapping[str, PointedAt] | None = None,
    *,
    past: Sequence[PointerVersion] = (held("41", 50), held("40", 20)),
    **more: object,
) -> PointerSurvey:
    found = PointerSurvey(
        "json", URL, held("42", 110), tuple(past), targets=targets or {"42": tainted("42", 105), "41": clean(), "40": clean()}
    )
    return replace(found, **more)  # type: ignore[arg-type]


def swap(found: object) -> Swap:
    assert isinstance(found, Swap), found
    return found


def refusal(found: object) -> Refusal:
    assert isinstance(found, Refusal), found
    return found


def test_it_goes_back_to_what_it_held_just_before_the_taint() -> None:
    found = swap(decide(cell("42"), survey(), SINCE))
    assert (found.value, found.needs, found.notes, found.doubt) == ("41", (), (), "")
    assert "1970-01-01T00:00:50Z" in found.told


def test_what_was_tainted_as_well_is_passed_over() -> None:
    since = {**SINCE, cell("41"): 40 * SECOND}
    found = swap(decide(cell("42"), survey({"42": tainted("42", 105), "41": tainted("41", 45), "40": clean()}), since))
    assert found.value == "40"
    assert "tainted as well" in found.notes[0]


def test_what_went_bad_only_after_it_served_is_set_back_with_it() -> None:
    """Blue and green: 41 was overwritten with bad data when 42 served already."""
    since = {**SINCE, cell("41"): 105 * SECOND}
    found = swap(decide(cell("42"), survey({"42": tainted("42", 105), "41": tainted("41", 106)}), since))
    assert (found.value, found.needs, found.moves) == ("41", (cell("41"),), True)


def test_a_pointer_that_never_moved_stays_and_its_objects_go_back() -> None:
    still = survey({"42": tainted("42", 105)}, now=held("42", 20), past=())
    found = swap(decide(cell("42"), still, SINCE))
    assert (found.value, found.moves, found.needs) == ("42", False, (cell("42"),))
    together = served(cell("42"), [still], SINCE)
    assert not isinstance(together, Refusal)
    assert (together.swaps, together.objects) == ((), True)


def test_a_pointer_that_names_something_clean_is_left_alone() -> None:
    other = survey({"43": clean()}, now=held("43", 120))
    assert isinstance(decide(cell("42"), other, SINCE), Elsewhere)
    assert wrong(cell("42"), other, SINCE) == ""


def test_data_from_before_the_first_bad_write_is_clean_wherever_it_lies() -> None:
    """The dataset has no partitions, so that all versions lie in the dirty cell's place."""
    whole = Cell(FEATURES, known=True)
    since = {whole: 100 * SECOND}
    targets = {
        "42": PointedAt(("u",), 1, (), (Overlap(whole, 105 * SECOND),)),
        "41": PointedAt(("u",), 1, (), (Overlap(whole, 45 * SECOND),)),
    }
    assert swap(decide(whole, survey(targets), since)).value == "41"
    fuzzy = {**targets, "41": PointedAt(("u",), 1, (), (Overlap(whole, 100 * SECOND - 1_000_000),))}
    assert swap(decide(whole, survey(fuzzy), since)).value == "41"
    same_second = {**targets, "41": PointedAt(("u",), 1, (), (Overlap(whole, 100 * SECOND),))}
    assert swap(decide(whole, survey(same_second), since)).needs == (whole,)


@pytest.mark.parametrize("at", [100, 99.5])
def test_a_second_that_the_server_leaves_open_is_refused(at: float) -> None:
    since: dict[Cell, int | None] = {cell("42"): round(at * SECOND)}
    found = decide(cell("42"), survey(past=(held("41", 99),)), since)
    if at == 100:
        assert swap(found).value == "41"
    else:
        assert refusal(found).code == "undecidable"
        assert "--pointer" in refusal(found).why


def test_written_and_deleted_in_one_moment_is_refused_unless_the_order_is_known() -> None:
    past = (held("41", 50), held(None, 50), held("40", 20))
    assert refusal(decide(cell("42"), survey(past=past, ordered=False), SINCE)).code == "undecidable"
    assert swap(decide(cell("42"), survey(past=past), SINCE)).value == "41"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"past": ()}, "no-good-value"),
        ({"past": (held(None, 50),)}, "no-good-value"),
        ({"targets": {"42": tainted("42", 105), "41": clean(0)}}, "no-target"),
        ({"targets": {"42": tainted("42", 105), "41": clean(lost=60)}}, "no-target"),
    ],
)
def test_what_cannot_be_told_is_asked_with_what_might_be_right(changes: dict[str, object], code: str) -> None:
    found = refusal(decide(cell("42"), survey(candidates=("42", "41", "40"), **changes), SINCE))  # type: ignore[arg-type]
    assert found.code == code
    assert "clean by lineage: 41, 40" in found.why
    assert f"--pointer '{URL}=VALUE'" in found.why


def test_an_unbounded_taint_needs_a_moment() -> None:
    assert refusal(decide(cell("42"), survey(), {cell("42"): None})).code == "unbounded"
    dirty = [reached(cell("42"), since=BEFORE), reached(cell("43"), since=7)]
    assert moments(dirty, 2, None) == {cell("42"): None, cell("43"): 5}
    assert moments(dirty, 2, 3)[cell("42")] == 3


def test_a_value_that_names_nobody_knows_what_must_be_old_enough_for_all_and_is_asked_about() -> None:
    unknown = {"42": NOWHERE, "41": NOWHERE, "40": NOWHERE}
    found = swap(decide(cell("42"), survey(unknown), {**SINCE, cell("30"): 30 * SECOND}))
    assert found.value == "40"
    assert [one.code for one in doubts(cell("42"), found, Consents())] == ["unresolved"]
    assert "nobody can tell" in wrong(cell("42"), survey(unknown), SINCE)


def test_the_operators_word_is_looked_at() -> None:
    def named(value: str, targets: Mapping[str, PointedAt]) -> object:
        return decide(cell("42"), survey({"42": tainted("42", 105), **targets}, named=value), SINCE)

    assert swap(named("39", {"39": clean()})).told == "named with --pointer"
    assert refusal(named("39", {"39": clean(0)})).code == "no-target"
    assert refusal(named("39", {"39": tainted("42", 105)})).code == "tainted-target"
    assert refusal(named("42", {})).code == "tainted-target"
    assert swap(named("39", {"39": NOWHERE})).notes != ()
    assert refusal(decide(cell("42"), survey({"42": clean()}, named="39"), SINCE)).code == "not-included"


def test_what_was_not_looked_at_is_asked_for_first() -> None:
    assert unseen(cell("42"), replace(survey(), targets={}), SINCE) == "42"
    assert unseen(cell("42"), replace(survey(), targets={"42": tainted("42", 105)}), SINCE) == "41"
    assert unseen(cell("42"), survey(), SINCE) is None


def test_absence_is_a_state_of_markers_only_where_all_is_kept() -> None:
    marker = survey({"42": tainted("42", 105)}, past=(), absence=True)
    assert refusal(decide(cell("42"), marker, SINCE)).code == "no-good-value"
    kept = replace(marker, bucket=BucketState("lake", "Enabled"))
    assert swap(decide(cell("42"), kept, SINCE)).value is None
    absent = replace(marker, now=held(None, 110))
    assert isinstance(decide(cell("42"), absent, SINCE), Elsewhere)
    assert wrong(cell("42"), absent, SINCE) == ""
    assert "absent" in wrong(cell("42"), replace(absent, absence=False), SINCE)


def test_a_promise_that_cannot_be_kept_needs_stopped_writers() -> None:
    found = swap(decide(cell("42"), survey(degraded="no condition"), SINCE))
    assert [one.code for one in doubts(cell("42"), found, Consents())] == ["unconditional"]
    assert doubts(cell("42"), found, Consents(writers_stopped=True)) == []


def test_what_has_no_time_is_never_before_anything() -> None:
    timeless = PointerVersion("41", "i", "e", AFTER)
    assert refusal(decide(cell("42"), survey(now=replace(timeless, value="42"), past=()), SINCE)).code == "no-good-value"


def test_other_things_in_the_same_document_are_told_of() -> None:
    found = swap(decide(cell("42"), survey(past=(held("41", 50, "other"),)), SINCE))
    assert "other things beside" in found.notes[0]


def test_a_pointer_to_nothing_is_wrong() -> None:
    assert "nothing lies at" in wrong(cell("42"), survey({"42": clean(0)}), {})
    assert "tainted" in wrong(cell("42"), survey(), SINCE)


def test_values_are_shown_on_one_line() -> None:
    assert shown(None) == "(absent)"
    assert shown("") == "(empty)"
    assert shown("a\nb\nc\n") == "a and 2 more lines"
    assert len(shown("x" * 200)) == 81


def test_a_pointer_is_not_swapped_to_what_cannot_be_set_back_with_it() -> None:
    since = {**SINCE, cell("41"): 105 * SECOND}
    blue_green = swap(decide(cell("42"), survey({"42": tainted("42", 105), "41": tainted("41", 106)}), since))
    asked = AtPointers(Consents(), {URL: (cell("42"), blue_green)})
    drafts, unmet = asked.drafts({})
    assert (drafts, [one.code for one in unmet]) == ([], ["needs"])
    drafts, unmet = asked.drafts({cell("41"): PlannedCell.of(cell("41"), "data", "s3://lake/features/v=41/")})
    assert ([draft.planned.leaves for draft in drafts], unmet) == (["pointer"], [])
