"""Files of tables are recognised wherever they betray themselves, and nothing that is declared overrules it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from incident.errors import CredentialsMissing
from incident.storage.local import LocalReader
from incident.storage.memory import MemoryStore
from incident.surveys import Surveyor
from incident.tables.recognition import TableRoots
from lineage.datasets import DatasetId
from lineage.declarations import DatasetRule, Declarations
from lineage.layouts import Layout
from runbooks.plan import Refusal
from runbooks.survey import KeyHistory
from tests.recovery_world import BUCKET, World, cell, reached

SIGNS = {
    "delta": "_delta_log/00000000000000000000.json",
    "iceberg": "metadata/00000-7a0d9a2e.metadata.json",
    "iceberg with snapshots": "metadata/snap-1-1-7a0d9a2e.avro",
    "iceberg on files": "metadata/version-hint.text",
    "iceberg of hadoop": "metadata/v3.metadata.json",
    "iceberg, compressed": "metadata/00001-x.metadata.json.gz",
    "hudi": ".hoodie/hoodie.properties",
    "lakefs": "_lakefs/dummy",
}
PLACES = ("", "clean/", "clean/orders/", "clean/orders/dt=1/", "clean/orders/dt=1/deep/er/")


@pytest.mark.parametrize("form", [None, "objects"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("sign", list(SIGNS))
def test_a_table_at_any_ancestor_or_anywhere_below_refuses_purge_and_revert(
    tmp_path: Path, sign: str, place: str, form: str | None
) -> None:
    rule = DatasetRule("s3://lake/clean/*", partition=Layout("dt={dt}"), format=form)
    world = World(tmp_path, rules=Declarations(datasets=(rule,)))
    world.store.put(BUCKET, "clean/orders/dt=1/part-0", b"rows")
    world.store.put(BUCKET, place + SIGNS[sign], b"{}")
    one = reached(cell("dt=1"), serving=True, since=world.store.now)
    for plan in (world.purge(one), world.revert(one)):
        assert [refused.code for refused in plan.refused] == ["table-format"]
        assert not plan.actions
        assert sign.split(",", maxsplit=1)[0].split(maxsplit=1)[0] in plan.refused[0].why


def test_names_that_only_resemble_are_no_tables(tmp_path: Path) -> None:
    world = World(tmp_path)
    for key in (
        "my_delta_log/x",
        "metadata/readme.json",
        "metadata/vault/x",
        "metadata/0",
        "x.metadata.json",
        "clean/orders/dt=1/p",
    ):
        world.store.put(BUCKET, key, b"1")
    assert not world.purge(reached(cell("dt=1"))).refused


class Counting(MemoryStore):
    """Counts the names that anybody takes."""

    taken: int = 0

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        for key in super().list_keys(bucket, prefix):
            self.taken += 1
            yield key

    def histories(
        self, bucket: str, prefix: str, after: str | None = None, upto: tuple[str, str] | None = None
    ) -> Iterator[KeyHistory]:
        for history in super().histories(bucket, prefix, after, upto):
            self.taken += 1
            yield history


def test_a_table_is_recognised_without_listing_what_is_in_it() -> None:
    store = Counting()
    store.create(BUCKET)
    for number in range(5_000):
        store.put(BUCKET, f"clean/orders/dt=1/part-{number}", b"")
    store.put(BUCKET, "clean/orders/_delta_log/0.json", b"")
    rules = Declarations(datasets=(DatasetRule("s3://lake/*", partition=Layout("dt={dt}")),))
    store.taken = 0
    (found,) = Surveyor(lambda _b, _p: store, rules).survey([cell("dt=1")], lambda: None).values()
    assert isinstance(found, Refusal)
    assert found.code == "table-format"
    assert store.taken < 10


def test_each_folder_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    store.create(BUCKET)
    asked: list[str] = []

    def noted(_self: MemoryStore, _bucket: str, prefix: str) -> Iterator[str]:
        asked.append(prefix)
        return iter(())

    monkeypatch.setattr(MemoryStore, "list_keys", noted)
    roots = TableRoots()
    for day in range(50):
        assert roots.above(store, BUCKET, f"clean/orders/dt={day}/", "clean/orders/") is None
    assert len(asked) == len(set(asked)) == 3 * 4


@pytest.mark.parametrize("sign", ["metadata/snap-1-1-7a0d9a2e.avro", "metadata/v3.metadata.json", "metadata/version-hint.text"])
def test_a_table_is_recognised_behind_more_names_than_are_read(sign: str) -> None:
    store = MemoryStore()
    store.create(BUCKET)
    for number in range(1_000):
        store.put(BUCKET, f"clean/metadata/{number:04}.avro", b"")
    assert TableRoots().above(store, BUCKET, "clean/orders/dt=1/", "clean/orders/") is None
    store.put(BUCKET, f"clean/{sign}", b"{}")
    assert TableRoots().above(store, BUCKET, "clean/orders/dt=1/", "clean/orders/") == "iceberg"


def test_what_may_not_be_listed_above_a_dataset_is_said_and_at_it_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    store.create(BUCKET)

    def forbidden(_self: MemoryStore, _bucket: str, prefix: str) -> Iterator[str]:
        if not prefix.startswith("clean/orders/"):
            raise CredentialsMissing("no")
        return iter(())

    monkeypatch.setattr(MemoryStore, "list_keys", forbidden)
    roots = TableRoots()
    assert roots.above(store, BUCKET, "clean/orders/dt=1/", "clean/orders/") is None
    assert [warning.split(" is not known")[0] for warning in roots.warnings] == [
        "whether a table begins at s3://lake/clean/",
        "whether a table begins at s3://lake/",
    ]
    with pytest.raises(CredentialsMissing):
        roots.above(store, BUCKET, "raw/orders/dt=1/", "raw/")


@pytest.mark.parametrize("sign", list(SIGNS.values()))
@pytest.mark.parametrize("place", ["", "clean", "clean/orders", "clean/orders/dt=1/deep"])
def test_tables_in_local_folders_are_recognised_too(tmp_path: Path, place: str, sign: str) -> None:
    (tmp_path / "clean/orders/dt=1").mkdir(parents=True)
    (tmp_path / "clean/orders/dt=1/part-0").write_bytes(b"rows")
    (tmp_path / place / sign).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place / sign).write_bytes(b"{}")
    dataset = DatasetId("file", str(tmp_path / "clean/orders"))
    rules = Declarations(datasets=(DatasetRule("file*", partition=Layout("dt={dt}")),))
    surveyor = Surveyor(lambda _b, _p: LocalReader(), rules)
    one = cell("dt=1", dataset)
    survey = surveyor.survey([one], lambda: None)[one]
    form = survey.code if isinstance(survey, Refusal) else survey.contents and survey.contents.form
    assert form in {"table-format", "delta", "iceberg", "hudi", "lakefs"}
