"""A command is run as it is written, without a shell; its end is told and its output kept."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from incident.config import Config, OrchestratorRule
from incident.errors import ConfigError
from incident.orchestrators import command_of
from incident.orchestrators.command import CommandOrchestrator
from incident.orchestrators.port import RunOutcome
from lineage.datasets import JobId
from runbooks.plan import RunJob


def job(*command: str) -> RunJob:
    return RunJob("shop/x", "dt=2026-11-18", "", "", ("s3://lake/x@dt=2026-11-18",), 1, command)


def python(source: str, *arguments: str) -> RunJob:
    return job(sys.executable, "-c", source, *arguments)


@pytest.fixture
def run(tmp_path: Path) -> Callable[[RunJob], RunOutcome]:
    (tmp_path / "here").mkdir()
    return lambda action: CommandOrchestrator(tmp_path / "here").run(action, tmp_path / "logs" / "1.log")


def test_output_goes_to_the_log_and_exit_0_is_ok(run: Callable[[RunJob], RunOutcome], tmp_path: Path) -> None:
    outcome = run(python("import sys, os; print(os.getcwd()); print('oh', file=sys.stderr); print(repr(sys.stdin.read()))"))
    assert outcome == RunOutcome(ok=True)
    text = (tmp_path / "logs" / "1.log").read_text()
    assert text.startswith("$ ")
    assert f"{tmp_path / 'here'}\n" in text
    assert "oh\n" in text
    assert "''\n" in text, "the program must not wait for the terminal"


def test_arguments_reach_the_program_as_they_are(run: Callable[[RunJob], RunOutcome], tmp_path: Path) -> None:
    nasty = ["$(touch pwned)", "; touch pwned", "a b", "*", "`id`", "ä\n"]
    assert run(python("import sys; print(sys.argv[1:])", *nasty)).ok
    assert repr(nasty) in (tmp_path / "logs" / "1.log").read_text()
    assert not (tmp_path / "here" / "pwned").exists()


def test_another_exit_code_fails_with_the_last_words(run: Callable[[RunJob], RunOutcome]) -> None:
    outcome = run(python("print('table is locked'); raise SystemExit(4)"))
    assert not outcome.ok
    assert outcome.detail.endswith("ended with exit code 4: table is locked")


def test_a_signal_fails(run: Callable[[RunJob], RunOutcome]) -> None:
    outcome = run(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert not outcome.ok
    assert "was ended by SIGKILL" in outcome.detail


@pytest.mark.parametrize("command", ["no-such-program-anywhere", "", "nul\0byte"])
def test_a_program_that_cannot_be_started_fails(run: Callable[[RunJob], RunOutcome], command: str) -> None:
    outcome = run(job(command))
    assert not outcome.ok
    assert "could not be started" in outcome.detail


def test_an_interrupt_stops_the_program_and_what_it_started(run: Callable[[RunJob], RunOutcome], tmp_path: Path) -> None:
    child = "import time, pathlib, os; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    pid = tmp_path / "here" / "pid"

    def interrupt() -> None:
        while not (pid.exists() and pid.read_text()):
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    main = threading.get_ident()
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run(python(parent))
    gone = False
    for _ in range(500):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)
            time.sleep(0.01)
            continue
        gone = True
        break
    assert gone


def test_a_run_that_outlives_us_can_be_seen_until_its_end(tmp_path: Path) -> None:
    log = tmp_path / "1.log"
    orchestrator = CommandOrchestrator(tmp_path)
    assert not orchestrator.running(log)
    child = (
        "import pathlib, subprocess, sys; "
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True); "
        "pathlib.Path('pid').write_text(str(p.pid))"
    )
    assert orchestrator.run(python(child), log).ok
    assert orchestrator.running(log)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    for _ in range(500):
        if not orchestrator.running(log):
            break
        time.sleep(0.01)
    assert not orchestrator.running(log)


@pytest.mark.parametrize("code", [0, 3])
def test_how_a_run_ended_is_kept_for_those_who_come_after_us(tmp_path: Path, code: int) -> None:
    """We are killed; the program goes on, and ends."""
    log, go = tmp_path / "1.log", tmp_path / "go"
    wait = (
        "import pathlib, time\npathlib.Path('begun').touch()\n"
        f"while not pathlib.Path({str(go)!r}).exists():\n    time.sleep(0.01)\nraise SystemExit({code})"
    )
    ours = (
        "import sys\nfrom pathlib import Path\nfrom incident.orchestrators.command import CommandOrchestrator\n"
        "from runbooks.plan import RunJob\n"
        "action = RunJob('x', 'p', '', '', (), 1, (sys.executable, '-c', sys.argv[2]))\n"
        "CommandOrchestrator(Path(sys.argv[1])).run(action, Path(sys.argv[1]) / '1.log')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", ours, str(tmp_path), wait], cwd=Path(__file__).parents[2])
    orchestrator = CommandOrchestrator(tmp_path)
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert orchestrator.running(log)
    assert orchestrator.code(log) is None
    go.touch()
    while orchestrator.running(log):
        time.sleep(0.01)
    assert orchestrator.code(log) == code


X = JobId("shop", "x")


def test_the_first_matching_orchestrator_gives_the_command() -> None:
    config = Config(orchestrators=(OrchestratorRule("shop/*", "command", ("make", "{name}")), OrchestratorRule("*", "airflow")))
    assert command_of(config, X) == ("make", "{name}")
    assert command_of(Config(), X) is None


@pytest.mark.parametrize("kind", ["luigi", "airflow", "dagster", "dbt"])
def test_other_kinds_say_that_they_are_not_supported_yet(kind: str) -> None:
    with pytest.raises(ConfigError, match="not supported yet") as caught:
        command_of(Config(orchestrators=(OrchestratorRule("*", kind),)), X)
    assert 'kind = "command"' in caught.value.hint


def test_an_unknown_placeholder_is_a_configuration_error_that_lists_the_known() -> None:
    with pytest.raises(ConfigError, match=r"unknown placeholder \{day\}") as caught:
        command_of(Config(orchestrators=(OrchestratorRule("*", "command", ("make", "{day}")),)), X)
    assert "{partition}" in caught.value.hint
