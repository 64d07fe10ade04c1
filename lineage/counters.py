"""Counters by run, as Hadoop, Spark and others print them: a CSV or JSON file that stands in for statistics in the events.

CSV with the columns ``run_id``, ``counter``, ``value`` (and ``attempt``, from 0, if a run id was reused); or JSON: a list of
objects with these keys, one object a line, or ``{run id: {counter: value}}``.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineage.errors import SourceUnreadable
from lineage.facets import Direction

_HINT = "write CSV with the columns run_id,counter,value, or JSON objects with these keys"


@dataclass(frozen=True, slots=True)
class Counter:
    """One counter of one run. ``attempt`` is None for the run's last. ``source`` is FILE:LINE."""

    run_id: str
    name: str
    value: float
    source: str
    attempt: int | None = None

    @property
    def direction(self) -> Direction:
        """What the counter is about, by its name: what came in, what went out, or the run itself."""
        lowered = self.name.lower().replace("_", "").replace(" ", "").replace(".", "")
        if any(word in lowered for word in ("input", "read", "malformed", "corrupt", "badrecord", "invalid", "consumed")):
            return "input"
        return "output" if any(word in lowered for word in ("output", "written", "write", "produced")) else "run"


def read_counters(path: str) -> tuple[Counter, ...]:
    """Every counter of a file. Raises SourceUnreadable, with the line, at the first that makes no sense."""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SourceUnreadable(f"counters {path}: not a text in UTF-8", _HINT) from None
    except OSError as error:
        raise SourceUnreadable(f"counters {path}: {error.strerror or error}", "check the path given with --counters") from None
    rows = _json(path, text) if text.lstrip()[:1] in {"[", "{"} else _csv(path, text)
    return tuple(_counter(path, line, row) for line, row in rows)


def _csv(path: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [(name or "").strip().lower() for name in reader.fieldnames or ()]
        if missing := [name for name in ("run_id", "counter", "value") if name not in columns]:
            raise SourceUnreadable(f"counters {path}:1: no column {' or '.join(missing)}", _HINT)
        reader.fieldnames = columns
        for row in reader:
            if None in row:
                raise SourceUnreadable(f"counters {path}:{reader.line_num}: more values than columns", _HINT)
            yield reader.line_num, row
    except csv.Error as error:
        raise SourceUnreadable(f"counters {path}:{reader.line_num}: not CSV: {error}", _HINT) from None


def _json(path: str, text: str) -> Iterator[tuple[int, Any]]:
    """Rows with the line each begins on."""
    decoder = json.JSONDecoder()
    position = _past(text, 0, " \t\r\n")
    listed = text[position] == "["
    position += listed
    while True:
        position = _past(text, position, " \t\r\n," if listed else " \t\r\n")
        line = text.count("\n", 0, position) + 1
        if position >= len(text) or text[position] == "]":
            break
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise SourceUnreadable(f"counters {path}:{error.lineno}: not JSON: {error.msg}", _HINT) from None
        except (RecursionError, ValueError):
            raise SourceUnreadable(f"counters {path}:{line}: not JSON that makes sense here", _HINT) from None
        if isinstance(value, dict) and "run_id" not in value and value and all(isinstance(one, dict) for one in value.values()):
            for run_id, counters in value.items():
                yield from ((line, {"run_id": run_id, "counter": name, "value": one}) for name, one in counters.items())
        else:
            yield line, value
    if (text[position : position + 1] == "]") != listed or text[position + 1 :].strip():
        raise SourceUnreadable(f"counters {path}:{line}: the list has no end, or something follows it", _HINT)


def _past(text: str, position: int, skipped: str) -> int:
    while position < len(text) and text[position] in skipped:
        position += 1
    return position


def _counter(path: str, line: int, row: Any) -> Counter:
    where = f"{path}:{line}"
    if not isinstance(row, dict):
        raise SourceUnreadable(f"counters {where}: not an object but a {type(row).__name__}", _HINT)
    run_id, name = (str(row.get(key) or "").strip() for key in ("run_id", "counter"))
    if not run_id or not name:
        raise SourceUnreadable(f"counters {where}: no {'counter' if run_id else 'run_id'}", _HINT)
    attempt = row.get("attempt")
    if attempt is None or attempt == "":
        number = None
    else:
        number = _whole(attempt)
        if number is None:
            raise SourceUnreadable(
                f"counters {where}: attempt {str(attempt)[:40]!r} is not a whole number", "attempts count from 0"
            )
    return Counter(run_id, name, _value(where, row.get("value")), where, number)


def _value(where: str, raw: Any) -> float:
    try:
        value = math.nan if isinstance(raw, bool | None) else float(raw)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise SourceUnreadable(f"counters {where}: value {str(raw)[:40]!r} is not a number", _HINT)
    return value


def _whole(raw: Any) -> int | None:
    try:
        return int(raw) if isinstance(raw, int | str) and not isinstance(raw, bool) and int(raw) >= 0 else None
    except ValueError:
        return None
