"""The journal of one plan: what was intended, durably before it is done, and what came of it.

NDJSON, one record a line (see ``journal_state``). Intents, outcomes and whatever else decides what may happen next are on disk
before the call returns; ``made`` is written at once, so that it survives the process, and reaches the disk with the next of them:
a machine that loses power in between leaves those actions in doubt, and their versions are found by looking. A last line torn by a
crash counts as never written: whatever it would have said happened after it, or is looked up again.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from incident import files
from incident.claim import Claim, unwritable
from incident.errors import IncidentError, TimelineUnwritable
from incident.journal_state import JournalState, Outcome, Status, ranges
from incident.registers import LocalRegisters
from lineage.timestamps import render

__all__ = ["Journal", "JournalState", "Outcome", "Status", "journal_path", "read_journal", "whole"]

_TAIL = 1 << 16


def journal_path(folder: Path, plan_id: str) -> Path:
    return folder / f"{plan_id}.ndjson"


def read_journal(folder: Path, plan_id: str) -> JournalState:
    """A plan's journal, read-only; an empty state when there is none. Raises IncidentError when it is damaged."""
    state = JournalState()
    path = journal_path(folder, plan_id)
    number = 0
    try:
        with path.open("rb") as lines:
            for line in lines:
                number += 1
                if line.endswith(b"\n"):  # else it is the last one, and torn
                    state.read(json.loads(line), plan_id)
    except FileNotFoundError:
        return state
    except OSError as error:
        raise IncidentError(f"the journal {path} cannot be read: {error.strerror or error}", "make it readable") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IncidentError(
            f"the journal {path} is damaged at line {number}: {error}", "restore it from a copy", code="journal-damaged"
        ) from error
    return state


def whole(folder: Path, begun: Iterable[str]) -> None:
    """Raises IncidentError when the journal of a plan is gone that, says the timeline, was begun.

    Its file is made durable before the timeline says so. Without it nobody can tell what was done.
    """
    for plan_id in begun:
        if not journal_path(folder, plan_id).exists():
            raise IncidentError(
                f"the journal of {plan_id}, which was begun, is gone: {journal_path(folder, plan_id)}",
                "restore it from a copy",
                code="journal-missing",
            )


class Journal:
    """A claimed journal, open for writing. Use as a context manager: leaving it releases the claim. Any thread may write.

    Raises TimelineUnwritable whenever a record cannot be made durable, so that the effect behind it does not happen; and after the
    first such time always, since nobody can say what is on disk behind a failed write.
    """

    def __init__(self, folder: Path, plan_id: str, actor: Mapping[str, Any], *, take_over: bool = False) -> None:
        self.path = journal_path(folder, plan_id)
        self._claim = Claim(LocalRegisters(folder), plan_id, actor)
        self._file: int | None = None
        self._take_over = take_over
        self._writing, self._syncing = threading.Lock(), threading.Lock()
        self._written = self._synced = 0
        self._broken: TimelineUnwritable | None = None
        self._busy = False
        self.state = JournalState()

    def __enter__(self) -> Self:
        self._claim.take(take_over=self._take_over)
        try:
            self.state = read_journal(self.path.parent, self.path.stem)
            self._open()
        except BaseException:
            self._claim.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._writing, self._syncing:
            if self._file is not None:
                os.close(self._file)
                self._file = None
        if not self._busy:
            self._claim.release()

    def keep_claim(self) -> None:
        """Somebody of this process may still be acting when it ends: who follows must see that it has ended."""
        self._busy = True

    def _open(self) -> None:
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            os.ftruncate(self._file, _whole_lines(self._file))  # a torn line would swallow the next record
            files.sync(self.path.parent)
        except OSError as error:
            raise unwritable(self.path, error) from error

    # --- records ----------------------------------------------------------------------------------------------------------

    def begin(self, actions: int, at: int) -> None:
        self._append({"type": "begin", "at": render(at), "plan": self.path.stem, "actions": actions, **self._claim.owner})

    def intent(self, actions: Iterable[int], at: int, before: Mapping[str, Any] | None = None, *, since: int | None = None) -> None:
        """Write before acting. ``at`` in nanoseconds UTC; ``before``: what lies in the cells of a run.

        ``since``: nobody looks between this and the request; the storage's own clock shows this now, in nanoseconds UTC.
        """
        noted: dict[str, Any] = {"before": dict(before)} if before is not None else {}
        if since is not None:
            noted["since"] = render(since)
        self._append({"type": "intent", "at": render(at), "actions": ranges(actions), **noted})

    def made(self, versions: Mapping[int, str], at: int) -> None:
        """The version ids that the server gave to what we made."""
        if versions:
            self._append({"type": "made", "at": render(at), "versions": {str(index): made for index, made in versions.items()}})

    def upload(self, action: int, upload_id: str, etag: str, at: int) -> None:
        """Before the first part of a multipart upload, and again before it completes, with the ETag that it will have."""
        self._append({"type": "upload", "at": render(at), "action": action, "id": upload_id, "etag": etag})

    def job(self, part: int, job_id: str, account: str, bucket: str, report: str, at: int) -> None:
        """A job that is about to be created (its id is empty yet), and again once it has an id."""
        said = {"id": job_id, "account": account, "bucket": bucket, "report": report, "ended": ""}
        self._append({"type": "job", "at": render(at), "part": part, **said})

    def job_ended(self, part: int, status: str, at: int) -> None:
        """Everything it did is settled."""
        self._append({"type": "job", "at": render(at), "part": part, **self.state.jobs[part], "ended": status})

    def outcome(self, results: Mapping[int, Outcome], at: int) -> None:
        if not results:
            return
        made = self.state.made
        done = [index for index, one in results.items() if one == Outcome("done", made.get(index))]
        told = set(done)
        rest = {str(index): [one.status, one.version_id, one.note] for index, one in results.items() if index not in told}
        self._append({"type": "outcome", "at": render(at), "done": ranges(done), "results": rest})

    def strays(self, cells: Mapping[str, str], at: int) -> None:
        """What lay in cells at the end without the plan's knowledge."""
        self._append({"type": "strays", "at": render(at), "cells": dict(cells)})

    def end(self, at: int) -> None:
        self._append({"type": "end", "at": render(at)})

    def check_claim(self) -> None:
        """Raises Drift when somebody took this journal over."""
        self._claim.check()

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        with self._writing:
            if self._broken is not None:
                raise self._broken
            if self._file is None:
                raise RuntimeError("the journal is not open")
            try:
                while line:
                    line = line[os.write(self._file, line) :]
            except OSError as error:
                self._broken = unwritable(self.path, error)
                raise self._broken from error
            self._written += 1
            mine = self._written
            if record["type"] == "made":
                self.state.read(record)
                return
        self._sync(mine)
        with self._writing:
            self.state.read(record)

    def _sync(self, mine: int) -> None:
        """Everything up to the record ``mine`` on disk. Who comes while another waits for the disk is often served with it."""
        with self._syncing:
            if self._synced >= mine:
                return
            upto = self._written
            try:
                if self._file is None:
                    raise RuntimeError("the journal is not open")
                os.fsync(self._file)
            except OSError as error:
                self._broken = unwritable(self.path, error)
                raise self._broken from error
            self._synced = upto


def _whole_lines(file: int) -> int:
    """How many bytes of a file are whole lines."""
    end = os.fstat(file).st_size
    while end:
        start = max(0, end - _TAIL)
        at = os.pread(file, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0
