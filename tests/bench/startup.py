"""Start-up: ``incident --help``, ``--version``, ``status`` and ``timeline`` beside an interpreter that imports typer and rich."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.bench.rows import Options, Row, at_most
from tests.bench.runs import Measured, alternate, cpu_ratio, incident, milliseconds, python, ratio

NAME = "startup"
_FLOOR = "import typer, rich.console"


def run(options: Options) -> list[Row]:
    """One row for each command, and one for each peer that is installed."""
    home = options.folder / NAME / "home"
    _incident(home)
    commands = {
        "floor": python(_FLOOR),
        "--help": incident("--help"),
        "--version": incident("--version"),
        "status": incident("--home", str(home), "status"),
        "timeline": incident("--home", str(home), "timeline"),
    }
    peers = {f"{name} --version": [path, "--version"] for name in ("aws", "dbt") if (path := _installed(name))}
    found = alternate({**commands, **peers}, 3 * options.rounds)
    floor = found["floor"]
    rows = [_row(f"incident {name}", found[name], floor, f'python -c "{_FLOOR}"', 2.0) for name in commands if name != "floor"]
    rows += [_row(f"incident {ours}", found[ours], found[name], name, 1.0) for name in peers for ours in ("--help", "status")]
    rows += [
        Row(NAME, f"{name} --version", "", "", None, note="not installed here") for name in ("aws", "dbt") if not _installed(name)
    ]
    return rows


def _installed(name: str) -> str | None:
    """Where a peer is; beside an interpreter rather than behind a version manager's shim, which costs time of its own."""
    beside = Path(sys.base_prefix) / "bin" / name
    return str(beside) if beside.exists() else shutil.which(name)


def _row(what: str, ours: Measured, floor: Measured, named: str, limit: float) -> Row:
    found = ratio(ours, floor)
    aim, met = at_most(found, limit)
    note = f"by CPU {cpu_ratio(ours, floor):.2f}"
    return Row(NAME, what, milliseconds(ours.wall), f"{milliseconds(floor.wall)}: `{named}`", found, aim, met, note)


def _incident(home: Path) -> None:
    """A home with one open incident and some records."""
    from incident.home import Home

    if not home.exists():
        folder = Home(str(home)).create("orders priced in cents", 0)
        for number in range(20):
            folder.timeline.append("observation", f"observation {number}", occurred_at=number)
