"""A company's events as files: NDJSON, the same packed, and many small files. What is there already is not written again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import zstandard

from tests.bench.company import Company

SEED = 9
"""Of the company that the benches are about: 2,000 jobs, some with a third of all below them."""

_CHUNK = 1 << 22


def events_file(company: Company, days: int, path: Path) -> Path:
    """The events of the first days, one a line, with all facets."""

    def write(file: BinaryIO) -> None:
        events = company.events(range(days), full=True)
        while chunk := b"".join(orjson.dumps(one) + b"\n" for one in islice(events, 500)):
            file.write(chunk)

    return _once(path, write)


def packed(path: Path, ending: str) -> Path:
    """The file packed as ``.gz`` or ``.zst`` beside it."""

    def write(file: BinaryIO) -> None:
        with path.open("rb") as source:
            if ending == ".zst":
                zstandard.ZstdCompressor(level=3).copy_stream(source, file)
                return
            from gzip import GzipFile

            with GzipFile(fileobj=file, mode="wb", compresslevel=6) as target:
                shutil.copyfileobj(source, target, _CHUNK)

    return _once(path.with_name(path.name + ending), write)


def small_files(company: Company, count: int, folder: Path) -> Path:
    """A folder of files with one event each."""
    done = folder / "complete"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for number, one in enumerate(islice(company.events(), count)):
            (folder / f"{number:06d}.ndjson").write_bytes(orjson.dumps(one) + b"\n")
        done.touch()
    return folder


def _once(path: Path, write: Callable[[Any], None]) -> Path:
    """A file that is either whole or not there."""
    if not path.exists():
        aside = path.with_name(path.name + ".new")
        with aside.open("wb") as file:
            write(file)
        aside.replace(path)
    return path
