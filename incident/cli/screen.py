"""What a person sees: the report on stdout, what went wrong on stderr, and the next command last."""

from __future__ import annotations

import os
import sys

from incident.errors import OK, PENDING
from incident.report import Report, printable


def show(report: Report, *, quiet: bool, no_color: bool) -> None:
    """Print a report."""
    text = report.text() if callable(report.text) else report.text
    if isinstance(text, str):
        _write(text if text.endswith("\n") or not text else text + "\n")
    elif text is not None:
        from rich.console import Console

        # Into a pipe or file nothing is folded at a guessed width; on a terminal rich asks for its width.
        wide = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else 1000
        console = Console(markup=False, emoji=False, highlight=False, no_color=no_color or None, width=wide)
        with console.capture() as captured:
            console.print(text)
        _write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
    sys.stdout.flush()
    failed = report.exit_code not in {OK, PENDING}
    for problem in report.problems:
        _tell(f"{'error' if failed else 'warning'}: {printable(problem.message)}")
        if problem.hint:
            _tell(f"hint: {printable(problem.hint)}")
    hints = {problem.hint for problem in report.problems}
    if (following := [one for one in report.next if one not in hints]) and not quiet:
        _write("\nNext: " + "\n      ".join(following) + "\n")
    sys.stdout.flush()


def _write(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _tell(text: str) -> None:
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stderr.flush()
