"""All benches by one command: ``python -m tests.bench`` (``--full``, ``--only NAME``, ``--rounds N``, ``--folder DIR``).

The registry: a bench is a module of this folder with ``NAME`` and ``run(options) -> list[Row]`` (see ``tests.bench.rows``), and
one row of ``BENCHES``. It is imported only when it runs. It keeps what it generates below ``options.folder / NAME`` and may find
it there again; it measures by ``tests.bench.runs``, ours and the floor in turn and in the same run; it asserts nothing about time.
What it cannot measure here (a peer that is not installed) is a row without a ratio, with a note that says why.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.bench.rows import Options, Row

BENCHES = ("startup", "ingest", "incremental", "query", "storage")
"""Modules of this folder, in the order in which they run."""


def main(arguments: Sequence[str]) -> int:
    """Runs the benches asked for and prints their rows as one Markdown table; 1 when one of them failed to run."""
    asked = _parser().parse_args(arguments)
    modules: list[Any] = [import_module(f"tests.bench.{name}") for name in BENCHES]
    wanted = [one for one in modules if not asked.only or one.NAME in asked.only]
    if unknown := set(asked.only) - {one.NAME for one in modules}:
        sys.stderr.write(f"no bench is called {min(unknown)}; there are {', '.join(one.NAME for one in modules)}\n")
        return 2
    failed = False
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="incident-bench-") as temporary:
        folder = Path(asked.folder or temporary).absolute()
        options = Options(folder, quick=not asked.full, rounds=asked.rounds or (3 if not asked.full else 5))
        for one in wanted:
            began = time.perf_counter()
            (folder / one.NAME).mkdir(parents=True, exist_ok=True)
            try:
                found = one.run(options)
            except Exception as error:  # noqa: BLE001  # one bench that cannot run is no reason to lose the others' figures
                found, failed = [Row(one.NAME, f"did not run: {type(error).__name__}: {error}"[:300], "", "", None)], True
            rows += found
            sys.stderr.write(f"{one.NAME}: {time.perf_counter() - began:.0f} s, load {os.getloadavg()[0]:.1f}\n")
    sys.stdout.write(table(rows))
    if asked.json:
        Path(asked.json).write_text(
            json.dumps([asdict(one) for one in rows], indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    return 1 if failed else 0


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| bench | what | ours | floor | ratio | aim | |", "|---|---|---|---|---|---|---|"]
    for one in rows:
        verdict = {None: "", True: "met", False: "**missed**"}[one.met]
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        cells = (one.bench, one.what, one.ours, one.floor, ratio, one.aim, "; ".join(filter(None, (verdict, one.note))))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Every promised ratio, measured in one run.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes, some minutes (default)")
    size.add_argument("--full", action="store_true", help="the real sizes; takes long, and tens of gigabytes of disk")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this bench only; repeatable")
    parser.add_argument("--rounds", type=int, metavar="N", help="runs of each command that count (3, with --full 5)")
    parser.add_argument("--folder", metavar="DIR", help="keep what is generated here, and find it again")
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
