"""The demo's commands run apart from the person's own accounts, and one that fails ends the play."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from incident.demo.environment import isolated
from incident.demo.kept import new_folder
from incident.demo.play import Play
from incident.demo.session import Session, Unexpected
from incident.errors import UsageError


def _session(folder: Path, *, shown: bool = False) -> Session:
    return Session(folder, isolated(os.environ, folder), shown)


def test_nothing_of_the_person_s_accounts_reaches_the_commands(tmp_path: Path) -> None:
    theirs = {
        "AWS_PROFILE": "prod",
        "AWS_SESSION_TOKEN": "secret",
        "AWS_ENDPOINT_URL_S3": "https://s3.example.org",
        "INCIDENT_HOME": "/srv/incidents",
        "https_proxy": "http://proxy.example.org",
        "XDG_CONFIG_HOME": "/home/somebody/.config",
        "PATH": "/usr/bin",
    }
    found = isolated(theirs, tmp_path)
    assert {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "INCIDENT_HOME", "https_proxy"}.isdisjoint(found)
    assert found["PATH"] == "/usr/bin"
    assert found["AWS_ACCESS_KEY_ID"] == "demo"
    assert not any("somebody" in value for value in found.values())


@pytest.mark.parametrize("shown", [True, False])
def test_a_command_that_fails_ends_its_phase_and_the_play(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], *, shown: bool
) -> None:
    told: list[dict[str, str]] = []
    play = Play(_session(tmp_path, shown=shown), told.append)
    with pytest.raises(Unexpected, match="exited 2, the demo expects 0"), play.phase("purge", "Away with it") as session:
        session.incident("purge")
    assert play.phases == told == [{"phase": "purge", "status": "failed"}]
    assert ("$ incident purge" in capfd.readouterr().out) is shown


def test_output_is_shown_and_handed_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    printed = _session(tmp_path, shown=True).incident("--version")
    assert printed.startswith("incident ")
    assert capfd.readouterr().out == f"\n$ incident --version\n{printed}"


def test_only_a_new_or_empty_folder_is_used(tmp_path: Path) -> None:
    assert new_folder(str(tmp_path / "new" / "er")).is_dir()
    assert new_folder(str(tmp_path / "new" / "er")).is_dir()
    with pytest.raises(UsageError, match="is not empty"):
        new_folder(str(tmp_path / "new"))
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be used"):
        new_folder(str(tmp_path / "file"))
