"""The one JSON document of ``--json``: CONTRACT "Envelope"."""

from __future__ import annotations

import json
import sys
from typing import Any

from incident.errors import OK, PENDING
from incident.report import Report

SCHEMA = "incident/v1"


def envelope(command: str, report: Report) -> dict[str, Any]:
    """A report as the contract's document."""
    return {
        "schema": SCHEMA,
        "command": command,
        "ok": report.exit_code in {OK, PENDING},
        "exit_code": report.exit_code,
        "incident": report.incident,
        "data": report.data,
        "problems": [problem.to_json() for problem in report.problems],
        "next": report.next,
    }


def write(command: str, report: Report, *, one_line: bool) -> None:
    """Print it on stdout. Text that the terminal's encoding cannot show is escaped, never an error."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    body = envelope(command, report)
    text = json.dumps(body, indent=None if one_line else 2, ensure_ascii=not utf8, default=_plain)
    text = text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate becomes its own JSON escape
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)
