"""``init`` and ``doctor``: a configuration to begin with, and whether what it names is there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from incident import files
from incident.context import Context
from incident.errors import IncidentError, UsageError
from incident.report import Problem, Report, printable

if TYPE_CHECKING:
    from rich.table import Table

    from incident.checks import Check

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def init(context: Context) -> Report:
    """Write a commented ``incident.toml`` here (or where ``--config`` says); never overwrites one."""
    from incident.config import NAME
    from incident.config_example import EXAMPLE

    path = Path(context.config_path or os.environ.get("INCIDENT_CONFIG") or NAME).expanduser().absolute()
    try:
        written = files.create(path, EXAMPLE.encode())
    except OSError as error:
        raise IncidentError(
            f"{path} cannot be written: {error.strerror or error}", "name another place with --config FILE"
        ) from error
    if not written:
        raise UsageError(f"{path} is there already and is not overwritten", "incident doctor", code="exists")
    return Report(data={"path": str(path)}, text=f"Wrote {path}; take the '# ' away from what you mean", next=["incident doctor"])


def doctor(context: Context) -> Report:
    """Look at everything the configuration names; exit 1 when something fails, 4 when all that fails is for want of credentials."""
    from incident.checks import checks, exit_code

    found = []
    with context.progress("checking") as progress:
        for one in checks(context):
            found.append(one)
            progress.advance()
    code = exit_code(found)
    following = dict.fromkeys(one.hint for one in found if one.hint.startswith("incident ") and one.status != "ok")
    return Report(
        data={"checks": [one.to_json() for one in found]},
        text=lambda: _table(found),
        problems=[Problem("check", f"{one.name}: {one.detail}", one.hint) for one in found if one.status == "fail"],
        next=list(following) or ([] if code else ["incident blast --job JOB"]),
        exit_code=code,
    )


def _table(found: list[Check]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for one in found:
        hint = f"; {one.hint}" if one.hint and one.status == "warn" else ""
        table.add_row(Text(one.status, style=_STYLES[one.status]), printable(one.name), printable(one.detail + hint))
    return table
