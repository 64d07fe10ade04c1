"""Ingest of files that are all known already, beside a process that only walks them."""

from __future__ import annotations

from tests.bench.company import company
from tests.bench.company_files import SEED, small_files
from tests.bench.rows import Options, Row, at_most
from tests.bench.runs import alternate, cpu_ratio, incident, measure, milliseconds, python, ratio

NAME = "incremental"
_FLOOR = """
import os, sys
import typer, rich.console, orjson, zstandard

def walk(folder):
    with os.scandir(folder) as found:
        for one in found:
            if one.is_dir(follow_symlinks=False):
                walk(one.path)
            else:
                os.stat(one.path)

walk(sys.argv[1])
"""


def run(options: Options) -> list[Row]:
    """Nothing new in so many files."""
    count = options.sized(2_000, 10_000)
    folder = options.folder / NAME
    files = small_files(company(SEED, 2000, 7), count, folder / f"{count}-files")
    index, home = str(folder / f"index-of-{count}"), str(folder / "home")
    ingest = incident("lineage", "ingest", "--lineage", str(files), "--to", index, "--json", "--home", home)
    measure(ingest)  # from here on all of them are known
    found = alternate({"floor": python(_FLOOR, str(files)), "ours": ingest}, options.rounds)
    ours, floor = found["ours"], found["floor"]
    aim, met = at_most(ratio(ours, floor), 4)
    what, walk = f"nothing new in {count:,} known files", f"{milliseconds(floor.wall)}: scandir and stat of them"
    note = f"by CPU {cpu_ratio(ours, floor):.2f}"
    return [Row(NAME, what, milliseconds(ours.wall), walk, ratio(ours, floor), aim, met, note)]
