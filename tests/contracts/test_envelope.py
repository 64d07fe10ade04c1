"""CONTRACT "Envelope": every registered command with --json prints one document, also when it fails, with its exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incident.cli.app import program
from incident.cli.main import run
from incident.home import Home

KEYS = ["schema", "command", "ok", "exit_code", "incident", "data", "problems", "next"]

NOWHERE: dict[str, tuple[list[str], int, str | None]] = {
    # command: arguments, exit code and problem in an empty folder with an empty home
    "init": ([], 0, None),
    "doctor": ([], 0, None),
    "demo": (["--step"], 2, "usage"),
    "lineage ingest": ([], 2, "lineage"),
    "lineage show": (["orders"], 2, "lineage"),
    "lineage gaps": ([], 2, "lineage"),
    "declare": (["orders priced in cents"], 0, None),
    "scope": (["--job", "a"], 2, "no-incident"),
    "blast": (["--job", "a"], 2, "lineage"),
    "triage": (["--job", "a"], 2, "lineage"),
    "status": ([], 2, "no-incident"),
    "list": ([], 0, None),
    "revert": ([], 2, "no-incident"),
    "fix": (["--code-version", "2"], 2, "no-incident"),
    "purge": ([], 2, "no-incident"),
    "backfill": ([], 2, "no-incident"),
    "verify": ([], 2, "no-incident"),
    "resume": ([], 2, "no-incident"),
    "undo": (["purge-000000000000"], 2, "no-incident"),
    "approve": (["purge-000000000000"], 2, "no-incident"),
    "quarantine list": ([], 0, None),
    "quarantine expire": (["--all-closed"], 0, None),
    "close": ([], 2, "no-incident"),
    "note": (["seen"], 2, "no-incident"),
    "timeline": ([], 2, "no-incident"),
    "timeline verify": ([], 2, "no-incident"),
    "export": ([], 2, "no-incident"),
    "run": (["batch-error"], 2, "no-incident"),
    "runbook list": ([], 0, None),
    "runbook show": (["batch-error"], 0, None),
    "runbook lint": (["batch-error"], 0, None),
}

PLANNED = ("revert", "purge", "backfill")


def _commands(group: Any, path: str = "") -> Iterator[str]:
    for name, inner in group.commands.items():
        if hasattr(inner, "commands"):
            if inner.invoke_without_command:
                yield f"{path}{name}"
            yield from _commands(inner, f"{path}{name} ")
        else:
            yield f"{path}{name}"


COMMANDS = sorted(_commands(program()))


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("INCIDENT_ID", "INCIDENT_CONFIG", "INCIDENT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("INCIDENT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def _document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert list(found) == KEYS
    assert found["schema"] == "incident/v1"
    assert found["ok"] == (found["exit_code"] in {0, 8})
    assert isinstance(found["data"], dict)
    assert all(sorted(problem) == ["code", "hint", "message"] for problem in found["problems"])
    assert all(isinstance(one, str) for one in found["next"])
    if found["exit_code"] not in {0, 8}:
        assert found["problems"]
        assert all(problem["message"] for problem in found["problems"])
        assert found["problems"][0]["hint"]
        assert found["problems"][0]["code"] != "bug", found["problems"]
    return found


def test_the_table_names_every_registered_command() -> None:
    assert sorted(NOWHERE) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_prints_one_document_where_there_is_nothing(capsys: pytest.CaptureFixture[str], command: str) -> None:
    arguments, code, problem = NOWHERE[command]
    assert run([*command.split(), *arguments, "--json", "--no-input"]) == code
    found = _document(capsys)
    assert (found["command"], found["exit_code"]) == (command, code)
    assert (found["problems"][0]["code"] if code else None) == problem


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_answers_an_unknown_option_in_one_document(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run([*command.split(), "--no-such-option", "--json"]) == 2
    found = _document(capsys)
    assert (found["command"], found["problems"][0]["code"]) == (command, "usage")


@pytest.mark.parametrize("command", [one for one in COMMANDS if one not in {"init", "demo"}])
def test_every_command_answers_a_broken_configuration_with_exit_2_and_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    """Only those that need no configuration may go on; none may crash, and doctor says it as a failed check."""
    (tmp_path / "incident.toml").write_text("[lineage]\nsorces = []\n")
    Home(tmp_path / "home").create("x", 0)
    code = run([*command.split(), *NOWHERE[command][0], "--json", "--no-input"])
    found = _document(capsys)
    if found["problems"] and found["problems"][0]["code"] == "config":
        assert code == 2
        assert "incident.toml:2: lineage.sorces" in found["problems"][0]["message"]
    elif command == "doctor":
        assert code == 1
        assert "incident.toml:2: lineage.sorces" in found["problems"][0]["message"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_names_its_json(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run([*command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert "--json" in out
    assert out.startswith(f"Usage: incident {command}")


@pytest.mark.parametrize("phase", PLANNED)
def test_a_plan_id_that_is_not_this_incidents_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, phase: str
) -> None:
    Home(tmp_path / "home").create("x", 0)
    assert run([phase, "--apply", f"{phase}-000000000000", "--json"]) == 2
    found = _document(capsys)
    assert f"{phase}-000000000000" in found["problems"][0]["message"]


@pytest.mark.parametrize("arguments", [["declare", "again"], ["note", "seen"]])
def test_a_timeline_that_cannot_be_written_is_exit_7(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    Home(tmp_path / "home").create("x", 0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", full)
    assert run([*arguments, "--json"]) == 7
    assert _document(capsys)["problems"][0]["code"] == "timeline"


@pytest.mark.parametrize("command", ["status", "note x", "revert", "purge", "backfill", "verify", "close", "export", "timeline"])
def test_several_open_incidents_are_exit_3_and_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str) -> None:
    home = Home(tmp_path / "home")
    ids = [home.create("x", 0).id, home.create("y", 0).id]
    assert run([*command.split(), "--json"]) == 3
    found = _document(capsys)
    assert found["data"]["open"] == ids
    assert "--incident" in found["problems"][0]["hint"]


def test_the_incident_is_named_where_one_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["declare", "orders priced in cents", "--json"]) == 0
    declared = _document(capsys)["incident"]
    assert declared.startswith("INC-")
    for arguments in (["status"], ["note", "x"], ["timeline"], ["timeline", "verify"], ["export"]):
        assert run([*arguments, "--json"]) == 0
        assert _document(capsys)["incident"] == declared
