"""Three packages, imports one way: incident → runbooks → lineage; and each heavy library behind its one seam."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for package in ("incident", "lineage", "runbooks") for path in (ROOT / package).rglob("*.py"))

ALLOWED = {"lineage": {"lineage"}, "runbooks": {"lineage", "runbooks"}, "incident": {"lineage", "runbooks", "incident"}}

SEAMS = {
    "boto3": {"incident/storage/s3_client.py", "incident/storage/s3_identity.py", "incident/batch/function.py"},
    "botocore": {
        "incident/storage/s3_client.py",
        "incident/storage/s3_bucket.py",
        "incident/storage/s3_reader.py",
        "incident/storage/s3_identity.py",
        "incident/storage/s3_short_way.py",
        "incident/storage/s3_signature.py",
        "incident/storage/s3_wire.py",
        "incident/storage/glue.py",
    },
    "networkx": {"lineage/graph.py"},
    "numpy": {
        *(
            f"lineage/arrays/{name}.py"
            for name in (
                *("absent", "blast", "facts", "ledger", "overlapping", "paths", "places", "reached_attempts", "reached_cells"),
                *("seeing", "spread", "states", "summary"),
            )
        ),
        *(f"lineage/index/{name}.py" for name in ("ledger", "narrowing", "query", "resolving", "saying")),
    },
    "pyiceberg": {f"incident/tables/iceberg{part}.py" for part in ("", "_catalog", "_fields", "_files", "_steps")},
    "deltalake": {f"incident/tables/delta{part}.py" for part in ("", "_files")},
}

IMPURE = {
    *("os", "io", "time", "random", "secrets", "uuid", "socket", "subprocess", "shutil", "tempfile", "glob", "sys", "threading"),
    *("asyncio", "http", "urllib.request", "logging", "multiprocessing", "pathlib", "getpass", "signal"),
}
IMPURE_CALLS = {"open", "input", "print"}
CLOCKS = {"now", "utcnow", "today"}


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module a file imports, wherever in it, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                yield from ((alias.name, node.lineno) for alias in node.names)
            case ast.ImportFrom():
                assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
                yield str(node.module), node.lineno
                yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_imports_run_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    forbidden = set(ALLOWED) - ALLOWED[package] | {"tests"}
    wrong = [f"{_name(path)}:{line}: {module}" for module, line in _imports(path) if module.partition(".")[0] in forbidden]
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_heavy_libraries_stay_behind_their_seam(path: Path) -> None:
    wrong = [
        f"{_name(path)}:{line}: {module}"
        for module, line in _imports(path)
        if _name(path) not in SEAMS.get(module.partition(".")[0], {_name(path)})
    ]
    assert not wrong


@pytest.mark.parametrize("path", [path for path in FILES if path.is_relative_to(ROOT / "runbooks")], ids=_name)
def test_runbooks_are_pure(path: Path) -> None:
    wrong = [
        f"{line}: imports {module}" for module, line in _imports(path) if module in IMPURE or module.partition(".")[0] in IMPURE
    ]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
                wrong.append(f"{node.lineno}: calls {name}")
            case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCKS:
                wrong.append(f"{node.lineno}: asks the clock by {name}")
    assert not wrong


@pytest.mark.parametrize("path", [path for path in FILES if path.is_relative_to(ROOT / "incident")], ids=_name)
def test_no_clock_but_the_contexts_and_its_defaults(path: Path) -> None:
    """Commands take the time from the context; homes and timelines are handed it."""
    text = path.read_text(encoding="utf-8")
    if _name(path) in {"incident/context.py", "incident/home.py", "incident/timeline.py"} or "incident/demo/" in _name(path):
        return
    assert not [clock for clock in ("time.time", "datetime.now", "utcnow(") if clock in text]


def test_help_needs_no_heavy_library() -> None:
    script = (
        "import sys\n"
        "from incident.cli.main import run\n"
        "code = run(['--help'])\n"
        "heavy = {'boto3', 'botocore', 'pyarrow', 'networkx', 'rich', 'yaml', 'orjson', 'rfc8785'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "sys.exit(code)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "Understand:" in ran.stdout


@pytest.mark.parametrize("command", [["status"], ["list"], ["note", "x"], ["timeline", "verify"]])
def test_status_and_notes_need_no_cloud_nor_graph(tmp_path: Path, command: list[str]) -> None:
    script = (
        "import sys\n"
        "from incident.cli.main import run\n"
        "from incident.home import Home\n"
        "Home(sys.argv[1]).create('x', 0)\n"
        "code = run(['--home', *sys.argv[1:]])\n"
        "heavy = {'boto3', 'botocore', 'pyarrow', 'networkx', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "sys.exit(code)\n"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "home"), *command]
    ran = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
