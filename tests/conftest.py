"""Fixtures that more than one package needs: a real S3 server per test process, and a bucket per test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.s3_server import LiveBucket, LiveServer, serve

# Never the developer's own accounts, and no search for them over the network.
os.environ.update(
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_EC2_METADATA_DISABLED="true",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
)
os.environ.pop("AWS_PROFILE", None)


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A ministack server for this test process."""
    with serve(tmp_path_factory.mktemp("ministack")) as server:
        yield server


@pytest.fixture
def bucket(ministack: LiveServer) -> LiveBucket:
    """A fresh versioned bucket."""
    return ministack.bucket()
