"""A field of a JSON document: ``s3://lake/serving/current.json#version``, or ``#/models/churn/version`` by RFC 6901.

The value is the field's own JSON text, and a swap replaces exactly that text: every other byte of the document stays.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from incident.pointers.port import PointerUnreadable

_SPACE = re.compile(r"[ \t\r\n]*")
_BOM = "\ufeff"
_DECODER = json.JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True)
class JsonField:
    """The codec of one field. ``field``: a JSON pointer that begins with ``/``, or names with dots between them."""

    field: str

    def value(self, data: bytes) -> str | None:
        text, span = self._found(data)
        return None if span is None else text[span[0] : span[1]]

    def written(self, data: bytes | None, value: str) -> bytes:
        if data is None:
            raise PointerUnreadable("the document is gone, and a field cannot be written without it")
        text, span = self._found(data)
        if span is None:
            raise PointerUnreadable(f"the document has no field {self.field!r}")
        made = text[: span[0]] + value + text[span[1] :]
        if self._found(made.encode())[1] != (span[0], span[0] + len(value)):
            raise PointerUnreadable(f"{value} is no JSON value for the field {self.field!r}")
        return made.encode()

    def beside(self, data: bytes) -> str:
        text, span = self._found(data)
        rest = text if span is None else text[: span[0]] + text[span[1] :]
        return hashlib.sha256(rest.encode()).hexdigest()[:24]

    def spelled(self, text: str, like: str | None) -> str:
        now = None if like is None else json.loads(like)
        if now is None or isinstance(now, str):
            return json.dumps(text, ensure_ascii=False)
        try:
            meant = json.loads(text)
        except ValueError as error:
            raise PointerUnreadable(f"{text!r} is no JSON, and the field holds {like}") from error
        if type(meant) is not type(now):
            raise PointerUnreadable(f"{text!r} is not of the kind that the field holds: {like}")
        return text

    def plain(self, value: str) -> str:
        found = json.loads(value)
        return found if isinstance(found, str) else value

    # --- the text ---------------------------------------------------------------------------------------------------------

    def _path(self) -> list[str]:
        if self.field.startswith("/"):
            return [part.replace("~1", "/").replace("~0", "~") for part in self.field[1:].split("/")]
        return self.field.split(".")

    def _found(self, data: bytes) -> tuple[str, tuple[int, int] | None]:
        """The document, and where in it the field's value begins and ends."""
        try:
            text = data.decode()
            start = len(_BOM) if text.startswith(_BOM) else 0
            json.loads(text[start:], strict=False)
        except (ValueError, RecursionError) as error:
            raise PointerUnreadable(f"it does not hold JSON: {error}") from error
        at: int | None = _skip(text, start)
        for part in self._path():
            at = _enter(text, at or 0, part)
            if at is None:
                return text, None
        return text, (at or 0, _value(text, at or 0)[1])


def _enter(text: str, at: int, part: str) -> int | None:
    """Where the value of a member or element begins, in a document that is known to be JSON."""
    match text[at]:
        case "{":
            return _member(text, at, part)
        case "[":
            return _element(text, at, part)
        case _:
            return None


def _member(text: str, at: int, name: str) -> int | None:
    found: int | None = None
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, end = _value(text, at)
        start = _skip(text, _skip(text, end) + 1)  # behind the colon
        if key == name:
            if found is not None:
                raise PointerUnreadable(f"the document names {name!r} twice, and readers may take either")
            found = start
        at = _skip(text, _value(text, start)[1])
        at = _skip(text, at + 1) if text[at] == "," else at
    return found


def _element(text: str, at: int, part: str) -> int | None:
    if not re.fullmatch(r"0|[1-9][0-9]*", part):
        return None
    number = 0
    at = _skip(text, at + 1)
    while text[at] != "]":
        if number == int(part):
            return at
        number += 1
        at = _skip(text, _value(text, at)[1])
        at = _skip(text, at + 1) if text[at] == "," else at
    return None


def _value(text: str, at: int) -> tuple[Any, int]:
    found: tuple[Any, int] = _DECODER.raw_decode(text, at)
    return found


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match is not None else at
