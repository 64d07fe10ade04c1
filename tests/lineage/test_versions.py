"""A read that names a version sees that version's ancestry; where nobody told it, the time rules hold and it is at most SUSPECT."""

from __future__ import annotations

import random
from typing import Any

import pytest

from lineage.attempts import Attempt, Cell, Mode, Read, Write
from lineage.blast import blast
from lineage.datasets import DatasetId, Identities, JobId
from lineage.declarations import DatasetRule, Declarations
from lineage.events import event
from lineage.fault import Fault, Seeds
from lineage.history import History, build
from lineage.partitions import parse_partition
from lineage.sources import Problems
from lineage.sweep import Sweep
from lineage.taint import spread

TABLE = DatasetId("s3://lake", "table")
OLD, NEW = "8744736658442914487", "3051729675574597004"
"""Snapshot ids, which tell no order."""

DAY = parse_partition("dt=2026-11-18")


def history(*attempts: Attempt, kind: str | None = None) -> History:
    rules = (DatasetRule(match="*", format=kind),) if kind else ()
    edges = {one.job: frozenset({TABLE}) for one in attempts}
    ordered = tuple(sorted(attempts, key=lambda one: (one.start, one.end, one.key)))
    return History(ordered, Declarations(rules), Identities(), Problems(), edges, edges)


def wrote(name: str, start: int, version: str | None, mode: Mode = Mode.OVERWRITE, state: Any = "COMPLETE") -> Attempt:
    writes = (Write(Cell(TABLE, DAY, known=True), mode, version=version),)
    return Attempt(name, 0, JobId("n", name), start, start + 5, state, writes=writes)


def read(name: str, start: int, version: str | None) -> Attempt:
    reads = (Read(Cell(TABLE, DAY, known=True), version=version),)
    return Attempt(name, 0, JobId("n", name), start, start + 5, "COMPLETE", reads=reads)


def reached(story: History) -> dict[str, str]:
    return {one.run_id: one.state for one in blast(story, Fault(job="n/bad")).attempts}


def test_a_numbered_version_shows_its_ancestry_whatever_the_clock_says() -> None:
    story = history(wrote("bad", 10, "3"), wrote("clean", 20, "4"), *(read(f"r{one}", 30, one) for one in "234"))
    assert reached(story) == {"bad": "TAINTED", "r3": "TAINTED"}


def test_without_versions_the_same_reads_are_judged_by_time() -> None:
    story = history(wrote("bad", 10, None), wrote("clean", 20, None), read("old", 30, None))
    assert reached(story) == {"bad": "TAINTED"}


def test_an_append_later_than_the_write_takes_nothing_away() -> None:
    story = history(wrote("bad", 10, "3"), wrote("more", 20, "4", Mode.APPEND), read("r", 30, "4"))
    assert reached(story) == {"bad": "TAINTED", "r": "TAINTED"}


def test_a_merge_in_between_leaves_it_suspect() -> None:
    story = history(wrote("bad", 10, "3"), wrote("merge", 20, "4", Mode.MERGE), read("r", 30, "4"))
    assert reached(story)["r"] == "SUSPECT"


def test_a_write_that_names_no_version_may_be_in_any() -> None:
    story = history(wrote("bad", 10, None), wrote("clean", 40, "4"), read("r", 50, "3"))
    assert reached(story)["r"] == "SUSPECT"


def test_a_snapshot_id_shows_its_own_writer_for_certain() -> None:
    story = history(wrote("bad", 10, OLD), wrote("clean", 20, NEW), read("r", 30, OLD))
    assert reached(story) == {"bad": "TAINTED", "r": "TAINTED"}


def test_a_snapshot_made_before_the_bad_write_began_does_not_show_it() -> None:
    story = history(wrote("good", 0, OLD), wrote("bad", 10, NEW), read("r", 30, OLD))
    assert reached(story) == {"bad": "TAINTED"}


def test_a_snapshot_that_nobody_made_is_judged_by_time_and_never_convicted() -> None:
    story = history(wrote("bad", 10, None), read("r", 30, OLD))
    assert reached(story)["r"] == "SUSPECT"


