"""A plan's file: one name for one effect, read back whole whatever its frames, and refused when a single bit of it changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import rfc8785
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident import plan_file
from incident.errors import IncidentError, TimelineUnwritable
from incident.frames import Spool
from incident.kept_actions import ActionSpool, FramedActions
from incident.plan_file import path_of, read_plan, write_plan
from incident.saved_plans import SavedPlans
from runbooks.actions import ACTIONS
from runbooks.plan import Action, CopyVersion, Plan, PlannedCell, PutMarker, Refusal, Requirement, RunJob
from runbooks.plan_lines import UnknownAction, action_of, line
from runbooks.survey import Terms

NOW = 1_700_000_000_000_000_000
CELLS = (PlannedCell("s3://lake", "orders", "dt=1", known=True, leaves="nothing", url="s3://lake/orders/dt=1/"),)


def _of(kind: type[Any]) -> st.SearchStrategy[Action]:
    """Actions of a kind with all their fields drawn, but for ``op``."""
    return st.builds(kind, **{one.name: ... for one in fields(kind) if one.name != "op"})


ACTION = st.one_of([_of(kind) for kind in ACTIONS.values()])
PLANS = st.builds(
    Plan,
    incident=st.just("INC-1"),
    phase=st.sampled_from(["revert", "purge", "backfill", "undo"]),
    revision=st.sampled_from(["r1", "r2"]),
    actions=st.lists(ACTION, max_size=12).map(tuple),
    cells=st.sampled_from([(), CELLS]),
    previous=st.sampled_from([None, "purge-0123456789ab"]),
    target=st.none(),
    buckets=st.lists(st.builds(Terms.of, st.text(), st.text(), st.dictionaries(st.text(), st.text())), max_size=2).map(tuple),
    refused=st.lists(st.builds(Refusal, what=st.text(), why=st.text()), max_size=2).map(tuple),
    warnings=st.lists(st.text(), max_size=2).map(tuple),
)
IN_A_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)


def markers(count: int) -> tuple[PutMarker, ...]:
    return tuple(PutMarker("lake", f"k{at:04}", Requirement(f"v{at}", f"e{at}"), at, "c" if at % 7 else "d") for at in range(count))


def plan_of(actions: Sequence[Action], **more: Any) -> Plan:
    return Plan("INC-1", "purge", "r1", actions, CELLS, **more)


def saved(folder: Path, plan: Plan, lines: int = 1_000) -> Path:
    write_plan(folder, plan, NOW, lines)
    return path_of(folder, plan)


@given(plan=PLANS, lines=st.integers(1, 5))
@settings(IN_A_FOLDER, max_examples=80)
def test_any_plan_is_read_back_as_it_was_whatever_the_size_of_its_frames(tmp_path: Path, plan: Plan, lines: int) -> None:
    path = saved(tmp_path, plan, lines)
    found, notes = read_plan(path)
    path.unlink()
    assert found == plan
    assert (found.id, found.sha256, found.stretches, found.bytes) == (plan.id, plan.sha256, plan.stretches, plan.bytes)
    assert path.name == f"{plan.phase}-{plan.sha256}.ndjson.zst"
    assert notes.created_at == "2023-11-14T22:13:20Z"


@given(actions=st.lists(ACTION, max_size=12), lines=st.integers(1, 4))
@settings(IN_A_FOLDER, max_examples=50)
def test_the_same_content_has_the_same_id_wherever_its_actions_lie(tmp_path: Path, actions: list[Action], lines: int) -> None:
    kept = ActionSpool(tmp_path, lines)(iter(actions))
    assert isinstance(kept, FramedActions if len(actions) > lines else tuple)
    assert (plan_of(kept).sha256, plan_of(kept).stretches) == (plan_of(actions).sha256, plan_of(actions).stretches)
    assert list(kept) == actions
    assert list(reversed(kept)) == actions[::-1]


@given(plan=PLANS, data=st.data())
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_any_other_effect_has_another_id(plan: Plan, data: st.DataObject) -> None:
    other = replace(plan, **data.draw(st.sampled_from(_changes(plan))))
    assert other.sha256 != plan.sha256


def _changes(plan: Plan) -> list[dict[str, Any]]:
    """Every single change of a plan's header or of one of its actions."""
    found: list[dict[str, Any]] = [{"incident": "INC-2"}, {"revision": "r3"}, {"previous": "x"}, {"target": "y"}]
    found += [{"cells": (*plan.cells, replace(CELLS[0], name="other"))}, {"buckets": (*plan.buckets, Terms("b", "s", ()))}]
    found += [{"phase": "undo" if plan.phase == "purge" else "purge"}, {"actions": (*plan.actions, markers(1)[0])}]
    for at, action in enumerate(plan.actions):
        for one in fields(action):
            if one.name != "op":
                changed: Any = replace(action, **{one.name: _other(getattr(action, one.name))})
                found.append({"actions": (*plan.actions[:at], changed, *plan.actions[at + 1 :])})
    return found


