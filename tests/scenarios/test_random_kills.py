"""Real processes that revert, purge and undo, killed by SIGKILL at random moments wherever data may lie; then they are resumed.

``RANDOM_KILLS`` in the environment asks for more than the few that every run does. ``-s`` shows where they hit.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from incident.journal import read_journal
from tests.s3_server import LiveServer
from tests.wide_lake import GROUNDS, STEPS, Course, Ground, Step, course

KILLS = int(os.environ.get("RANDOM_KILLS", "12"))
"""Shared by the grounds."""


@dataclass
class Killer:
    """Runs commands in processes of their own, and ends them."""

    course: Course
    chance: random.Random
    took: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By step, the seconds a process had before it began its journal, and after that."""
    hits: Counter[str] = field(default_factory=Counter)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        with (self.course.lake.folder / "killed.out").open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "incident", *arguments, "--json"], cwd=self.course.lake.folder, env=environment, stdout=out
            )

    def journal(self, plan: str) -> int:
        return sum(path.stat().st_size for path in self.course.lake.folder.glob(f"home/*/journal/{plan}.ndjson*"))

    def measure(self, step: Step, plan: str) -> None:
        """Run it undisturbed."""
        began = time.monotonic()
        process = self.start(*self.course.command(step, plan))
        while not self.journal(plan) and process.poll() is None:
            time.sleep(0.002)
        at = time.monotonic()
        assert process.wait() == 0
        self.took[step] = at - began, time.monotonic() - at

    def kill(self, step: Step, plan: str) -> bool:
        """Whether it could be killed, at any moment of its life or at one soon after it began to write its journal."""
        begun = self.course.begun(plan)
        process = self.start(*(["resume"] if begun else self.course.command(step, plan)))
        before, after = self.took[step]
        if self.chance.random() < 0.3:
            self._sleep(process, self.chance.uniform(0.0, before + after))
        else:
            size, until = self.journal(plan), time.monotonic() + 30
            while self.journal(plan) == size and process.poll() is None and time.monotonic() < until:
                time.sleep(0.001)
            self._sleep(process, self.chance.uniform(0.0, after))
        process.kill()
        if process.wait() >= 0:
            return False
        self.hits[self._where(plan) + (" of a resume" if begun else "")] += 1
        return True

    def _sleep(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def _where(self, plan: str) -> str:
        (folder,) = self.course.lake.folder.glob("home/*/journal")
        state = read_journal(folder, plan)
        if state.begun is None:
            return "before its journal"
        if state.doubtful:
            return "with actions in flight"
        return "after its journal" if state.ended is not None else "between actions"


@pytest.mark.parametrize("ground", GROUNDS)
def test_whenever_it_is_killed_resume_ends_where_an_undisturbed_run_does(
    ground: Ground,
    tmp_path: Path,
    ministack: LiveServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kills = (KILLS + GROUNDS.index(ground)) // len(GROUNDS)
    found = course(ground, tmp_path, ministack, monkeypatch, capsys)
    killer = Killer(found, random.Random(f"{ground} {KILLS}"))
    wealth = found.lake.everything()
    if kills > len(STEPS) * 4:
        for step in STEPS:
            plan = found.plan(step)
            killer.measure(step, plan)
            found.equal(step, plan)
    else:
        killer.took = dict.fromkeys(STEPS, (0.7, 0.3))
    while killer.hits.total() < kills:
        for step in STEPS:
            plan = found.plan(step)
            for _ in range(killer.chance.choice([1, 1, 2, 3])):
                if killer.hits.total() == kills or not killer.kill(step, plan):
                    break
                assert found.lake.clean() == found.clean, "nothing clean is touched"
                assert found.lake.everything() >= wealth, "nothing is lost, not even in between"
            found.settle(step, plan)
    with capsys.disabled():
        if KILLS > 12:
            sys.stdout.write(f"\n{ground}: {killer.hits.total()} kills: {dict(killer.hits)}; seconds {killer.took}\n")
