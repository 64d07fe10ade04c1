"""Two processes decode a file as one does: the same events, the same problems on the same lines, whatever becomes of the helper."""

from __future__ import annotations

import fcntl
import json
import os
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from lineage.decoding import together as shared
from lineage.decoding import workers
from lineage.decoding.batches import read_batches
from lineage.decoding.filling import Filling
from lineage.decoding.together import read_together
from lineage.decoding.workers import Helper, pays
from lineage.events import Event
from lineage.index.batch import Batch
from lineage.index.dimensions import Dimensions
from lineage.sources import Problems
from tests.bench.company import company
from tests.lineage.batch_events import events_in


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Some thousand events between lines that are none, and a note here and there."""
    lines: list[bytes] = []
    for number, one in enumerate(company(3, 30, 2, odd=True).events()):
        lines.append(json.dumps(one).encode())
        if number % 50 == 0:
            lines += [b"no event", b"", json.dumps({**one, "run": {}}).encode()]
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def alone(path: Path, first_line: int) -> tuple[list[Event], Problems, int]:
    problems, filling = Problems(), Filling()
    with path.open("rb") as file:
        found = events_in(read_batches(str(path), file, problems, first_line=first_line, filling=filling))
    return found, problems, filling.lines


def together(path: Path, first_line: int) -> tuple[list[Event], Problems, int]:
    problems, filling = Problems(), Filling()
    with path.open("rb") as file, Helper() as helper:
        batches = list(read_together(str(path), file, 0, path.stat().st_size, problems, first_line, filling, helper))
    found = events_in([*batches, filling.rest()])
    assert len(found) == filling.events
    return found, problems, filling.lines


@pytest.mark.parametrize("part", [1, 20_000, 150_000])
def test_two_processes_tell_what_one_tells(file: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    if part == 1:  # a line each
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:60]))
    monkeypatch.setattr(shared, "_PART", part)
    expected = alone(file, 1000)
    assert together(file, 1000) == expected
    assert expected[1].skipped
    assert expected[1].noted


def test_a_run_is_cut_in_two_only_where_the_processes_meet(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_PART", 10_000)
    size = file.stat().st_size
    assert size > 30 * 10_000
    with file.open("rb") as opened, Helper() as helper:
        filling = Filling()
        batches = [*read_together(str(file), opened, 0, size, Problems(), 1, filling, helper), filling.rest()]
        assert helper.begin()  # it is still there
    with file.open("rb") as opened:
        whole = list(read_batches(str(file), opened, Problems(), first_line=1))
    assert sum(map(len, batches)) == sum(map(len, whole))
    by_themselves = sum(len(one.time) for one in batches) - sum(len(one.time) for one in whole)
    assert by_themselves < sum(map(len, whole)) / 10


def test_what_a_process_has_is_a_range_and_at_the_end_the_later_half_of_what_the_other_has() -> None:
    parts = shared._Shared(20)
    first, goes_on = parts.for_helper() or (0, True)
    assert 5 < first < 15
    assert not goes_on
    assert parts.for_helper() == (first + 1, True)
    assert [parts.for_us() for _ in range(first)] == [(number, True) for number in range(first)]
    left = 20 - first - 2
    taken, goes_on = parts.for_us() or (0, True)
    assert (taken, goes_on) == (20 - (left + 1) // 2, False)
    parts.back([first + 1])
    rest = [parts.for_us() for _ in range(left)]
    assert rest[0] == (first + 1, False)
    assert {number for number, _ in filter(None, rest)} == {*range(first + 1, 20)} - {taken}
    assert parts.for_us() is None
    assert parts.for_helper() is None


def test_a_helper_that_dies_costs_nothing_but_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_PART", 20_000)
    answer = workers.Helper.answer
    killed: list[int] = []

    def dying(self: Any) -> Any:
        made = answer(self)
        if not killed:
            killed.append(self._process.pid)
            self._process.kill()
        return made

    monkeypatch.setattr(workers.Helper, "answer", dying)
    assert together(file, 1) == alone(file, 1)
    assert killed


def test_a_helper_that_finds_another_file_of_that_name_leaves_it_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_PART", 20_000)
    expected = alone(file, 1)
    problems, filling = Problems(), Filling()
    with file.open("rb") as opened, Helper() as helper:
        size = file.stat().st_size
        other = file.with_suffix(".new")
        other.write_bytes(b"x" * size)
        other.replace(file)  # rotated away while it is read
        batches = list(read_together(str(file), opened, 0, size, problems, 1, filling, helper))
    assert (events_in([*batches, filling.rest()]), problems, filling.lines) == expected


def test_a_helper_that_cannot_be_started_is_done_without(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_PART", 20_000)

    def fails(_: object) -> None:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(workers.Helper, "_start", fails)
    assert together(file, 1) == alone(file, 1)


@pytest.mark.skipif(not hasattr(fcntl, "F_GETPIPE_SZ"), reason="a pipe is as wide as it is here")
def test_a_helper_needs_nobody_to_take_its_answer_before_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: SimpleQueue[Connection] = SimpleQueue()
    monkeypatch.setattr(workers, "_receive", lambda answers, _: begun.put(answers))
    with Helper() as helper:
        assert helper.begin()
        answers = begun.get()
        assert fcntl.fcntl(answers.fileno(), fcntl.F_GETPIPE_SZ) >= 1 << 20
        answers.close()


def test_one_helper_reads_one_file_after_another_also_after_one_that_was_given_up(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_PART", 20_000)
    expected = alone(file, 1)[0]
    size = file.stat().st_size
    filling = Filling()
    with file.open("rb") as opened, Helper() as helper:
        for _ in range(2):
            batches = list(read_together(str(file), opened, 0, size, Problems(), 1, filling, helper))
            assert events_in([*batches, filling.rest()]) == expected
        pid = helper._process.pid
        given_up = read_together(str(file), opened, 0, size, Problems(), 1, filling, helper)
        next(given_up)
        given_up.close()  # type: ignore[attr-defined]  # it is a generator
        filling.forget()
        batches = list(read_together(str(file), opened, 0, size, Problems(), 1, filling, helper))
        assert events_in([*batches, filling.rest()]) == expected
        assert helper._process.pid == pid
        assert not helper.begin()


def test_batches_that_follow_one_another_are_numbered_as_by_themselves(file: Path) -> None:
    with file.open("rb") as opened:
        batches = list(read_batches("f", opened, Problems(), first_line=1, size=100))
    assert len(batches) > 5
    one_by_one, each_anew = Dimensions(), Dimensions()
    for batch in batches:
        numbers, shapes = one_by_one.take(batch)
        same, alike = each_anew.take(Batch(list(batch.refs), list(batch.heads), list(batch.shapes), list(batch.dated)))
        assert [one_by_one.heads[one] for one in numbers] == [each_anew.heads[one] for one in same]
        assert [one_by_one.shapes[one] for one in shapes] == [each_anew.shapes[one] for one in alike]
    assert one_by_one.refs == each_anew.refs
    assert one_by_one.dated == each_anew.dated
    assert one_by_one.dated


def test_a_helper_pays_for_large_files_only_and_for_files_only(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with file.open("rb") as opened, os.fdopen(reading, "rb") as pipe:
        os.close(writing)
        assert not pays(opened, 1000)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
        assert pays(opened, workers.LARGE)
        assert not pays(pipe, workers.LARGE)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
        assert not pays(opened, workers.LARGE)
