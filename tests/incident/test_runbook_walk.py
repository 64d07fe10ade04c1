"""A runbook walked by hand and unattended: no gate vanishes, and a walk goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from incident.context import Context
from tests.small_lake import Terminal, incident_on

ALL = ["contain", "revert", "fix", "purge", "backfill", "verify", "close"]


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return incident_on(tmp_path, monkeypatch, capsys, until="declared")


def walk(terminal: Terminal, *more: str) -> tuple[int, list[str], dict[str, Any]]:
    code, envelope = terminal("run", "batch-error", "--no-input", *more)
    return code, [one["status"] for one in envelope["data"]["steps"]], envelope


def consents(*names: str) -> list[str]:
    return [flag for name in names for flag in ("--param", name)]


def test_unattended_with_every_consent_it_goes_from_contain_to_close(terminal: Terminal) -> None:
    given = consents("contained=yes", "code_version=v2", "closed=yes")
    code, envelope = terminal("run", "batch-error", "--no-input", "--yes", *given)
    assert code == 0, envelope
    assert [(one["id"], one["status"]) for one in envelope["data"]["steps"]] == [(name, "done") for name in ALL]
    assert terminal.lake.runs == ["shop/orders dt=2026-11-17", "shop/totals dt=2026-11-17", "shop/board *"]
    identifier = terminal.ok("list")["incidents"][0]["id"]
    records = terminal.ok("timeline", "--incident", identifier)["events"]
    steps = [one["evidence"] for one in records if one["kind"] == "step"]
    assert [one["step"] for one in steps] == ALL[:-1], "closing is its own record"
    assert {one["runbook"] for one in steps} == {"batch-error"}
    assert steps[3]["plan_id"].startswith("purge-")


def test_unattended_it_stops_at_each_missing_consent_names_it_and_goes_on_from_there(terminal: Terminal) -> None:
    before = terminal.lake.contents()
    code, status, envelope = walk(terminal)
    assert (code, status) == (3, ["waiting", *["pending"] * 6])
    assert "--param contained=yes" in envelope["problems"][0]["hint"]

    code, status, envelope = walk(terminal, *consents("contained=yes"))
    assert (code, status) == (3, ["done", "waiting", *["pending"] * 5])
    assert "--yes" in envelope["problems"][0]["hint"]
    assert terminal.lake.contents() == before, "a plan that nobody accepted does nothing"

    code, status, envelope = walk(terminal, "--yes")
    assert (code, status) == (3, ["done", "done", "waiting", *["pending"] * 4])
    assert "--param code_version=… or --param good_from=…" in envelope["problems"][0]["hint"]

    terminal.ok("fix", "--code-version", "v2")
    code, status, envelope = walk(terminal, "--yes")
    assert (code, status) == (3, [*["done"] * 6, "waiting"])
    assert "--param closed=yes" in envelope["problems"][0]["hint"]

    assert walk(terminal, *consents("closed=yes"))[0] == 0


def test_yes_is_no_consent_to_go_on_without_what_is_refused(terminal: Terminal) -> None:
    config = terminal.lake.folder / "incident.toml"
    config.write_text(config.read_text().replace('jobs = "shop/*"', 'jobs = "shop/[!t]*"'))
    given = consents("contained=yes", "code_version=v2", "closed=yes")
    code, status, envelope = walk(terminal, "--yes", *given)
    assert code == 3
    assert status[3] == "waiting"
    assert "daily/totals" in envelope["problems"][0]["message"]
    assert "--param skip_refused=…" in envelope["problems"][0]["hint"]
    code, status, envelope = walk(terminal, "--yes", *given, *consents("skip_refused=yes"))
    assert (code, status[3:]) == (6, ["done", "done", "failed", "pending"])


def test_a_failed_step_ends_the_walk_with_the_commands_exit_code(terminal: Terminal) -> None:
    terminal.lake.broken = {"shop/totals dt=2026-11-17"}
    given = consents("contained=yes", "code_version=v2")
    code, status, envelope = walk(terminal, "--yes", *given)
    assert (code, status[4]) == (1, "failed")
    assert "table is locked" in envelope["problems"][0]["message"]
    terminal.lake.broken = set()
    terminal.ok("resume")
    assert walk(terminal, "--yes", *given)[1][:6] == ["done"] * 6


def test_what_was_undone_is_to_be_done_again(terminal: Terminal) -> None:
    assert walk(terminal, "--yes", *consents("contained=yes"))[1][:3] == ["done", "done", "waiting"]
    revert = terminal.ok("status")["plans"][0]["id"]
    terminal.ok("undo", "--apply", terminal.ok("undo", revert)["plan"]["id"])
    assert walk(terminal)[1][:3] == ["done", "waiting", "pending"]


@pytest.mark.parametrize(
    "param", ["contained", "contained=", "nothing=yes", "contained=maybe", "skip_refused=true", "max_objects=many"]
)
def test_a_parameter_that_makes_no_sense_is_refused(terminal: Terminal, param: str) -> None:
    given = consents("contained=yes", param) if param.startswith("max") else consents(param)
    code, envelope = terminal("run", "batch-error", "--no-input", "--yes", *given)
    assert code == 2
    assert envelope["problems"][0]["hint"]


def test_a_runbook_that_is_not_there_or_not_valid_is_said_so(terminal: Terminal, tmp_path: Path) -> None:
    code, envelope = terminal("run", "stream-error")
    assert (code, "batch-error" in envelope["problems"][0]["message"]) == (2, True)
    broken = tmp_path / "mine.yaml"
    broken.write_text("name: mine\ntitle: Mine\nsteps:\n  - {id: a, verb: explode, why: w}\n")
    code, envelope = terminal("run", str(broken))
    assert code == 2
    assert "mine.yaml, line 4: unknown verb 'explode'" in envelope["problems"][0]["message"]
    assert terminal("runbook", "lint", str(broken))[0] == 1
    assert terminal.ok("runbook", "lint", "batch-error")["valid"]


def test_a_runbook_of_ones_own_walks_too(terminal: Terminal, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "name: mine\ntitle: Mine\nsteps:\n"
        "  - {id: look, verb: blast, why: To see.}\n"
        "  - {id: where, verb: status, why: To know.}\n"
        "  - {id: say, verb: note, why: To tell., with: {text: Walked., kind: decision}}\n"
    )
    assert terminal.ok("run", str(mine), "--no-input")["steps"][2]["status"] == "done"
    last = [one for one in terminal.ok("timeline")["events"] if one["kind"] == "note"][-1]
    assert (last["text"], last["evidence"]["kind"]) == ("Walked.", "decision")


# --- by hand -------------------------------------------------------------------------------------------------------------


def answer(monkeypatch: pytest.MonkeyPatch, answers: Sequence[str]) -> list[str]:
    """A person at a terminal, who types these answers; what was asked is returned."""
    waiting, asked = list(answers), []

    def ask(_self: Context, question: str, *, flag: str) -> str:
        assert flag
        asked.append(question)
        return waiting.pop(0)

    monkeypatch.setattr(Context, "interactive", property(lambda _self: True))
    monkeypatch.setattr(Context, "ask", ask)
    return asked


def by_hand(terminal: Terminal) -> tuple[int, str]:
    from incident.cli.main import run

    code = run(["run", "batch-error"])
    return code, terminal.capture.readouterr().out


def test_by_hand_each_plan_is_shown_and_asked_for(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, ["d", "what?", "d", "d", "v2", "d", "d", "d"])
    code, shown = by_hand(terminal)
    assert code == 0
    assert "held?" in asked[0]
    assert asked[1] == asked[2], "an answer that is none is asked for again"
    assert "Apply revert-" in asked[1]
    assert "Apply purge-" in asked[5]
    assert "Plan purge-" in shown
    assert "Plan backfill-" in shown
    assert "all 7 steps are over" in shown


def test_by_hand_a_step_is_skipped_for_a_reason_and_the_walk_is_left(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, ["d", "s", "", "s", "nobody reads it at night", "q"])
    code, shown = by_hand(terminal)
    assert code == 3
    assert "skipped  revert" in shown
    steps = [one["evidence"] for one in terminal.ok("timeline")["events"] if one["kind"] == "step"]
    assert [(one["step"], one["outcome"], one["reason"]) for one in steps] == [
        ("contain", "done", "confirmed"),
        ("revert", "skipped", "nobody reads it at night"),
        ("fix", "stopped", "left by the operator"),
    ]
    asked = answer(monkeypatch, ["d", "v2", "q"])
    assert by_hand(terminal)[0] == 3
    assert "fixed" in asked[0], "it goes on where it was left"


def test_unattended_a_revert_beside_an_open_writer_takes_the_word_that_it_is_stopped(terminal: Terminal) -> None:
    lake = terminal.lake
    with (lake.folder / "incident.toml").open("a") as file:
        file.write('\n[[dataset]]\nmatch = "s3://lake/serving/board"\nwrite = "append"\n')
    with (lake.folder / "events.ndjson").open("a") as file:
        started = {
            "eventType": "START",
            "eventTime": "2026-11-19T00:00:00Z",
            "run": {"runId": "00000000-0000-4000-8000-00000000abcd"},
            "job": {"namespace": "shop", "name": "board"},
            "inputs": [{"namespace": "s3://lake", "name": "daily/totals"}],
            "outputs": [{"namespace": "s3://lake", "name": "serving/board"}],
        }
        file.write(json.dumps(started) + "\n")
    code, status, envelope = walk(terminal, "--yes", *consents("contained=yes"))
    assert (code, status[:2]) == (3, ["done", "waiting"])
    assert "--param writers_stopped=…" in envelope["problems"][0]["hint"]
    code, status, _ = walk(terminal, "--yes", *consents("writers_stopped=yes"))
    assert (code, status[1]) == (3, "done")
