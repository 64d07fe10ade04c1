"""What a plan says of the versions that it copies: checksum, encryption, tags and ACL, as the storage told them."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from incident.copy_facts import Describing, carried
from incident.errors import KeyNeeded, StorageError, StorageUnreachable
from incident.kept_actions import ActionSpool
from incident.storage.memory import MemoryStore
from incident.storage.port import Checksum, Described, Encryption, Planned
from runbooks.actions import Carried
from runbooks.plan import CopyVersion, Plan, PutMarker, Requirement
from runbooks.survey import BucketState, ObjectVersion
from tests.recovery_world import BUCKET, MS, World, cell, reached

KEY = "clean/orders/dt=1/"


class Told(MemoryStore):
    """Tells what S3 tells of an object; of "secret" only that its key is needed, of "denied" nothing."""

    def describe(self, bucket: str, key: str, version_id: str | None = None) -> Described:
        if key.endswith("secret"):
            raise KeyNeeded("it is encrypted with a key that only its owner has")
        if key.endswith("denied"):
            raise StorageError("its key is not ours to use")
        if key.endswith("lost"):
            raise StorageUnreachable("no answer")
        assert version_id is not None
        checksum = Checksum("CRC64NVME", "abc=") if key.endswith("a") else None
        return Described(bucket, key, version_id, '"e"', 1, 0, checksum=checksum, encryption=Encryption("aws:kms", "k1"), tags=2)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, Told())


def planned(world: World, *names: str) -> tuple[Plan, Describing]:
    for name in names:
        world.store.put(BUCKET, KEY + name, b"good")
    world.store.tick(10 * MS)
    since = world.store.now
    for name in (*names, "new"):
        world.store.put(BUCKET, KEY + name, b"bad")
    world.store.tick(10 * MS)
    describing = Describing(ActionSpool(lines=2), lambda _: world.store, {BUCKET: BucketState(BUCKET, "Enabled", acls="on")})
    plan = world.revert(reached(cell("dt=1"), since=since, serving=True))
    kept = describing(plan.actions)
    return Plan(plan.incident, plan.phase, plan.revision, kept, plan.cells), describing


def test_each_copy_says_what_it_carries_over_and_a_marker_nothing(world: World) -> None:
    plan, describing = planned(world, "a", "b")
    copies = {one.key[-1]: one.carries for _, one in plan.of(CopyVersion)}
    assert copies == {
        "a": Carried("CRC64NVME FULL_OBJECT abc=", "aws:kms k1", 2, acl=True),
        "b": Carried(None, "aws:kms k1", 2, acl=True),
    }
    assert [one.key[-3:] for _, one in plan.of(PutMarker)] == ["new"]
    assert not describing.warnings


def test_who_copies_is_told_what_the_plan_knows_and_what_is_listed_now(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[ObjectVersion] = []
    plan, _ = planned(world, "a", "secret")
    plan = replace(plan, buckets=(world.store.state(BUCKET).terms,))
    whole = MemoryStore.copy_version

    def listening(self: MemoryStore, source: ObjectVersion, bucket: str, **more: Any) -> str:
        told.append(source)
        return whole(self, source, bucket, **more)

    monkeypatch.setattr(MemoryStore, "copy_version", listening)
    assert world.apply(plan).done == 3
    known = {one.key[-1]: one for one in told}
    found = known["a"]
    assert isinstance(found, Planned)
    assert found.carries.checksum == "CRC64NVME FULL_OBJECT abc="
    assert found in [Planned(**asdict(one) | {"carries": found.carries}) for one in world.listing()[KEY + "a"]]
    assert not isinstance(known["t"], Planned)


def test_a_version_that_cannot_be_described_stays_and_is_told(world: World) -> None:
    plan, describing = planned(world, "a", "denied")
    assert {one.key.rpartition("/")[2]: one.carries is None for _, one in plan.of(CopyVersion)} == {"a": False, "denied": True}
    assert "not ours to use" in describing.warnings[0]
    assert not describing.refused


def test_what_only_its_owner_s_key_opens_is_refused_by_its_cell(world: World) -> None:
    plan, describing = planned(world, "a", "secret")
    assert [one.key[-1] for _, one in plan.of(CopyVersion)] == ["a", "t"], "left out, the cell would count as whole without it"
    (refusal,) = describing.refused
    assert (refusal.what, refusal.code) == (str(cell("dt=1")), "customer-key")
    assert refusal.why.startswith("1 object ")
    assert not describing.warnings


def test_a_storage_that_does_not_answer_ends_the_planning(world: World) -> None:
    with pytest.raises(StorageUnreachable):
        planned(world, "lost")


def test_what_nobody_may_know_is_not_guessed() -> None:
    found = Described(BUCKET, "k", "v", "e", 1, 0)
    assert carried(found, None) == Carried()
    assert carried(found, BucketState(BUCKET, "Enabled", acls="unknown")).acl is None
    assert carried(found, BucketState(BUCKET, "Enabled", acls="off")).acl is False


def test_what_a_copy_carries_is_part_of_what_the_plan_does() -> None:
    one = CopyVersion(BUCKET, "k", Requirement("v", "e"), "w", "f", 1, "c", carries=Carried("CRC32 FULL_OBJECT x"))
    other = CopyVersion(BUCKET, "k", Requirement("v", "e"), "w", "f", 1, "c", carries=Carried("CRC32 FULL_OBJECT y"))
    assert Plan("INC-1", "revert", "r1", (one,)).sha256 != Plan("INC-1", "revert", "r1", (other,)).sha256
