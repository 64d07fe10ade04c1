"""Keys that other tools trip over, from survey through revert and purge to undo, on a real S3 server."""

from __future__ import annotations

import json
import time
import unicodedata
import uuid
from pathlib import Path
from typing import Any

import pytest

from incident.cli.main import run
from incident.storage.s3 import S3Store
from lineage.timestamps import render
from runbooks.survey import ObjectVersion
from tests.s3_server import LiveBucket

CELL = "clean/orders/dt=2026-11-1/"
SERVING = "serving/board/"
NAMES = (
    "",  # the key equal to the prefix, and it has bytes
    "dir/",
    "dir//twice",
    " leading",
    "trailing ",
    "a b",
    "a+b",
    "a%20b",
    "a%2Fb",
    "a&b<c>\"d'",
    "a?b#c",
    "a;b=c",
    "a\\b",
    "../up",
    "./here",
    "..",
    "?versionId=null",
    "tab\tx",
    "\x7fdel",
    unicodedata.normalize("NFC", "é"),
    unicodedata.normalize("NFD", "é"),
    "日本",
    "😀",
    "👩\u200d👩\u200d👧",
    "\u202eright to left",
    "\ufeffmark",
)
NEIGHBOURS = (
    "clean/orders/dt=2026-11-1",  # the prefix without its boundary
    "clean/orders/dt=2026-11-10/a",
    "clean/orders/dt=2026-11-1 /a",
    "clean/orders/dt=2026-11-1%2F/a",
    "clean/orders/dt=2026-11-1\u2044a",  # a fraction slash
    "clean/orders/dt=2026-11-1.old/a",
    "clean/ORDERS/dt=2026-11-1/a",
    "clean/orders2/dt=2026-11-1/a",
    "serving/board",
    "serving/board2/a",
)


def keys(prefix: str) -> list[str]:
    """Every name under a prefix, and two as long as a key may be."""
    room = 1_024 - len(prefix)
    return [*(prefix + name for name in NAMES), prefix + "x" * room, prefix + "é" * (room // 2)]


class Shell:
    """Types commands at the lake."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._common = ["--home", str(folder / "home"), "--config", str(folder / "incident.toml"), "--json", "--no-input"]
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        self._capsys.readouterr()
        ended = run([*arguments, *self._common])
        envelope: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        assert ended == code, envelope
        return envelope

    def apply(self, *arguments: str) -> tuple[str, dict[str, Any]]:
        plan_id: str = self(*arguments)["data"]["plan"]["id"]
        return plan_id, self(arguments[0], "--apply", plan_id)["data"]


@pytest.fixture
def shell(bucket: LiveBucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    lake = f"s3://{bucket.name}"
    (tmp_path / "incident.toml").write_text(
        f"""
[lineage]
sources = ["events.ndjson"]
[[storage]]
url = "{lake}"
endpoint = "{bucket.endpoint}"
region = "us-east-1"
[[dataset]]
match = "{lake}/clean/orders"
partition = "dt={{dt}}"
write = "overwrite"
[[dataset]]
match = "{lake}/serving/board"
partition = false
serving = true
write = "overwrite"
[[orchestrator]]
jobs = "spark/*"
kind = "command"
command = ["true"]
"""
    )
    for key in (*keys(CELL), *keys(SERVING), *NEIGHBOURS):
        bucket.put(key, f"good {key}".encode())
    time.sleep(0.02)
    started = render(time.time_ns())
    for key in (*keys(CELL), *keys(SERVING)):
        bucket.put(key, f"bad! {key}".encode())
    time.sleep(0.02)
    job = {"namespace": "spark", "name": "enrich"}
    outputs = [{"namespace": lake, "name": CELL.rstrip("/")}, {"namespace": lake, "name": SERVING.rstrip("/")}]
    ran = {"run": {"runId": str(uuid.uuid4())}, "job": job, "inputs": [], "outputs": outputs}
    times = {"START": started, "COMPLETE": render(time.time_ns())}
    lines = [json.dumps({"eventType": kind, "eventTime": at, **ran}) for kind, at in times.items()]
    (tmp_path / "events.ndjson").write_text("\n".join(lines) + "\n")
    made = Shell(tmp_path, capsys)
    made("declare", "odd keys", "--job", "spark/enrich", "--since", started or "")
    return made


def current(listing: dict[str, tuple[ObjectVersion, ...]]) -> dict[str, str]:
    return {key: versions[0].version_id for key, versions in listing.items() if not versions[0].is_marker}


def test_trap_keys_are_reverted_purged_and_brought_back_exactly(bucket: LiveBucket, shell: Shell) -> None:
    before = bucket.listing()
    assert set(before) == {*keys(CELL), *keys(SERVING), *NEIGHBOURS}
    revert, done = shell.apply("revert")
    assert (done["done"], done["failed"], done["drifted"], done["unknown"]) == (len(keys(SERVING)), 0, 0, 0)
    for key in keys(SERVING):
        assert bucket.read(key) == f"good {key}".encode()
    purge, done = shell.apply("purge", "--skip-refused")
    assert (done["done"], done["failed"], done["drifted"], done["unknown"]) == (len(keys(CELL)), 0, 0, 0)
    after = bucket.listing()
    assert set(current(before)) - set(current(after)) == set(keys(CELL))
    for key in NEIGHBOURS:
        assert after[key] == before[key]
    for plan in (purge, revert):
        undo = shell("undo", plan)["data"]["plan"]["id"]
        assert shell("undo", plan, "--apply", undo)["data"]["failed"] == 0
    assert bucket.listing() == before


@pytest.mark.parametrize("name", ["\x01control", "return\rx"])
def test_a_key_that_a_server_cannot_list_stops_the_plan_before_anything_is_done(
    bucket: LiveBucket, shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Our server does not encode the keys in its listings, though asked; AWS does. What it lists may be another key's name."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)  # between tries to read
    before = bucket.listing()
    bucket.put(CELL + name, b"x")
    envelope = shell("purge", "--skip-refused", code=1)
    assert envelope["problems"][0]["code"] in {"storage", "unreachable"}
    bucket.client.delete_object(Bucket=bucket.name, Key=CELL + name, VersionId=_only_version(bucket, CELL + name))
    assert bucket.listing() == before


def _only_version(bucket: LiveBucket, key: str) -> str:
    return S3Store(bucket.endpoint).describe(bucket.name, key).version_id
