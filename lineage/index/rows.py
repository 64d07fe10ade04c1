"""A run's events as rows, one an attempt, and back.

The rules are those of ``lineage.history``: events by (time, type), a START after a terminal opens the next attempt. Exact
duplicates are left out, which changes no answer.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple
from zlib import crc32

import orjson

from lineage.index.batch import CODED, KEYED, KINDS, NOMINAL, TERMINAL, Extra, event_of
from lineage.index.dimensions import Dimensions
from lineage.index.slots import Slot, read, written
from lineage.timestamps import AFTER, BEFORE

Told = tuple[int, int, int, Extra | None]
"""One event of a run: its time, its kind, its head, and what differs from run to run."""

STATES = {"COMPLETE": "C", "FAIL": "F", "ABORT": "A", "OPEN": "O"}
_ORDER = itemgetter(0, 1)
_START = KINDS.index("START")
_OUTCOMES = {number: STATES[kind] for number, kind in enumerate(KINDS) if number >= TERMINAL}
_NOTHING = Extra()
_row_of = tuple.__new__
"""Makes a named tuple at a third of the cost."""


class Row(NamedTuple):
    """One attempt, as the columns of ``attempts`` have it; None for −∞ and +∞."""

    job: int
    run: str
    number: int
    start: int | None
    end: int | None
    state: str
    nominal_start: int | None
    nominal_end: int | None
    partition_key: str | None
    code_version: str | None
    shape: int
    slots: str | None
    partitions: str | None
    times: list[int] | None
    odd: str | None
    run_crc: int


def checksum(run_id: str) -> int:
    """By which a run is found without reading its name; others may have the same."""
    return crc32(run_id.encode())


def rows_of(run_id: str, events: list[Told], dimensions: Dimensions) -> list[Row]:
    """The attempts of a run that these are all the events of."""
    if len(events) == 2 and (plain := _plain(run_id, events[0], events[1], dimensions)) is not None:
        return [plain]
    if len(events) > 1:
        events = _ordered(run_id, events, dimensions)
    whole = len(events) == 1 or (len(events) == 2 and events[0][1] < TERMINAL)
    parts = [events] if whole else _split(events)
    return [_row(run_id, number, part, dimensions) for number, part in enumerate(parts)]


def _plain(run_id: str, first: Told, last: Told, dimensions: Dimensions) -> Row | None:
    """The attempt of nearly every run: a beginning and a later end that say the same. None for any other."""
    if first[1] >= TERMINAL:
        first, last = last, first
    start, kind, head, told = first
    end, outcome, other, more = last
    if kind >= TERMINAL or outcome < TERMINAL or start >= end:
        return None
    slots, *said = told or _NOTHING
    ended_with, *again = more or _NOTHING
    if said != again and told is not None and more is not None:
        return None
    _, nominal, key, code = told or more or _NOTHING
    if slots or key is not None:
        dimensions.note_dates(head, slots, key)
    if ended_with or key is not None:
        dimensions.note_dates(other, ended_with, key)
    job = dimensions.heads[head].job
    if job is None:
        return None
    return _row_of(
        Row,
        (
            dimensions.job(job),
            run_id,
            0,
            start,
            end,
            _OUTCOMES[outcome],
            None if nominal is None else nominal[0],
            None if nominal is None else nominal[1],
            key,
            code,
            dimensions.shape((head, other)),
            *_written(slots, dimensions.widths[head], ended_with),
            None,
            None,
            crc32(run_id.encode()),
        ),
    )


@lru_cache(maxsize=1 << 16)
def _written(first: tuple[Slot, ...], width: int, second: tuple[Slot, ...]) -> tuple[str | None, str | None]:
    """The slots of two events as those of one attempt; what the runs of an hour name is much the same."""
    return written([(0, first), (width, second)])


def _ordered(run_id: str, events: list[Told], dimensions: Dimensions) -> list[Told]:
    events.sort(key=_ORDER)
    if any(_ORDER(one) == _ORDER(other) for one, other in pairwise(events)):
        from lineage.history import tie  # with all that it needs, which an ingest seldom does

        events = list(dict.fromkeys(events))
        refs, heads = dimensions.refs, dimensions.heads
        events.sort(key=lambda one: (one[0], one[1], tie(event_of(refs, heads[one[2]], one[0], run_id, one[3]))))
    return events


def _split(events: list[Told]) -> list[list[Told]]:
    parts: list[list[Told]] = [[]]
    ended = False
    for one in events:
        if ended and one[1] == _START:
            parts.append([])
            ended = False
        ended = ended or one[1] >= TERMINAL
        parts[-1].append(one)
    return parts


def _row(run_id: str, number: int, part: list[Told], dimensions: Dimensions) -> Row:
    first, last = part[0], part[-1]
    start = None if first[1] >= TERMINAL else first[0]
    end, state = None, "OPEN"
    for one in reversed(part):
        if one[1] >= TERMINAL:
            end, state = one[0], KINDS[one[1]]
            break
    slots: list[tuple[int, tuple[Slot, ...]]] = []
    width = 0
    extras = [extra for _, _, _, extra in part if extra is not None]
    for _, _, head, extra in part:
        if extra is not None:
            dimensions.note_dates(head, extra.slots, extra.partition_key)
            slots.append((width, extra.slots))
        width += dimensions.widths[head]
    nominals = [extra.nominal for extra in extras if extra.nominal is not None]
    keys = [extra.partition_key for extra in extras if extra.partition_key is not None]
    for key in dict.fromkeys(keys):  # whichever event told it, it is about the outputs of all
        for _, _, head, _ in part:
            dimensions.note_dates(head, (), key)
    codes = [extra.code_version for extra in extras if extra.code_version is not None]
    odd = any(len(told) > 1 and len(set(told)) > 1 for told in (nominals, keys, codes))
    plain = len(part) == 1 or (len(part) == 2 and start is not None and last[0] == end and last[1] >= TERMINAL)
    shape = dimensions.shape(tuple([one[2] for one in part]))
    told_by = dimensions.heads[first[2]].job
    job = dimensions.job(told_by) if told_by is not None else -1  # an event with a run has a job
    return Row(
        job,
        run_id,
        number,
        start,
        end,
        STATES[state],
        nominals[0][0] if nominals else None,
        nominals[0][1] if nominals else None,
        keys[0] if keys else None,
        codes[-1] if codes else None,
        shape,
        *written(slots),
        None if plain else [one[0] for one in part],
        _odd(part) if odd else None,
        crc32(run_id.encode()),
    )


def _odd(part: list[Told]) -> str:
    """What the events of one attempt say, where they do not agree."""
    extras = [extra or Extra() for _, _, _, extra in part]
    told = [[one.nominal for one in extras], [one.partition_key for one in extras], [one.code_version for one in extras]]
    return orjson.dumps(told).decode()


def times_of(row: Row, count: int) -> list[int]:
    """The times of an attempt's events."""
    if row.times is not None:
        return row.times
    return [one for one in (row.start, row.end) if one is not None][:count]


