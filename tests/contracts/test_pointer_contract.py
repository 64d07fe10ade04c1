"""What every kind of pointer promises, held against each one on each backing.

A mock proves that we call the mock: the conditions are asked of ministack (buckets, and tables of Glue) and of the file system. It
serves neither the versions of tables nor partitions; a catalogue in memory stands in for those.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest

from incident.errors import PreconditionFailed, StorageError
from incident.storage.glue import GlueCatalog
from incident.storage.s3 import S3Store
from runbooks.actions import SwapPointer
from runbooks.guarantees import Guarantees
from tests.mlflow_server import registry
from tests.pointer_world import (
    VALUES,
    FakeCatalog,
    Somebody,
    document,
    in_bucket,
    in_catalog,
    in_file,
    in_partition,
    in_registry,
    table,
)
from tests.s3_server import LiveServer

KINDS = ("json", "text", "symlink", "success")
PLACES = (
    *(f"{kind}-{where}" for kind in KINDS for where in ("versioned", "unversioned", "local")),
    *("glue-ministack", "glue-fake", "partition-fake", "mlflow-registry"),
)
HONOURED = Guarantees(("put-if-match", "put-if-absent", "conditional-delete"), asked=1, versioned=False)
MARK = "revert-0123456789ab/0"


@pytest.fixture(scope="session")
def store(ministack: LiveServer) -> S3Store:
    return S3Store(ministack.endpoint)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Somebody]:
    kind, _, where = request.param.partition("-")
    if where == "local":
        yield in_file(kind, tmp_path)
    elif where in {"versioned", "unversioned"}:
        server: LiveServer = request.getfixturevalue("ministack")
        bucket = server.bucket(versioned=where == "versioned")

        def put(key: str, data: bytes) -> None:
            server.client.put_object(Bucket=bucket.name, Key=key, Body=data, ContentType="text/x", Metadata={"by": "publisher"})

        def delete(key: str) -> None:
            server.client.delete_object(Bucket=bucket.name, Key=key)

        store = request.getfixturevalue("store")
        store.remember(bucket.name, HONOURED)
        yield in_bucket(kind, lambda: store, bucket.name, put, delete, keeps=where == "versioned")
    elif where == "fake":
        fake = FakeCatalog()
        yield in_catalog(fake, lambda value: fake.put("shop", table(value))) if kind == "glue" else _partition(fake)
    elif where == "registry":
        with registry() as models:
            yield in_registry(models)
    elif where == "ministack":
        yield _glue(*request.getfixturevalue("glue"))


@pytest.fixture(scope="session")
def glue(ministack: LiveServer) -> tuple[GlueCatalog, Any]:
    """Our catalogue, and somebody else's way to write to it."""
    client = boto3.client("glue", endpoint_url=ministack.endpoint, region_name="us-east-1")
    client.create_database(DatabaseInput={"Name": "shop"})
    return GlueCatalog(ministack.endpoint, None, "us-east-1"), client


def _glue(catalog: GlueCatalog, client: Any) -> Somebody:
    with suppress(client.exceptions.EntityNotFoundException):
        client.delete_table(DatabaseName="shop", Name="features")
    client.create_table(DatabaseName="shop", TableInput=table("s3://lake/t/v=0/"))
    return in_catalog(catalog, lambda value: client.update_table(DatabaseName="shop", TableInput=table(value)))


def _partition(fake: FakeCatalog) -> Somebody:
    fake.put("shop", {**table("s3://lake/t/"), "Name": "daily", "PartitionKeys": [{"Name": "dt"}]})

    def write(value: str) -> None:
        fake.update_partition("shop", "daily", {"Values": ["2026-11-17"], "StorageDescriptor": {"Location": value}})

    return in_partition(fake, write)


def swap(place: Somebody, action: SwapPointer, mark: str = MARK) -> str:
    """The whole of a swap: what it made, which stands."""
    made = place.open().swap(action, mark)
    outcome = place.open().verify(action, mark, made)
    assert outcome.status == "done", outcome
    return str(outcome.version_id)


def test_a_pointer_tells_what_it_holds(place: Somebody) -> None:
    place.write(place.values[0])
    now = place.open().now()
    assert now.value == place.values[0]
    assert place.open().plain(str(now.value)) == now.plain


def test_a_swap_changes_the_value_and_nothing_else(place: Somebody) -> None:
    bad, good, _ = place.values
    place.write(good)
    wanted = place.raw()
    place.write(bad)
    made = swap(place, place.action(good))
    assert place.raw() == wanted
    now = place.open().now()
    assert (now.value, now.version_id) == (good, made)


