"""The claim on an incident's journals: one process applies or resumes at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from incident import files
from incident.errors import Drift, InputNeeded, TimelineUnwritable

NAME = "apply.claim"


class Claim:
    """Who is applying a plan of an incident: a file that only one process can create, naming it.

    One for all plans of an incident: two plans at once would each change what the other was made from.
    """

    def __init__(self, folder: Path, plan_id: str, actor: Mapping[str, Any]) -> None:
        self.path = folder / NAME
        self._plan_id = plan_id
        self.owner = {
            "plan": plan_id,
            "host": socket.gethostname(),
            "space": _process_space(),
            "pid": os.getpid(),
            "actor": dict(actor),
            "nonce": secrets.token_hex(8),
        }

    def take(self, *, take_over: bool) -> None:
        """Raises InputNeeded when another process, which may be alive, holds it; ``take_over`` takes it all the same."""
        body = json.dumps(self.owner).encode() + b"\n"
        try:
            with _alone(self.path):
                self._take(body, take_over=take_over)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def _take(self, body: bytes, *, take_over: bool) -> None:
        if files.create(self.path, body):
            return
        holder = self._holder()
        if not take_over and not self._dead(holder):
            who = holder.get("actor", {}).get("name", "somebody") if isinstance(holder.get("actor"), dict) else "somebody"
            raise InputNeeded(
                f"{holder.get('plan', 'a plan')} is being applied by {who} on {holder.get('host', 'an unknown host')}, "
                f"process {holder.get('pid', 'unknown')}",
                "wait for it; only if it is certainly gone: incident resume --take-over",
                code="claimed",
            )
        files.replace(self.path, body)

    def check(self) -> None:
        """Raises Drift when somebody took it over."""
        if self._holder().get("nonce") != self.owner["nonce"]:
            raise Drift(f"{self._plan_id} was taken over by another process; this one stops", "incident status", code="taken-over")

    def release(self) -> None:
        """Give it back. A claim that was taken over stays with its new holder."""
        with suppress(OSError):
            if self._holder().get("nonce") == self.owner["nonce"]:
                self.path.unlink()

    def _holder(self) -> dict[str, Any]:
        return holder_of(self.path.parent) or {}

    def _dead(self, holder: Mapping[str, Any]) -> bool:
        """Certainly gone: a process of this very host (and of its process namespace) that no longer runs."""
        if holder.get("host") != self.owner["host"] or holder.get("space") != self.owner["space"]:
            return False
        try:
            os.kill(int(holder["pid"]), 0)
        except ProcessLookupError:
            return True
        except (OSError, KeyError, TypeError, ValueError, OverflowError):
            return False
        return False


def holder_of(folder: Path) -> dict[str, Any] | None:
    """What the claim in a journal folder says of its holder; None when nobody holds it, nothing when it cannot be read."""
    try:
        found = json.loads((folder / NAME).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def drop(folder: Path) -> bool:
    """Remove a claim, whoever holds it; whether there was one. Its holder stops before the next chunk."""
    with suppress(FileNotFoundError):
        (folder / NAME).unlink()
        return True
    return False


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two who find the same dead claim must not both replace it. Only on one host, as is whoever may follow a dead process."""
    handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def unwritable(path: Path, error: OSError) -> TimelineUnwritable:
    """The refusal to act on what could not be written down."""
    return TimelineUnwritable(
        f"the journal could not be written: {path}: {error.strerror or error}; nothing more was done",
        "make room or permission there, then: incident resume",
    )


def _process_space() -> str:
    """Containers may share a host name and not the process ids."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
