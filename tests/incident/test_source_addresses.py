"""Credentials in the address of a lineage source are refused, and neither printed nor kept anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from incident.cli.main import run
from lineage.errors import SourceUnreadable
from lineage.sources import Problems, read, shown

ADDRESSES = [
    "marquez+https://me:hunter2@marquez.example",
    "marquez+http://hunter2@",
    "marquez+http:me:hunter2@host",
    "MARQUEZ+HTTP://me:hun/ter2hunter2@host",
    "airflow+http://me:p?hunter2@host",
    "airflow+https://me:p#hunter2@host/?dag=x",
    "airflow+http://me@work:hunter2@host:8080?namespace=prod",
    "http://me:hunter2@host",
    "https://me:hunter2@[x",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_message_of_the_reader_repeats_them(address: str) -> None:
    assert "hunter2" not in shown(address)
    with pytest.raises(SourceUnreadable, match="credentials") as caught:
        list(read([address], Problems()))
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "source", ["events@home/*.ndjson", "s3://lake/a@b/", "luigi:jobs:Mail(to=me@example.com)", "marquez+http://h:5000"]
)
def test_what_holds_none_is_shown_as_it_is(source: str) -> None:
    assert shown(source) == source


@pytest.mark.parametrize("command", [["declare", "bad"], ["declare", "bad", "--job", "x"], ["blast", "--job", "x"], ["doctor"]])
@pytest.mark.parametrize("configured", [True, False])
@pytest.mark.parametrize("address", ADDRESSES[::4])
def test_no_command_prints_or_records_them(
    address: str,
    command: list[str],
    configured: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    (tmp_path / "incident.toml").write_text(f'[lineage]\nsources = ["{address}"]\n' if configured else "")
    named = [] if configured else ["--lineage", address]
    for shape in ([], ["--json"]):
        run([*command, *named, *shape, "--home", str(tmp_path / "home"), "--no-input"])
    printed = capsys.readouterr()
    assert printed.out
    assert "hunter2" not in printed.out + printed.err
    kept = b"".join(path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file())
    assert b"hunter2" not in kept
