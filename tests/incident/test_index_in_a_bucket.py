"""An event index in a bucket: written there, read from there by row group, and safe where two write at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incident.cli.main import run
from incident.context import Context
from incident.storage.s3_files import S3Files
from incident.surveys import places
from lineage.errors import IndexUnreadable
from lineage.fault import Fault
from lineage.index.ingest import Ingest
from lineage.index.manifest import latest
from lineage.index.query import Query
from lineage.index.reader import Index
from lineage.index.update import update
from lineage.timestamps import SECOND, render
from tests.bench.company import company
from tests.s3_server import LiveBucket

Answer = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, bucket: LiveBucket) -> Answer:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INCIDENT_HOME", str(tmp_path / "home"))
    (tmp_path / "incident.toml").write_text(
        f'[[storage]]\nurl = "s3://{bucket.name}"\nendpoint = "{bucket.endpoint}"\nregion = "us-east-1"\n'
    )

    def asked(*arguments: str) -> dict[str, Any]:
        assert run([*arguments, "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out)["data"])

    return asked


def write(path: Path, events: list[Any]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in events))


def test_an_index_in_a_bucket_answers_as_the_sources_do(ask: Answer, tmp_path: Path, bucket: LiveBucket) -> None:
    made = company(3, 12, 5)
    told = list(made.events())
    write(tmp_path / "a.ndjson", told[: len(told) // 2])
    there = f"s3://{bucket.name}/lineage/index"
    assert ask("lineage", "ingest", "--lineage", "a.ndjson", "--to", there)["new_events"] == len(told) // 2
    bucket.client.put_object(Bucket=bucket.name, Key="events/a.ndjson", Body=(tmp_path / "a.ndjson").read_bytes())
    write(tmp_path / "b.ndjson", told[len(told) // 2 :])
    bucket.client.put_object(Bucket=bucket.name, Key="events/b.ndjson", Body=(tmp_path / "b.ndjson").read_bytes())
    done = ask("lineage", "ingest", "--lineage", f"s3://{bucket.name}/events/", "--to", there)
    assert (done["events"], done["place"]) == (len(told) + len(told) // 2, f"{there}/")
    assert ask("lineage", "ingest", "--lineage", f"s3://{bucket.name}/events/", "--to", there)["new_events"] == 0
    job = told[0]["job"]
    fault = ("blast", "--job", f"{job['namespace']}/{job['name']}", "--since", "2026-01-02")
    plain = ask(*fault, "--lineage", "a.ndjson", "--lineage", "b.ndjson")
    assert ask(*fault, "--lineage", f"index:{there}") == plain
    assert plain["attempts"]


def test_only_the_days_that_matter_travel(tmp_path: Path, bucket: LiveBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    made = company(3, 12, 8)
    write(tmp_path / "a.ndjson", list(made.events()))
    files = S3Files(bucket.endpoint, None, "us-east-1", bucket.name, "index")
    update(files, [str(tmp_path / "a.ndjson")])
    opened: list[str] = []
    openly = S3Files.open

    def heard(self: S3Files, name: str) -> Any:
        opened.append(name)
        return openly(self, name)

    monkeypatch.setattr(S3Files, "open", heard)
    query = Query(Index.open(files), made.declarations())
    whole = Query(Index.open(files), made.declarations()).whole()
    opened.clear()
    last = max(one.end for one in whole.attempts if one.state == "COMPLETE")
    since = str(render(last - 30 * 3600 * SECOND))
    job = next(one.job for one in reversed(whole.attempts) if one.state == "COMPLETE")
    query.blast(Fault(job=str(job), since=since))
    days = {name.split("/")[1] for name in opened if name.startswith("attempts/")}
    there = {name.split("/")[1] for name in latest_days(files)}
    assert days < there
    assert len(days - {"day=open"}) <= 4


def latest_days(files: S3Files) -> list[str]:
    found = latest(files)
    assert found is not None
    return [part.file for _, part in found.parts()]


def test_of_two_that_write_at_once_one_is_told_so(bucket: LiveBucket) -> None:
    files = S3Files(bucket.endpoint, None, "us-east-1", bucket.name, "index")
    one, other = Ingest.open(files), Ingest.open(files)
    one.commit(one.manifest({}, [], ("one",), 1))
    with pytest.raises(IndexUnreadable, match="another ingest has written"):
        other.commit(other.manifest({}, [], ("other",), 1))
    found = latest(files)
    assert found is not None
    assert found.sources == ("one",)


def test_no_plan_reaches_into_an_index(tmp_path: Path) -> None:
    context = Context(home_url=str(tmp_path))
    found = {(one.bucket, one.prefix.rstrip("/")) for one in places(context, (), ["index:s3://lake/lineage/index"])}
    assert ("lake", "lineage/index") in found
