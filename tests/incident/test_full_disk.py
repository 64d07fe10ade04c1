"""A disk that fills up at any byte: nothing happens that is not written down, and resume ends where a whole run ends."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from incident.home import Home
from incident.journal import read_journal
from tests.recovery_world import shape
from tests.small_lake import Terminal, incident_on

ROOM = (0, *range(400, 1_200, 25))


@contextmanager
def files_of_at_most(room: int) -> Iterator[None]:
    """No file may grow beyond this many bytes, as on a full disk: what fits of a line is written, then an error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, list[tuple[bool, str]]]:
    terminal = incident_on(tmp_path, monkeypatch, capsys, until="purged")
    return shape(terminal.lake.store.listing("lake"))


def test_at_whatever_byte_the_disk_is_full_nothing_is_done_unwritten_and_resume_finishes(
    whole: dict[str, list[tuple[bool, str]]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    codes = []
    for room in ROOM:
        terminal: Terminal = incident_on(tmp_path_factory.mktemp("full"), monkeypatch, capsys, until="fixed")
        plan_id = terminal.ok("purge")["plan"]["id"]
        before = terminal.lake.store.listing("lake")
        (journals,) = terminal.lake.folder.glob("home/*/journal")
        with files_of_at_most(room):
            code, _ = terminal("purge", "--apply", plan_id)
        codes.append(code)
        after, state = terminal.lake.store.listing("lake"), read_journal(journals, plan_id)
        (home,) = Home(terminal.lake.folder / "home").incidents()
        keys = [action.key for action in home.load_plan(plan_id).actions]  # type: ignore[union-attr]
        assert {key for key in after if after[key] != before[key]} <= {keys[index] for index in state.first_intent}, room
        if code == 0:
            assert len(state.outcomes) == len(keys)
            assert state.ended is not None
            break
        assert code == 7, room
        if terminal("resume")[1]["data"].get("plan_id") is None:
            terminal.ok("purge", "--apply", plan_id)
        assert terminal.ok("purge", "--apply", plan_id)["already_applied"]
        assert shape(terminal.lake.store.listing("lake")) == whole, room
        assert terminal("resume")[1]["data"]["plan_id"] is None
    assert codes.count(7) >= 8
    assert codes[-1] == 0
