"""`incident demo` plays a whole incident and leaves nothing behind but what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from incident.demo import server

pytestmark = pytest.mark.skipif(server.available() is None, reason="no local S3 server is installed")

_ROOT = Path(server.__file__).parents[2]
_HOSTILE = {
    # Whatever a person has set for their own accounts must neither break the demo nor be touched by it.
    "AWS_PROFILE": "nobody-has-this-profile",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "INCIDENT_ID": "INC-of-another-day",
    "INCIDENT_HOME": "/nowhere",
    "INCIDENT_CONFIG": "/nowhere/incident.toml",
}


def _incident(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "incident.cli.main", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(_ROOT), **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def _envelope(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_demo_ends_verified_and_its_report_agrees_with_the_bucket(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    done = _incident("demo", "--json", cwd=tmp_path, TMPDIR=str(tmp_path / "tmp"), **_HOSTILE)
    envelope = _envelope(done)
    assert (done.returncode, envelope["problems"]) == (0, [])
    played = ["lake", "declare", "revert", "fix", "purge", "backfill", "verify", "close", "export", "audit"]
    assert envelope["data"]["phases"] == [{"phase": name, "status": "ok"} for name in played]
    assert {check["status"] for check in envelope["data"]["verify"]["checks"]} == {"ok"}
    report = Path(envelope["data"]["report"])
    assert "orders priced in cents" in report.read_text()
    assert list((tmp_path / "tmp").iterdir()) == [report], "the temporary lake is removed"
    assert not _orphans(tmp_path), "the server has ended"


def test_the_demo_walks_a_runbook_and_what_is_kept_can_be_served_again(tmp_path: Path) -> None:
    kept = tmp_path / "kept lake"
    done = _incident("demo", "--runbook", "batch-error", "--keep", str(kept), cwd=tmp_path, **_HOSTILE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "$ incident run batch-error --no-input --yes" in done.stdout
    assert "✓ all 117 partitions" in done.stdout
    again = _incident("demo", "--keep", str(kept), "--json", cwd=tmp_path)
    assert again.returncode == 2
    assert "is not empty" in _envelope(again)["problems"][0]["message"]

    with subprocess.Popen(["/bin/sh", str(kept / "serve.sh")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as serving:
        try:
            script = f'. "{kept}/env.sh" && for _ in $(seq 100); do "$@" && exit 0; sleep 0.1; done; exit 1'
            audit = [sys.executable, "-m", "incident.demo.lake", "--lake", str(kept / "lake.json"), "audit"]
            listed = subprocess.run(
                ["/bin/sh", "-c", script, "sh", *audit],
                env={**os.environ, "PYTHONPATH": str(_ROOT), **_HOSTILE},
                capture_output=True,
                text=True,
                check=True,
            )
        finally:
            serving.terminate()
    findings = json.loads(listed.stdout)["findings"]
    assert sum(found["compared"] for found in findings) == 117
    assert [found for found in findings if found["wrong"]] == []


def test_step_needs_a_person_at_a_terminal(tmp_path: Path) -> None:
    done = _incident("demo", "--step", "--no-input", "--json", cwd=tmp_path)
    assert (done.returncode, _envelope(done)["exit_code"]) == (2, 2)
    assert "--step" in _envelope(done)["problems"][0]["message"]


def test_an_unknown_runbook_is_answered_at_once(tmp_path: Path) -> None:
    done = _incident("demo", "--runbook", "no-such-book", "--keep", "kept", "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert "no-such-book" in _envelope(done)["problems"][0]["message"]
    assert not (tmp_path / "kept").exists()


def _orphans(folder: Path) -> list[str]:
    """Processes that still speak of the folder, where the system lists them in /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(folder).encode() in entry.read_bytes() and entry.parent.name != str(os.getpid()):
                found.append(entry.parent.name)
        except OSError:
            continue
    return found
