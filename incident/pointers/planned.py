"""What plans ask of pointers: surveys for a revert, what they are at now for an undo, and whether they still are what serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from incident.guarantees import Assurance
from incident.pointers.kinds import open_pointer, place_of
from incident.pointers.port import Pointer
from incident.pointers.serving import Entry, entries
from incident.pointers.surveys import Found, PointerSurveyor
from incident.storage import open_reader
from lineage.attempts import Cell
from lineage.blast_radius import BlastRadius
from lineage.history import History
from runbooks.consents import Consents
from runbooks.plan import Plan, Requirement
from runbooks.pointers import swaps_of
from runbooks.survey import BucketState

if TYPE_CHECKING:
    from incident.config import Config
    from incident.context import Context
    from incident.radius import Fresh


def survey_pointers(context: Context, fresh: Fresh, cells: Sequence[Cell], consents: Consents) -> Mapping[Cell, tuple[Found, ...]]:
    """The pointers of these cells as they are found. Read-only."""
    return pointer_surveyor(context, fresh.radius, fresh.history, consents).survey(cells)


def pointer_surveyor(context: Context, radius: BlastRadius, history: History, consents: Consents) -> PointerSurveyor:
    """What looks at the pointers of a radius."""
    config = context.config
    opened, readers = partial(assured, context), partial(open_reader, config)
    return PointerSurveyor(config, opened, readers, history, radius.dirty(), consents)


def assured(context: Context, kind: str, url: str) -> Pointer:
    """A pointer, once it is known what its server honours. Raises UsageError, CredentialsMissing, StorageUnreachable."""
    pointer = open_pointer(context.config, kind, url)
    if (place := place_of(kind, url)) is not None:
        Assurance(context)(*place)
    return pointer


def pointers_now(context: Context, plan: Plan) -> tuple[dict[str, Requirement], list[BucketState]]:
    """What each pointer of a plan is at, and the buckets that they lie in."""
    found: dict[str, Requirement] = {}
    states: dict[str, BucketState] = {}
    for action in swaps_of(plan):
        pointer = assured(context, action.kind, action.pointer)
        now = pointer.now()
        found[action.pointer] = Requirement(now.version_id, now.etag, now.value is None)
        if (state := pointer.bucket()) is not None:
            states[state.bucket] = state
    return found, list(states.values())


def unlisted(config: Config, plan: Plan) -> str:
    """Why a pointer of a plan is not what serves its cell any more, by the configuration; empty where all are."""
    cells = {str(cell): cell.cell for cell in plan.cells}
    for action in swaps_of(plan):
        known = {(one.url, one.kind.name) for one in entries(config, cells[action.cell]) if isinstance(one, Entry)}
        if (action.pointer, action.kind) not in known:
            return f"{action.pointer} is no {action.kind} pointer of {action.cell} by the configuration"
    return ""
