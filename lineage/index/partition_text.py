"""Partitions as text that gives back exactly the same partition."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache

from lineage.errors import PartitionError
from lineage.partitions import OffsetRange, Partition, Value, parse_partition
from lineage.periods import Grain, Period

_EXACT = "\\"
"""Before a partition that its plain text would not give back; a backslash begins no other text here."""
_PERIOD = "period of a "


@lru_cache(maxsize=1 << 16)
def written(partition: Partition) -> str:
    """As ``str`` writes it where that is read back as the same, else item by item."""
    text = str(partition)
    if not text.startswith(_EXACT) and _plain(text) == partition:
        return text
    return _EXACT + json.dumps([[key, *_tagged(value)] for key, value in partition.items])


@lru_cache(maxsize=1 << 16)
def read(text: str) -> Partition:
    """The partition that ``written`` wrote."""
    if not text.startswith(_EXACT):
        return parse_partition(text)
    return Partition(tuple((key, _value(tag, value)) for key, tag, value in json.loads(text[1:])))


def _plain(text: str) -> Partition | None:
    try:
        return parse_partition(text)
    except PartitionError:
        return None


def _tagged(value: Value) -> tuple[str, str]:
    match value:
        case Period():
            return f"{_PERIOD}{value.grain.value}", value.start.isoformat()
        case OffsetRange():
            return "offsets", str(value)
        case _:
            return "text", value


def _value(tag: str, text: str) -> Value:
    if tag.startswith(_PERIOD):
        return Period(datetime.fromisoformat(text), Grain(tag.removeprefix(_PERIOD)))
    if tag == "offsets":
        first, _, end = text.partition("-")
        return OffsetRange(int(first), int(end))
    return text
