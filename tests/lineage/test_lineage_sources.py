"""Lineage files as they lie about: NDJSON, arrays, pretty-printed, packed, prefixed, broken."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import pytest
import zstandard

from lineage.errors import SourceUnreadable
from lineage.sources import Problems, Remote, read
from tests.lineage.openlineage import JSON, told

EVENTS = [told("START", "03"), told("COMPLETE", "04", writes=["made"])]
LINES = [json.dumps(one).encode() for one in EVENTS]
NDJSON = b"\n".join(LINES) + b"\n"


def tried(*sources: str | Path, remote: Remote | None = None) -> tuple[int, list[tuple[str, int]], list[str]]:
    """How many events; name and line of each skipped one; the reasons."""
    problems = Problems()
    used = list(read([str(one) for one in sources], problems, remote=remote))
    return len(used), [(Path(one.source).name, one.line) for one in problems.skipped], [one.reason for one in problems.skipped]


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.ndjson", NDJSON),
        ("no-last-newline.ndjson", NDJSON.rstrip()),
        ("crlf.ndjson", NDJSON.replace(b"\n", b"\r\n")),
        ("bom.ndjson", b"\xef\xbb\xbf" + NDJSON),
        ("blank-lines.ndjson", b"\n\n" + b"\n \n".join(LINES) + b"\n\n"),
        ("array.json", json.dumps(EVENTS).encode()),
        ("bom-array.json", b"\xef\xbb\xbf" + json.dumps(EVENTS).encode()),
        ("pretty-array.json", json.dumps(EVENTS, indent=2).encode()),
        ("ndjson-named.json", NDJSON),
        ("crlf-named.json", NDJSON.replace(b"\n", b"\r\n")),
        ("array-a-line.ndjson", json.dumps(EVENTS).encode() + b"\n"),
        ("packed.ndjson.gz", gzip.compress(NDJSON, mtime=0)),
        ("packed.ndjson.zst", zstandard.compress(NDJSON)),
        ("two-members.gz", gzip.compress(LINES[0] + b"\n", mtime=0) + gzip.compress(LINES[1], mtime=0)),
        ("two-frames.zst", zstandard.compress(LINES[0] + b"\n") + zstandard.compress(LINES[1])),
        ("packed-without-saying-so.ndjson", gzip.compress(NDJSON, mtime=0)),
        ("not-packed-though-it-says-so.ndjson.gz", NDJSON),
        ("prefix.log", b"".join(b"26/11/18 03:00:00 INFO ConsoleTransport: " + one + b"\n" for one in LINES)),
        ("braces-in-prefix.log", b"".join(b"[main] {ctx} INFO - " + one + b"\n" for one in LINES)),
        ("events", NDJSON),
        ("long-lines-named.json", b"".join(one[:-1] + b', "x": "' + b"y" * 9000 + b'"}\n' for one in LINES)),
        (
            "long-lines-with-blanks-named.json",
            b"\n\n" + b"\n\n".join(one[:-1] + b', "x": "' + b"y" * 9000 + b'"}' for one in LINES),
        ),
        ("long-array.json", json.dumps([{**one, "x": "y" * 9000} for one in EVENTS]).encode() + b"\n\n"),
        ("pretty-array-after-blanks.json", b"\n\n" + json.dumps(EVENTS, indent=2).encode()),
        ("array-an-element-a-line.ndjson", b"[\n" + b",\n".join(LINES) + b"\n]\n"),
        ("bracket-in-prefix.log", b"".join(b"[main] " + one + b"\n" for one in LINES)),
        ("an-array-a-line.ndjson", b"".join(b"[" + one + b"]\n" for one in LINES)),
    ],
)
def test_events_are_read_however_they_are_packed(tmp_path: Path, name: str, content: bytes) -> None:
    assert tried(put(tmp_path, name, content)) == (2, [], [])


def test_a_log_is_read_line_by_line_and_not_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large: lines need no more memory than the longest of them."""
    monkeypatch.setattr("lineage.decoding.streams._WHOLE_FILE", 1)
    assert tried(put(tmp_path, "app.log", b"".join(b"[main] " + one + b"\n" for one in LINES)))[0] == 2
    assert tried(put(tmp_path, "lines.json", b"".join(one[:-1] + b', "x": "' + b"y" * 9000 + b'"}\n' for one in LINES)))[0] == 2


def test_one_pretty_printed_event_is_one_event(tmp_path: Path) -> None:
    assert tried(put(tmp_path, "one.json", json.dumps(EVENTS[0], indent=2).encode())) == (1, [], [])


def test_a_lone_surrogate_in_a_name_is_read(tmp_path: Path) -> None:
    line = json.dumps(told("COMPLETE", "04", writes=["made\ud800"])).encode()
    assert tried(put(tmp_path, "odd.ndjson", line))[0] == 1


def test_zeros_where_a_write_was_torn_cost_their_lines_only(tmp_path: Path) -> None:
    torn = b"\0" * 512
    used, where, why = tried(
        put(tmp_path, "torn.ndjson", LINES[0] + b"\n" + LINES[1][:40] + torn + b"\n" + LINES[1] + b"\n" + torn)
    )
    assert (used, where) == (2, [("torn.ndjson", 2), ("torn.ndjson", 4)])
    assert all("not JSON" in one for one in why)


