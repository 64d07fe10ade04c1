"""A real S3 server for tests: ministack on a free loopback port, and buckets on it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from incident.storage.s3 import S3Store
from runbooks.survey import ObjectVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NUMBERS = count(1)


@dataclass(frozen=True)
class LiveBucket:
    """A fresh versioned bucket, written to past our own adapter as any producer would."""

    name: str
    endpoint: str
    client: S3Client

    def put(self, key: str, data: bytes) -> str:
        return self.client.put_object(Bucket=self.name, Key=key, Body=data)["VersionId"]

    def delete(self, key: str) -> str:
        return self.client.delete_object(Bucket=self.name, Key=key)["VersionId"]

    def read(self, key: str, version_id: str | None = None) -> bytes:
        chosen = {"VersionId": version_id} if version_id else {}
        return self.client.get_object(Bucket=self.name, Key=key, **chosen)["Body"].read()  # type: ignore[arg-type]

    def listing(self, prefix: str = "") -> dict[str, tuple[ObjectVersion, ...]]:
        return {found.key: found.versions for found in S3Store(self.endpoint).histories(self.name, prefix)}


@dataclass
class LiveServer:
    """A running server."""

    endpoint: str
    pid: int = 0
    client: S3Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )

    def bucket(self, *, versioned: bool = True) -> LiveBucket:
        name = f"bucket-{os.getpid()}-{next(_NUMBERS)}"
        self.client.create_bucket(Bucket=name)
        if versioned:
            self.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return LiveBucket(name, self.endpoint, self.client)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serve(folder: Path) -> Iterator[LiveServer]:
    """The server while the block runs. It listens on the loopback only."""
    port = _free_port()
    program = Path(sys.executable).with_name("ministack")
    environment = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    with (folder / "ministack.log").open("wb") as log:
        process = subprocess.Popen([program], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(process, f"http://127.0.0.1:{port}")
            server = LiveServer(f"http://127.0.0.1:{port}", process.pid)
            yield server
            server.client.close()
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], endpoint: str) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"ministack ended with {process.returncode}")
        with suppress(OSError), urllib.request.urlopen(endpoint, timeout=5):  # noqa: S310 - our own loopback server
            return
        time.sleep(0.1)
    raise RuntimeError("ministack did not come up in 30 s")