def _other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case Requirement():
            return replace(value, etag=value.etag + "~")
        case tuple():
            return (*value, "~")
        case None:
            return "~"
    return f"{value}~"


def test_what_is_not_done_is_no_part_of_the_id(tmp_path: Path) -> None:
    plan = plan_of(markers(3))
    bucket = Terms.of("lake", "s3", {"versioning": "Enabled"}, {"replication": "none"})
    one = replace(plan, buckets=(bucket,))
    told = replace(one, refused=(Refusal("a", "b"),), warnings=("mind",), buckets=(replace(bucket, told=()),))
    assert told.sha256 == one.sha256 != plan.sha256
    assert read_plan(saved(tmp_path, told))[0] == told
    found = read_plan(saved(tmp_path / "..", one))[0]
    assert found.buckets[0].told == (("replication", "none"),), "and yet it is kept for whoever reads the plan"


@pytest.mark.parametrize("lines", [2, 1_000])
def test_a_flip_of_any_byte_is_noticed(tmp_path: Path, lines: int) -> None:
    path = saved(tmp_path, plan_of(markers(7), warnings=("mind",)), lines)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        with pytest.raises(IncidentError) as refused:
            read_plan(path)
        assert refused.value.code == "plan-damaged", at
    path.write_bytes(whole)
    assert len(read_plan(path)[0].actions) == 7


def test_a_file_cut_short_or_grown_or_empty_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, plan_of(markers(7)), 2)
    whole = path.read_bytes()
    for wrong in (b"", *(whole[:at] for at in range(0, len(whole), 37)), whole + b"\n", whole + whole):
        path.write_bytes(wrong)
        with pytest.raises(IncidentError) as refused:
            read_plan(path)
        assert refused.value.code == "plan-damaged"


def test_a_file_made_anew_with_other_content_does_not_match_its_name(tmp_path: Path) -> None:
    """All its sums are right, but it is another plan."""
    plan = plan_of(markers(30))
    path = saved(tmp_path, plan)
    for other in (plan_of(markers(31)), replace(plan, previous="purge-0123456789ab"), plan_of(markers(30)[::-1])):
        forged = saved(tmp_path / "..", other)
        forged.rename(path)
        with pytest.raises(IncidentError, match="does not match its name") as refused:
            read_plan(path)
        assert refused.value.hint == "incident purge"


def test_frames_that_are_not_those_of_the_header_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header is the planned one, and so is the name; only lines were changed, left out or added."""
    plan, changed = plan_of(markers(9)), list(markers(9))
    changed[4] = replace(changed[4], key="precious")
    for wrong in (changed, changed[:-1], [*markers(9), changed[4]]):
        monkeypatch.setattr(plan_file, "frames_of", lambda _actions, lines, wrong=wrong: _frames(wrong, lines))
        path = saved(tmp_path, plan, 4)
        with pytest.raises(IncidentError, match="does not match its name"):
            read_plan(path)
        path.unlink()


def _frames(actions: Sequence[Action], lines: int) -> list[tuple[bytes, int]]:
    parts = [actions[at : at + lines] for at in range(0, len(actions), lines)]
    return [(b"".join(line(one) + b"\n" for one in part), len(part)) for part in parts]


def test_a_plan_with_anything_that_is_not_known_here_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version may give an action a condition that this one would not read, and so would not keep."""
    later = plan_file._fields()
    later["put-marker"] = [*later["put-marker"], "only_if"]
    with monkeypatch.context() as context:
        context.setattr(plan_file, "_fields", lambda: later)
        path, other = saved(tmp_path, plan_of(markers(3))), saved(tmp_path, plan_of(()))
    with pytest.raises(IncidentError, match=r"put-marker\.only_if"):
        read_plan(path)
    assert read_plan(other)[0].actions == ()


