"""The probe finds out what a bucket's server honours, relies on nothing it did not see, and leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from incident.context import Context
from incident.errors import CredentialsMissing
from incident.guarantees import Assurance
from incident.storage.memory import MemoryStore
from incident.storage.s3 import S3Store
from incident.storage.s3_probe import probe, unsafe
from runbooks.guarantees import ALL, EVERYTHING, VERSIONED, Guarantee, Guarantees
from runbooks.survey import BucketState
from tests.s3_server import LiveBucket, LiveServer

IGNORED_BY_MINISTACK = ("copy-if-absent", "copy-if-match")
SCRATCH = ".dataops-incident/"
STORES: list[S3Store] = []
"""Those whose clients the tests share."""


class Proxy:
    """A client whose requests go through ``change`` first, which may raise."""

    def __init__(self, inner: Any, change: Callable[[str, dict[str, Any]], None]) -> None:
        self._inner, self._change = inner, change

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)

        def send(**said: Any) -> Any:
            self._change(name, said)
            return found(**said)

        return send if callable(found) and not name.startswith("_") and name not in {"meta", "get_paginator"} else found


@lru_cache
def plain(endpoint: str) -> S3Store:
    """One for all tests: its clients take a while to make."""
    STORES.append(S3Store(endpoint))
    return STORES[-1]


def altered(endpoint: str, change: Callable[[str, dict[str, Any]], None]) -> S3Store:
    store = S3Store(endpoint)
    store.__dict__["_reads"] = plain(endpoint)._reads
    store.__dict__["_effects"] = Proxy(plain(endpoint)._effects, change)
    store.__dict__["_short_effects"] = None  # so that every request comes by here
    store._batch = plain(endpoint)._batch
    return store


def set_versioning(bucket: LiveBucket, status: Any) -> None:
    if status != "Off":
        bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": status})


def nothing_is_left(bucket: LiveBucket) -> bool:
    versions = bucket.client.list_object_versions(Bucket=bucket.name)
    uploads = bucket.client.list_multipart_uploads(Bucket=bucket.name)
    return not {"Versions", "DeleteMarkers"} & set(versions) and "Uploads" not in uploads


@pytest.mark.parametrize("status", ["Enabled", "Suspended", "Off"])
def test_what_a_server_honours_is_found_out_and_nothing_is_left_behind(ministack: LiveServer, status: str) -> None:
    bucket = ministack.bucket(versioned=False)
    set_versioning(bucket, status)
    store = plain(bucket.endpoint)
    found = probe(store, store.state(bucket.name), SCRATCH, 7)
    asked = [one for one in ALL if status == "Enabled" or one not in VERSIONED]
    assert found.honoured == tuple(one for one in asked if one not in IGNORED_BY_MINISTACK)
    assert (found.ignored, found.unknown, found.why, found.asked) == (IGNORED_BY_MINISTACK, (), "", 7)
    assert nothing_is_left(bucket)


def forget(*names: str, of: str) -> Callable[[str, dict[str, Any]], None]:
    """A server that does not know these parameters of a request."""

    def change(operation: str, said: dict[str, Any]) -> None:
        if operation == of:
            for name in names:
                said.pop(name, None)

    return change


def forget_etags(operation: str, said: dict[str, Any]) -> None:
    """A server that does not know the ETags in a batch of deletions, whose body we write ourselves."""
    if operation == "delete_objects":
        for store in STORES:
            store._batch.body = re.sub(rb"<ETag>.*?</ETag>", b"", store._batch.body)


def forget_tags(operation: str, said: dict[str, Any]) -> None:
    if operation == "copy_object" and said.pop("TaggingDirective", None):
        said["TaggingDirective"] = "REPLACE"


@pytest.mark.parametrize(
    ("guarantee", "change"),
    [
        ("conditional-delete", forget("IfMatch", of="delete_object")),
        ("conditional-batch-delete", forget_etags),
        ("put-if-absent", forget("IfNoneMatch", of="put_object")),
        ("put-if-match", forget("IfMatch", of="put_object")),
        ("copy-source-match", forget("CopySourceIfMatch", of="copy_object")),
        ("complete-if-absent", forget("IfNoneMatch", of="complete_multipart_upload")),
        ("complete-if-match", forget("IfMatch", of="complete_multipart_upload")),
        ("tags-copied", forget_tags),
    ],
)
@pytest.mark.parametrize("versioned", [True, False])
def test_a_condition_that_is_ignored_is_found_out(
    ministack: LiveServer, guarantee: Guarantee, change: Callable[[str, dict[str, Any]], None], versioned: bool
) -> None:
    bucket = ministack.bucket(versioned=versioned)
    store = altered(bucket.endpoint, change)
    found = probe(store, store.state(bucket.name), SCRATCH, 1)
    assert guarantee not in found
    assert set(found.ignored) == {guarantee, *IGNORED_BY_MINISTACK}
    assert guarantee in found.fact
    assert nothing_is_left(bucket)


def refuse(operation: str, code: str = "AccessDenied") -> Callable[[str, dict[str, Any]], None]:
    def change(asked: str, _said: dict[str, Any]) -> None:
        if asked == operation:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "".join(map(str.title, operation.split("_"))))

    return change


@pytest.mark.parametrize(
    ("operation", "code", "unknown"),
    [
        ("copy_object", "AccessDenied", {"copy-source-match", "copy-if-absent", "copy-if-match", "tags-copied"}),
        ("create_multipart_upload", "AccessDenied", {"complete-if-absent", "complete-if-match"}),
        ("delete_objects", "NotImplemented", {"conditional-batch-delete", "marker-ids"}),
        ("put_object", "AccessDenied", set(ALL)),
    ],
)
def test_what_we_may_not_try_is_not_known_and_not_relied_upon(
    bucket: LiveBucket, operation: str, code: str, unknown: set[Guarantee]
) -> None:
    store = altered(bucket.endpoint, refuse(operation, code))
    found = probe(store, store.state(bucket.name), SCRATCH, 1)
    assert set(found.unknown) == unknown
    assert not any(one in found for one in unknown)
    assert "no" in found.why
    assert nothing_is_left(bucket)


def test_a_scratch_object_that_stays_is_told(bucket: LiveBucket) -> None:
    def change(operation: str, said: dict[str, Any]) -> None:
        if operation == "delete_object" and "VersionId" in said:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DeleteObject")

    store = altered(bucket.endpoint, change)
    found = probe(store, store.state(bucket.name), SCRATCH, 1)
    assert f"left behind: s3://{bucket.name}/{SCRATCH}probe/" in found.why


def test_expired_credentials_end_a_probe(bucket: LiveBucket) -> None:
    store = altered(bucket.endpoint, refuse("copy_object", "ExpiredToken"))
    with pytest.raises(CredentialsMissing):
        probe(store, store.state(bucket.name), SCRATCH, 1)
    assert nothing_is_left(bucket)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (BucketState("b", "Enabled", mfa_delete=True), "MFA delete"),
        (BucketState("b", "Enabled", lock=True, retains="30 days (COMPLIANCE)"), "retains every new version"),
        (BucketState("b", "Enabled", lock=True), ""),
        (BucketState("b", "Enabled", hidden=("object lock",)), "s3:GetBucketObjectLockConfiguration"),
        (BucketState("b", "Enabled", hidden=("replication",)), "s3:GetReplicationConfiguration"),
        (BucketState("b", "Enabled", replicated=("",)), "would be replicated"),
        (BucketState("b", "Enabled", replicated=(f"{SCRATCH}probe/",)), "would be replicated"),
        (BucketState("b", "Enabled", replicated=("clean/",)), ""),
        (BucketState("b", "Enabled", hidden=("requester pays",)), ""),
    ],
)
def test_nothing_is_written_where_it_could_not_be_removed_without_a_trace(state: BucketState, why: str) -> None:
    said = unsafe(state, SCRATCH)
    assert (why in said) if why else not said


# --- kept in the home ----------------------------------------------------------------------------------------------------

CONFIG = """
[[storage]]
url = "s3://lake"
{storage}

