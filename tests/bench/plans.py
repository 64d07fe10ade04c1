"""Plans of many objects: the memory of every step of a plan's life, in one cell and in many, and what a survey takes."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from tests.bench.rows import Options, Row, at_most
from tests.bench.runs import Run, measure, megabytes

NAME = "plans"
_LIMIT = 400_000_000
_STEPS = ("purge", "show", "apply", "effects", "verify", "undo", "revert")


def run(options: Options) -> list[Row]:
    """One row for each step, its peak over 400 MB; and the survey's time over that of a mere sort of all keys in memory."""
    size = options.sized(100_000, 1_000_000)
    rows = []
    for cells in (1, size // 1_000):
        home = options.folder / NAME / f"home-{cells}"
        shutil.rmtree(home, ignore_errors=True)
        where = f"{size:,} objects in {cells:,} cell{'' if cells == 1 else 's'}"
        rows += [_row(f"{step} of {where}", _measured(step, home, size, cells)) for step in _STEPS]
        sort, survey = (_measured(step, home, size, cells) for step in ("floor", "survey"))
        took, least = _seconds(survey), _seconds(sort)
        aim, met = at_most(took / least, 1.2)
        held = f"{least:.1f} s, {megabytes(sort.peak)}: keys sorted in memory"
        rows.append(Row(NAME, f"survey of {where}", f"{took:.1f} s, {megabytes(survey.peak)}", held, took / least, aim, met))
        shutil.rmtree(home, ignore_errors=True)
    return rows


def _measured(step: str, home: Path, size: int, cells: int) -> Run:
    return measure([sys.executable, "-m", "tests.bench.plan_steps", step, str(home), str(size), str(cells)])


def _seconds(run: Run) -> float:
    return float(json.loads(run.output.splitlines()[-1])["seconds"])


def _row(what: str, run: Run) -> Row:
    aim, met = at_most(run.peak / _LIMIT, 1.0)
    return Row(NAME, what, megabytes(run.peak), megabytes(_LIMIT), run.peak / _LIMIT, aim, met, f"{_seconds(run):.1f} s")
