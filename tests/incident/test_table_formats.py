"""What is particular to Iceberg and to Delta: transforms, tags, branches, retention; types and logs; and both on S3."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from incident.errors import PreconditionFailed, StorageError
from incident.tables.port import Asked, Note, Swap
from lineage.partitions import parse_partition
from tests.s3_server import LiveBucket, LiveServer
from tests.table_world import DeltaLake, IcebergLake, asked, make

BAD = "2026-11-17"


def note(plan: str = "purge-1", *actions: int) -> Note:
    return Note(plan, actions or (0,), time.time_ns())


# --- Iceberg -------------------------------------------------------------------------------------------------------------


def by_day(folder: Path, *, partition: str = "day") -> IcebergLake:
    """A table of times, partitioned by their days or hours; three rows around two midnights of UTC."""
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.transforms import parse_transform
    from pyiceberg.types import NestedField, StringType, TimestamptzType

    lake: IcebergLake = make("iceberg", folder)
    schema = Schema(NestedField(1, "ts", TimestamptzType(), required=False), NestedField(2, "word", StringType(), required=False))
    spec = PartitionSpec(PartitionField(1, 1000, parse_transform(partition), f"ts_{partition}"))
    catalog = lake.catalog
    catalog.drop_table("db.orders")
    catalog.create_table("db.orders", schema=schema, partition_spec=spec)
    moments = [datetime(2026, 11, day, hour, 30, tzinfo=UTC) for day, hour in ((16, 23), (17, 0), (17, 23))] + [None]
    words = ["eve", "start", "end", "none"]
    lake.table.append(pa.table({"ts": pa.array(moments, pa.timestamp("us", "UTC")), "word": words}))
    return lake


def words(lake: IcebergLake) -> list[str]:
    return sorted(lake.table.scan().to_arrow()["word"].to_pylist())


@pytest.mark.parametrize("partition", ["day", "hour"])
@pytest.mark.parametrize("cell", ["ts=2026-11-17", "ts_{}=2026-11-17", "20261117"])
def test_days_of_a_time_are_cut_by_transforms(tmp_path: Path, partition: str, cell: str) -> None:
    lake = by_day(tmp_path, partition=partition)
    table = lake.open()
    one = asked(cell.format(partition))
    if cell == "20261117" and partition == "hour":
        assert table.files(table.version, {"": one})[""].files == 2
    commit = table.replace([Swap(one, "")], note())
    assert words(lake) == ["eve", "none"]
    lake.open().replace([Swap(one, commit.base)], note("undo-1"))
    assert words(lake) == ["end", "eve", "none", "start"]


def test_days_of_another_clock_are_not_those_of_utc(tmp_path: Path) -> None:
    table = by_day(tmp_path).open()
    one = Asked(parse_partition("ts=2026-11-17"), utc=False)
    assert "may hold rows of other partitions" in table.files(table.version, {"": one})[""].unclear
    with pytest.raises(StorageError):
        table.replace([Swap(one, "")], note())


def test_a_month_s_cell_holds_its_days_and_a_day_s_cell_no_month(tmp_path: Path) -> None:
    table = by_day(tmp_path, partition="month").open()
    found = table.files(table.version, {text: asked(text) for text in ("ts=2026-11", "ts=2026-11-17", "ts=2026-12-01")})
    assert [(one.files, bool(one.unclear)) for one in found.values()] == [(1, False), (1, True), (0, False)]


def test_a_bucket_says_nothing_of_its_column(tmp_path: Path) -> None:
    lake: IcebergLake = make("iceberg", tmp_path, partitioned=False)
    with lake.table.update_spec() as update:
        update.add_field("word", "bucket[4]", "word_bucket")
        update.add_identity("dt")
    lake.put(BAD, "one")
    table = lake.open()
    found = table.files(table.version, {text: asked(text) for text in (f"dt={BAD}", "word=one")})
    assert [bool(one.unclear) for one in found.values()] == [False, True]


def test_files_of_an_older_partitioning_are_refused_until_they_are_rewritten(tmp_path: Path) -> None:
    lake: IcebergLake = make("iceberg", tmp_path)
    lake.put(BAD, "old")
    with lake.table.update_spec() as update:
        update.add_identity("word")
    lake.put(BAD, "new")
    table = lake.open()
    found = table.files(table.version, {"": asked(f"dt={BAD}")})[""]
    assert found.files == 2
    assert "under another partitioning" in found.unclear
    with pytest.raises(StorageError):
        table.replace([Swap(asked(f"dt={BAD}"), "")], note())


def test_the_former_snapshot_is_kept_from_expiry_and_nobody_else_s_branch_or_tag_moves(tmp_path: Path) -> None:
    lake: IcebergLake = make("iceberg", tmp_path)
    lake.put(BAD, "good")
    good = lake.version()
    lake.overwrite(BAD, "bad")
    former = lake.version()
    lake.table.manage_snapshots().create_branch(int(good), "audit").create_tag(int(good), "quarter").commit()
    table = lake.open()
    table.go_to(good, note("revert-1"))
    refs = lake.table.metadata.refs
    assert {name: str(ref.snapshot_id) for name, ref in refs.items()} == {
        "main": good,
        "audit": good,
        "quarter": good,
        "incident-revert-1-0": former,
    }
    lake.table.maintenance.expire_snapshots().older_than(datetime(2099, 1, 1)).commit()  # noqa: DTZ001 - as pyiceberg wants it
    lake.open().go_to(former, note("undo-1"))
    assert lake.read() == {BAD: ["bad"]}


def test_how_long_main_keeps_snapshots_stays_as_it_was_told(tmp_path: Path) -> None:
    from pyiceberg.table.refs import SnapshotRefType
    from pyiceberg.table.update import SetSnapshotRefUpdate

    lake: IcebergLake = make("iceberg", tmp_path)
    lake.put(BAD, "good")
    good = lake.version()
    lake.overwrite(BAD, "bad")
    table = lake.table
    said = {
        "ref-name": "main",
        "type": SnapshotRefType.BRANCH,
        "snapshot-id": int(lake.version()),
        "max-snapshot-age-ms": 86_400_000,
    }
    table.catalog.commit_table(table, (), (SetSnapshotRefUpdate.model_validate({"action": "set-snapshot-ref", **said}),))
    assert "main keeps its snapshots for 86400000 ms" in lake.open().warnings()[0]
    lake.open().go_to(good, note("revert-1"))
    assert lake.table.metadata.refs["main"].max_snapshot_age_ms == 86_400_000


def test_somebody_s_tag_of_our_name_stops_the_commit(tmp_path: Path) -> None:
    lake: IcebergLake = make("iceberg", tmp_path)
    lake.put(BAD, "good")
    good = lake.version()
    lake.overwrite(BAD, "bad")
    lake.table.manage_snapshots().create_tag(int(good), "incident-purge-1-0").commit()
    with pytest.raises(PreconditionFailed):
        lake.open().replace([Swap(asked(f"dt={BAD}"), "")], note())
    assert lake.read() == {BAD: ["bad"]}


def test_a_rollback_by_hand_is_no_commit_of_rows(tmp_path: Path) -> None:
    lake: IcebergLake = make("iceberg", tmp_path)
    lake.put(BAD, "good")
    good = lake.version()
    lake.overwrite(BAD, "bad")
    lake.table.manage_snapshots().rollback_to_snapshot(int(good)).commit()
    history, _ = lake.open().history()
    assert (history[-1].version, history[-1].ours) == (good, True)


def test_a_step_within_a_commit_is_no_version_that_readers_saw(tmp_path: Path) -> None:
    lake: IcebergLake = make("iceberg", tmp_path)
    lake.put(BAD, "good")
    lake.overwrite(BAD, "bad")
    lake.table.delete(f"dt = '{BAD}'")
    lake.put(BAD, "apart")
    table = lake.open()
    history, _ = table.history()
    told = [(one.what, table.visible(one.version)) for one in history]
    assert told == [("append", True), ("delete", False), ("append", True), ("delete", True), ("append", True)]


def test_where_the_former_metadata_is_gone_nobody_can_tell(tmp_path: Path) -> None:
    lake: IcebergLake = make("iceberg", tmp_path, properties={"write.metadata.previous-versions-max": "1"})
    lake.put(BAD, "good")
    lake.overwrite(BAD, "bad")
    lake.put("2026-11-10", "more")
    table = lake.open()
    assert [table.visible(one.version) for one in table.history()[0]] == [True, None, True, True]


# --- Delta ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "cell"),
    [
        (pa.array([date(2026, 11, 16), date(2026, 11, 17), None], pa.date32()), "dt=2026-11-17"),
        (pa.array([20261116, 20261117, None], pa.int32()), "dt=2026-11-17"),
        (pa.array([6, 7, None], pa.int64()), "dt=7"),
        (pa.array([False, True, None], pa.bool_()), "dt=true"),
    ],
    ids=["date", "date as a number", "number", "flag"],
)
def test_typed_partitions_go_and_come_back(tmp_path: Path, values: pa.Array, cell: str) -> None:
    from deltalake import DeltaTable, write_deltalake

    rows = pa.table({"dt": values, "word": ["before", "it", "none"]})
    lake = DeltaLake(make("delta", tmp_path).config, (tmp_path / "typed").as_uri() + "/", "delta", tmp_path)
    write_deltalake(lake.name, rows, partition_by=["dt"])
    table = lake.open()
    commit = table.replace([Swap(asked(cell), "")], note())
    assert sorted(lake.arrow()["word"].to_pylist()) == ["before", "none"]
    lake.open().replace([Swap(asked(cell), commit.base)], note("undo-1"))
    assert lake.arrow().sort_by("word").to_pylist() == rows.sort_by("word").to_pylist()
    assert DeltaTable(lake.name).count() == 3


def test_values_that_can_be_written_in_several_ways_are_refused(tmp_path: Path) -> None:
    from deltalake import write_deltalake

    lake = DeltaLake(make("delta", tmp_path).config, (tmp_path / "times").as_uri() + "/", "delta", tmp_path)
    moment = pa.array([datetime(2026, 11, 17, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    write_deltalake(lake.name, pa.table({"dt": moment, "word": ["it"]}), partition_by=["dt"])
    table = lake.open()
    assert "not written in one way" in table.files(table.version, {"": asked("*")})[""].unclear
    with pytest.raises(StorageError, match="not written in one way"):
        table.replace([Swap(asked("*"), "")], note())


@pytest.mark.parametrize(
    ("properties", "why"),
    [({"delta.appendOnly": "true"}, "only takes new rows"), ({"delta.enableRowTracking": "true"}, "numbers its rows")],
)
def test_tables_whose_files_cannot_come_back_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, properties: dict[str, str], why: str
) -> None:
    lake: DeltaLake = make("delta", tmp_path)
    lake.put(BAD, "word")
    monkeypatch.setattr("deltalake.table.Metadata.configuration", property(lambda _self: properties))
    table = lake.open()
    assert why in table.files(table.version, {"": asked(f"dt={BAD}")})[""].unclear
    with pytest.raises(StorageError, match=why):
        table.replace([Swap(asked(f"dt={BAD}"), "")], note())


def test_every_plan_on_delta_warns_of_vacuuming(tmp_path: Path) -> None:
    lake: DeltaLake = make("delta", tmp_path, properties={"delta.deletedFileRetentionDuration": "interval 3 days"})
    assert "interval 3 days" in lake.open().warnings()[0]


# --- S3 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["iceberg", "delta"])
def test_on_s3_too_one_of_several_committers_lands(tmp_path: Path, ministack: LiveServer, form: str) -> None:
    bucket: LiveBucket = ministack.bucket(versioned=False)
    lake: Any = make(form, tmp_path, bucket)
    lake.put(BAD, "good")
    for round_number in range(3):
        handles = [lake.open() for _ in range(4)]
        gate, landed = threading.Barrier(len(handles)), list[int]()

        def commit(at: int, handles: list[Any] = handles, gate: threading.Barrier = gate, landed: list[int] = landed) -> None:
            gate.wait()
            try:
                handles[at].replace([Swap(asked("dt=2026-11-10"), handles[at].version)], Note("revert-1", (at,), time.time_ns()))
            except (PreconditionFailed, StorageError):
                return
            landed.append(at)

        threads = [threading.Thread(target=commit, args=(at,)) for at in range(len(handles))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(landed) == 1
        assert len(lake.open().ours("revert-1")) == round_number + 1
    assert lake.read() == {BAD: ["good"]}
