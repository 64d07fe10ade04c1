"""A tree of Luigi tasks as static lineage. ``data/luigi_jobs.py.txt`` is the module of a user."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineage.declarations import Declarations
from lineage.errors import SourceUnreadable
from lineage.events import Event
from lineage.history import History, build
from lineage.sources import Problems, luigi, read
from lineage.timestamps import parse

MODULE = Path(__file__).parent / "data" / "luigi_jobs.py.txt"


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the module ``jobs``, which is the current one."""
    shutil.copy(MODULE, tmp_path / "jobs.py")
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    assert sys.path == path
    for name in set(sys.modules) - before:
        if not name.startswith(("luigi", "lineage")) and str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def events(source: str) -> tuple[list[Event], Problems]:
    problems = Problems()
    return list(read([source], problems)), problems


def told(source: str) -> History:
    found, problems = events(source)
    assert not problems.noted
    return build(found, Declarations())


def refused(source: str) -> SourceUnreadable:
    with pytest.raises(SourceUnreadable) as caught:
        events(source)
    assert caught.value.hint
    return caught.value


def test_the_tree_is_walked_and_targets_become_datasets(jobs: Path) -> None:
    history = told("luigi:jobs:Report(month=2026-11)")

    reads = {job.name: {str(one) for one in datasets} for job, datasets in history.job_reads.items()}
    writes = {job.name: {str(one) for one in datasets} for job, datasets in history.job_writes.items()}
    log = f"file{jobs}/log"
    assert reads == {
        "shop.Clean": {"s3://lake/raw/orders"},
        "Balance": {"s3://lake/clean/orders", "s3://lake/balance/orders", log},
        "Report": {"s3://lake/balance/orders"},
    }
    assert writes == {
        "shop.Clean": {"s3://lake/clean/orders", log},
        "Balance": {"s3://lake/balance/orders"},
        "Report": {f"file{jobs}/report/all.csv"},
    }
    assert history.attempts == (), "static lineage: Luigi keeps no history"
    assert {job.namespace for job in history.jobs} == {"luigi"}
    assert set(history.said_by.values()) == {frozenset({"luigi"})}


def test_paths_name_partitions_and_dates_name_the_tasks_own(jobs: Path) -> None:
    found, _ = events("luigi:jobs:Balance(date=2026-11-02)")

    second = next(one for one in found if one.job is not None and one.job.name == "Balance" and one.partition_key == "2026-11-02")
    assert [str(part) for ref in second.outputs for part in ref.partitions] == ["dt=2026-11-02"]
    assert sorted(str(part) for ref in second.inputs for part in ref.partitions) == ["2026-11-02", "dt=2026-11-01", "dt=2026-11-02"]
    assert second.nominal == (parse("2026-11-02"), parse("2026-11-03"))
    assert second.run_id is None


@pytest.mark.parametrize(
    ("task", "key"),
    [
        ("Report(month=2026-11)", "2026-11"),
        ("Hourly(at=2026-11-18T03)", "2026-11-18T03"),
        ("Two(first=2026-11-18, last=2026-11-19)", None),
        ("Two(first=2026-11-18, last=2026-11-18)", None),
    ],
)
def test_one_parameter_that_is_a_date_names_the_partition(jobs: Path, task: str, key: str | None) -> None:
    found, _ = events(f"luigi:jobs:{task}")

    assert found[0].partition_key == key
    assert (found[0].nominal is None) == (key is None)


@pytest.mark.parametrize("text", ['month=2026-11,shops="a,b"', " month = 2026-11 , shops='a,b' "])
def test_a_value_with_a_comma_stands_in_quotes(jobs: Path, text: str) -> None:
    assert events(f"luigi:jobs:Report({text})")[0][0].outputs[0].dataset.name == f"{jobs}/report/a,b.csv"


def test_what_the_module_prints_stays_off_stdout(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events("luigi:jobs:Hourly(at=2026-11-18T03)")

    said = capsys.readouterr()
    assert said.out == ""
    assert "a module that talks" in said.err


def test_what_cannot_be_used_is_counted(jobs: Path) -> None:
    found, problems = events("luigi:jobs:Odd")

    assert [str(ref.dataset) for one in found for ref in one.outputs] == ["s3://lake/odd"]
    assert sorted(one.reason for one in problems.noted) == [
        "Odd has an output of the kind Warehouse, which names no file or URL",
        "Odd requires something that is not a task",
    ]


def test_a_tree_without_end_is_followed_for_a_while(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(luigi, "LIMIT", 20)

    found, problems = events("luigi:jobs:Endless(number=1)")

    assert [one.reason for one in problems.noted] == ["only the nearest 20 tasks of the tree were looked at"]
    assert len(found) == 20
    assert found[-1].inputs[0].dataset.name == "endless/21", "what the last one reads is still known"


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("luigi:jobs:Breaks(where=requires)", "jobs.py:{requires}: KeyError: 'orders'", "mend that line"),
        ("luigi:jobs:Breaks(where=output)", "jobs.py:{output}: ZeroDivisionError: division by zero", "mend that line"),
        ("luigi:broken:Task", "broken.py:2: SyntaxError", "mend that line"),
        ("luigi:leaves:Task", "leaves.py:3: SystemExit: 3", "mend that line"),
        ("luigi:needs:Task", "needs.py:1: ModuleNotFoundError: No module named 'not_there'", "mend that line"),
        ("luigi:nowhere:Task", "ModuleNotFoundError: No module named 'nowhere'", "current folder"),
        ("luigi:jobs:Nothing", "jobs has no Luigi task Nothing", "Balance, Breaks, Clean"),
        ("luigi:jobs:datetime.date", "no Luigi task", "its tasks"),
        ("luigi:jobs:Report(day=1)", "no parameter day", "month, shops"),
        ("luigi:jobs:Report", "requires the 'month' parameter", "Report(date="),
        ("luigi:jobs:Report(month=soon)", "does not match format", "Report(date="),
        ("luigi:jobs:Report(month)", "parameters end in 'month'", "param=value"),
        ('luigi:jobs:Report(month="2026-11)', "parameters end in", "param=value"),
        ("luigi:jobs", "not a Luigi task", "luigi:MODULE:TASK"),
        ("luigi:", "not a Luigi task", "luigi:MODULE:TASK"),
    ],
)
def test_errors_name_the_place_in_the_users_own_code(jobs: Path, source: str, message: str, hint: str) -> None:
    (jobs / "broken.py").write_text("import luigi\nclass (:\n")
    (jobs / "leaves.py").write_text("import sys\n\nsys.exit(3)\n")
    (jobs / "needs.py").write_text("import not_there\n")
    lines = (jobs / "jobs.py").read_text().splitlines()
    numbers = {
        "requires": next(number for number, line in enumerate(lines, 1) if "raise KeyError" in line),
        "output": next(number for number, line in enumerate(lines, 1) if "1 / 0" in line),
    }

    error = refused(source)

    assert message.format_map(numbers) in error.message
    assert hint in error.hint


def test_without_luigi_it_says_how_to_get_it(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "luigi", None)

    assert "pip install luigi" in refused("luigi:jobs:Report(month=2026-11)").hint
