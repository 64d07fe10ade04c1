"""A large copy that a crash interrupts: whoever resumes finds its upload in the journal, and leaves nothing half done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incident.errors import StorageUnreachable
from incident.executor import interrupted
from incident.journal import read_journal
from incident.storage.port import Upload
from incident.storage.s3 import S3Store
from incident.storage.s3_copies import MIB
from tests.recovery_world import BUCKET, MS, Crash, World, cell, reached
from tests.s3_server import LiveServer, serve

DAY = cell("dt=2026-11-1")
KEY = "clean/orders/dt=2026-11-1/big"
GOOD = b"good" * (7 * MIB // 4)


class S3World(World):
    """The same world over a real server."""

    def __post_init__(self) -> None:
        pass


class Dying(S3Store):
    """Ends at a moment of a large copy; like a kill, it lets nobody clean up."""

    moment = ""

    def _die(self, moment: str) -> None:
        if self.moment == moment:
            raise Crash

    def _send_part(self, *arguments: Any) -> Any:
        part = super()._send_part(*arguments)
        self._die("part")
        return part

    def _compared(self, *arguments: Any) -> Any:
        self._die("completed")
        if self.moment == "no answer":
            raise StorageUnreachable("no answer")
        return super()._compared(*arguments)

    def abort_upload(self, upload: Upload) -> bool:
        return super().abort_upload(upload) if self.moment in {"", "no answer"} else False

    def copy_version(self, *arguments: Any, told: Any = None, **more: Any) -> str:
        def dying(upload: Upload) -> None:
            self._die("untold")
            told(upload)
            self._die("completing" if upload.etag else "created")

        return super().copy_version(*arguments, told=dying, **more)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Of our own, for a bucket whose name the world fixes."""
    with serve(tmp_path_factory.mktemp("uploads")) as live:
        live.client.create_bucket(Bucket=BUCKET)
        live.client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield live


@pytest.fixture(scope="module")
def dying(server: LiveServer) -> Dying:
    """One for all: its clients take a while to make."""
    return Dying(server.endpoint, largest=6 * MIB, part=5 * MIB)


@pytest.fixture
def store(dying: Dying) -> Iterator[Dying]:
    made = dying
    made.moment = ""
    yield made
    for history in list(made.histories(BUCKET, "")):
        made.remove_versions(BUCKET, [(history.key, version.version_id) for version in history.versions])


@pytest.fixture
def world(tmp_path: Path, server: LiveServer, store: Dying) -> World:
    server.client.put_object(Bucket=BUCKET, Key=KEY, Body=GOOD, Metadata={"a": "b"})
    return S3World(tmp_path, store=store)  # type: ignore[arg-type] # what it asks of a store, this one answers


def since(store: S3Store) -> int:
    found = store.history(BUCKET, KEY)
    assert found is not None
    time.sleep(0.01)
    return found.top.last_modified + 2 * MS


@pytest.mark.parametrize(
    ("moment", "source"),
    [
        *((moment, "whole") for moment in ("untold", "created", "part", "completing", "completed", "no answer")),
        *((moment, "in parts") for moment in ("completing", "completed")),
    ],
)
def test_resume_ends_where_an_uninterrupted_revert_ends(
    world: World, server: LiveServer, store: Dying, monkeypatch: pytest.MonkeyPatch, moment: str, source: str
) -> None:
    clock = iter(range(1_800_000_000_000_000_000, 1_800_000_001_000_000_000))
    monkeypatch.setattr(type(store), "now", property(lambda _self: next(clock)), raising=False)
    if source == "in parts":  # so that the copy's ETag is that of its source
        first = store.describe(BUCKET, KEY)
        store.copy_object(first, BUCKET, KEY, over=first.etag)
    good = store.describe(BUCKET, KEY)
    begun = since(store)
    server.client.put_object(Bucket=BUCKET, Key=KEY, Body=b"bad")
    before = store.history(BUCKET, KEY)
    plan = world.revert(reached(DAY, since=begun, serving=True))
    assert [action.op for action in plan.actions] == ["copy-version"]
    store.moment = moment
    if moment == "no answer":
        assert world.apply(plan).done == 1  # the look finds it, by the ETag that the journal foretold
    else:
        with pytest.raises(Crash):
            world.apply(plan)
        uploads = server.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        assert len(uploads) == (0 if moment == "completed" else 1)
        store.moment = ""
        assert plan.id in interrupted(world)
        assert world.go_on(plan).done == 1
    after = store.history(BUCKET, KEY)
    assert after is not None
    assert before is not None
    assert after.versions[1:] == before.versions, "one copy, and nothing that was there is gone"
    assert store.read(BUCKET, KEY) == GOOD
    assert store.describe(BUCKET, KEY).metadata == good.metadata == (("a", "b"),)
    left = server.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    assert len(left) == (1 if moment == "untold" else 0), "what nobody was told of cannot be found; it has no part yet"
    for one in left:
        server.client.abort_multipart_upload(Bucket=BUCKET, Key=one["Key"], UploadId=one["UploadId"])
    assert read_journal(world.folder, plan.id).uploads == {}