def test_a_swap_back_leaves_what_was_there(place: Somebody) -> None:
    bad, good, _ = place.values
    place.write(bad)
    before = place.raw()
    swap(place, place.action(good))
    swap(place, place.action(bad), "undo-0123456789ab/0")
    assert place.raw() == before


def test_a_swap_of_what_changed_since_changes_nothing(place: Somebody) -> None:
    bad, good, other = place.values
    place.write(bad)
    action = place.action(good)
    place.write(other)
    with pytest.raises(PreconditionFailed):
        place.open().swap(action, MARK)
    assert place.open().now().value == other
    assert place.open().settle(action, MARK, None) is not None


def test_what_never_arrived_can_be_sent_again(place: Somebody) -> None:
    bad, good, _ = place.values
    place.write(bad)
    assert place.open().settle(place.action(good), MARK, None) is None


def test_a_swap_whose_answer_was_lost_is_known_for_ours(place: Somebody) -> None:
    bad, good, _ = place.values
    place.write(bad)
    action = place.action(good)
    made = place.open().swap(action, MARK)
    outcome = place.open().settle(action, MARK, None)
    assert outcome is not None
    assert (outcome.status, outcome.version_id) == ("done", made)
    assert place.open().now().value == good


def test_somebody_elses_equal_swap_is_not_taken_for_ours(place: Somebody) -> None:
    if place.kind == "mlflow":
        pytest.skip("an alias tells nothing of who moved it, so that its writers must be stopped")
    bad, good, _ = place.values
    place.write(bad)
    action = place.action(good)
    place.write(good)
    outcome = place.open().settle(action, MARK, None)
    assert outcome is not None
    assert outcome.status == "drifted"
    assert place.open().now().value == good


def test_what_is_written_after_ours_stays(place: Somebody) -> None:
    bad, good, other = place.values
    place.write(bad)
    action = place.action(good)
    place.open().swap(action, MARK)
    place.write(other)
    outcome = place.open().settle(action, MARK, None)
    assert outcome is not None
    assert place.open().now().value == other


def test_an_identical_rewrite_by_somebody_else_is_not_ours_to_undo(place: Somebody) -> None:
    if place.kind in {"glue-partition", "mlflow"}:
        pytest.skip("nothing is kept that tells an identical update from the one before")
    bad, good, _ = place.values
    place.write(bad)
    made = swap(place, place.action(good))
    place.write(good)
    assert place.open().now().version_id != made


def test_nothing_is_left_behind(place: Somebody, tmp_path: Path) -> None:
    bad, good, _ = place.values
    place.write(bad)
    swap(place, place.action(good))
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) <= 1


def test_what_a_pointer_held_before_is_told_newest_first(place: Somebody) -> None:
    for value in place.values:
        place.write(value)
    past, _ = place.open().past(until=0)
    if place.keeps and place.kind != "glue-table" and "s3://" in place.url:
        assert [one.value for one in past] == list(place.values[1::-1])
    elif not place.keeps or place.url.startswith("file:"):
        assert list(past) == []


# --- absence: markers of completion -------------------------------------------------------------------------------------------


@pytest.fixture
def marker(place: Somebody) -> Somebody:
    if place.remove is None:
        pytest.skip("a catalogue's table or partition is no marker")
    return place


def test_a_marker_is_removed_and_brought_back(marker: Somebody) -> None:
    value = marker.values[0]
    if marker.kind == "json":
        pytest.skip("a field without its document is nothing to bring back")
    marker.write(value)
    swap(marker, marker.action(None))
    assert marker.raw() is None
    assert marker.open().now().value is None
    swap(marker, marker.action(value), "undo-0123456789ab/0")
    assert marker.raw() == document(marker.kind, value)


def test_a_removal_whose_answer_was_lost_is_known_for_ours(marker: Somebody) -> None:
    marker.write(marker.values[0])
    action = marker.action(None)
    marker.open().swap(action, MARK)
    outcome = marker.open().settle(action, MARK, None)
    assert outcome is not None
    assert outcome.status == "done"


def test_what_somebody_made_in_the_meantime_is_never_covered(marker: Somebody) -> None:
    value, other = marker.values[0], marker.values[1]
    marker.write(value)
    assert marker.remove is not None
    marker.remove()
    action = marker.action(value)
    marker.write(other)
    with pytest.raises(StorageError):
        marker.open().swap(action, MARK)
    assert marker.raw() == document(marker.kind, other)


def test_every_kind_is_held_to_this() -> None:
    from incident.pointers.kinds import KINDS as ROWS

    assert set(VALUES) == set(ROWS)
    assert {name.partition("-")[0] for name in PLACES} - {"partition"} == set(ROWS)
