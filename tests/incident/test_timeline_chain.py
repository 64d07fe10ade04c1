"""The timeline: what was written can be proved, and nothing happens when it cannot be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import rfc8785

import incident
from incident import files
from incident.errors import UNWRITABLE, TimelineUnwritable
from incident.timeline import Timeline, TimelineDamaged
from lineage import timestamps

INCIDENT = "INC-2026-11-20-orders"


@pytest.fixture
def timeline(tmp_path: Path) -> Timeline:
    return Timeline(tmp_path / "events", INCIDENT, clock=lambda: timestamps.parse("2026-11-20T10:00:00Z"))


def _again(timeline: Timeline) -> Timeline:
    """Another process's view of the same folder."""
    return Timeline(timeline.folder, timeline.incident)


def test_records_are_numbered_files_in_canonical_form_that_name_the_hash_before(timeline: Timeline) -> None:
    first = timeline.append("declared", "orders priced in cents", evidence={"revision": "r1"})
    second = timeline.append("note", "seen in the morning", occurred_at=timestamps.parse("2026-11-20T07:00:00Z"))
    assert sorted(path.name for path in timeline.folder.iterdir()) == ["00000001.json", "00000002.json"]
    raw = (timeline.folder / "00000002.json").read_bytes()
    assert rfc8785.dumps(json.loads(raw)) == raw
    assert (first.prev, second.prev) == (None, first.hash)
    assert json.loads(raw)["occurred_at"] == "2026-11-20T07:00:00Z"
    assert json.loads(raw)["recorded_at"] == "2026-11-20T10:00:00Z"
    assert _again(timeline).records() == [first, second]
    assert _again(timeline).head == second.hash
    assert _again(timeline).last("declared") == first
    assert timeline.verify() == []


def test_an_empty_timeline_is_whole_and_has_no_head(timeline: Timeline) -> None:
    assert (timeline.records(), timeline.head, timeline.verify(), timeline.last("note")) == ([], "", [], None)


def test_a_changed_record_is_found(timeline: Timeline) -> None:
    for text in ("one", "two", "three"):
        timeline.append("note", text)
    path = timeline.folder / "00000002.json"
    path.write_bytes(path.read_bytes().replace(b"two", b"TWO"))
    assert _again(timeline).verify() == ["record 3 does not follow record 2: one of them was changed after it was written"]


def test_a_removed_record_is_found(timeline: Timeline) -> None:
    for text in ("one", "two", "three"):
        timeline.append("note", text)
    (timeline.folder / "00000002.json").unlink()
    assert _again(timeline).verify() == ["record 2 is missing"]
    (timeline.folder / "00000001.json").unlink()
    assert _again(timeline).verify() == ["record 2 is missing"]


def test_a_tail_cut_off_is_found_with_a_head_noted_down(timeline: Timeline) -> None:
    timeline.append("note", "one")
    head = timeline.append("note", "two").hash
    assert timeline.verify(head) == []
    (timeline.folder / "00000002.json").unlink()
    assert _again(timeline).verify() == []
    assert "not on this timeline" in _again(timeline).verify(head)[0]


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[]", b"{}", b'{"schema": "incident/event/v1"}'])
def test_a_record_that_is_none_is_found_and_not_passed_over(timeline: Timeline, content: bytes) -> None:
    timeline.append("note", "one")
    (timeline.folder / "00000001.json").write_bytes(content)
    with pytest.raises(TimelineDamaged, match=r"record 1 of .*00000001\.json.* is damaged"):
        _again(timeline).records()
    assert len(_again(timeline).verify()) == 1


def test_a_record_rewritten_in_another_form_or_from_another_incident_is_found(timeline: Timeline) -> None:
    timeline.append("note", "one")
    path = timeline.folder / "00000001.json"
    body = json.loads(path.read_bytes())
    path.write_text(json.dumps(body, indent=1))
    assert _again(timeline).verify() == ["record 1 is not in the canonical form in which it was written"]
    path.write_bytes(rfc8785.dumps({**body, "incident": "INC-another"}))
    assert "another place" in _again(timeline).verify()[0]


def test_a_number_taken_by_another_engineer_makes_ours_the_next(timeline: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    real = files.create
    rivals = iter(["theirs"])

    def late(path: Path, data: bytes) -> bool:
        for text in rivals:
            _again(timeline).append("note", text)
        return real(path, data)

    monkeypatch.setattr(files, "create", late)
    record = timeline.append("note", "ours")
    assert [one.text for one in timeline.records()] == ["theirs", "ours"]
    assert record.seq == 2
    assert timeline.verify() == []


def test_a_record_that_reached_the_disk_after_all_is_not_written_twice(timeline: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    real = files.create

    def forgets(path: Path, data: bytes) -> bool:
        real(path, data)
        return False

    monkeypatch.setattr(files, "create", forgets)
    timeline.append("note", "once")
    assert [one.text for one in timeline.records()] == ["once"]


_ENGINEER = """
import sys
from pathlib import Path
from incident.timeline import Timeline
for number in range(15):
    Timeline(Path(sys.argv[1]), sys.argv[2]).append("note", f"{sys.argv[3]} {number}")
"""


def test_engineers_appending_at_once_get_numbers_of_their_own_and_one_chain(timeline: Timeline) -> None:
    root = str(Path(incident.__file__).parents[1])
    writers = [
        subprocess.Popen([sys.executable, "-c", _ENGINEER, str(timeline.folder), INCIDENT, name], cwd=root) for name in "abcd"
    ]
    assert [one.wait() for one in writers] == [0] * 4
    records = timeline.records()
    assert [record.seq for record in records] == list(range(1, 61))
    assert {record.text for record in records} == {f"{name} {number}" for name in "abcd" for number in range(15)}
    assert timeline.verify() == []


def test_a_folder_that_cannot_be_written_is_exit_7(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("a file where the folder should be")
    with pytest.raises(TimelineUnwritable, match="could not be written") as caught:
        Timeline(tmp_path / "events", INCIDENT).append("note", "x")
    assert caught.value.exit_code == UNWRITABLE
    assert "--home" in caught.value.hint


@pytest.mark.parametrize("failing", ["link", "fsync"])
def test_a_full_or_failing_disk_is_exit_7_and_leaves_nothing_behind(
    timeline: Timeline, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    timeline.append("note", "one")

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fails)
    with pytest.raises(TimelineUnwritable, match="No space left on device"):
        timeline.append("note", "two")
    monkeypatch.undo()
    assert [path.name for path in timeline.folder.iterdir()] == ["00000001.json"]
    assert timeline.verify() == []


@pytest.mark.parametrize("value", [2**53 + 1, float("nan"), object()])
def test_evidence_that_canonical_json_cannot_hold_is_refused(timeline: Timeline, value: object) -> None:
    with pytest.raises(TimelineUnwritable, match="cannot be written as canonical JSON"):
        timeline.append("applied", "x", evidence={"value": value})
    assert timeline.records() == []


def test_text_that_is_not_unicode_is_kept_as_far_as_it_can_be(timeline: Timeline) -> None:
    timeline.append("note", "caf\udce9 ε", evidence={"key\ud800": ["\udcff"]})
    assert timeline.records()[0].text == "caf? ε"
    assert timeline.verify() == []


def test_other_files_in_the_folder_are_no_records(timeline: Timeline) -> None:
    timeline.append("note", "one")
    for name in (".00000002.json.abc.tmp", "notes.txt", "2.json", "000000002.json"):
        (timeline.folder / name).write_text("{}")
    assert len(_again(timeline).records()) == 1
    assert timeline.verify() == []