def test_a_lone_surrogate_in_a_partition_key_can_be_printed(tmp_path: Path) -> None:
    one = told("COMPLETE", "04", writes=["made"])
    one["outputs"][0]["outputFacets"] = {
        "subset": {"outputCondition": {"type": "partition", "partitions": [{"dimensions": {"d\ud800t": "2026-11-18"}}]}}
    }
    (found,) = read([str(put(tmp_path, "odd.ndjson", json.dumps(one).encode()))], Problems())
    assert [str(partition) for partition in found.outputs[0].partitions] == ["d?t=2026-11-18"]


def test_an_empty_file_has_no_events_and_no_problem(tmp_path: Path) -> None:
    assert tried(put(tmp_path, "empty.ndjson", b"")) == (0, [], [])


def test_a_binary_file_is_set_aside_whole(tmp_path: Path) -> None:
    used, where, why = tried(put(tmp_path, "image.json", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256))))
    assert (used, where) == (0, [("image.json", 0)])
    assert "binary" in why[0]


@pytest.mark.parametrize(
    "packed", [gzip.compress(NDJSON * 200, mtime=0)[:-20], zstandard.compress(NDJSON * 200)[:-10]], ids=["gzip", "zstd"]
)
def test_a_packed_file_cut_short_is_said_to_be(tmp_path: Path, packed: bytes) -> None:
    used, where, why = tried(put(tmp_path, "cut.ndjson.gz", packed))
    assert used <= 400
    assert where[-1][1] in {0, used + 1}
    assert why


def test_a_packed_file_of_rubbish_is_said_to_be(tmp_path: Path) -> None:
    for name, magic in (("a.gz", b"\x1f\x8b\x08"), ("b.zst", b"\x28\xb5\x2f\xfd")):
        used, where, why = tried(put(tmp_path, name, magic + b"rubbish" * 10))
        assert (used, len(where), len(why)) == (0, 1, 1)


def test_three_broken_lines_among_ten_thousand_are_named_by_file_and_line(tmp_path: Path) -> None:
    lines = [json.dumps(told("START", "03", run=f"r{number}")).encode() for number in range(10_000)]
    lines[41], lines[4_999], lines[9_999] = b'{"eventType": "START", ', b"# a comment", b'{"eventTime": null}'
    used, where, why = tried(put(tmp_path, "events.ndjson", b"\n".join(lines)))
    assert used == 9_997
    assert where == [("events.ndjson", 42), ("events.ndjson", 5_000), ("events.ndjson", 10_000)]
    assert all(why)


def test_elements_of_an_array_that_are_no_events_are_counted(tmp_path: Path) -> None:
    used, where, _ = tried(put(tmp_path, "array.json", json.dumps([EVENTS[0], 7, {"job": {}}, EVENTS[1]]).encode()))
    assert (used, where) == (2, [("array.json", 2), ("array.json", 3)])


def test_an_event_used_in_part_is_noted(tmp_path: Path) -> None:
    problems = Problems()
    odd = {**EVENTS[0], "inputs": [{"namespace": "x"}], "outputs": 7}
    path = put(tmp_path, "odd.ndjson", json.dumps(odd).encode())
    assert len(list(read([str(path)], problems))) == 1
    assert problems.skipped == []
    assert [one.line for one in problems.noted] == [1, 1]


# --- folders, globs, what is not there -----------------------------------------------------------------------------------


def test_a_folder_is_read_to_its_depths_and_only_lineage_in_it(tmp_path: Path) -> None:
    put(tmp_path, "a.ndjson", NDJSON)
    put(tmp_path, "2026/11/b.json.gz", gzip.compress(json.dumps(EVENTS).encode()))
    put(tmp_path, "2026/readme.md", b"not lineage")
    put(tmp_path, "2026/data.parquet", b"PAR1")
    assert tried(tmp_path) == (4, [], [])


def test_a_glob_is_read(tmp_path: Path) -> None:
    put(tmp_path, "one/events.ndjson", NDJSON)
    put(tmp_path, "two/events.ndjson", NDJSON)
    put(tmp_path, "two/other.txt", NDJSON)
    assert tried(f"{tmp_path}/*/events.ndjson")[0] == 4
    assert tried(f"{tmp_path}/**/*.txt")[0] == 2


def test_a_relative_glob_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "events/a.ndjson", NDJSON)
    monkeypatch.chdir(tmp_path)
    assert tried("events/*.ndjson")[0] == 2


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    assert tried(put(tmp_path, "events[1].ndjson", NDJSON))[0] == 2


def test_several_sources_add_up(tmp_path: Path) -> None:
    assert tried(put(tmp_path, "a.ndjson", NDJSON), put(tmp_path, "b.json", json.dumps(EVENTS).encode()))[0] == 4


