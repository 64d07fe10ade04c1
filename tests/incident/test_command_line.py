"""The command line: common options on either side, one document, honest exit codes, no traceback."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import incident
from incident.cli import registration
from incident.cli.main import run
from incident.context import Context
from incident.errors import Drift, InputNeeded, UsageError
from incident.home import Home
from incident.report import Problem, Report
from lineage.errors import AmbiguousJob

ROOT = Path(incident.__file__).parents[1]


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("INCIDENT_ID", "INCIDENT_HOME", "INCIDENT_CONFIG", "INCIDENT_DEBUG", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


Stand = Callable[[Callable[[Context], Report]], None]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Puts a function where ``incident list`` would be called."""

    def put(function: Callable[[Context], Report]) -> None:
        from incident.commands import status

        monkeypatch.setattr(status, "list_incidents", function)

    return put


def _envelope(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_common_options_are_accepted_before_and_after_and_the_later_one_counts(stand_in: Stand, tmp_path: Path) -> None:
    seen: list[Context] = []
    stand_in(lambda context: seen.append(context) or Report())  # type: ignore[func-returns-value]
    assert run(["--home", "a", "--incident", "i", "--quiet", "list", "--home", "b", "--no-input", "--config", "c", "--yes"]) == 0
    context = seen[0]
    assert (context.home_url, context.incident_id, context.config_path) == ("b", "i", "c")
    assert (context.quiet, context.no_input, context.yes, context.json, context.events) == (True, True, True, False, False)


def test_flags_beat_the_environment_which_beats_the_project_which_beats_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    user = tmp_path / "xdg" / "dataops-incident" / "incident.toml"
    user.parent.mkdir(parents=True)

    def home(flag: str | None = None) -> str:
        return Context(home_url=flag).home.url

    assert home() == str(tmp_path / "state" / "dataops-incident")
    user.write_text('[home]\nurl = "/user"\n')
    assert home() == "/user"
    (tmp_path / "incident.toml").write_text('[home]\nurl = "/project"\n')
    assert home() == "/project"
    monkeypatch.setenv("INCIDENT_HOME", "/environment")
    assert home() == "/environment"
    assert home("/flag") == "/flag"


def test_the_incident_meant_is_named_or_the_only_open_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")

    def meant(named: str | None = None) -> str:
        return Context(home_url=str(home.path), incident_id=named).folder().id

    with pytest.raises(UsageError, match="No incident is open"):
        meant()
    first = home.create("first", 0)
    assert meant() == first.id
    second = home.create("second", 0)
    with pytest.raises(InputNeeded, match="2 incidents are open") as caught:
        meant()
    assert caught.value.data == {"open": [first.id, second.id]}
    assert meant(second.id) == second.id
    monkeypatch.setenv("INCIDENT_ID", first.id)
    assert meant() == first.id
    assert meant(second.id) == second.id
    monkeypatch.delenv("INCIDENT_ID")
    second.timeline.append("closed", "closed")
    assert meant() == first.id


@pytest.mark.parametrize(
    ("error", "code", "problem"),
    [
        (UsageError("wrong", "incident list"), 2, "usage"),
        (InputNeeded("needed", "--include"), 3, "input-needed"),
        (Drift("moved", "incident purge", data={"drifted": 1}), 5, "drift"),
        (AmbiguousJob("x", ("a/x", "b/x")), 2, "lineage"),
        (PermissionError(13, "Permission denied", "x.json"), 1, "os"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (RuntimeError("oh"), 1, "bug"),
        (RecursionError("deep"), 1, "bug"),
    ],
)
def test_every_error_is_one_document_with_its_exit_code(
    stand_in: Stand, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, problem: str
) -> None:
    def fails(_: Context) -> Report:
        raise error

    stand_in(fails)
    assert run(["list", "--json"]) == code
    found = _envelope(capsys)
    assert (found["ok"], found["exit_code"], found["problems"][0]["code"]) == (False, code, problem)
    assert found["problems"][0]["hint"]
    assert run(["list"]) == code
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("error: ")
    assert "Traceback" not in streams.err


def test_a_bug_is_said_in_one_line_and_shown_only_when_asked_for(
    stand_in: Stand, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Context) -> Report:
        raise KeyError("x\ny")

    stand_in(fails)
    assert run(["list"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "error: This is a bug in incident: KeyError: 'x\\ny'",
        "hint: set INCIDENT_DEBUG=1 to see where, and report it",
    ]
    monkeypatch.setenv("INCIDENT_DEBUG", "1")
    assert run(["list"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_report_may_say_that_changes_are_pending_and_is_ok(stand_in: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in(lambda _: Report(exit_code=8, next=["incident purge --apply p"]))
    assert run(["list", "--json"]) == 8
    found = _envelope(capsys)
    assert (found["ok"], found["exit_code"], found["next"]) == (True, 8, ["incident purge --apply p"])


def test_events_are_lines_whose_last_is_the_envelope(stand_in: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    def works(context: Context) -> Report:
        with context.progress("purging", total=1000) as progress:
            for _ in range(1000):
                progress.advance()
        return Report(data={"done": 1000}, text="never shown")

    stand_in(works)
    assert run(["list", "--events"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["schema"] == "incident/v1"
    assert lines[-1]["data"] == {"done": 1000}
    steps = [line["done"] for line in lines[:-1]]
    assert (steps[0], steps[-1], steps == sorted(steps)) == (0, 1000, True)
    assert len(steps) < 110


def test_with_json_nothing_else_reaches_stdout(stand_in: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    def works(context: Context) -> Report:
        context.say("working")
        return Report(data={"path": Path("a/b"), "many": {"b", "a"}, "odd": "\udcff ε"}, text="never shown")

    stand_in(works)
    assert run(["list", "--json"]) == 0
    streams = capsys.readouterr()
    assert json.loads(streams.out)["data"] == {"path": "a/b", "many": ["a", "b"], "odd": "\udcff ε"}
    assert streams.err == "working\n"
    assert run(["list", "--json", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_every_screen_ends_with_the_next_command(stand_in: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in(lambda _: Report(text="done", problems=[Problem("p", "careful")], next=["incident a", "incident b"]))
    assert run(["list"]) == 0
    streams = capsys.readouterr()
    assert streams.out == "done\n\nNext: incident a\n      incident b\n"
    assert streams.err == "warning: careful\n"


def test_the_next_command_is_about_the_incident_that_was_named(stand_in: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    following = ["incident revert", "incident list", "incident note TEXT --incident other", "cd lake"]
    stand_in(lambda _: Report(next=list(following)))
    assert run(["list", "--json", "--incident", "INC-1"]) == 0
    assert _envelope(capsys)["next"] == ["incident revert --incident INC-1", *following[1:]]
    assert run(["list", "--json"]) == 0
    assert _envelope(capsys)["next"] == following


def test_a_path_is_never_cut_nor_folded_into_a_pipe(stand_in: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    path = "s3://lake/" + "deep/" * 60 + "part-00000.parquet"

    def table(_: Context) -> Report:
        found = Table(box=None)
        found.add_column("path", overflow="fold")
        found.add_row(path)
        return Report(text=lambda: found)

    stand_in(table)
    assert run(["list"]) == 0
    out = capsys.readouterr().out
    assert path in out
    assert "\x1b" not in out


def test_markup_in_data_is_not_interpreted(stand_in: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    def table(_: Context) -> Report:
        found = Table("name")
        found.add_row("[bold]x[/] :smile: [/closing]")
        return Report(text=lambda: found)

    stand_in(table)
    assert run(["list"]) == 0
    assert "[bold]x[/] :smile: [/closing]" in capsys.readouterr().out


def test_no_input_names_the_flag_that_answers(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputNeeded) as caught:
        Context(no_input=True).confirm("Go on?")
    assert caught.value.hint == "--yes"
    assert Context(no_input=True, yes=True).confirm("Go on?")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))  # not a terminal
    with pytest.raises(InputNeeded):
        Context().ask("Which? ", flag="--runbook")


def test_a_terminal_is_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("y\nno\n"))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert Context().confirm("Go on?")
    assert not Context().confirm("Go on?")
    with pytest.raises(InputNeeded, match="No answer was given"):
        Context().confirm("Go on?")
    assert capsys.readouterr().err.startswith("Go on? [y/N] ")


def test_the_role_and_name_of_who_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCIDENT_ACTOR", "ada")
    monkeypatch.setenv("INCIDENT_ROLE", "incident commander")
    assert Context().actor() == {"name": "ada", "role": "incident commander"}


# --- parsing -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "command", "message"),
    [
        (["frobnicate"], "incident", "No such command"),
        (["lst"], "incident", "Did you mean"),
        (["list", "--bogus"], "list", "No such option"),
        (["note"], "note", "Missing argument"),
        (["note", "x", "--kind", "guess"], "note", "is not one of"),
        (["purge", "--max-objects", "many"], "purge", "--max-objects"),
        (["purge", "--max-objects", "-1"], "purge", "--max-objects"),
        (["purge", "--apply"], "purge", "requires an argument"),
        (["list", "extra"], "list", "unexpected extra argument"),
        (["timeline", "frob"], "timeline", "No such command"),
        (["lineage"], "lineage", "Missing command"),
        (["undo"], "undo", "Which plan"),
        ([], "incident", "No command"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_exit_2_in_one_document(
    capsys: pytest.CaptureFixture[str], arguments: list[str], command: str, message: str
) -> None:
    for given in (["--json", *arguments], [*arguments, "--json"]):
        if given[-2:] == ["--apply", "--json"]:
            continue  # --json is then the value of --apply
        assert run(given) == 2
        found = _envelope(capsys)
        assert (found["command"], found["exit_code"], found["ok"]) == (command, 2, False)
        assert message.lower() in found["problems"][0]["message"].lower()
        assert found["problems"][0]["hint"]


def test_after_two_dashes_nothing_is_an_option(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Home(tmp_path / "home").create("x", 0)
    assert run(["--home", str(tmp_path / "home"), "note", "--", "--json"]) == 0
    assert "Noted" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"incident {incident.__version__}\n"


def test_help_is_grouped_by_heading_and_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    places = [out.index(f"\n{heading}:\n") for heading in ("Set up", "Understand", "Recover", "Record and tell", "Runbooks")]
    assert places == sorted(places)
    assert all(f"  {code}  " in out for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 130))
    assert out.index("  declare ") > places[1]
    assert run([]) == 0
    assert "\nRecover:\n" in capsys.readouterr().out


# --- processes -----------------------------------------------------------------------------------------------------------


def _process(arguments: list[str], **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, *arguments], text=True, env=environment, stderr=subprocess.PIPE, **options)


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    folder = Home(tmp_path / "home").create("x", 0)
    for number in range(200):
        folder.timeline.append("note", f"{number} " + "long " * 200)
    reading, writing = os.pipe()
    process = _process(["-m", "incident.cli.main", "--home", str(tmp_path / "home"), "timeline", "--json"], stdout=writing)
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("command", "patched", "message", "hint"),
    [
        ("list", "status.list_incidents", "Interrupted", "incident status"),
        (
            "lineage ingest",
            "lineage.lineage_ingest",
            "Interrupted. What the index held before still counts; the same command goes on",
            "incident lineage ingest",
        ),
    ],
)
def test_an_interrupt_says_how_to_go_on(command: str, patched: str, message: str, hint: str) -> None:
    script = (
        "import sys, time\n"
        f"from incident.commands import {patched.partition('.')[0]}\n"
        "def wait(*arguments, **options):\n"
        "    print('waiting', file=sys.stderr, flush=True)\n"
        "    time.sleep(60)\n"
        f"{patched} = wait\n"
        "from incident.cli.main import main\n"
        f"sys.argv = ['incident', *{command.split()}, '--json']\n"
        "main()\n"
    )
    process = _process(["-c", script], stdout=subprocess.PIPE)
    assert process.stderr is not None
    assert process.stderr.readline() == "waiting\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate()
    assert process.returncode == 130
    assert json.loads(out)["problems"][0] == {"code": "interrupted", "message": message, "hint": hint}
    assert "Traceback" not in errors


def test_a_terminal_without_unicode_gets_escapes(tmp_path: Path) -> None:
    Home(tmp_path / "home").create("prix en centimes — é", 0)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for arguments in (["list"], ["list", "--json"]):
        ran = subprocess.run(
            [sys.executable, "-m", "incident.cli.main", "--home", str(tmp_path / "home"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert "prix en centimes \\u2014 \\" in ran.stdout


def test_a_group_without_a_command_of_its_own_is_never_called() -> None:
    with pytest.raises(AssertionError):
        registration._nothing(Context())
