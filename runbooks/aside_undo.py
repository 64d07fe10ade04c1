"""Taking back what was done in places without versions: what was set aside is brought back where nothing lies, and the reverse.

The copy in quarantine stays when it is brought back, and what a revert had brought goes to quarantine itself: neither way is
anything lost that somebody may still want.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lineage.timestamps import render
from runbooks.actions import AsideAction, BringBack, DataAction, Requirement, SetAside
from runbooks.aside import identity, kept_at
from runbooks.consents import Consents
from runbooks.facts import Keeping
from runbooks.plan import Plan, Refusal
from runbooks.survey import KeyHistory

Keepings = Mapping[str, Keeping | Refusal]
"""By the name of a cell: where what lies there can be set aside, and what can be relied upon."""


class Takings:
    """What ``target`` did to keys in places without versions, and what takes it back. ``done``: action, and what it made."""

    def __init__(self, target: Plan, done: Iterable[tuple[AsideAction, str | None]], keepings: Keepings) -> None:
        self._target, self._keepings = target, keepings
        self._brought = {(action.cell, action.key): made for action, made in done if isinstance(action, BringBack)}

    def inverse(self, action: AsideAction, made: str | None, now: KeyHistory | None) -> AsideAction | None:
        """What takes one action back; None where something was written since, or there is nothing of ours."""
        current = now.current if now is not None else None
        ours = current is not None and self._brought.get((action.cell, action.key)) == identity(current)
        keeping = self._keepings.get(action.cell)
        match action:
            case SetAside():
                if made is None or (current is not None and not ours):
                    return None
                return BringBack(
                    bucket=action.bucket,
                    key=action.key,
                    source=kept_at(action.to, self._target.incident, self._target.id, action.bucket, action.key),
                    source_etag=made,
                    size=action.size,
                    cell=action.cell,
                    storage_class=action.storage_class,
                    writers_stopped=not (isinstance(keeping, Keeping) and keeping.absent),
                )
            case BringBack():
                if current is None or not ours:
                    return None
                return SetAside(
                    bucket=action.bucket,
                    key=action.key,
                    requires=Requirement(current.version_id, current.etag),
                    size=current.size,
                    cell=action.cell,
                    to=keeping.to if isinstance(keeping, Keeping) else "",
                    last_modified=render(current.last_modified) or "",
                    storage_class=current.storage_class,
                    writers_stopped=not (isinstance(keeping, Keeping) and keeping.exact),
                )

    def refusal(self, cell: str, inverses: Sequence[DataAction], consents: Consents) -> Refusal | None:
        """Why a cell cannot be taken back, as far as that depends on what can be relied upon there."""
        comes = any(isinstance(one, BringBack) for one in inverses)
        goes = any(isinstance(one, SetAside) for one in inverses)
        if not comes and not goes:
            return None
        keeping = self._keepings.get(cell)
        if not isinstance(keeping, Keeping):
            why = keeping.why if isinstance(keeping, Refusal) else "nobody knows a quarantine for it"
            return Refusal(cell, why, keeping.code if isinstance(keeping, Refusal) else "no-quarantine")
        if ((goes and not keeping.exact) or (comes and not keeping.absent)) and not consents.writers_stopped:
            code = "no-conditional-delete" if goes and not keeping.exact else "no-conditional-put"
            return Refusal(cell, f"{keeping.why}; stop what writes there and give --writers-stopped", code)
        return None
