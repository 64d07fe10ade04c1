"""Four eyes: a plan's effect needs the consent of people other than the one who performs it.

Consents are records of the timeline about one plan id, which is the hash of everything the plan will do: a consent to it is a
consent to nothing else. A name is taken on trust, as everywhere here (``INCIDENT_ACTOR``, else the user's); it is on the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from incident.errors import InputNeeded
from incident.language import plural

KIND = "approved"


class Told(Protocol):
    """What is needed of a record of the timeline."""

    @property
    def kind(self) -> str: ...
    @property
    def evidence(self) -> dict[str, Any]: ...


def approvers(records: Iterable[Told], plan_id: str) -> list[str]:
    """Who approved this very plan, in the order in which they did, each once."""
    return _names(records, plan_id, (KIND,))


def require(records: Sequence[Told], plan_id: str, needed: int, actor: Mapping[str, Any]) -> None:
    """Raises InputNeeded until ``needed`` people other than ``actor``, who is about to act, have consented to this plan.

    Whoever began an apply consented to it by doing so: an approver may finish what somebody else began, and still two have agreed.
    """
    if needed <= 0:
        return
    me = str(actor.get("name", ""))
    others = [name for name in _names(records, plan_id, (KIND, "apply-started")) if _person(name) != _person(me)]
    if len(others) >= needed:
        return
    own = any(_person(name) == _person(me) for name in approvers(records, plan_id))
    so_far = f"so far by {', '.join(others)}" if others else f"that of {me} does not count" if own else "there is none yet"
    raise InputNeeded(
        f"{plan_id} needs {plural(needed, 'approval')} by others than {me or 'whoever applies it'}; {so_far}",
        f"incident approve {plan_id}; by someone who is not {me or 'the executor'}",
        code="approval",
        data={"plan_id": plan_id, "approvals_needed": needed, "approved_by": others},
    )


def _names(records: Iterable[Told], plan_id: str, kinds: tuple[str, ...]) -> list[str]:
    found: dict[str, str] = {}
    for record in records:
        if record.kind in kinds and record.evidence.get("plan_id") == plan_id:
            name = str(dict(getattr(record, "actor", {})).get("name", ""))
            if _person(name):
                found.setdefault(_person(name), name)
    return list(found.values())


def _person(name: str) -> str:
    """One person under two spellings must not count as two."""
    return " ".join(name.split()).casefold()
