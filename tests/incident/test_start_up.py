"""Quick commands answer at once: they load no cloud, no table, no graph library, and pydantic only where typer itself does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from incident.cli.app import commands
from incident.home import Home
from tests.lineage.openlineage import ran

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("boto3", "botocore", "pyarrow", "networkx", "numpy", "duckdb", "pandas", "msgspec", "deltalake", "pyiceberg", "yaml")

SCRIPT = """
import sys
import typer, rich.console
before = set(sys.modules)
from incident.cli.main import run
code = run(sys.argv[1:])
sys.stderr.write(",".join(sorted(set(sys.modules) - before)))
sys.exit(code)
"""


UNASKED = (
    *("incident.home", "incident.timeline", "incident.explanation", "incident.effects", "incident.journal", "incident.storage"),
    *(
        "lineage.audience",
        "lineage.columns",
        "lineage.column_taint",
        "lineage.explain",
        "lineage.remedies",
        "lineage.suggest",
        "lineage.triage",
        "lineage.suggest_toml",
    ),
    *("lineage.index.update", "lineage.index.ingest", "lineage.sources.openlineage", "lineage.decoding"),
    *("runbooks", "boto3", "duckdb", "msgspec", "pydantic", "rfc8785", "zoneinfo", "zstandard"),
)
"""What a question to an event index about a fault, outside of an incident, has no use for."""


def loaded(*arguments: str) -> set[str]:
    """The modules that a command loads beyond those of typer and rich's console, and the packages they are in."""
    ran = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    names = ran.stderr.splitlines()[-1].split(",")
    return {*names, *(one.partition(".")[0] for one in names)}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with an incident that has a few records."""
    folder = Home(str(tmp_path / "home")).create("orders priced in cents", 0)
    for number in range(3):
        folder.timeline.append("observation", f"observation {number}")
    return tmp_path / "home"


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["blast", "--help"], ["purge", "--help"]], ids=" ".join)
def test_help_and_version_load_no_heavy_library(command: list[str]) -> None:
    assert loaded(*command).isdisjoint({*HEAVY, "pydantic", "lineage.events", "rfc8785", "orjson"})


@pytest.mark.parametrize(
    "command", [["status"], ["timeline"], ["list"], ["status", "--json"], ["timeline", "verify"]], ids=" ".join
)
def test_where_an_incident_stands_is_told_without_heavy_libraries(home: Path, command: list[str]) -> None:
    assert loaded("--home", str(home), *command).isdisjoint({*HEAVY, "pydantic", "runbooks", "secrets"})


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """An event index of one job that reads and one that reads what it writes."""
    runs = [
        ran(f"{date}T{hour}:00:00Z", f"{date}T{hour}:10:00Z", f"{job}-{date}", job, reads=[read], writes=[job], nominal=date)
        for date in ("2026-11-01", "2026-11-02", "2026-11-03")
        for hour, job, read in (("01", "clean", "raw"), ("02", "mart", "clean"))
    ]
    (tmp_path / "events.ndjson").write_text("".join(json.dumps(one) + "\n" for told in runs for one in told))
    place = tmp_path / "index"
    loaded("lineage", "ingest", "--lineage", str(tmp_path / "events.ndjson"), "--to", str(place))
    return place


def test_what_a_fault_reached_is_told_by_an_index_without_what_only_other_questions_need(index: Path) -> None:
    found = loaded("blast", "--job", "test/clean", "--since", "2026-11-02", "--lineage", f"index:{index}")
    assert "lineage.index.query" in found
    assert found.isdisjoint(UNASKED)


def test_within_an_incident_without_plans_it_is_told_without_what_plans_need(index: Path, home: Path) -> None:
    lineage = ("--lineage", f"index:{index}")
    loaded("--home", str(home), "scope", "--job", "test/clean", "--since", "2026-11-02", *lineage)
    found = loaded("--home", str(home), "blast", *lineage)
    assert "incident.effects" in found
    assert found.isdisjoint({"runbooks", "boto3", "msgspec", "lineage.index.update"})


def test_bytes_that_are_no_text_are_refused_in_words(home: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "incident", "--home", str(home), "blast", "--job", b"\xff"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 2
    assert b"Invalid value for '--job': it is not text in UTF-8" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["note", "x", "--kind", "nonsense"], "is not one of"),
        (["purge", "--max-objects", "many"], "Invalid value for '--max-objects'"),
        (["declare"], "Missing argument 'TITLE'"),
        (["note"], "Missing argument 'TEXT'"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_what_is_no_text_is_still_converted_and_refused(home: Path, arguments: list[str], told: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "incident", "--home", str(home), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert told in ran.stderr


@pytest.mark.parametrize(
    ("command", "made"),
    [
        (["--help"], []),
        (["--version"], []),
        (["blst"], []),
        (["blast", "--help"], ["blast"]),
        (["--no-color", "timeline", "--help"], ["timeline_alone"]),
        (["runbook", "list"], ["_nothing", "runbook_list"]),
    ],
    ids=" ".join,
)
def test_only_the_command_that_is_named_is_made(command: list[str], made: list[str]) -> None:
    script = (
        "import sys\n"
        "from incident.cli import app, main, registration\n"
        "adapter = registration.adapter\n"
        "def noted(function, **options):\n"
        "    sys.stderr.write(f'made {function.__name__}\\n')\n"
        "    return adapter(function, **options)\n"
        "registration.adapter = noted\n"
        "main.run(sys.argv[1:])\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, *command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line.removeprefix("made ") for line in ran.stderr.splitlines() if line.startswith("made ")] == made


def test_a_mistyped_command_is_met_with_the_names_of_those_that_were_not_made() -> None:
    ran = subprocess.run([sys.executable, "-m", "incident", "blst"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "No such command 'blst'. Did you mean 'blast'" in ran.stderr


def test_commands_are_listed_as_they_were_announced_and_groups_last() -> None:
    groups = [name for name, one in commands.items() if hasattr(one, "commands")]
    plain = [name for name in commands if name not in groups]
    assert list(commands) == [*plain, *groups]
    assert plain.index("revert") < plain.index("fix") < plain.index("note") < plain.index("blast")


def test_garbage_is_looked_for_seldom_from_before_anything_is_loaded() -> None:
    script = (
        "import builtins, gc, sys\n"
        "from incident.__main__ import main\n"
        "load, seen = builtins.__import__, []\n"
        "def noted(name, *rest):\n"
        "    seen.append(gc.get_threshold()[0])\n"
        "    return load(name, *rest)\n"
        "builtins.__import__ = noted\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    assert min(seen) >= 100_000, seen\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, "--version"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_end_looks_for_no_garbage_and_still_does_what_is_to_be_done_at_exit() -> None:
    script = (
        "import atexit, gc, sys\n"
        "from incident.__main__ import main\n"
        "atexit.register(lambda: sys.stderr.write(f'{gc.get_freeze_count()} {len(gc.get_objects())}'))\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, "--version"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    frozen, looked_through = map(int, ran.stderr.split())
    assert frozen > 100 * looked_through
