"""Runs processes in turn and measures each: wall, CPU and the largest memory of it and its children."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_COMPILED = {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / f"bench-bytecode-{os.getuid()}")}
"""Where compiled modules are kept: whoever installs a package has them, while a work tree may not."""


@dataclass(frozen=True, slots=True)
class Run:
    """One process from its start to its end. ``wall`` and ``cpu`` in seconds, ``peak`` in bytes.

    ``cpu`` is that of the process and the children it waited for; ``peak`` that of the largest one among them.
    """

    wall: float
    cpu: float
    peak: int
    output: str


@dataclass(frozen=True, slots=True)
class Measured:
    """All runs of one command."""

    runs: tuple[Run, ...]

    @property
    def wall(self) -> float:
        return statistics.median(one.wall for one in self.runs)

    @property
    def cpu(self) -> float:
        return statistics.median(one.cpu for one in self.runs)

    @property
    def peak(self) -> int:
        return max(one.peak for one in self.runs)

    @property
    def output(self) -> str:
        return self.runs[-1].output


def python(code: str, *arguments: str) -> list[str]:
    """A command line that runs a piece of Python in this environment."""
    return [sys.executable, "-c", code, *arguments]


def incident(*arguments: str) -> list[str]:
    """The console script, as it is installed beside this interpreter; else the module."""
    script = Path(sys.executable).with_name("incident")
    return [str(script), *arguments] if script.exists() else [sys.executable, "-m", "incident", *arguments]


def measure(command: Sequence[str], *, environment: Mapping[str, str] | None = None, accept: Sequence[int] = (0,)) -> Run:
    """One run, its output kept. Raises RuntimeError with what it said when it ends otherwise than accepted."""
    merged = {**os.environ, "PYTHONPATH": str(ROOT), "INCIDENT_ACTOR": "bench", **_COMPILED, **(environment or {})}
    merged.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env=merged, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        assert child.stdout is not None
        said = child.stdout.read().decode("utf-8", "replace")
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in accept:
        raise RuntimeError(f"{' '.join(command)[:200]} ended with {child.returncode}: {said[-2000:]}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, said)


def alternate(
    commands: Mapping[str, Sequence[str]],
    rounds: int,
    *,
    before: Callable[[str], None] = lambda _: None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Measured]:
    """Every command ``rounds`` times, in turn, after one round that only warms the caches; ``before`` is called ahead of each."""
    found: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        order = list(commands) if number % 2 else list(commands)[::-1]  # whoever is second profits from neither
        for name in order:
            before(name)
            run = measure(commands[name], environment=environment)
            if number:
                found[name].append(run)
    return {name: Measured(tuple(runs)) for name, runs in found.items()}


def ratio(ours: Measured, floor: Measured) -> float:
    """The median over the rounds of our wall over the floor's of the same round: what the machine does besides falls on both."""
    return statistics.median(one.wall / other.wall for one, other in zip(ours.runs, floor.runs, strict=True))


def cpu_ratio(ours: Measured, floor: Measured) -> float:
    """The same by CPU, which a busy machine disturbs less."""
    return statistics.median(one.cpu / other.cpu for one, other in zip(ours.runs, floor.runs, strict=True))


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 10 else f"{seconds:,.1f} s"


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
