"""The home: an incident's artifacts are written once and found again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from incident.config import Config, load
from incident.errors import IncidentError, TimelineUnwritable, UsageError
from incident.home import Home, IncidentFolder, default_home
from lineage import timestamps
from runbooks.plan import Plan, PutMarker, Refusal, Requirement

NOW = timestamps.parse("2026-11-20T23:59:59Z")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def folder(home: Home) -> IncidentFolder:
    return home.create("Orders priced in cents", NOW)


def _plan(folder: IncidentFolder, key: str = "clean/dt=1/a") -> Plan:
    action = PutMarker("lake", key, Requirement("v1", "e1"), 10, "s3://lake/clean@dt=1")
    return Plan(folder.id, "purge", "r1", (action,), refused=(Refusal("x", "y"),), warnings=("careful",))


def test_an_id_is_the_utc_date_and_the_title(home: Home) -> None:
    assert home.create("Orders priced in cents!", NOW).id == "INC-2026-11-20-orders-priced-in-cents"
    assert home.create("  Prix en c\u00e9ntimes / 100  ", NOW).id == "INC-2026-11-20-prix-en-centimes-100"
    assert home.create("数据", NOW).id == "INC-2026-11-20-incident"
    assert home.create("../../etc", NOW).path.parent == home.path
    assert len(home.create("long " * 100, NOW).id) < 80


def test_a_second_incident_of_the_same_title_gets_a_number(home: Home) -> None:
    assert [home.create("a b", NOW).id for _ in range(3)] == [f"INC-2026-11-20-a-b{end}" for end in ("", "-2", "-3")]
    assert [one.title for one in home.incidents()] == ["a b"] * 3


def test_a_title_is_needed(home: Home) -> None:
    with pytest.raises(UsageError):
        home.create(" \n ", NOW)
    assert home.incidents() == []


def test_an_unknown_incident_is_answered_with_the_list(home: Home, folder: IncidentFolder) -> None:
    assert home.incident(folder.id).title == "Orders priced in cents"
    with pytest.raises(UsageError, match=folder.id):
        home.incident("INC-nope")
    with pytest.raises(UsageError):
        home.incident(f"../home/{folder.id}")


def test_open_until_closed_and_open_again_when_reopened(folder: IncidentFolder) -> None:
    states = [folder.is_open]
    for kind in ("declared", "closed", "note", "reopened"):
        folder.timeline.append(kind, kind)
        states.append(folder.is_open)
    assert states == [True, True, False, False, True]


def test_an_incident_whose_timeline_is_damaged_counts_as_open(folder: IncidentFolder) -> None:
    folder.timeline.append("closed", "closed")
    (folder.path / "events" / "00000001.json").write_text("{")
    assert IncidentFolder(folder.path).is_open


def test_a_home_in_a_bucket_and_a_home_that_is_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not supported yet"):
        Home("s3://ops/incidents/")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="not a directory"):
        Home(tmp_path / "file")


def test_a_home_that_cannot_be_made_is_exit_7(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TimelineUnwritable):
        Home(tmp_path / "file" / "home").create("x", NOW)


def test_the_default_home_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_home() == tmp_path / "dataops-incident"
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_home() == tmp_path / ".local" / "state" / "dataops-incident"


def test_a_user_without_a_home_directory_is_asked_to_name_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nobody(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", nobody)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no home directory"):
        default_home()
    assert load() == Config()


# --- plans ---------------------------------------------------------------------------------------------------------------


def test_a_saved_plan_is_read_back_whole_and_saving_it_again_changes_nothing(folder: IncidentFolder) -> None:
    plan = _plan(folder)
    folder.save_plan(plan, NOW)
    [path] = (folder.path / "plans").iterdir()
    before = path.read_bytes()
    folder.save_plan(plan, NOW + 1)
    assert path.read_bytes() == before
    assert folder.load_plan(plan.id, "purge") == plan
    assert folder.plans() == [plan.id]


def test_a_plan_of_another_phase_or_unknown_is_a_usage_error(folder: IncidentFolder) -> None:
    plan = _plan(folder)
    folder.save_plan(plan, NOW)
    with pytest.raises(UsageError, match="plan to purge, not to revert"):
        folder.load_plan(plan.id, "revert")
    with pytest.raises(UsageError, match=plan.id):
        folder.load_plan("purge-000000000000", "purge")
    with pytest.raises(UsageError):
        folder.load_plan(f"../plans/{plan.id}")


def test_a_plan_of_another_incident_is_not_saved_and_not_found(home: Home, folder: IncidentFolder) -> None:
    other = home.create("another", NOW)
    plan = _plan(folder)
    folder.save_plan(plan, NOW)
    with pytest.raises(UsageError, match="belongs to"):
        other.save_plan(plan, NOW)
    with pytest.raises(UsageError):
        other.load_plan(plan.id)


# --- revisions -----------------------------------------------------------------------------------------------------------


def test_the_radius_is_a_series_of_immutable_revisions(folder: IncidentFolder) -> None:
    first: dict[str, Any] = {"cells": [{"partition": "dt=1"}], "pair": (1, 2), "revision": None}
    said: list[dict[str, Any]] = [first, first, {**first, "revision": "r1"}, {"cells": []}, first]
    names = [folder.save_revision(one) for one in said]
    assert names == ["r1", "r1", "r1", "r2", "r3"]
    assert [(name, radius["revision"]) for name, radius in folder.revisions()] == [(name, name) for name in ("r1", "r2", "r3")]
    assert folder.revisions()[0][1]["pair"] == [1, 2]


def test_revisions_are_in_the_order_of_their_numbers(folder: IncidentFolder) -> None:
    for number in range(12):
        folder.save_revision({"number": number})
    assert [radius["number"] for _, radius in folder.revisions()] == list(range(12))


def test_a_damaged_revision_is_named(folder: IncidentFolder) -> None:
    folder.save_revision({})
    (folder.path / "revisions" / "r1.json").write_text("no")
    with pytest.raises(IncidentError, match=r"r1\.json"):
        folder.revisions()


def test_the_incident_file_says_what_was_opened_when(folder: IncidentFolder) -> None:
    assert json.loads((folder.path / "incident.json").read_bytes()) == {
        "schema": "incident/incident/v1",
        "id": folder.id,
        "title": "Orders priced in cents",
        "opened_at": "2026-11-20T23:59:59Z",
    }


def test_a_home_that_may_not_even_be_looked_at_is_told_by_who_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, *_args: object, **_options: object) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    for name in ("exists", "mkdir", "iterdir"):
        monkeypatch.setattr(Path, name, denied)
    home = Home(tmp_path / "closed")
    with pytest.raises(TimelineUnwritable, match="Permission denied"):
        home.create("x", 0)
    with pytest.raises(IncidentError, match="cannot be read"):
        home.incidents()