def test_a_version_of_an_object_shows_its_writer_only() -> None:
    story = history(
        wrote("bad", 10, "abc"), wrote("more", 20, "def", Mode.APPEND), read("old", 30, "abc"), read("r", 30, "def"), kind="objects"
    )
    assert reached(story) == {"bad": "TAINTED", "old": "TAINTED"}


@pytest.mark.parametrize("seed", range(400))
def test_numbered_versions_as_a_plain_walk_over_the_table_says(seed: int) -> None:
    """An independent oracle: replay the table's commits in order, and look what version v holds of the bad write."""
    dice = random.Random(seed)
    modes = [Mode.OVERWRITE, Mode.APPEND, Mode.MERGE, Mode.UNKNOWN, Mode.DROP]
    commits = [(number, dice.choice(modes), dice.choice(["COMPLETE", "COMPLETE", "FAIL"])) for number in range(1, 7)]
    bad = dice.randint(1, 6)
    attempts = [
        wrote("bad" if number == bad else f"w{number}", dice.randint(0, 100), str(number), mode, state)
        for number, mode, state in commits
    ]
    reads = [read(f"r{version}", 200, str(version)) for version in range(7)]
    found = reached(history(*attempts, *reads))
    for version in range(7):
        later = [(mode, state) for number, mode, state in commits if bad < number <= version]
        gone = any(state == "COMPLETE" and mode in {Mode.OVERWRITE, Mode.DROP} for mode, state in later)
        certain = commits[bad - 1][2] == "COMPLETE" and all(mode is Mode.APPEND for mode, _ in later)
        expected = None if bad > version or gone else "TAINTED" if certain else "SUSPECT"
        # the bad version itself is shown by name, whatever became of its attempt
        assert found.get(f"r{version}") == expected, (version, commits, bad)


def test_must_lies_within_may_with_versions_too() -> None:
    for seed in range(300):
        dice = random.Random(seed)
        versions = ["1", "2", "3", None] if seed % 2 else [OLD, NEW, None]
        attempts = [wrote(f"w{n}", dice.randint(0, 50), dice.choice(versions), dice.choice(list(Mode))) for n in range(4)]
        attempts += [read(f"r{n}", dice.randint(0, 60), dice.choice(versions)) for n in range(4)]
        story = history(attempts[0], *attempts[1:])
        sweep = Sweep(story)
        taint = spread(sweep, Seeds(frozenset({next(i for i, one in enumerate(story.attempts) if one.run_id == "w0")})))
        assert taint.must <= taint.may
        assert taint.must_writes <= taint.may_writes


def told(kind: str, direction: str, facets: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    dataset = {"namespace": "s3://lake", "name": "table", "facets": facets, f"{direction}Facets": own}
    return {
        "eventType": kind,
        "eventTime": "2026-11-18T03:00:00Z",
        "run": {"runId": "r"},
        "job": {"namespace": "n", "name": "j"},
        f"{direction}s": [dataset],
    }


def test_versions_are_read_from_the_version_facet_and_icebergs_reports() -> None:
    facet = {"version": {"datasetVersion": "7"}}
    scan, commit = {"icebergScanReport": {"snapshotId": 11}}, {"icebergCommitReport": {"snapshotId": 12, "operation": "APPEND"}}
    raws = [
        told("START", "input", facet, {}),
        told("RUNNING", "input", {}, scan),
        told("COMPLETE", "output", {}, commit),
    ]
    (attempt,) = build(map(event, raws), Declarations()).attempts
    assert {one.version for one in attempt.reads} == {"7", "11"}
    assert [(one.version, one.mode) for one in attempt.writes] == [("12", Mode.APPEND)]


def test_an_airflow_key_goes_before_the_end_of_a_name() -> None:
    raw = told("COMPLETE", "output", {}, {})
    raw["outputs"][0]["name"] = "table/dt=2026-11-17"
    raw["run"]["facets"] = {"airflow": {"dagRun": {"partition_key": "2026-11-18"}}}
    (attempt,) = build([event(raw)], Declarations()).attempts
    assert str(attempt.writes[0].cell.partition) == "2026-11-18"
