"""Every recorded file cut at every byte of its last line, and ten thousand broken real lines: no crash, all accounted for.

``BROKEN_LINES=100000`` breaks more of them, ``BROKEN_SEED=7`` others.
"""

from __future__ import annotations

import io
import json
import os
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from lineage.blast import blast
from lineage.declarations import DatasetRule, Declarations, EdgeRule
from lineage.errors import LineageError
from lineage.events import Event, Unusable, decode, event
from lineage.fault import Fault
from lineage.gaps import gaps
from lineage.history import build
from lineage.layouts import Layout
from lineage.sources import Problems, Skipped, read
from lineage.sources.openlineage import _events
from lineage.windows import Window
from tests.lineage.broken_lines import FILES, broken, lines_of

COUNT = int(os.environ.get("BROKEN_LINES", "10000"))
SEED = int(os.environ.get("BROKEN_SEED", "0"))
BATCH = 50

DECLARED = Declarations(
    datasets=(
        DatasetRule("*", partition=Layout("dt=%Y-%m-%d"), nominal=True),
        DatasetRule("*clean*", partition=Layout("month=%Y-%m"), nominal=True, write="overwrite"),
    ),
    edges=(EdgeRule("*", "*raw*", Window("offsets", -6, 0)), EdgeRule("*", "*", Window("contained"))),
)


def _read(content: bytes) -> tuple[list[Event], list[Skipped]]:
    """What a file with that content gives, without a file."""
    problems = Problems()
    return list(_events("events.ndjson", io.BytesIO(content), problems, None)), problems.skipped


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_file_cut_at_any_byte_of_its_last_line_gives_all_that_came_before(path: Path) -> None:
    lines = lines_of(path)
    before, last = lines[-2].strip() + b"\n", lines[-1].strip()
    kept, unused = _read(before)
    assert len(kept) + len(unused) == 1
    for cut in range(1, len(last)):
        events, skipped = _read(before + last[:cut])
        assert events == kept
        assert [one.line for one in skipped] == [*(one.line for one in unused), 2], cut
        assert all(one.reason and one.source == "events.ndjson" for one in skipped)
    events, skipped = _read(before + last)
    assert len(events) + len(skipped) == 2


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_broken_real_lines_never_crash_and_are_all_accounted_for(path: Path, tmp_path: Path) -> None:
    lines = lines_of(path)
    wanted = -(-COUNT // len(FILES))
    for batch in range(0, wanted, BATCH):
        random = Random(f"{SEED} {path.stem} {batch}")
        there = [broken(random.choice(lines), random) for _ in range(min(BATCH, wanted - batch))]
        there += [random.choice(lines) for _ in range(BATCH // 5)]
        random.shuffle(there)
        there.insert(0, lines[0])  # what the file as a whole is, its first bytes say
        file = tmp_path / f"{batch}.ndjson"
        file.write_bytes(b"\n".join(there))
        events = _accounted(file, there)
        _answered(events, random)
        file.unlink()


def _accounted(file: Path, there: list[bytes]) -> list[Event]:
    """The usable events, after a look whether each line gave its own, or is named as skipped with its reason."""
    problems = Problems()
    events = list(read([str(file)], problems))
    assert all(one.source == str(file) and one.reason for one in (*problems.skipped, *problems.noted))
    assert all(1 <= one.line <= len(there) for one in (*problems.skipped, *problems.noted))
    skipped = {one.line for one in problems.skipped}
    used = {number: _usable(line) for number, line in enumerate(there, 1) if line.strip()}
    assert [number for number, count in used.items() if not count and number not in skipped] == []
    assert len(events) == sum(used.values())
    return events


def _usable(line: bytes) -> int:
    """How many events a line gives by itself."""
    count = 0
    with suppress(Unusable):
        found = decode(line)
        for value in found if isinstance(found, list) else [found]:
            with suppress(Unusable):
                event(value)
                count += 1
    return count


def _answered(events: list[Event], random: Random) -> None:
    """What a person would ask of them is answered, or refused in words."""
    history = build(events, random.choice((Declarations(), DECLARED)))
    gaps(history)
    faults = [Fault(job=str(random.choice(history.jobs)))] if history.jobs else []
    faults += [Fault(cells=(f"{random.choice(history.datasets)}@*",))] if history.datasets else []
    for fault in faults:
        with suppress(LineageError):
            json.dumps(blast(history, fault).to_json()).encode()