[[dataset]]
match = "{protected}"
protected = true

[policy]
quarantine = "{quarantine}"
"""


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    made = MemoryStore()
    made.create("lake", BucketState("lake", "Enabled"))
    monkeypatch.setattr("incident.storage._store", lambda *_: made)
    return made


@pytest.fixture
def probes(memory: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prefixes under which something was tried out."""
    asked: list[str] = []
    real = MemoryStore.probe

    def noted(store: MemoryStore, state: BucketState, prefix: str, at: int) -> Guarantees:
        asked.append(prefix)
        return real(store, state, prefix, at)

    monkeypatch.setattr(MemoryStore, "probe", noted)
    return asked


def context(folder: Path, storage: str = "", protected: str = "s3://lake/ledger*", quarantine: str = "s3://other/kept/") -> Context:
    path = folder / "incident.toml"
    path.write_text(CONFIG.format(storage=storage, protected=protected, quarantine=quarantine))
    (folder / "home").mkdir(exist_ok=True)
    return Context(config_path=str(path), home_url=str(folder / "home"))


def test_an_answer_is_kept_for_a_week_and_asked_anew_on_demand(
    tmp_path: Path, memory: MemoryStore, probes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000_000_000_000_000
    monkeypatch.setattr(Context, "now", lambda _self: now)
    assert "conditional-delete" in Assurance(context(tmp_path))("lake")
    memory.remember("lake", Guarantees())  # another process
    again = Assurance(context(tmp_path))("lake")
    assert (again.honoured, again.asked) == (EVERYTHING.honoured, now)
    assert memory.state("lake").guarantees == again
    assert probes == [SCRATCH]
    Assurance(context(tmp_path), anew=True)("lake")
    assert len(probes) == 2
    memory.remember("lake", Guarantees())
    now += 8 * 24 * 3_600 * 1_000_000_000
    Assurance(context(tmp_path))("lake")
    assert len(probes) == 3
    memory.buckets["lake"] = BucketState("lake", "Suspended")  # another thing to ask
    Assurance(context(tmp_path))("lake")
    assert len(probes) == 4


def test_what_stayed_unknown_is_asked_again(tmp_path: Path, memory: MemoryStore, probes: list[str]) -> None:
    memory.honours = replace(EVERYTHING, honoured=EVERYTHING.honoured[1:], why="denied")
    Assurance(context(tmp_path))("lake")
    memory.remember("lake", Guarantees())
    Assurance(context(tmp_path))("lake")
    assert len(probes) == 2
    assert not (tmp_path / "home" / "guarantees").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"storage": "probe = false"}, "probe = false"),
        ({"protected": "s3://lake/*"}, "is protected"),
        ({"protected": "*"}, "is protected"),
    ],
)
def test_nothing_is_tried_where_it_is_forbidden(tmp_path: Path, probes: list[str], options: dict[str, str], why: str) -> None:
    found = Assurance(context(tmp_path, **options))("lake")
    assert probes == []
    assert why in found.why
    assert found.degraded == ALL


def test_scratch_objects_lie_below_the_quarantine_of_the_same_bucket(tmp_path: Path, probes: list[str]) -> None:
    Assurance(context(tmp_path, quarantine="s3://lake/kept/"))("lake")
    assert probes == [f"kept/{SCRATCH}"]