def test_a_line_that_is_no_action_is_refused() -> None:
    for wrong in (b'{"op":"format-disk"}', b'{"op":"put-marker"}', line(markers(1)[0]).replace(b'"size":0', b'"size":"0"'), b"1"):
        with pytest.raises((UnknownAction, ValueError)):
            action_of(wrong)


def test_names_of_local_files_need_not_be_unicode(tmp_path: Path) -> None:
    strange = replace(markers(1)[0], key='data/\udcff","op":"\udc80')
    assert action_of(line(strange)) == strange
    plan = plan_of((strange,), warnings=("about \udcff",))
    assert read_plan(saved(tmp_path, plan))[0] == plan


# --- actions on disk -----------------------------------------------------------------------------------------------------


def test_actions_on_disk_are_a_sequence_like_any_other(tmp_path: Path) -> None:
    whole = markers(25)
    kept = read_plan(saved(tmp_path, plan_of(whole), 4))[0].actions
    assert isinstance(kept, FramedActions)
    assert len(kept) == 25
    assert kept == whole
    assert whole == kept
    assert (kept[0], kept[7], kept[-1], kept[-25]) == (whole[0], whole[7], whole[-1], whole[0])
    assert (kept[3:9], kept[::-5], kept[:0], kept[20:99]) == (whole[3:9], whole[::-5], (), whole[20:])
    assert list(reversed(kept)) == list(reversed(whole))
    assert whole[9] in kept
    assert kept.index(whole[9]) == 9
    for wrong in (25, -26):
        with pytest.raises(IndexError):
            kept[wrong]
    assert kept != whole[1:]


def test_a_file_that_is_changed_while_it_is_in_use_is_noticed_before_it_is_believed(tmp_path: Path) -> None:
    path = saved(tmp_path, plan_of(markers(25)), 4)
    kept = read_plan(path)[0].actions
    handle = os.open(path, os.O_WRONLY)
    for frame in kept.frames[3:]:  # type: ignore[attr-defined]
        os.pwrite(handle, b"\0", frame.offset + frame.length // 2)
    os.close(handle)
    assert kept[0] == markers(1)[0]
    with pytest.raises(IncidentError, match="changed while it was in use"):
        kept[24]
    with pytest.raises(IncidentError):
        list(kept)


def test_a_plan_stays_readable_while_its_file_is_removed(tmp_path: Path) -> None:
    path = saved(tmp_path, plan_of(markers(25)), 4)
    plan, _ = read_plan(path)
    path.unlink()
    assert plan.actions == markers(25)


def test_kinds_are_found_without_looking_at_the_others(tmp_path: Path) -> None:
    run = RunJob("j", "p", "", "", (), 1, ())
    mixed: tuple[Action, ...] = (*markers(6), run, CopyVersion("lake", "k", Requirement("v", "e"), "w", "f", 5, "c"), run)
    plan = read_plan(saved(tmp_path, plan_of(mixed), 2))[0]
    assert list(plan.of(RunJob)) == [(6, run), (8, run)]
    assert [at for at, _ in plan.of(PutMarker, CopyVersion)] == [0, 1, 2, 3, 4, 5, 7]
    assert plan.indices() == {"d": [range(1)], "c": [range(1, 6), range(7, 8)], "": [range(6, 7), range(8, 9)]}
    assert plan.indices(without={"run-job"}).keys() == {"c", "d"}
    assert plan.bytes == sum(range(6)) + 5


def test_a_disk_without_room_is_told_and_nothing_is_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(TimelineUnwritable, match="No space left"):
        ActionSpool(tmp_path, 2)(markers(9))
    with pytest.raises(TimelineUnwritable):
        Spool(tmp_path).add(b"x", 1)
    assert list(tmp_path.iterdir()) == [], "what does not fit leaves no file behind"


def test_a_damaged_plan_is_whole_again_once_it_was_planned_again(tmp_path: Path) -> None:
    plans, plan = SavedPlans(tmp_path, "INC-1"), plan_of(markers(5))
    plans.save(plan, NOW)
    path = path_of(tmp_path, plan)
    whole = path.read_bytes()
    plans.save(plan, NOW + 1)
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-1])
    with pytest.raises(IncidentError):
        plans.load(plan.id)
    plans.save(plan, NOW + 10**9)
    assert plans.load(plan.id) == plan
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


