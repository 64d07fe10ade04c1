"""The plans of one incident: what was shown and may be applied, each by its id."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from incident.errors import IncidentError, TimelineUnwritable, UsageError

if TYPE_CHECKING:  # plans are read by whoever asks for one; which there are, is told by their names
    from runbooks.plan import Plan

SUFFIX = ".ndjson.zst"
FORMER_SUFFIX = ".json"
_READ = 64
"""Plans that stay read."""
_SHOWN = 12
"""Hexadecimal digits of a plan's hash in its id."""
_NAME = re.compile(rf"([a-z]+-[0-9a-f]{{{_SHOWN}}})(?:[0-9a-f]{{{64 - _SHOWN}}}{re.escape(SUFFIX)}|{re.escape(FORMER_SUFFIX)})")


class SavedPlans:
    """A folder of plans, each written once. ``incident``: the id of the incident whose plans they are."""

    def __init__(self, folder: Path, incident: str) -> None:
        self.folder = folder
        self._incident = incident
        self._read: dict[Path, tuple[tuple[int, ...], Plan]] = {}

    def ids(self) -> list[str]:
        """The ids of the saved plans, oldest first."""
        paths = sorted(self._paths(), key=lambda path: (path.stat().st_mtime_ns, path.name))
        return list(dict.fromkeys(_id(path) for path in paths))

    def save(self, plan: Plan, created_at: int) -> None:
        """Keep a plan. Saving the same plan again changes nothing. ``created_at`` in ns UTC. Raises TimelineUnwritable."""
        from incident.plan_file import path_of, write_plan

        if plan.incident != self._incident:
            raise UsageError(
                f"Plan {plan.id} belongs to {plan.incident}, not to {self._incident}",
                f"name the incident: --incident {plan.incident}",
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_plan(self.folder, plan, created_at)
        except OSError as error:
            raise TimelineUnwritable(
                f"{path_of(self.folder, plan)} could not be written: {error.strerror or error}",
                "make the home writable, or name another with --home",
            ) from error

    def load(self, plan_id: str, phase: str | None = None) -> Plan:
        """A saved plan. Raises UsageError when it is not this incident's or of another phase, IncidentError when damaged."""
        from incident.plan_file import damaged

        paths = [path for path in self._paths() if _id(path) == plan_id]
        if not paths:
            fitting = [name for name in self.ids() if phase is None or name.startswith(f"{phase}-")]
            listed = f"; saved: {', '.join(fitting)}" if fitting else "; none is saved"
            what = f"{phase} plan" if phase else "plan"
            raise UsageError(f"{self._incident} has no {what} {plan_id!r}{listed}", f"incident {phase or 'status'}", code="no-plan")
        if len(paths) > 1:
            listed = ", ".join(sorted(path.name for path in paths))
            raise IncidentError(f"More than one saved plan is called {plan_id}: {listed}", "plan again", code="plan-damaged")
        plan = self._of(paths[0])
        if plan.incident != self._incident:
            raise damaged(paths[0], f"does not match its name: it belongs to {plan.incident}")
        if phase is not None and plan.phase != phase:
            raise UsageError(f"{plan_id} is a plan to {plan.phase}, not to {phase}", f"incident {plan.phase} --apply {plan_id}")
        return plan

    def _of(self, path: Path) -> Plan:
        """The plan of a file, read and checked once as long as the file stays the same."""
        from incident.plan_file import damaged, read_plan
        from incident.plan_json import read_former

        try:
            found = path.stat()
        except OSError as error:
            raise damaged(path, f"cannot be read: {error.strerror or error}") from error
        state = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if path not in self._read or self._read[path][0] != state:
            if len(self._read) >= _READ:
                del self._read[next(iter(self._read))]
            self._read[path] = state, read_plan(path)[0] if path.name.endswith(SUFFIX) else read_former(path)
        return self._read[path][1]

    def _paths(self) -> list[Path]:
        return [path for path in self.folder.glob("*") if _NAME.fullmatch(path.name)]


def _id(path: Path) -> str:
    found = _NAME.fullmatch(path.name)
    return found[1] if found else path.name
