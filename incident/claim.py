"""The claim on an incident's journals: one process applies or resumes at a time.

A register of the home that only one process can create, naming it. Following a dead process, taking over and giving back each
compare with what was read, so that of several who try at once exactly one succeeds.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from incident.errors import Drift, InputNeeded, TimelineUnwritable
from incident.registers import LocalRegisters, Registers

NAME = "apply.claim"


class Claim:
    """Who is applying a plan of an incident.

    One for all plans of an incident: two plans at once would each change what the other was made from.
    """

    def __init__(self, registers: Registers, plan_id: str, actor: Mapping[str, Any]) -> None:
        self._registers = registers
        self._plan_id = plan_id
        self.owner = {
            "plan": plan_id,
            "host": socket.gethostname(),
            "space": _process_space(),
            "pid": os.getpid(),
            "actor": dict(actor),
            "nonce": secrets.token_hex(8),
        }
        self._body = json.dumps(self.owner).encode() + b"\n"

    def take(self, *, take_over: bool) -> None:
        """Raises InputNeeded when another process, which may be alive, holds it; ``take_over`` takes it all the same."""
        try:
            while not self._registers.create(NAME, self._body):
                found = self._registers.read(NAME)
                if found is None:
                    continue  # given back a moment ago
                if found == self._body:
                    return  # an earlier try of ours reached the home after all
                holder = _parsed(found)
                if not take_over and not self._dead(holder):
                    raise self._refusal(holder)
                if self._registers.replace(NAME, self._body, was=found):
                    return
        except OSError as error:
            raise unwritable(Path(self._registers.place) / NAME, error) from error

    def _refusal(self, holder: Mapping[str, Any]) -> InputNeeded:
        who = holder.get("actor", {}).get("name", "somebody") if isinstance(holder.get("actor"), dict) else "somebody"
        return InputNeeded(
            f"{holder.get('plan', 'a plan')} is being applied by {who} on {holder.get('host', 'an unknown host')}, "
            f"process {holder.get('pid', 'unknown')}",
            "wait for it; only if it is certainly gone: incident resume --take-over",
            code="claimed",
        )

    def check(self) -> None:
        """Raises Drift when somebody took it over, or when it cannot be read: then nobody can say that it is still ours."""
        found: bytes | None = None
        with suppress(OSError):
            found = self._registers.read(NAME)
        if found != self._body:
            raise Drift(f"{self._plan_id} was taken over by another process; this one stops", "incident status", code="taken-over")

    def release(self) -> None:
        """Give it back. A claim that was taken over stays with its new holder."""
        with suppress(OSError):
            self._registers.remove(NAME, was=self._body)

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
        found = LocalRegisters(folder).read(NAME)
    except OSError:
        return {}
    return None if found is None else _parsed(found)


def drop(folder: Path) -> bool:
    """Remove a claim, whoever holds it; whether there was one. Its holder stops before the next chunk."""
    registers = LocalRegisters(folder)
    found = registers.read(NAME)
    return found is not None and registers.remove(NAME, was=found)


def unwritable(path: Path, error: OSError) -> TimelineUnwritable:
    """The refusal to act on what could not be written down."""
    return TimelineUnwritable(
        f"the journal could not be written: {path}: {error.strerror or error}; nothing more was done",
        "make room or permission there, then: incident resume",
    )


def _parsed(found: bytes) -> dict[str, Any]:
    try:
        holder = json.loads(found)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _process_space() -> str:
    """Containers may share a host name and not the process ids."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