# --- an incident's folder ------------------------------------------------------------------------------------------------


def test_plans_are_listed_by_their_ids_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = SavedPlans(tmp_path, "INC-1")
    one, two = plan_of(markers(3)), plan_of(markers(4))
    for at, plan in enumerate((one, two)):
        plans.save(plan, NOW)
        os.utime(path_of(tmp_path, plan), (at, at))
    (tmp_path / ".spool").touch()
    assert plans.ids() == [one.id, two.id]
    reads: list[Path] = []

    def counted(path: Path) -> tuple[Plan, plan_file.Notes]:
        reads.append(path)
        return read_plan(path)

    monkeypatch.setattr(plan_file, "read_plan", counted)
    assert plans.load(one.id) is plans.load(one.id, "purge")
    assert len(reads) == 1
    path_of(tmp_path, one).write_bytes(b"changed")
    with pytest.raises(IncidentError, match="cut short"):
        plans.load(one.id)


def test_two_files_that_share_the_shown_part_of_their_hash_are_refused(tmp_path: Path) -> None:
    plans, plan = SavedPlans(tmp_path, "INC-1"), plan_of(markers(3))
    plans.save(plan, NOW)
    twin = path_of(tmp_path, plan).name.replace(plan.sha256, plan.sha256[:12] + "0" * 52)
    (tmp_path / twin).write_bytes(b"")
    with pytest.raises(IncidentError, match="More than one"):
        plans.load(plan.id)


def test_the_file_can_be_read_with_the_tools_of_the_shell(tmp_path: Path) -> None:
    path = saved(tmp_path, plan_of(markers(5)), 2)
    with path.open("rb") as file:
        text = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    lines = [json.loads(one) for one in text.splitlines()]
    assert lines[0]["incident"] == "INC-1"
    assert [one["key"] for one in lines[1:-1]] == [one.key for one in markers(5)]
    assert lines[-1]["counts"] == {"actions": 5, "bytes": 10, "cells": 1}


def test_a_plan_that_an_earlier_version_saved_keeps_its_id(tmp_path: Path) -> None:
    action = {
        "bucket": "lake",
        "key": "k",
        "requires": {"version_id": "v", "etag": "e", "is_marker": False},
        "size": 3,
        "cell": "c",
        "op": "put-marker",
    }
    cell = {"namespace": "s3://lake", "name": "orders", "partition": "dt=1", "known": True, "leaves": "nothing"}
    body: dict[str, Any] = {
        "incident": "INC-1",
        "phase": "purge",
        "revision": "r1",
        "previous": None,
        "target": None,
        "cells": [{**cell, "url": "s3://lake/orders/dt=1/", "partial": False, "rest": ""}],
        "buckets": [["lake", "Enabled", "https://s3", "nothing"]],
        "actions": [action],
    }
    plan_id = f"purge-{hashlib.sha256(rfc8785.dumps(body)).hexdigest()[:12]}"
    whole = {"schema": "incident/plan/v1", "id": plan_id, "created_at": "x", "plan": body, "refused": [], "warnings": ["w"]}
    path = tmp_path / f"{plan_id}.json"
    path.write_text(json.dumps(whole))
    plans = SavedPlans(tmp_path, "INC-1")
    assert plans.ids() == [plan_id]
    plan = plans.load(plan_id, "purge")
    assert (plan.id, plan.actions, plan.warnings) == (
        plan_id,
        (PutMarker("lake", "k", Requirement("v", "e"), 3, "c"),),
        ("w",),
    )
    assert plan.buckets[0].facts == (("expiry of covered versions", "nothing"), ("versioning", "Enabled"))
    path.write_text(json.dumps(whole).replace('"key": "k"', '"key": "l"'))
    with pytest.raises(IncidentError, match="does not match its name"):
        plans.load(plan_id)
    path.write_text("{")
    with pytest.raises(IncidentError, match="cannot be read"):
        plans.load(plan_id)
