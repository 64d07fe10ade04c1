"""Storage: purging against ``s5cmd rm``, restoring versions against s3-pit-restore; on ministack, with and without a slow link.

Whole processes, in turn; between two runs the bucket is put back. ministack is one Python process that serves one request at a
time, so that its own CPU, told beside, is a floor for everybody's wall: what remains above it is ours. How high that floor is for
whoever looks before and after is measured too: the bare requests of such a purge or restore, with nothing around them.
"""

from __future__ import annotations

import os
import shlex
import shutil
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.rows import Options, Row, at_most
from tests.bench.runs import Run, incident, measure, milliseconds
from tests.bench.slow_link import SlowLink, slow_link
from tests.bench.storage_lake import KEYS, Lake
from tests.s3_server import LiveServer, serve

NAME = "storage"


@dataclass
class Series:
    """The runs of one command in one place. ``server``: CPU seconds of the server; ``requests``: of the last run, by kind."""

    runs: list[Run] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    requests: Mapping[str, int] = field(default_factory=dict)

    def told(self) -> str:
        """Wall, our CPU, the server's CPU."""
        wall, cpu = (statistics.median(getattr(one, name) for one in self.runs) for name in ("wall", "cpu"))
        return f"{milliseconds(wall)}, CPU {milliseconds(cpu)}, server {milliseconds(statistics.median(self.server))}"

    def asked(self) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.requests.items()))


def run(options: Options) -> list[Row]:
    """One row for each ratio, in both places."""
    s5cmd, restore = _installed("s5cmd"), _installed("s3-pit-restore")
    if s5cmd is None or restore is None:
        missing = "s5cmd" if s5cmd is None else "s3-pit-restore"
        return [Row(NAME, "purge and restore", "", "", None, note=f"{missing} is not installed here")]
    os.environ.update(KEYS)  # of the throw-away server, for what prepares the lake in this process
    folder = options.folder / NAME
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with serve(folder) as server, slow_link(server.endpoint) as link:
        purged = Lake(server.bucket(), folder / "purge", 10, options.sized(200, 2_000))
        reverted = Lake(server.bucket(), folder / "revert", 5, options.sized(100, 1_000), rewritten=True)
        for lake in (purged, reverted):
            lake.build()
        for place, endpoint in (("30 ms away", link.endpoint), ("beside us", server.endpoint)):
            bench = _Bench(server, link if endpoint == link.endpoint else None, endpoint, options.rounds)
            rows += _purge(bench, purged, place, s5cmd)
            rows += _restore(bench, reverted, place, restore)
    return rows


@dataclass
class _Bench:
    server: LiveServer
    link: SlowLink | None
    endpoint: str
    rounds: int

    def alternate(self, lake: Lake, commands: Mapping[str, Sequence[str]], left: int, phase: str) -> dict[str, Series]:
        """Each command in turn on the lake as it was, after one round that only warms up. ``left``: objects there afterwards."""
        found = {name: Series() for name in commands}
        for number in range(self.rounds + 1):
            for name in list(commands) if number % 2 else list(commands)[::-1]:
                lake.reset()
                lake.declare(self.endpoint)
                if name == "apply":
                    lake.plan(phase)
                if self.link is not None:
                    self.link.counts()
                before = _cpu(self.server)
                one = measure(commands[name], environment={**KEYS, "AWS_ENDPOINT_URL": self.endpoint})
                spent = _cpu(self.server) - before
                requests = self.link.counts() if self.link is not None else {}
                if (now := lake.currents()) != left:
                    raise RuntimeError(f"{name} left {now} objects, not {left}")
                if number:
                    found[name].runs.append(one)
                    found[name].server.append(spent)
                    found[name].requests = requests
        lake.reset()
        return found


def _purge(bench: _Bench, lake: Lake, place: str, s5cmd: str) -> Iterator[Row]:
    lake.reset()
    lake.declare(bench.endpoint)
    plan_id = lake.plan("purge")
    where = f"s3://{lake.bucket.name}/clean/orders/*"
    apply = incident("purge", "--apply", plan_id, *lake.options())
    both = f"{shlex.join(incident('purge', *lake.options()))} && {shlex.join(apply)}"
    commands = {
        "whole": ["sh", "-c", both],
        "apply": apply,
        "s5cmd": [s5cmd, "--endpoint-url", bench.endpoint, "--log", "error", "rm", where],
        "floor": _floor("purge", bench, lake),
        "floor of apply": _floor("apply", bench, lake),
    }
    found = bench.alternate(lake, commands, 0, "purge")
    theirs = found["s5cmd"]
    what = f"purge of {lake.count:,} objects, {place}"
    yield _row(f"{what}: survey to journaled end, wall", found["whole"], theirs, "wall", 1.3)
    yield _row(f"{what}: survey to journaled end, CPU", found["whole"], theirs, "cpu", 1.5)
    yield _row(f"{what}: applying a ready plan, wall", found["apply"], theirs, "wall", 0.5)
    yield _row(f"{what}: the bare requests of a safe purge, wall", found["floor"], theirs, "wall")
    yield _row(f"{what}: the bare requests of safely applying a plan, wall", found["floor of apply"], theirs, "wall")


def _restore(bench: _Bench, lake: Lake, place: str, restore: str) -> Iterator[Row]:
    lake.reset()
    lake.declare(bench.endpoint)
    plan_id = lake.plan("revert")
    apply = incident("revert", "--apply", plan_id, *lake.options())
    both = f"{shlex.join(incident('revert', *lake.options()))} && {shlex.join(apply)}"
    theirs = [restore, "-b", lake.bucket.name, "-B", lake.bucket.name, "-p", "clean/orders/", "-t", lake.good_until]
    commands = {
        "whole": ["sh", "-c", both],
        "default": [sys.executable, *theirs],
        "32 workers": [sys.executable, *theirs, "--max-workers", "32"],
        "floor": _floor("restore", bench, lake),
    }
    found = bench.alternate(lake, commands, lake.count, "revert")
    for name in ("default", "32 workers"):
        what = f"restore of {lake.count:,} versions, {place}: survey to journaled end, beside s3-pit-restore ({name})"
        yield _row(what, found["whole"], found[name], "wall", 0.8)
    what = f"restore of {lake.count:,} versions, {place}: the bare requests of a safe restore, beside s3-pit-restore (32 workers)"
    yield _row(what, found["floor"], found["32 workers"], "wall")


def _floor(what: str, bench: _Bench, lake: Lake) -> list[str]:
    arguments = (what, bench.endpoint, lake.bucket.name, str(lake.days), str(lake.each))
    return [sys.executable, "-m", "tests.bench.storage_floor", *arguments]


def _row(what: str, ours: Series, theirs: Series, measured: str, limit: float | None = None) -> Row:
    pairs = zip(ours.runs, theirs.runs, strict=True)
    ratio = statistics.median(getattr(one, measured) / getattr(other, measured) for one, other in pairs)
    aim, met = at_most(ratio, limit) if limit is not None else ("", None)
    note = f"ours: {ours.asked()}; theirs: {theirs.asked()}" if ours.requests else ""
    return Row(NAME, what, ours.told(), theirs.told(), ratio, aim, met, note)


def _installed(name: str) -> str | None:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


def _cpu(server: LiveServer) -> float:
    """CPU seconds that the server has used; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
