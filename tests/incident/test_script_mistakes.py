"""What scripts get wrong, and what befalls a process: refused or told, never guessed at and never a traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import incident
from incident.cli.main import run
from incident.context import Context
from tests.small_lake import incident_on

ROOT = Path(incident.__file__).parents[1]


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("INCIDENT_ID", "INCIDENT_HOME", "INCIDENT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def _told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = run([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def _process(arguments: list[str], **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, *arguments], text=True, env=environment, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["blast", "--job", ""], "--job"),
        (["blast", "--job", "x", "--lineage", ""], "--lineage"),
        (["purge", "--incident", ""], "--incident"),
        (["--incident", "", "purge"], "--incident"),
        (["purge", "--include", "a@b", "--include", ""], "--include"),
        (["purge", "--apply", ""], "--apply"),
        (["list", "--home="], "--home"),
        (["blast", "--job", "a", "--job", "b"], "--job"),
        (["blast", "--job", "a", "--since", "2026-11-01", "--since", "2026-11-02"], "--since"),
        (["purge", "--apply", "a", "--apply", "b"], "--apply"),
        (["--home", "a", "--home", "b", "list"], "--home"),
    ],
)
def test_an_option_that_is_empty_or_given_twice_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], option: str
) -> None:
    code, envelope = _told(capsys, *arguments)
    assert (code, envelope["data"]) == (2, {})
    assert option in envelope["problems"][0]["message"]


def test_an_output_that_cannot_be_written_is_told_without_a_traceback(tmp_path: Path) -> None:
    for arguments in (["list"], ["list", "--json"], ["list", "--events"]):
        with Path("/dev/full").open("w") as full:
            process = _process(["-m", "incident", "--home", str(tmp_path / "home"), *arguments], stdout=full)
            _, errors = process.communicate()
        assert process.returncode == 1
        assert errors.startswith("error: the output could not be written")
        assert "Traceback" not in errors


def test_an_interrupt_while_loading_is_quiet() -> None:
    script = (
        "import builtins, sys\n"
        "from incident.__main__ import main\n"
        "def interrupted(name, *rest):\n"
        "    raise KeyboardInterrupt\n"
        "builtins.__import__ = interrupted\n"
        "main()\n"
    )
    process = _process(["-c", script], stdout=subprocess.PIPE)
    out, errors = process.communicate()
    assert (process.returncode, out, errors) == (130, "", "")


def test_progress_that_nobody_reads_any_more_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(text)

    monkeypatch.setattr("sys.stdout", Gone())
    with Context(events=True).progress("purge", 3) as bar:
        bar.advance(3)


def test_what_to_type_next_is_a_command_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["undo"], ["run", "nonesuch"], ["runbook", "show", "nonesuch"]):
        _, envelope = _told(capsys, *arguments)
        assert envelope["next"], arguments
        assert all(one.startswith("incident ") and ";" not in one and " or " not in one for one in envelope["next"])


def test_repeats_of_nominal_unite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = incident_on(tmp_path, monkeypatch, capsys)
    days = ("--nominal", "2026-11-16", "--nominal", "2026-11-18")
    data = terminal.ok("blast", "--job", "shop/orders", *days)
    assert (data["fault"]["matched"], data["fault"]["nominal"]) == (2, "2026-11-16,2026-11-18")
    terminal.ok("declare", "two days", "--job", "shop/orders", *days)
    assert terminal.ok("blast")["fault"]["matched"] == 2


def test_a_fault_that_nobody_chose_yet_is_an_input_that_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _told(capsys, "declare", "something is odd")[0] == 0
    (tmp_path / "incident.toml").write_text("")
    for command in ("blast", "triage", "revert", "purge", "backfill", "verify"):
        code, envelope = _told(capsys, command)
        assert (code, envelope["problems"][0]["code"]) == (3, "no-fault"), command
        assert envelope["next"] == ["incident scope --job NAMESPACE/NAME"]
