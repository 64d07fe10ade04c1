"""The journal: durable, tolerant of a torn end, and held by one process at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from incident.errors import Drift, IncidentError, InputNeeded, TimelineUnwritable
from incident.journal import Journal, Outcome, read_journal

ACTOR = {"name": "ada", "role": "engineer"}
PLAN = "purge-0123456789ab"
T = 1_700_000_000_000_000_000


def opened(folder: Path, **more: bool) -> Journal:
    return Journal(folder, PLAN, ACTOR, **more)


def test_a_journal_says_what_was_intended_and_what_came_of_it(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.begin(5, T)
        journal.intent([0, 1, 2, 4], T + 1)
        journal.made({0: "m0", 1: "m1"}, T + 2)
        journal.outcome({0: Outcome("done", "m0"), 1: Outcome("drifted", None, "moved"), 2: Outcome("unknown")}, T + 3)
    state = read_journal(tmp_path, PLAN)
    assert state.outcomes[0] == Outcome("done", "m0")
    assert state.doubtful == {2: T + 1, 4: T + 1}
    assert state.unfinished(5) == [2, 3, 4]
    assert (state.begun, state.ended) == (T, None)


def test_nothing_is_there_before_it_began(tmp_path: Path) -> None:
    state = read_journal(tmp_path, PLAN)
    assert state.begun is None
    assert not state.outcomes


def test_a_torn_last_line_counts_as_never_written(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.begin(2, T)
        journal.intent([0], T)
        path = journal.path
    whole = path.read_bytes()
    for torn in (b"{", b'{"type":"outcome","at":"2026-11-20T00:00:00Z","results":{"0":["done",null,""]}}', b"\x00\x00", b"\xff"):
        path.write_bytes(whole + torn)
        assert read_journal(tmp_path, PLAN).doubtful == {0: T}
        with opened(tmp_path) as journal:
            journal.outcome({1: Outcome("done")}, T)
        assert read_journal(tmp_path, PLAN).outcomes == {1: Outcome("done")}
        path.write_bytes(whole)


def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.begin(1, T)
        path = journal.path
    path.write_bytes(b"garbage\n" + path.read_bytes())
    with pytest.raises(IncidentError, match="line 1"):
        read_journal(tmp_path, PLAN)


def test_a_second_process_is_kept_out_until_the_first_is_done(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(InputNeeded, match="ada") as caught, opened(tmp_path):
        pass
    assert "--take-over" in caught.value.hint
    with opened(tmp_path):
        pass
    assert not list(tmp_path.glob("*.claim"))


def _claim(folder: Path, **changes: object) -> None:
    with opened(folder) as journal:
        owner = dict(journal._claim.owner)
    (folder / "apply.claim").write_text(json.dumps({**owner, "nonce": "other", **changes}))


def dead_pid() -> int:
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True, text=True)
    return int(process.stdout)


def test_a_dead_process_of_this_host_may_be_followed(tmp_path: Path) -> None:
    _claim(tmp_path, pid=dead_pid())
    with opened(tmp_path):
        pass


@pytest.mark.parametrize(
    "changes",
    [{"host": "elsewhere"}, {"space": "pid:[1]"}, {"pid": os.getpid()}, {"pid": 1}, {"pid": None}, {"pid": "x"}],
)
def test_any_other_claim_is_taken_only_over_by_hand(tmp_path: Path, changes: dict[str, object]) -> None:
    pid = changes.get("pid", dead_pid())
    _claim(tmp_path, **{**changes, "pid": pid})
    with pytest.raises(InputNeeded), opened(tmp_path):
        pass
    with opened(tmp_path, take_over=True) as journal:
        journal.check_claim()


def test_who_was_taken_over_stops_before_the_next_chunk(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        with opened(tmp_path, take_over=True), pytest.raises(Drift, match="taken over"):
            first.check_claim()
        assert not (tmp_path / "apply.claim").exists()


def test_an_unwritable_journal_stops_before_any_effect(tmp_path: Path) -> None:
    missing = tmp_path / "gone"
    with pytest.raises(TimelineUnwritable), opened(missing):
        pass
    with opened(tmp_path) as journal:
        assert journal._file is not None
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, journal._file)
        os.close(full)
        with pytest.raises(TimelineUnwritable) as caught:
            journal.intent([0], T)
        assert caught.value.exit_code == 7


def test_the_journal_of_another_plan_is_not_taken_for_this_one(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.begin(1, T)
    other = "purge-ffffffffffff"
    (tmp_path / f"{PLAN}.ndjson").rename(tmp_path / f"{other}.ndjson")
    with pytest.raises(IncidentError, match=PLAN):
        read_journal(tmp_path, other)


def test_one_claim_keeps_every_other_plan_of_the_incident_out(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(InputNeeded, match=PLAN), Journal(tmp_path, "undo-0123456789ab", ACTOR):
        pass


RIVAL = """
import sys
from pathlib import Path
from incident.errors import IncidentError
from incident.journal import Journal
print("ready", flush=True)
sys.stdin.readline()
try:
    with Journal(Path(sys.argv[1]), sys.argv[2], {}):
        print("in", flush=True)
        sys.stdin.readline()
except IncidentError as error:
    print(error.code, flush=True)
"""


def test_of_many_who_find_a_dead_claim_only_one_follows(tmp_path: Path) -> None:
    _claim(tmp_path, pid=dead_pid())
    command = [sys.executable, "-c", RIVAL, str(tmp_path), PLAN]
    root = Path(__file__).parents[2]
    rivals = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(4)]
    try:
        assert all(one.stdout and one.stdout.readline() == "ready\n" for one in rivals)
        for one in rivals:
            assert one.stdin
            one.stdin.write("go\n")
            one.stdin.flush()
        answers = sorted(one.stdout.readline() for one in rivals if one.stdout)
    finally:
        for one in rivals:
            one.communicate("\n")
    assert answers == ["claimed\n", "claimed\n", "claimed\n", "in\n"]
