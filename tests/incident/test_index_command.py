"""``lineage ingest``: only what is new is read, and what a fault reached is the same whether an index answers or the sources do."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incident import event_index
from incident.cli.main import run
from lineage.index.schema import FORMAT
from tests.lineage.openlineage import ran

Answer = Callable[..., dict[str, Any]]
BLAST = ("blast", "--job", "test/clean")


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Runs a command on the events below the folder; the envelope's data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INCIDENT_HOME", str(tmp_path / "home"))

    def asked(*arguments: str, lineage: str = "events", code: int = 0) -> dict[str, Any]:
        assert run([*arguments, "--lineage", lineage, "--json"]) == code
        envelope = json.loads(capsys.readouterr().out)
        return dict(envelope["data"] if code == 0 else envelope)

    return asked


def events(*runs: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(one) + "\n" for told in runs for one in told)


def day(number: int) -> list[list[dict[str, Any]]]:
    """One day of a small lake."""
    date = f"2026-11-{number:02d}"
    return [
        ran(f"{date}T01:00:00Z", f"{date}T01:10:00Z", f"clean-{number}", "clean", reads=["raw"], writes=["clean"], nominal=date),
        ran(f"{date}T02:00:00Z", f"{date}T02:10:00Z", f"mart-{number}", "mart", reads=["clean"], writes=["mart"], nominal=date),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "events"
    made.mkdir()
    (made / "a.ndjson").write_text(events(*day(1), *day(2)))
    return made


def known(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in {"seconds", "place", "generation"}}


def test_only_what_is_new_is_read(ask: Answer, folder: Path) -> None:
    assert known(ask("lineage", "ingest")) == {"events": 8, "new_events": 8, "skipped": []}
    assert known(ask("lineage", "ingest")) == {"events": 8, "new_events": 0, "skipped": []}
    with (folder / "a.ndjson").open("a") as file:
        file.write(events(*day(3)))
    (folder / "b.ndjson.gz").write_bytes(gzip.compress(events(*day(4)).encode()))
    assert known(ask("lineage", "ingest")) == {"events": 16, "new_events": 8, "skipped": []}


def test_a_file_that_grew_is_read_from_where_it_ended(ask: Answer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lineage.index import resuming

    ask("lineage", "ingest")
    first_lines: list[int] = []
    read = resuming._lines

    def heard(reading: Any, file: Any, begin: int, end: int, first: int, *kept: Any) -> Any:
        first_lines.append(first)
        return read(reading, file, begin, end, first, *kept)

    monkeypatch.setattr(resuming, "_lines", heard)
    with (folder / "a.ndjson").open("a") as file:
        file.write(events(*day(3)))
    assert ask("lineage", "ingest")["new_events"] == 4
    assert first_lines == [9]


def test_a_line_that_is_not_whole_yet_is_read_again_when_it_is(ask: Answer, folder: Path) -> None:
    whole = events(*day(3))
    with (folder / "a.ndjson").open("a") as file:
        file.write(whole[:-200])
    torn = ask("lineage", "ingest")
    assert (torn["events"], [one["line"] for one in torn["skipped"]]) == (11, [12])
    with (folder / "a.ndjson").open("a") as file:
        file.write(whole[-200:-1])
    loose = ask("lineage", "ingest")
    assert (loose["events"], loose["new_events"], loose["skipped"]) == (12, 1, [])
    with (folder / "a.ndjson").open("a") as file:
        file.write("\nnot an event\n")
    assert [(one["line"], one["reason"][:8]) for one in ask("lineage", "ingest")["skipped"]] == [(13, "not JSON")]
    assert ask("lineage", "ingest")["events"] == 12
    assert ask(*BLAST)["summary"] == ask(*BLAST, lineage="events/*")["summary"]


def test_a_file_that_was_written_anew_is_read_from_its_beginning(ask: Answer, folder: Path) -> None:
    ask("lineage", "ingest")
    (folder / "a.ndjson").write_text(events(*day(1), *day(2), *day(3)).replace("mart-1", "mart-x"))
    assert ask("lineage", "ingest")["events"] == 12
    said = {one["run_id"] for one in ask(*BLAST)["attempts"]}
    assert {"mart-1", "mart-x"} <= said  # what was told once stays told
    ask("lineage", "ingest", "--anew")
    assert "mart-1" not in {one["run_id"] for one in ask(*BLAST)["attempts"]}


def test_the_index_answers_what_the_sources_do(ask: Answer, folder: Path) -> None:
    (folder / "b.ndjson").write_text(events(*day(5), *day(4)))
    plain = ask(*BLAST, "--since", "2026-11-04")
    ask("lineage", "ingest")
    (folder / "c.ndjson").write_text(events(*day(6)))
    answered = ask(*BLAST, "--since", "2026-11-04")
    assert {"clean-6", "mart-6"} <= {one["run_id"] for one in answered["attempts"]}  # brought up to them first
    (folder / "c.ndjson").unlink()
    ask("lineage", "ingest", "--anew")
    assert ask(*BLAST, "--since", "2026-11-04") == plain


def test_an_index_elsewhere_is_a_source_by_itself(ask: Answer, folder: Path, tmp_path: Path) -> None:
    plain = ask(*BLAST)
    assert ask("lineage", "ingest", "--to", str(tmp_path / "there"))["place"] == str(tmp_path / "there")
    (folder / "a.ndjson").unlink()
    assert ask(*BLAST, lineage="index:there") == plain
    assert ask("lineage", "gaps", lineage="index:there")["gaps"]
    refused = ask("triage", "--job", "test/clean", lineage="index:there", code=2)
    assert "index does not keep" in refused["problems"][0]["message"]
    nothing = ask(*BLAST, lineage="index:nowhere", code=2)
    assert "there is no event index" in nothing["problems"][0]["message"]


def test_large_sources_are_indexed_without_being_asked(
    ask: Answer, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = ask(*BLAST)
    assert not (tmp_path / "home-index").exists()
    monkeypatch.setattr(event_index, "LARGE", 1000)
    assert ask(*BLAST) == plain
    assert list((tmp_path / "home-index").rglob("generations/*.json"))
    with (folder / "a.ndjson").open("a") as file:
        file.write(events(*day(3)))
    assert "mart-3" in {one["run_id"] for one in ask(*BLAST)["attempts"]}


def test_sources_that_are_no_files_are_read_themselves(ask: Answer, folder: Path) -> None:
    refused = ask("lineage", "ingest", lineage="dbt:target", code=2)
    assert "cannot be indexed" in refused["problems"][0]["message"]


@pytest.mark.parametrize(("made_in", "by"), [(FORMAT + 1, "a newer"), (FORMAT - 1, "an older")])
def test_an_index_of_another_version_is_refused_by_name(ask: Answer, folder: Path, tmp_path: Path, made_in: int, by: str) -> None:
    ask("lineage", "ingest", "--to", "there")
    (manifest,) = (tmp_path / "there" / "generations").iterdir()
    manifest.write_text(manifest.read_text().replace(f'"format":{FORMAT}', f'"format":{made_in}'))
    for command in (("lineage", "ingest", "--to", "there"), BLAST):
        refused = ask(*command, lineage="index:there" if command is BLAST else "events", code=2)
        assert f"has format {made_in}, made by {by} version; this one reads format {FORMAT}" in refused["problems"][0]["message"]
        assert "--to" in refused["problems"][0]["hint"]  # removing it may lose what only files told that are gone


def test_whoever_else_is_writing_is_not_disturbed(ask: Answer, folder: Path, tmp_path: Path) -> None:
    from lineage.index.files import LocalFiles

    plain = ask(*BLAST)
    ask("lineage", "ingest")
    (folder / "b.ndjson").write_text(events(*day(3)))
    (place,) = (tmp_path / "home-index").iterdir()
    with LocalFiles(place).locked():
        refused = ask("lineage", "ingest", code=2)
        assert "another ingest is writing" in refused["problems"][0]["message"]
        assert len(ask(*BLAST)["attempts"]) == len(plain["attempts"]) + 2  # read from the sources meanwhile


def test_a_damaged_index_is_never_answered_around(ask: Answer, folder: Path, tmp_path: Path) -> None:
    """It knows of files that are gone: what the sources still tell would be a smaller radius that looks whole."""
    (folder / "b.ndjson").write_text(events(*day(3)))
    ask("lineage", "ingest")
    (folder / "b.ndjson").unlink()
    whole = ask(*BLAST)
    assert any(cell["partition"] == "*" or "03" in cell["partition"] for cell in whole["cells"])
    for generation in tmp_path.glob("home-index/*/generations/*.json"):
        generation.write_text("{")
    told = ask(*BLAST, code=2)["problems"][0]
    assert "damaged" in told["message"]
    assert "lineage ingest" in told["hint"]
