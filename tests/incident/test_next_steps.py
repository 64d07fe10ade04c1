"""What is said at the end of a command is the next thing to do, and is said once."""

from __future__ import annotations

from pathlib import Path

import pytest

from incident.checks import Check, exit_code
from incident.cli.main import run
from incident.errors import CREDENTIALS, FAILED, OK, CredentialsMissing, IncidentError
from incident.storage.memory import MemoryStore
from runbooks.survey import BucketState
from tests.small_lake import incident_on


@pytest.mark.parametrize(("until", "following"), [("reverted", "incident fix "), ("fixed", "incident backfill")])
def test_after_a_purge_comes_the_fix_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], until: str, following: str
) -> None:
    terminal = incident_on(tmp_path, monkeypatch, capsys, until=until)
    plan = terminal.ok("purge")["plan"]["id"]
    code, envelope = terminal("purge", "--apply", plan)
    assert code == 0
    assert envelope["next"][0].startswith(following)


def test_a_refusal_is_printed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    incident_on(tmp_path, monkeypatch, capsys, until="fixed")
    assert run(["purge", "--max-objects", "1"]) == 3
    out, err = capsys.readouterr()
    assert (out + err).count("more than the cap of 1") == 1


class Nobody(MemoryStore):
    """Does not know us."""

    def state(self, bucket: str, *, brief: bool = False) -> BucketState:  # noqa: ARG002
        raise CredentialsMissing(f"there are no credentials for s3://{bucket}", "log in")


def test_doctor_without_credentials_ends_as_every_command_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INCIDENT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("incident.storage._store", lambda *_: Nobody())
    (tmp_path / "incident.toml").write_text('[[storage]]\nurl = "s3://lake"\n')
    assert run(["doctor"]) == CREDENTIALS
    assert "no credentials" in capsys.readouterr().err


def test_a_doctor_who_finds_more_says_failed() -> None:
    lacking = Check.failed("storage", CredentialsMissing("none", "log in"))
    broken = Check.failed("home", IncidentError("not writable", "name another"))
    assert [exit_code(found) for found in ([], [lacking], [lacking, broken], [broken])] == [OK, CREDENTIALS, FAILED, FAILED]


def test_doctor_does_not_ask_again_and_again_where_nobody_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INCIDENT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", lambda *_: pytest.fail("the client was asked"))
    (tmp_path / "incident.toml").write_text(
        '[lineage]\nsources = ["s3://lake/events/"]\n[[storage]]\nurl = "s3://lake"\nendpoint = "http://127.0.0.1:1"\n'
    )
    assert run(["doctor"]) == FAILED
    assert capsys.readouterr().err.count("nobody answers at http://127.0.0.1:1") == 2
