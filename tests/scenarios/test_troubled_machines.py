"""A disk that is full wherever the journal is, and a clock that is an hour off: on every ground that data may lie on."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from incident.context import Context
from incident.errors import OK, UNWRITABLE
from lineage.timestamps import SECOND
from tests.s3_server import LiveServer
from tests.wide_lake import GROUNDS, STEPS, Course, Ground, course

ROOM = (0, 330, 420, 500, 650, 800, 950, 1_100, 100_000)
"""Bytes; the first record of a journal has some 300."""
HOUR = 3_600 * SECOND


@contextmanager
def files_of_at_most(room: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(params=GROUNDS)
def found(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    ministack: LiveServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Course:
    ground: Ground = request.param
    return course(ground, tmp_path, ministack, monkeypatch, capsys, parts=2)


def test_a_full_disk_ends_it_clearly_and_resume_ends_where_an_undisturbed_run_does(found: Course) -> None:
    wealth = found.lake.everything()
    codes = []
    for at, room in enumerate(ROOM):
        step = STEPS[at % len(STEPS)]
        plan = found.plan(step)
        with files_of_at_most(room):
            code, envelope = found.incident(*found.command(step, plan))
        codes.append(code)
        assert code in {OK, UNWRITABLE}, envelope
        assert found.lake.everything() >= wealth
        if code == UNWRITABLE:
            assert all(one["message"] and one["hint"] for one in envelope["problems"]), envelope
        found.settle(step, plan)
    assert codes.count(UNWRITABLE) >= len(ROOM) // 2
    assert codes[-1] == OK


def test_a_clock_that_is_an_hour_off_changes_nothing(found: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    off = [0]
    monkeypatch.setattr(Context, "now", lambda _self: time.time_ns() + off[0])
    for planned, applied in ((-HOUR, HOUR), (HOUR, -HOUR)):
        for step in STEPS:
            off[0] = planned
            plan = found.plan(step)
            off[0] = applied
            code, envelope = found.incident(*found.command(step, plan))
            assert (code, found.finished(step, plan, envelope["data"])) == (OK, True), envelope
            found.equal(step, plan)
