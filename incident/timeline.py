"""The timeline: one immutable file per record, each with the SHA-256 of the one before (RFC 8785 form).

No server and no lock: a record's number is taken by creating its file, which succeeds for one writer only. Corrections are new
records. What the engine did is recorded by the engine, with evidence; people add notes.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785

from incident import files
from incident.errors import IncidentError, TimelineUnwritable
from lineage import timestamps

SCHEMA = "incident/event/v1"
_NAME = re.compile(r"(\d{8})\.json")


class TimelineDamaged(IncidentError):
    """A record that cannot be read, so that nothing can be said about the incident's state."""

    code = "timeline-damaged"


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened. Times in nanoseconds UTC: when it happened, and when it was written down.

    ``prev`` is the hash of the record before (None for the first), ``hash`` this one's.
    """

    seq: int
    kind: str
    text: str
    occurred_at: int
    recorded_at: int
    actor: dict[str, Any]
    evidence: dict[str, Any]
    nonce: str
    prev: str | None
    hash: str

    def to_json(self) -> dict[str, Any]:
        """The record as users see it; ``hash`` is computed, not stored."""
        return {
            "seq": self.seq,
            "kind": self.kind,
            "text": self.text,
            "occurred_at": timestamps.render(self.occurred_at),
            "recorded_at": timestamps.render(self.recorded_at),
            "actor": self.actor,
            "evidence": self.evidence,
            "nonce": self.nonce,
            "prev": self.prev,
            "hash": self.hash,
        }


class Timeline:
    """An incident's records in ``<folder>/<8-digit seq>.json``."""

    def __init__(
        self,
        folder: Path,
        incident: str,
        *,
        clock: Callable[[], int] = time.time_ns,
        actor: dict[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self.incident = incident
        self._clock = clock
        self._actor = actor or {"name": "unknown", "role": "engineer"}
        self._read: dict[int, Record] = {}

    def append(
        self,
        kind: str,
        text: str,
        *,
        evidence: dict[str, Any] | None = None,
        occurred_at: int | None = None,
        actor: dict[str, Any] | None = None,
    ) -> Record:
        """Record something, durably before this returns. Raises TimelineUnwritable, and then nothing may follow that relies on it.

        ``evidence`` is JSON whose whole numbers lie within ±(2**53 − 1); times in it are RFC 3339.
        """
        import secrets

        recorded_at = self._clock()
        body: dict[str, Any] = {
            "schema": SCHEMA,
            "incident": self.incident,
            "kind": kind,
            "text": _clean(text),
            "occurred_at": timestamps.render(recorded_at if occurred_at is None else occurred_at),
            "recorded_at": timestamps.render(recorded_at),
            "actor": _clean(self._actor if actor is None else actor),
            "evidence": _clean(evidence or {}),
            "nonce": secrets.token_hex(16),
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return self._append(body)
        except OSError as error:
            raise TimelineUnwritable(
                f"The timeline of {self.incident} in {self.folder} could not be written: {error.strerror or error}",
                "make that folder writable (on a file system with hard links), or name another with --home",
            ) from error

    def _append(self, body: dict[str, Any]) -> Record:
        while True:
            seq = max(self._numbers(), default=0)
            prev = _hash(self._path(seq).read_bytes()) if seq else None
            data = _canonical({**body, "seq": seq + 1, "prev": prev})
            path = self._path(seq + 1)
            if files.create(path, data) or self._is_ours(path, body["nonce"]):
                return self._parse(seq + 1, data)
            # Another engineer took this number a moment ago: ours comes after it, and chains to it.

    def _is_ours(self, path: Path, nonce: str) -> bool:
        """True when the record that is there is the one we are writing: an earlier try reached the disk after all."""
        try:
            found = json.loads(path.read_bytes())
        except ValueError:
            return False
        return isinstance(found, dict) and found.get("nonce") == nonce

    def records(self) -> list[Record]:
        """Every record in the order written. Raises TimelineDamaged when one cannot be read."""
        return [self._record(seq) for seq in self._listed()]

    def last(self, kind: str) -> Record | None:
        """The latest record of a kind."""
        return next((record for record in reversed(self.records()) if record.kind == kind), None)

    @property
    def head(self) -> str:
        """The hash of the last record, which stands for the whole timeline; empty when there is none."""
        numbers = self._listed()
        return self._record(numbers[-1]).hash if numbers else ""

    def verify(self, head: str | None = None) -> list[str]:
        """What is wrong with the chain as it is on disk; empty when it is whole.

        Removing the latest records leaves a shorter but whole chain; ``head``, a hash noted down earlier, shows that too.
        """
        problems: list[str] = []
        hashes: dict[int, str] = {}
        for expected, seq in enumerate(self._listed(), start=1):
            if seq != expected and seq - 1 not in hashes:
                problems.append(f"record {seq - 1} is missing")
            try:
                data = self._path(seq).read_bytes()
                hashes[seq] = _hash(data)
                record = self._parse(seq, data)
                canonical = rfc8785.dumps(json.loads(data)) == data
            except (TimelineDamaged, OSError, ValueError) as error:
                problems.append(str(error))
                continue
            if record.prev != hashes.get(seq - 1) and (seq == 1 or seq - 1 in hashes):
                problems.append(f"record {seq} does not follow record {seq - 1}: one of them was changed after it was written")
            if not canonical:
                problems.append(f"record {seq} is not in the canonical form in which it was written")
        if head is not None and head not in hashes.values():
            problems.append(f"the record with hash {head} is not on this timeline: it was changed, or records were removed")
        return problems

    # --- files -----------------------------------------------------------------------------------------------------------

    def _path(self, seq: int) -> Path:
        return self.folder / f"{seq:08d}.json"

    def _numbers(self) -> list[int]:
        return sorted(int(found[1]) for path in self.folder.iterdir() if (found := _NAME.fullmatch(path.name)))

    def _listed(self) -> list[int]:
        try:
            return self._numbers()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise TimelineDamaged(f"The timeline in {self.folder} cannot be read: {error.strerror or error}") from error

    def _record(self, seq: int) -> Record:
        if seq not in self._read:
            try:
                self._read[seq] = self._parse(seq, self._path(seq).read_bytes())
            except OSError as error:
                raise TimelineDamaged(f"record {seq} cannot be read: {error.strerror or error}") from error
        return self._read[seq]

    def _parse(self, seq: int, data: bytes) -> Record:
        try:
            raw = json.loads(data)
            if raw["schema"] != SCHEMA or raw["seq"] != seq or raw["incident"] != self.incident:
                raise ValueError("it is the record of another place")  # noqa: TRY301 - one message for all that is not a record
            return Record(
                seq=seq,
                kind=str(raw["kind"]),
                text=str(raw["text"]),
                occurred_at=timestamps.parse(raw["occurred_at"]),
                recorded_at=timestamps.parse(raw["recorded_at"]),
                actor=dict(raw["actor"]),
                evidence=dict(raw["evidence"]),
                nonce=str(raw["nonce"]),
                prev=raw["prev"],
                hash=_hash(data),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TimelineDamaged(
                f"record {seq} of {self.incident} ({self._path(seq)}) is damaged: {error}",
                f"incident timeline verify --incident {self.incident}",
            ) from error


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _canonical(body: dict[str, Any]) -> bytes:
    try:
        return rfc8785.dumps(body)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise TimelineUnwritable(
            f"A record of kind {body.get('kind')!r} cannot be written as canonical JSON: {error}",
            "this is a defect of the command that wrote it; nothing was recorded",
        ) from error


def _clean(value: Any) -> Any:
    """Bytes of the command line that are not UTF-8 reach us as lone surrogates, which JSON cannot hold."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode("utf-8")
        case dict():
            return {_clean(str(key)): _clean(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_clean(inner) for inner in value]
    return value
