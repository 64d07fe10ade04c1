"""Questions to the index of a large company: the whole process of ``incident blast`` beside one that reads the same row groups.

The floor imports pyarrow and networkx, and reads the very row groups and columns that the question was seen to read.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.bench.company import DAY, FIRST, Company, company
from tests.bench.company_files import SEED
from tests.bench.company_index import repeated, year
from tests.bench.rows import Options, Row, at_most
from tests.bench.runs import Measured, alternate, cpu_ratio, incident, measure, megabytes, milliseconds, python, ratio

NAME = "query"
_PEAK = 400
_TIMES = 9
"""How often what is drawn of the largest company is told."""
_CONFIG = """
[lineage]
lost_after = 604800
[[dataset]]
match = "*"
write = "overwrite"
[[dataset]]
match = "*_d"
partition = "dt=%Y-%m-%d"
nominal = true
[[dataset]]
match = "*_h"
partition = "dt=%Y-%m-%d/hour=%H"
nominal = true
[[dataset]]
match = "*_t"
partition = false
"""
_WATCHED = """
import json, sys
import pyarrow.parquet as pq

seen = []

def watch(name):
    plain = getattr(pq.ParquetFile, name)

    def watched(self, *arguments, **options):
        groups = list(arguments[0]) if arguments else None
        seen.append((self.path_of, self.words, groups, options.get("columns")))
        return plain(self, *arguments, **options)

    setattr(pq.ParquetFile, name, watched)

begin = pq.ParquetFile.__init__

def opened(self, source, *arguments, **options):
    self.path_of, self.words = source.name, options.get("read_dictionary")
    begin(self, source, *arguments, **options)

pq.ParquetFile.__init__ = opened
watch("read")
watch("read_row_groups")
from incident.cli.main import run

code = run(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    json.dump(seen, file)
sys.exit(code)
"""
_FLOOR = """
import json, sys
import networkx
import pyarrow.parquet as pq

with open(sys.argv[1]) as file:
    seen = json.load(file)
for path, words, groups, columns in seen:
    with open(path, "rb") as file:
        parquet = pq.ParquetFile(file, read_dictionary=words)
        if groups is None:
            parquet.read(columns=columns, use_threads=False)
        else:
            parquet.read_row_groups(groups, columns=columns, use_threads=False)
"""


def run(options: Options) -> list[Row]:
    """At a median job and at the worst hub; whatever the history; at ten times the size. Every job names its partitions."""
    folder = options.folder / NAME
    config = folder / "incident.toml"
    config.write_text(_CONFIG, encoding="utf-8")
    big = company(SEED, 2000, options.sized(33, 365), certain=True)
    place = year(big, folder / f"index-{big.days}-days")
    asking = _Asking(folder, config, options.rounds)
    runs_a_day = sum(24 if job.hourly else 1 for job in big.jobs)
    size = f"{runs_a_day * big.days / 1e6:.1f} M runs in {big.days} days"
    rows = asking.compared(f"{size}, 30 days", big, place, _near(big, 5000 // 30), 30, 1.3)
    rows += asking.compared(f"{size}, 30 days, worst hub", big, place, _near(big, 1 << 30), 30, 2.0)
    rows += _histories(asking, folder, options)
    if not options.quick:
        drawn = company(SEED, 20_000, 40, certain=True)
        large = replace(drawn, days=_TIMES * drawn.days)
        at_ten = year(drawn, folder / f"index-of-{len(drawn.jobs)}")
        at_ten = repeated(at_ten, drawn.days, _TIMES, folder / f"index-of-{len(drawn.jobs)}-{large.days}")
        runs_a_day = sum(24 if job.hourly else 1 for job in large.jobs)
        size = f"{runs_a_day * large.days / 1e6:.0f} M runs in {large.days} days"
        rows += asking.compared(f"{size}, 3 days", large, at_ten, _near(large, 5000 // 30), 3, 3.0)
        rows += asking.compared(f"{size}, 30 days, worst hub", large, at_ten, _near(large, 1 << 30), 30, None, peak=1000)
    return rows


def _histories(asking: _Asking, folder: Path, options: Options) -> list[Row]:
    """The same company with 90 days of history, and with ten years."""
    jobs = 20  # more would take an hour to draw, and say the same
    short, long = (company(SEED, jobs, days, certain=True) for days in (90, 3650))
    places = year(short, folder / f"index-{jobs}-jobs-90"), year(long, folder / f"index-{jobs}-jobs-3650")
    job = _near(short, 1 << 30)
    found = alternate(
        {str(one.days): asking.blast(one, place, job, 3) for one, place in zip((short, long), places, strict=True)}, asking.rounds
    )
    ours, floor = found["3650"], found["90"]
    aim, met = at_most(ratio(ours, floor), 1.3)
    what, note = f"3 days old, {jobs} jobs, 3,650 days of history beside 90", f"by CPU {cpu_ratio(ours, floor):.2f}"
    return [Row(NAME, what, milliseconds(ours.wall), f"{milliseconds(floor.wall)}: 90 days", ratio(ours, floor), aim, met, note)]


class _Asking:
    def __init__(self, folder: Path, config: Path, rounds: int) -> None:
        self._folder = folder
        self._config = config
        self.rounds = rounds

    def blast(self, of: Company, place: Path, job: int, days: int) -> list[str]:
        """The command line that asks what a job did since so many days before the end."""
        return incident(*self._question(of, place, job, days))

    def compared(
        self, what: str, of: Company, place: Path, job: int, days: int, limit: float | None, peak: int = _PEAK
    ) -> list[Row]:
        """Time and memory of one question beside the reading that it needs."""
        seen = self._folder / "seen.json"
        # not by --json: a process that holds a large answer would lend its own size to those it starts
        told = " ".join(measure(python(_WATCHED, str(seen), *self._question(of, place, job, days), "--quiet")).output.split())
        reached = int(told.partition("actually reached, through ")[2].partition(" attempt")[0].replace(",", ""))
        commands = {"floor": python(_FLOOR, str(seen)), "ours": self.blast(of, place, job, days)}
        found = alternate(commands, self.rounds)
        return [
            _time(f"{what}: {reached:,} attempts reached", found["ours"], found["floor"], limit),
            _memory(f"{what}: peak memory", found["ours"], peak),
        ]

    def _question(self, of: Company, place: Path, job: int, days: int) -> list[str]:
        since = f"{FIRST + of.days * DAY - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"
        named = f"{of.jobs[job].namespace}/{of.jobs[job].name}"
        where = ["--config", str(self._config), "--home", str(self._folder / "home")]
        return [*where, "blast", "--job", named, "--since", since, "--lineage", f"index:{place}"]


def _time(what: str, ours: Measured, floor: Measured, limit: float | None) -> Row:
    found = ratio(ours, floor)
    aim, met = at_most(found, limit) if limit is not None else ("", None)
    named = f"{milliseconds(floor.wall)}: pyarrow, networkx and the same row groups"
    return Row(NAME, what, milliseconds(ours.wall), named, found, aim, met, f"by CPU {cpu_ratio(ours, floor):.2f}")


def _memory(what: str, ours: Measured, limit: int) -> Row:
    share = ours.peak / (limit * 1e6)
    return Row(NAME, what, megabytes(ours.peak), "", share, f"≤ {limit} MB", share <= 1)


def _near(of: Company, attempts_a_day: int) -> int:
    """The job whose output reaches about so many runs a day."""
    reach = {job.index: sum(24 if of.jobs[one].hourly else 1 for one in of.downstream(job.index)) for job in of.jobs}
    return min(reach, key=lambda index: (abs(reach[index] - attempts_a_day), index))
