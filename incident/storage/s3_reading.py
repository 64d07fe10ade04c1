"""What an answer of S3 says by its headers and a payload of plain fields, read by botocore's model at a tenth of its cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self
from xml.etree import ElementTree as ET

from incident.storage.s3_wire import Answer


def _moment(text: str) -> datetime:
    """A time as headers tell it: of HTTP, or ISO 8601."""
    return datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)


_KINDS: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "integer": int,
    "long": int,
    "boolean": lambda text: text.lower() == "true",
    "timestamp": _moment,
}


@dataclass(frozen=True, slots=True)
class Reading:
    """Of one operation's answers. ``headers``: by their names in small letters, what each is called and how it is read."""

    headers: Mapping[str, tuple[str, Callable[[str], Any]]]
    prefixes: tuple[tuple[str, str], ...]
    payload: str | None

    @classmethod
    def of(cls, shape: Any) -> Self:
        """``shape``: botocore's of the output."""
        headers: dict[str, tuple[str, Callable[[str], Any]]] = {}
        prefixes: list[tuple[str, str]] = []
        for name, member in shape.members.items():
            where = member.serialization
            if where.get("location") == "header":
                headers[where["name"].lower()] = name, _KINDS[member.type_name]
            elif where.get("location") == "headers":
                prefixes.append((where.get("name", "").lower(), name))
        return cls(headers, tuple(prefixes), shape.serialization.get("payload"))

    def read(self, answer: Answer) -> dict[str, Any]:
        """By botocore's names; what the answer does not tell is not there. Raises ValueError and ParseError."""
        found: dict[str, Any] = {}
        for header, value in answer.headers:
            name = header.lower()
            if (known := self.headers.get(name)) is not None:
                found[known[0]] = known[1](value)
                continue
            for prefix, member in self.prefixes:
                if name.startswith(prefix):
                    found.setdefault(member, {})[header[len(prefix) :]] = value
        if self.payload is not None:
            fields = ET.fromstring(answer.body)  # noqa: S314  # of the storage that we trust with the data
            found[self.payload] = {one.tag.rpartition("}")[2]: one.text or "" for one in fields}
        return found
