"""The demo's S3 server is up inside its context and gone after it, whatever ended it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from incident.demo import server
from incident.demo.server import HOST, LocalServer, ServerMissing
from incident.storage.s3 import S3Store, create_versioned_bucket

pytestmark = pytest.mark.skipif(server.available() != "ministack", reason="ministack is not installed")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _gone(port: int) -> bool:
    """Wait, within reason, until nothing listens there."""
    for _ in range(200):
        if not _listens(port):
            return True
        time.sleep(0.1)
    return False


def test_the_server_is_ready_inside_and_gone_after(tmp_path: Path) -> None:
    with LocalServer(tmp_path) as running:
        create_versioned_bucket(running.endpoint, "us-east-1", "lake")
        assert S3Store(running.endpoint, region="us-east-1").state("lake").versioning == "Enabled"
    assert not _listens(running.port)
    assert running.log.exists()


def test_an_exception_ends_the_server_too(tmp_path: Path) -> None:
    running = LocalServer(tmp_path)
    with pytest.raises(KeyboardInterrupt), running:
        raise KeyboardInterrupt
    assert not _listens(running.port)


def test_the_server_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = """
        import sys, time
        from pathlib import Path
        from incident.demo.server import LocalServer
        with LocalServer(Path(sys.argv[1])) as running:
            print(running.port, flush=True)
            time.sleep(600)
    """
    root = Path(server.__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert _listens(port)
        parent.send_signal(signal.SIGKILL)
    assert _gone(port)


def test_a_person_s_settings_do_not_reach_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_PERSIST", "1")
    monkeypatch.setenv("S3_DATA_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("USE_SSL", "1")
    with LocalServer(tmp_path) as running:
        create_versioned_bucket(running.endpoint, "us-east-1", "lake")
    assert not (tmp_path / "elsewhere").exists()


def test_kept_objects_come_back_with_all_their_versions(tmp_path: Path) -> None:
    from incident.demo.settings import Settings
    from incident.demo.store import Store

    def listing(endpoint: str) -> dict[str, list[str]]:
        found = S3Store(endpoint, region="us-east-1").histories("lake", "")
        return {history.key: [version.version_id for version in history.versions] for history in found}

    with LocalServer(tmp_path, keep=tmp_path / "s3") as running:
        create_versioned_bucket(running.endpoint, "us-east-1", "lake")
        store = Store(Settings(tmp_path / "lake.json", running.endpoint))
        store.write("metrics/daily", "dt=2026-11-01", [[{"orders": 1}]])
        store.write("metrics/daily", "dt=2026-11-01", [[{"orders": 2}]])
        before = listing(running.endpoint)
    with LocalServer(tmp_path, keep=tmp_path / "s3") as again:
        assert listing(again.endpoint) == before
        assert S3Store(again.endpoint, region="us-east-1").state("lake").versioning == "Enabled"
    assert [len(versions) for versions in before.values()] == [2]


def test_without_a_server_the_error_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "available", lambda: None)
    with pytest.raises(ServerMissing) as caught, LocalServer(tmp_path):
        pass
    assert caught.value.hint == "pip install 'dataops-incident[demo]'"


def test_a_server_that_does_not_come_up_is_told_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "available", lambda: "no_such_module_anywhere")
    with pytest.raises(server.ServerFailed, match="no_such_module_anywhere"), LocalServer(tmp_path):
        pass
