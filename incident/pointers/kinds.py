"""The kinds of pointers: one row each, and how one is opened by its URL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from incident.errors import UsageError
from incident.pointers.completion import Completion
from incident.pointers.json_field import JsonField
from incident.pointers.local_file import LocalPointer
from incident.pointers.objects import ObjectPointer
from incident.pointers.port import Codec, Pointer
from incident.pointers.symlink import SymlinkManifest
from incident.pointers.text import Text
from incident.storage import open_store

if TYPE_CHECKING:
    from incident.config import Config


@dataclass(frozen=True, slots=True)
class Kind:
    """``known``: whether a URL is recognised as one of it. ``codec``: for what lives in an object, by the field behind the ``#``.

    ``absence``: being absent is one of its states, and not an outage. ``places``: its value itself says where the data lies.
    """

    name: str
    known: Callable[[str], bool]
    codec: Callable[[str], Codec] | None
    absence: bool = False
    places: bool = False


KINDS = {
    kind.name: kind
    for kind in (
        Kind("glue", lambda url: url.startswith("glue://"), None, places=True),
        Kind("mlflow", lambda url: url.startswith("mlflow+"), None),
        Kind("success", lambda url: url.endswith("/_SUCCESS"), lambda _: Completion(), absence=True),
        Kind("symlink", lambda url: "/_symlink_format_manifest/" in url, lambda _: SymlinkManifest(), places=True),
        Kind("json", lambda url: "#" in url.rpartition("/")[2] or ".json#" in url, JsonField),
        Kind("text", lambda _: True, lambda _: Text()),
    )
}
"""The first that knows a URL is taken where the configuration says nothing."""


def kind_of(url: str, declared: str | None = None) -> Kind:
    return KINDS[declared] if declared is not None else next(kind for kind in KINDS.values() if kind.known(url))


def open_pointer(config: Config, kind: str, url: str) -> Pointer:
    """The pointer of that kind and URL. Raises UsageError when nothing says how to reach it."""
    codec = KINDS[kind].codec
    if kind == "mlflow":
        from incident.pointers.mlflow import open_alias

        return open_alias(url)
    if codec is None:
        from incident.pointers.glue import open_glue

        return open_glue(config, url)
    place, field = _split(url) if kind == "json" else (url, "")
    if place.startswith("file:///"):
        return LocalPointer(Path(unquote(place.removeprefix("file://"))), codec(field), url)
    found = place_of(kind, url)
    if found is None:
        raise UsageError(f"{url!r} is no pointer", "write s3://bucket/key or file:///path in incident.toml")
    bucket, key = found
    return ObjectPointer(open_store(config, bucket, key), bucket, key, codec(field), url)


def place_of(kind: str, url: str) -> tuple[str, str] | None:
    """The bucket and key of a pointer that lies in one."""
    place = _split(url)[0] if kind == "json" else url
    bucket, _, key = place.removeprefix("s3://").partition("/")
    return (bucket, key) if place.startswith("s3://") and bucket and key else None


def _split(url: str) -> tuple[str, str]:
    """A URL and its field. A key may hold a ``#``, and a JSON pointer a ``/`` behind its ``#``."""
    at = url.find(".json#")
    if at >= 0:
        return url[: at + 5], url[at + 6 :]
    place, _, field = url.rpartition("#")
    return place, field