def events_of(row: Row, dimensions: Dimensions) -> list[Told]:
    """The events that a row was made of, in their order."""
    heads = dimensions.shapes[row.shape]
    odd: Any = orjson.loads(row.odd) if row.odd else None
    slots = read(row.slots, row.partitions)
    found: list[Told] = []
    first = 0
    for number, (head, time) in enumerate(zip(heads, times_of(row, len(heads)), strict=True)):
        width = dimensions.widths[head]
        own = tuple((position - first, parts, version) for position, parts, version in slots if first <= position < first + width)
        first += width
        flags = dimensions.heads[head].flags
        extra = None
        if flags or own:
            nominal = (row.nominal_start, row.nominal_end) if flags & NOMINAL and odd is None else None
            key = row.partition_key if flags & KEYED else None
            code = row.code_version if flags & CODED else None
            if odd is not None:
                said = odd[0][number]
                nominal, key, code = None if said is None else (said[0], said[1]), odd[1][number], odd[2][number]
            extra = Extra(own, nominal, key, code)  # type: ignore[arg-type]  # both ends of a nominal time are told together
        found.append((time, dimensions.heads[head].kind, head, extra))
    return found


def bounds(row: Row) -> tuple[int, int]:
    """Start and end, infinities included."""
    return BEFORE if row.start is None else row.start, AFTER if row.end is None else row.end
