"""The bodies of DeleteObjects, written and read without botocore.

A thousand keys cost botocore some 60 ms to validate, serialise and parse; this is a tenth of it. Keys that XML cannot carry never
come here (see ``s3``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.parsers import expat

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
Named = tuple[str, str, str]
"""A key, a version id and an ETag; empty where the request has none."""


def written(objects: Iterable[Named]) -> bytes:
    """The request for these, in verbose mode: each key is answered."""
    parts = [f'<?xml version="1.0" encoding="UTF-8"?>\n<Delete xmlns="{NAMESPACE}"><Quiet>false</Quiet>']
    for key, version_id, etag in objects:
        parts.append(f"<Object><Key>{_escaped(key)}</Key>")
        if version_id:
            parts.append(f"<VersionId>{_escaped(version_id)}</VersionId>")
        if etag:
            parts.append(f"<ETag>{_escaped(etag)}</ETag>")
        parts.append("</Object>")
    parts.append("</Delete>")
    return "".join(parts).encode()


def _escaped(text: str) -> str:
    """As ``xml.sax.saxutils.escape``, which loads half of the standard library's HTTP."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


Answer = dict[str, list[Mapping[str, str]]]
"""As botocore tells it: the fields of each under "Deleted" and "Errors"."""


def is_result(body: bytes) -> bool:
    """Whether an answer is the result of a batch, and not an error that came with status 200."""
    return b"<DeleteResult" in body[:300]


def read_result(body: bytes) -> Answer:
    """What the server says of each key. Raises ValueError when it is not well-formed."""
    answer: Answer = {"Deleted": [], "Errors": []}
    entry: dict[str, str] = {}
    text: list[str] = []
    depth = 0

    def start(_name: str, _attributes: list[str]) -> None:
        nonlocal depth
        depth += 1
        text.clear()
        if depth == 2:
            entry.clear()

    def end(name: str) -> None:
        nonlocal depth
        local = name.rpartition(":")[2]
        if depth == 3:
            entry[local] = "".join(text)
        elif depth == 2 and local in {"Deleted", "Error"}:
            answer["Deleted" if local == "Deleted" else "Errors"].append(dict(entry))
        depth -= 1
        text.clear()

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error
    return answer
