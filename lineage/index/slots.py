"""What an attempt says of partitions and versions, as the two columns that hold it.

The partitions of a run are those of its hour, named again and again: for each of its references, and by its beginning and its end.
So ``partitions`` lists each name once, and ``slots`` says which of them stand where. Runs of one shape have the same ``slots``
whatever their hour, and runs of one hour the same ``partitions`` whatever their shape: both repeat from row to row, and a question
about many rows looks at few of either.

``slots`` is JSON, ``[offsets, [[position, [index, …], version], …]]``: at each of the offsets (where events
that say the same begin) the references of these positions name the partitions of these indices, and a version if there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

Slot = tuple[int, tuple[str, ...], str | None]
"""The position of a reference (inputs, then outputs), its partitions as text, its version; only for those that name either."""

Where = tuple[tuple[int, ...], ...]
"""Of each slot the indices of its partitions."""


def written(events: Iterable[tuple[int, Sequence[Slot]]]) -> tuple[str | None, str | None]:
    """``slots`` and ``partitions`` of events, each with the offset of its first reference."""
    naming = [(offset, slots) for offset, slots in events if slots]
    if not naming:
        return None, None
    offsets, slots = [offset for offset, _ in naming], naming[0][1]
    if any(other != slots for _, other in naming):
        offsets, slots = [0], [(offset + at, parts, version) for offset, some in naming for at, parts, version in some]
    partitions, where = listed([parts for _, parts, _ in slots])
    told = [[at, which] if version is None else [at, which, version] for (at, _, version), which in zip(slots, where, strict=True)]
    return orjson.dumps([offsets, told]).decode(), partitions


def listed(named: Iterable[Sequence[str]]) -> tuple[str | None, Where]:
    """``partitions`` of slots that name these, and where in it they are."""
    at: dict[str, int] = {}
    where = tuple([tuple([at.setdefault(one, len(at)) for one in some]) for some in named])
    return orjson.dumps([*at]).decode() if at else None, where


def read(slots: str | None, partitions: str | None) -> list[Slot]:
    """The slots of an attempt, by the positions that its references have in it."""
    if slots is None:
        return []
    names = orjson.loads(partitions) if partitions else []
    offsets, told = orjson.loads(slots)
    said = [(at, tuple([names[one] for one in which]), version[0] if version else None) for at, which, *version in told]
    return [(offset + at, parts, version) for offset in offsets for at, parts, version in said]