@pytest.mark.parametrize("source", ["missing.ndjson", "nowhere/", "*.ndjson", "nowhere/**/*.json", ""])
def test_what_is_not_there_is_an_error_with_a_hint(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceUnreadable) as refused:
        tried(f"{tmp_path}/empty/{source}")
    assert refused.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_one_may_not_read_is_an_error(tmp_path: Path) -> None:
    path = put(tmp_path, "secret.ndjson", NDJSON)
    path.chmod(0)
    with pytest.raises(SourceUnreadable, match="permission"):
        tried(path)


# --- buckets -------------------------------------------------------------------------------------------------------------


class Bucket:
    """A bucket that is a dictionary."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects

    def names(self, url: str) -> Iterable[str]:
        return [name for name in self.objects if name.startswith(url)]

    def open(self, url: str) -> BinaryIO:
        return io.BytesIO(self.objects[url])


def test_objects_below_a_prefix_are_read() -> None:
    bucket = Bucket(
        {
            "s3://meta/ol/a.ndjson": NDJSON,
            "s3://meta/ol/b.json.gz": gzip.compress(json.dumps(EVENTS).encode()),
            "s3://meta/ol/c.zst": zstandard.compress(NDJSON),
            "s3://meta/ol/readme.md": b"no",
        }
    )
    assert tried("s3://meta/ol/", remote=bucket)[0] == 4
    assert tried("s3://meta/ol/c.zst", remote=bucket)[0] == 2


def test_a_prefix_without_lineage_is_an_error() -> None:
    with pytest.raises(SourceUnreadable):
        tried("s3://meta/none/", remote=Bucket({}))
    with pytest.raises(SourceUnreadable):
        tried("s3://meta/none/")


def test_each_file_is_told_to_who_watches_progress(tmp_path: Path) -> None:
    put(tmp_path, "a.ndjson", NDJSON)
    put(tmp_path, "b.ndjson", NDJSON)
    seen: list[str] = []
    list(read([str(tmp_path)], Problems(), progress=seen.append))
    assert [Path(one).name for one in seen] == ["a.ndjson", "b.ndjson"]


def test_static_lineage_without_a_run_is_used(tmp_path: Path) -> None:
    static: JSON = {key: value for key, value in EVENTS[1].items() if key not in {"run", "eventType"}}
    assert tried(put(tmp_path, "static.ndjson", json.dumps(static).encode())) == (1, [], [])


def test_two_events_on_one_line_are_two(tmp_path: Path) -> None:
    assert tried(put(tmp_path, "glued.ndjson", LINES[0] + LINES[1] + b"\n" + LINES[0] + b" " + LINES[1])) == (4, [], [])


@pytest.mark.parametrize("name", ["events.json", "events.ndjson", "events.log"])
@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_broken_line_costs_no_other_whatever_the_file_is_called(tmp_path: Path, name: str, broken: int) -> None:
    lines = [*LINES, LINES[0]]
    lines[broken] = lines[broken][:-7]
    used, where, _ = tried(put(tmp_path, name, b"\r\n".join(lines)))
    assert (used, where) == (2, [(name, broken + 1)])


def test_long_lines_in_a_file_called_json_are_read_by_line(tmp_path: Path) -> None:
    long = json.dumps({**EVENTS[0], "padding": "x" * 9000}).encode()
    used, where, _ = tried(put(tmp_path, "long.json", b"\n".join([long, b"broken", long])))
    assert (used, where) == (2, [("long.json", 2)])


def test_folders_that_are_not_looked_into_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by permissions: tests may run as a user who may read everything."""
    put(tmp_path, "events/a.ndjson", NDJSON)
    put(tmp_path, "events/closed/b.ndjson", NDJSON)
    put(tmp_path, "elsewhere/c.ndjson", NDJSON)
    (tmp_path / "events/link").symlink_to(tmp_path / "elsewhere")
    scandir = os.scandir

    def guarded(path: str) -> object:
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", guarded)
    assert tried(tmp_path / "events")[:2] == (2, [("closed", 0), ("link", 0)])
    with pytest.raises(SourceUnreadable, match="Permission denied"):
        tried(tmp_path / "events/closed")


def test_a_glob_takes_the_folders_that_it_matches(tmp_path: Path) -> None:
    put(tmp_path, "day=1/a.ndjson", NDJSON)
    put(tmp_path, "day=2/deep/b.ndjson", NDJSON)
    put(tmp_path, "day=3.ndjson", NDJSON)
    assert tried(tmp_path / "day=*")[:2] == (6, [])


def test_files_of_other_endings_are_noted(tmp_path: Path) -> None:
    put(tmp_path, "a.ndjson", NDJSON)
    for name in ("part-00000", "part-00001", "_SUCCESS", ".a.ndjson.crc"):
        put(tmp_path, name, NDJSON)
    problems = Problems()
    assert len(list(read([str(tmp_path)], problems))) == 2
    assert [one.reason for one in problems.noted] == [
        "not read, by the ending: 2 files, the first part-00000; name a file to have it read"
    ]
    assert not problems.skipped
    assert tried(tmp_path / "part-00000")[0] == 2
