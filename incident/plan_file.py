"""A plan as one compact file named by its hash: ``purge-<SHA-256>.ndjson.zst``, which ``zstdcat`` shows as lines of JSON.

    frame       the header: incident, phase, revision, previous and target plan, cells, buckets, what there is of what, and the
                hash of the lines that follow. The SHA-256 of this line is the plan's name.
    frames      one line an action, at most 1,000 lines a frame
    frame       notes that no hash covers: when and with what it was made, warnings, refusals, counts, and where the frames are
    skippable   where the notes are, and the SHA-256 of every byte before

The last hash finds any change of the file at all, the name finds a change by somebody who made the file anew. Both are checked
before anything in it is believed; then a frame is read when it is needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import weakref
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

from incident import __version__, files
from incident.errors import IncidentError
from incident.frames import LINES, Frame, compress, decompress
from incident.kept_actions import FramedActions, frames_of
from incident.saved_plans import SUFFIX
from lineage import timestamps
from runbooks.plan import SCHEMA, Phase, Plan, PlannedCell, Refusal
from runbooks.plan_lines import Stretch, Summary, known_fields, plain_json
from runbooks.survey import Terms

_TAIL = struct.Struct("<IIQ32s")
_SKIPPABLE = 0x184D2A5E
_DIGEST = 32
_AT_ONCE = 1 << 20
_ALWAYS = frozenset({"header", "cell", "bucket", "requirement", "carried"})


@dataclass(frozen=True, slots=True)
class Notes:
    """What is told beside a plan. ``created_at`` as RFC 3339."""

    created_at: str
    tool: str


def path_of(folder: Path, plan: Plan) -> Path:
    return folder / f"{plan.phase}-{plan.sha256}{SUFFIX}"


def write_plan(folder: Path, plan: Plan, created_at: int, lines: int = LINES) -> None:
    """Write a plan under its name, durably; nothing changes where it is there already. ``created_at`` in ns UTC. Raises OSError.

    A file that is not what its name says is written anew: planning again is what whoever finds it is told to do.
    """
    path = path_of(folder, plan)
    if files.create(path, _pieces(plan, created_at, lines)):
        return
    try:
        read_plan(path)
    except IncidentError:
        files.replace(path, _pieces(plan, created_at, lines))


def _pieces(plan: Plan, created_at: int, lines: int) -> Iterator[bytes]:
    digest = hashlib.sha256()
    end = 0
    index: list[tuple[int, int, int]] = []
    for number, (data, count) in enumerate(_frames(plan, lines)):
        if number:
            index.append((end, len(data), count))
        digest.update(data)
        end += len(data)
        yield data
    notes = {
        "created_at": timestamps.render(created_at),
        "tool": f"dataops-incident {__version__}",
        "warnings": plan.warnings,
        "refused": [asdict(one) for one in plan.refused],
        "counts": {"actions": len(plan.actions), "bytes": plan.bytes, "cells": len(plan.cells)},
        "buckets": [one.told for one in plan.buckets],
        "fields": _fields(),
        "frames": index,
    }
    last = compress(plain_json(notes) + b"\n")
    tail = _TAIL.pack(_SKIPPABLE, _TAIL.size - 8, end, b"")[:-_DIGEST]
    digest.update(last)
    digest.update(tail)
    yield last + tail + digest.digest()


def _frames(plan: Plan, lines: int) -> Iterator[tuple[bytes, int]]:
    yield compress(plan.header() + b"\n"), 1
    if isinstance(plan.actions, FramedActions):
        yield from ((plan.actions.raw(frame), frame.count) for frame in plan.actions.frames)
    else:
        yield from ((compress(data), count) for data, count in frames_of(plan.actions, lines))


def read_plan(path: Path) -> tuple[Plan, Notes]:
    """The plan of a file, certainly the one that its name says. Raises IncidentError: damaged, or made by a later version."""
    try:
        return _Reader(path).plan()
    except (OSError, ValueError, KeyError, TypeError, IndexError, struct.error) as error:
        raise damaged(path, f"cannot be read: {error}") from error


def damaged(path: Path, why: str) -> IncidentError:
    phase = path.name.partition("-")[0]
    again = "incident undo PLAN_ID" if phase == "undo" else f"incident {phase}"
    return IncidentError(f"The saved plan {path} {why}", again, code="plan-damaged")


class _Reader:
    """One plan's file, open as long as somebody holds something of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._handle)

    def plan(self) -> tuple[Plan, Notes]:
        notes, end = self._notes()
        header_line = self._header(end, notes)
        header = json.loads(header_line)
        self._understood(header, notes)
        frames, lines_sha256 = self._verified(notes["frames"])
        if lines_sha256 != header["lines_sha256"] or sum(one.count for one in frames) != header["actions"]:
            raise self._changed()
        summary = Summary(lines_sha256, tuple(Stretch(*one) for one in header["stretches"]))
        actions: Any = FramedActions(frames, self._raw, summary, f"the saved plan {self.path}")
        if len(frames) <= 1:
            actions = tuple(actions)
        plan = Plan(
            incident=header["incident"],
            phase=cast("Phase", header["phase"]),
            revision=header["revision"],
            actions=actions,
            cells=tuple(PlannedCell(**one) for one in header["cells"]),
            previous=header["previous"],
            target=header["target"],
            buckets=tuple(
                Terms.of(one["bucket"], one["server"], dict(one["facts"]), dict(told))
                for one, told in zip(header["buckets"], notes["buckets"], strict=True)
            ),
            refused=tuple(Refusal(**one) for one in notes["refused"]),
            warnings=tuple(notes["warnings"]),
        )
        return plan.named(hashlib.sha256(header_line).hexdigest(), summary), Notes(notes["created_at"], notes["tool"])

    def _notes(self) -> tuple[dict[str, Any], int]:
        """The notes and where they begin, once every byte was found to be as it was written."""
        size = os.fstat(self._handle).st_size
        digest = hashlib.sha256()
        for at in range(0, size - _DIGEST, _AT_ONCE):
            digest.update(os.pread(self._handle, min(_AT_ONCE, size - _DIGEST - at), at))
        tail = os.pread(self._handle, _TAIL.size, max(size - _TAIL.size, 0))
        if len(tail) != _TAIL.size:
            raise damaged(self.path, "was cut short")
        magic, length, start, kept = _TAIL.unpack(tail)
        if (magic, length, kept) != (_SKIPPABLE, _TAIL.size - 8, digest.digest()):
            raise self._changed()
        return dict(json.loads(self._frame(start, size - _TAIL.size - start))), start

    def _header(self, end: int, notes: dict[str, Any]) -> bytes:
        starts = [offset for offset, _, _ in notes["frames"]]
        found = self._frame(0, min(starts, default=end))
        name = f"{json.loads(found)['phase']}-{hashlib.sha256(found[:-1]).hexdigest()}{SUFFIX}"
        if self.path.name != name or not found.endswith(b"\n"):
            raise self._changed()
        return found[:-1]

    def _understood(self, header: dict[str, Any], notes: dict[str, Any]) -> None:
        """What we would not read we would not do: a plan with anything unknown in it is refused."""
        known, used = _fields(), {op for _, op, _, _ in header["stretches"]} | _ALWAYS
        strange = [
            f"{name}.{one}" for name in sorted(used) for one in notes["fields"].get(name, ()) if one not in known.get(name, ())
        ]
        if header["schema"] != SCHEMA or strange:
            what = ", ".join(strange) or str(header["schema"])
            raise IncidentError(
                f"The saved plan {self.path} was made by {notes['tool']}, and this version does not know {what}",
                f"use that version, or plan again: incident {header['phase']}",
                code="plan-damaged",
            )

    def _verified(self, index: list[list[int]]) -> tuple[list[Frame], str]:
        """The frames with their digests, and the hash of all their lines, in their order."""
        digest = hashlib.sha256()
        frames = []
        for offset, length, count in index:
            data = os.pread(self._handle, length, offset)
            frames.append(Frame(offset, length, count, hashlib.sha256(data).digest()))
            lines = decompress(data, str(self.path))
            if lines.count(b"\n") != count or not lines.endswith(b"\n"):
                raise self._changed()
            digest.update(lines)
        return frames, digest.hexdigest()

    def _frame(self, offset: int, length: int) -> bytes:
        return decompress(os.pread(self._handle, length, offset), str(self.path))

    def _raw(self, frame: Frame) -> bytes:
        return os.pread(self._handle, frame.length, frame.offset)

    def _changed(self) -> IncidentError:
        return damaged(self.path, "was changed after it was made: it does not match its name")


def _fields() -> dict[str, list[str]]:
    """Everything that a plan may hold, by what it is of."""
    header = {"incident", "phase", "revision", "previous", "target", "cells", "buckets", "actions", "stretches", "lines_sha256"}
    return {
        "header": sorted({"schema", *header}),
        "cell": [one.name for one in fields(PlannedCell)],
        "bucket": ["bucket", "server", "facts"],
        **known_fields(),
    }
