"""Whether two objects have the same bytes, proved and not assumed."""

from __future__ import annotations

import hashlib

from incident.errors import StorageError
from incident.storage.port import Checksum, Described, ObjectReader


def unlike(store: ObjectReader, source: Described, copy: Described) -> str:
    """Why a copy is not proved to have its source's bytes; empty when it is.

    By what the storage tells where that is proof: the same ETag, or the same checksum over the whole. Else by reading both, since
    nothing is deleted, nor counted as restored, on the strength of a size.
    """
    if copy.size != source.size:
        return f"{copy.size} bytes instead of {source.size}"
    if copy.etag == source.etag:
        return ""
    one, other = source.checksum, copy.checksum
    if one is not None and other is not None and _comparable(one, other):
        return "" if one.value == other.value else f"another {one.algorithm}"
    try:
        same = _digest(store, source) == _digest(store, copy)
    except StorageError as error:
        return f"it could not be compared: {error.message}"
    return "" if same else "other bytes"


def _comparable(one: Checksum, other: Checksum) -> bool:
    return one.kind == other.kind == "FULL_OBJECT" and one.algorithm == other.algorithm


def _digest(store: ObjectReader, one: Described) -> bytes:
    found = hashlib.sha256()
    for block in store.blocks(one.bucket, one.key, None if one.version_id == "null" else one.version_id):
        found.update(block)
    return found.digest()
