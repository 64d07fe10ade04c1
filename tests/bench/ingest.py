"""Ingest: from a file of realistic events to a committed index, beside a loop that only reads its lines and decodes their JSON.

Whole processes, imports included. In one process: kept to one processor, as on a machine that has no second one.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.company import company
from tests.bench.company_files import SEED, events_file, packed
from tests.bench.rows import Options, Row, at_least
from tests.bench.runs import Measured, alternate, cpu_ratio, incident, megabytes, milliseconds, python, ratio

NAME = "ingest"
_FLOOR = "import sys, orjson\nwith open(sys.argv[1], 'rb') as file:\n    for line in file:\n        orjson.loads(line)\n"
_PEAK = 300
_ONE = (
    sys.executable,
    "-c",
    "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); os.execv(sys.argv[1], sys.argv[1:])",
)


def run(options: Options) -> list[Row]:
    """Throughput by ratio: in one process and in as many as it takes by itself; packed beside plain; the largest memory."""
    folder = options.folder / NAME
    days = options.sized(1, 7)
    plain = events_file(company(SEED, 2000, 7), days, folder / f"{days}-days.ndjson")
    files = {"plain": plain, "gzip": packed(plain, ".gz"), "zstd": packed(plain, ".zst")}
    index = folder / "index"

    def ingest(path: Path) -> list[str]:
        return incident("lineage", "ingest", "--lineage", str(path), "--to", str(index), "--json", "--home", str(folder / "home"))

    commands: dict[str, Sequence[str]] = {"floor": (*_ONE, *python(_FLOOR, str(plain)))}
    commands |= {name: (*_ONE, *ingest(path)) for name, path in files.items()}
    several = len(os.sched_getaffinity(0)) > 1
    if several:
        commands["together"] = ingest(plain)
    found = alternate(commands, options.rounds, before=lambda _: shutil.rmtree(index, ignore_errors=True))
    with plain.open("rb") as file:
        events = sum(1 for _ in file)
    size = f"{events:,} events, {megabytes(plain.stat().st_size)}"
    floor, ours = found["floor"], found["plain"]
    rows = [_row(f"one process, {size}", ours, floor, "a loop of orjson.loads", events, 0.85)]
    if several:
        rows.append(_row(f"as many processes as it takes, {size}", found["together"], floor, "a loop of orjson.loads", events, 1.4))
    else:
        rows.append(Row(NAME, "as many processes as it takes", "", "", None, note="one processor here"))
    rows += [_row(f"{name} beside plain, one process", found[name], ours, "plain", events, 0.8) for name in ("gzip", "zstd")]
    peak = max(one.peak for name, one in found.items() if name != "floor")
    rows.append(
        Row(NAME, "peak memory of any of these", megabytes(peak), "", peak / (_PEAK * 1e6), f"≤ {_PEAK} MB", peak <= _PEAK * 1e6)
    )
    return rows


def _row(what: str, ours: Measured, floor: Measured, named: str, events: int, limit: float) -> Row:
    found = 1 / ratio(ours, floor)  # throughput: the other way round than time
    aim, met = at_least(found, limit)
    note = f"by CPU {1 / cpu_ratio(ours, floor):.2f}; {events / ours.wall:,.0f} beside {events / floor.wall:,.0f} events/s"
    return Row(NAME, what, milliseconds(ours.wall), f"{milliseconds(floor.wall)}: {named}", found, aim, met, note)
