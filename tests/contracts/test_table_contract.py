"""What every adapter of a table format promises, asked of real tables; the one in memory is held to it too."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from incident.errors import ConfigError, PreconditionFailed, StorageError
from incident.tables.port import Commit, LakeTable, Note, Swap
from lineage.timestamps import SECOND
from tests.memory_table import MemoryLake
from tests.table_world import asked, make

BAD = "2026-11-17"
DAYS = ("2026-11-1", "2026-11-10", BAD)


def note(*actions: int, plan: str = "purge-1") -> Note:
    return Note(plan, actions or (0,), time.time_ns())


def fingerprint(table: LakeTable, partition: str, version: str | None = None) -> str:
    return table.files(table.version if version is None else version, {"": asked(partition)})[""].fingerprint


@pytest.fixture(params=["memory", "iceberg", "delta"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return MemoryLake() if request.param == "memory" else make(request.param, tmp_path)


@pytest.fixture
def days(lake: Any) -> Any:
    for day in DAYS:
        lake.put(day, f"good-{day}")
    return lake


def test_a_cell_is_the_files_of_its_partition_and_no_others(days: Any) -> None:
    table = days.open()
    found = table.files(
        table.version, {text: asked(text) for text in ("dt=2026-11-1", f"dt={BAD}", "dt=2026-11-9", "*", "dt=2026-11")}
    )
    assert [found[text].files for text in ("dt=2026-11-1", f"dt={BAD}", "dt=2026-11-9", "*")] == [1, 1, 0, 3]
    assert not found[f"dt={BAD}"].unclear
    assert found[f"dt={BAD}"].size > 0
    assert len({one.fingerprint for one in found.values()}) == 4


def test_what_a_partition_does_not_say_is_unclear(days: Any) -> None:
    table = days.open()
    found = table.files(table.version, {text: asked(text) for text in ("country=se", f"dt={BAD}/hour=03", f"dt={BAD}/country=se")})
    assert all(one.unclear for one in found.values())


def test_taking_a_cell_out_and_bringing_it_back_touches_nothing_else(days: Any) -> None:
    before, table = days.read(), days.open()
    commit = table.replace([Swap(asked(f"dt={BAD}"), "")], note())
    assert days.read() == {day: words for day, words in before.items() if day != BAD}
    assert commit == Commit(table.version, days.version(), frozenset({0}))
    gone = days.open()
    assert fingerprint(gone, f"dt={BAD}") == ""
    assert gone.ours("purge-1") == [commit]
    assert gone.ours("purge-2") == []
    gone.replace([Swap(asked(f"dt={BAD}"), commit.base)], note(plan="undo-1"))
    assert days.read() == before
    assert fingerprint(days.open(), f"dt={BAD}") == fingerprint(table, f"dt={BAD}")


def test_several_cells_go_by_one_commit_each_to_its_own_version(days: Any) -> None:
    first = days.version()
    days.overwrite(BAD, "bad")
    second = days.version()
    days.overwrite("2026-11-10", "bad")
    table = days.open()
    swaps = [Swap(asked(f"dt={BAD}"), first), Swap(asked("dt=2026-11-10"), second), Swap(asked("dt=2026-11-1"), "")]
    commit = table.replace(swaps, note(4, 5, 9))
    assert days.read() == {BAD: [f"good-{BAD}"], "2026-11-10": ["good-2026-11-10"]}
    assert commit.actions == {4, 5, 9}
    assert days.open().ours("purge-1") == [commit]


def test_a_stale_handle_changes_nothing(days: Any) -> None:
    first = days.version()
    days.put("2026-11-19", "later")
    stale = days.open()
    days.put("2026-11-20", "fresh")
    with pytest.raises(PreconditionFailed):
        stale.replace([Swap(asked(f"dt={BAD}"), "")], note())
    with pytest.raises(PreconditionFailed):
        stale.go_to(first, note(plan="revert-1"))
    assert days.read()["2026-11-20"] == ["fresh"]
    assert days.read()[BAD] == [f"good-{BAD}"]
    assert days.open().ours("purge-1") == days.open().ours("revert-1") == []


def test_a_table_goes_to_a_version_and_back(days: Any) -> None:
    good = days.version()
    days.overwrite(BAD, "bad")
    table = days.open()
    commit = table.go_to(good, note(plan="revert-1"))
    assert days.read()[BAD] == [f"good-{BAD}"]
    back = days.open()
    assert back.descends(commit.version or good)
    assert [(one.base, one.actions) for one in back.ours("revert-1")] == [(commit.base, frozenset({0}))]
    back.go_to(commit.base, note(plan="undo-1"))
    assert days.read()[BAD] == ["bad"]


def test_the_history_tells_versions_in_order_with_times_and_whose_they_are(days: Any) -> None:
    table = days.open()
    table.replace([Swap(asked(f"dt={BAD}"), "")], note())
    history, begins = days.open().history()
    assert begins
    times = [one.committed for one in history]
    assert times == sorted(times)
    assert [one.version for one in history][-2:] == [table.version, days.version()]
    assert [one.ours for one in history][-2:] == [False, True]
    assert history[-1].committed > 1_600_000_000 * SECOND


def test_of_several_committers_at_once_one_lands(days: Any) -> None:
    handles = [days.open() for _ in range(4)]
    landed: list[int] = []
    gate = threading.Barrier(len(handles))

    def commit(at: int) -> None:
        gate.wait()
        try:
            handles[at].replace([Swap(asked(f"dt={DAYS[at % 3]}"), "")], note(at))
        except (PreconditionFailed, StorageError):
            return
        landed.append(at)

    if isinstance(days, MemoryLake):
        pytest.skip("it has no lock")
    threads = [threading.Thread(target=commit, args=(at,)) for at in range(len(handles))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(landed) == 1
    assert [sorted(one.actions) for one in days.open().ours("purge-1")] == [landed]


def test_a_version_that_is_gone_is_an_error_not_an_empty_cell(days: Any) -> None:
    with pytest.raises(StorageError):
        days.open().files("987654321", {"": asked("*")})


# --- real tables ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["iceberg", "delta"])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return make(request.param, tmp_path)


def test_odd_values_and_null_are_partitions_like_others(real: Any) -> None:
    odd = ("a b/%F #+&é😀", "null", None, "__x__=y")
    for day in odd:
        real.put(day, "word")
    real.put(BAD, "word")
    cells = ("dt=a b%2F%25F %23+&é😀", "dt=__HIVE_DEFAULT_PARTITION__", "dt=__x__%3Dy", f"dt={BAD}")
    table = real.open()
    found = table.files(table.version, {text: asked(text) for text in (*cells, "dt=null")})
    assert [found[text].files for text in cells] == [1, 1, 1, 1]
    assert not any(found[text].unclear for text in cells)
    assert found["dt=null"].unclear, "it may be the text or none at all"
    version = table.version
    table.replace([Swap(asked(text), "") for text in cells], note())
    assert real.read() == {"null": ["word"]}
    real.open().replace([Swap(asked(text), version) for text in cells], note(plan="undo-1"))
    assert real.read() == {day: ["word"] for day in (*odd, BAD)}


def test_a_table_without_partitions_is_one_cell(tmp_path: Path, real: Any) -> None:
    (tmp_path / "other").mkdir()
    table = make(real.form, tmp_path / "other", partitioned=False)
    table.put(BAD, "word")
    opened = table.open()
    found = opened.files(opened.version, {text: asked(text) for text in ("*", f"dt={BAD}")})
    assert (found["*"].files, found["*"].unclear) == (1, "")
    assert "partitioned by nothing" in found[f"dt={BAD}"].unclear
    with pytest.raises(StorageError, match="may hold rows of other partitions"):
        opened.replace([Swap(asked(f"dt={BAD}"), "")], note())
    assert table.read() == {BAD: ["word"]}


def test_files_that_left_the_storage_are_missed(real: Any) -> None:
    real.put(BAD, "good")
    good = real.version()
    real.overwrite(BAD, "bad")
    table = real.open()
    assert table.lost(good, {"": asked(f"dt={BAD}")}) == ""
    first = min(real.folder.rglob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    first.unlink()
    assert table.lost(good, {"": asked(f"dt={BAD}")}).endswith(first.name)
    assert table.lost(table.version, {"": asked(f"dt={BAD}")}) == "", "what is current is not asked for"


def test_no_library_and_no_table_are_told_with_what_to_do(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses
    import sys

    gone = dataclasses.replace(real, name=real.name.replace("orders", "nothing"))
    with pytest.raises(ConfigError, match=r"no table|no Delta table"):
        gone.open()
    library = "pyiceberg" if real.form == "iceberg" else "deltalake"
    for name in [one for one in sys.modules if one.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError) as error:
        real.open()
    assert error.value.code == "not-installed"
    assert error.value.hint == f"pip install 'dataops-incident[{real.form}]'"


def test_restored_rows_are_found_by_readers_that_skip_files(real: Any) -> None:
    real.put(BAD, "good")
    good = real.version()
    real.overwrite(BAD, "bad")
    real.open().replace([Swap(asked(f"dt={BAD}"), good)], note(plan="revert-1"))
    if real.form == "delta":
        from deltalake import DeltaTable

        found = DeltaTable(real.name).to_pyarrow_table(filters=[("word", "=", "good")])
        assert json.loads(json.dumps(found.to_pylist())) == [{"dt": BAD, "word": "good"}]
    else:
        assert real.table.scan(row_filter="word = 'good'").to_arrow().num_rows == 1
