"""Real lines of lineage, broken the ways that disks, networks and producers break them; by a seed, so that a failure comes back."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).resolve().parent
CORPORA = HERE.parents[2] / "shared" / "corpora"
FILES = (
    HERE / "data" / "airflow_self_dependent.ndjson",
    HERE / "data" / "dbt_shop_openlineage.ndjson",
    *(sorted(CORPORA.glob("*.ndjson")) if CORPORA.is_dir() else ()),
)
"""The project's own recordings, and the shared ones where they lie beside the work tree."""

_TIMES = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999-14:00", "2026-02-30T00:00:00Z", "2026-11-18", "1e400")
_TEXTS = ("", "/", "*", "=", "s3://", "\x00", "\ud800", "٢٠٢٦", "dt=2026-11-18/dt=2026-11-19", "x" * 3000, "null", "%2F%", *_TIMES)
_NUMBERS = (0, -1, 2**63, -(2**64), 10**400, 1.5, 1e308)


def lines_of(path: Path) -> list[bytes]:
    """The lines that hold something."""
    return [line for line in path.read_bytes().splitlines() if line.strip()]


def broken(line: bytes, random: Random) -> bytes:
    """The line after one to three accidents; still one line."""
    for _ in range(random.randint(1, 3)):
        line = random.choice(_ACCIDENTS)(line, random)
    return line.replace(b"\n", b" ")


def _flipped(line: bytes, random: Random) -> bytes:
    changed = bytearray(line)
    for _ in range(random.randint(1, 4)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _deleted(line: bytes, random: Random) -> bytes:
    start = random.randrange(len(line))
    return line[:start] + line[start + random.randint(1, 40) :] or b"{"


def _inserted(line: bytes, random: Random) -> bytes:
    at = random.randrange(len(line))
    junk = random.choice(
        (b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"\0" * 9, b"\r", b'"', b"}", b"{", b"\\u", b"\x1f\x8b", b"NaN")
    )
    return line[:at] + junk + line[at:]


def _prefixed(line: bytes, random: Random) -> bytes:
    head = (b"\0" * 64, b"\xef\xbb\xbf", b"26/11/18 INFO {main} ", b"[", b"\x28\xb5\x2f\xfd", b"%", b"{}")
    return random.choice(head) + line


def _overwritten(line: bytes, random: Random) -> bytes:
    """A page of the file that was never written: zeros where the text was."""
    start = random.randrange(len(line))
    return line[:start] + b"\0" * min(512, len(line) - start) + line[start + 512 :]


def _spots(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) inside a JSON value."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        here = waiting.pop()
        inside = list(here.items()) if isinstance(here, dict) else list(enumerate(here)) if isinstance(here, list) else []
        found += [(here, key) for key, _ in inside]
        waiting += [inner for _, inner in inside]
    return found


def _restructured(line: bytes, random: Random) -> bytes:
    """A part of the JSON value replaced by one of another type, removed, doubled, or swapped with another part."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return _flipped(line, random)
    spots = _spots(value)
    if not spots:
        return _flipped(line, random)
    container, key = random.choice(spots)
    match random.randrange(7):
        case 0:
            container[key] = random.choice((None, True, [], {}, [None], {"name": None}, *_NUMBERS))
        case 1:
            container[key] = random.choice(_TEXTS)
        case 2:
            del container[key]
        case 3:
            container[key] = [container[key], copy.deepcopy(container[key])]
        case 4:
            container[key] = str(container[key]) if not isinstance(container[key], str) else len(container[key])
        case 5:
            other, place = random.choice(spots)
            container[key] = copy.deepcopy(other[place])  # never the thing itself: a value inside itself is no JSON
        case _:
            return _nested(value, container, key, random)
    return _written(value)


def _nested(value: Any, container: Any, key: Any, random: Random) -> bytes:
    """Brackets around a part, deeper than any parser's stack; written as text, since no encoder would."""
    mark = "a part that no producer names"
    container[key] = mark
    depth = random.choice((20, 200, 3000, 100_000))
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return _written(value).replace(json.dumps(mark).encode(), opening * depth + b"1" + closing * depth, 1)


def _repeated_field(line: bytes, random: Random) -> bytes:
    """A name twice in one object: what parsers answer differently."""
    name = random.choice((b"eventTime", b"run", b"job", b"inputs", b"outputs", b"eventType", b"facets"))
    value = random.choice((b"null", b"[]", b'"x"', b"{}", b"1e999", b"9" * 400))
    return line.replace(b"{", b'{"' + name + b'":' + value + b",", 1)


def _written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


_ACCIDENTS: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flipped,
    _deleted,
    _inserted,
    _prefixed,
    _overwritten,
    _repeated_field,
    _restructured,
    _restructured,
    _restructured,
    _restructured,
    _restructured,
)
