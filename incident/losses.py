"""What an incident took from cells: which are still missing, which objects were bad, and where each cell lies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from incident.effects import effects
from incident.home import IncidentFolder
from incident.journal import JournalState, read_journal
from incident.radius import Fresh
from lineage.attempts import Cell
from lineage.effects import Effect
from lineage.history import History
from runbooks.aside import planned_identity
from runbooks.facts import Again
from runbooks.missing import Made, Missing, missing_cells, standing_effects
from runbooks.plan import Action, ChangeTable, CopyVersion, Plan, PutMarker, RunJob, SetAside
from runbooks.survey import Target
from runbooks.table_places import whereabouts

_JOURNALS = 2
"""Journals kept at a time: plans are gone through one after another."""

States = Callable[[str], JournalState]
"""A plan's journal."""


@dataclass(frozen=True, slots=True)
class BadVersion:
    """An object version that a plan took away for being bad. ``version_id``: its identity (``runbooks.aside``)."""

    cell: str
    bucket: str
    key: str
    version_id: str
    etag: str

    @property
    def url(self) -> str:
        return Target(self.bucket, self.key).url if self.bucket else self.key


@dataclass(frozen=True, slots=True)
class Covered:
    """A key that a purge covered: the version id of our delete marker, and of what it covered. What lies above came later."""

    key: str
    marker: str
    beneath: str


@dataclass(frozen=True, slots=True)
class Losses:
    """``bad``: can be gone through more than once, cell by cell; nobody holds them. ``covered``: what a purge (by its plan) did to
    a cell (by its name), in the same way.
    ``standing``: the effects of ours that still hold. ``urls``: where each cell lies, "" where nobody can say.
    ``expected_empty``: cells that somebody said are rightly empty, with the reason.
    """

    missing: tuple[Missing, ...]
    standing: tuple[Effect, ...]
    bad: Iterable[BadVersion]
    urls: Mapping[str, str]
    expected_empty: Mapping[str, str]
    covered: Callable[[str, str], Iterable[Covered]]


def losses(folder: IncidentFolder, fresh: Fresh) -> Losses:
    """Read from plans, journals, timeline and lineage. Read-only."""
    find = fresh.history.identities.find
    ours = [replace(effect, cell=replace(effect.cell, dataset=find(effect.cell.dataset))) for effect in effects(folder)]
    plans = [folder.load_plan(plan_id) for plan_id in folder.plans()]
    tainted = frozenset((one.run_id, one.number) for one in fresh.radius.attempts if one.state == "TAINTED")
    made = [one for plan in plans if plan.phase == "backfill" for one in _made(folder, plan)]
    empty = expected_empty(folder)
    missing = [one for one in missing_cells(ours, fresh.history.attempts, made, tainted) if str(one) not in empty]
    standing = standing_effects(ours)
    states = lru_cache(maxsize=_JOURNALS)(lambda plan_id: read_journal(folder.journal_dir, plan_id))
    return Losses(
        tuple(missing),
        standing,
        Again(lambda: _bad(plans, states, {(effect.plan_id, effect.cell) for effect in standing}, fresh.history)),
        _urls(plans, [*(one.cell for one in missing), *(one.cell for one in standing)], fresh.history),
        empty,
        lambda plan_id, cell: Again(lambda: _covered(plans, states, plan_id, cell, fresh.history)),
    )


def expected_empty(folder: IncidentFolder) -> dict[str, str]:
    """The cells that ``verify --expect-empty`` named, with the reasons; the last word about a cell counts."""
    said: dict[str, str] = {}
    for record in folder.timeline.records():
        for cell in record.evidence.get("expect_empty") or ():
            said[str(cell)] = str(record.evidence.get("reason", ""))
    return said


def _made(folder: IncidentFolder, plan: Plan) -> Iterator[Made]:
    state = read_journal(folder.journal_dir, plan.id)
    for index, action in plan.of(RunJob):
        outcome = state.outcomes.get(index)
        if outcome is not None and outcome.status == "done" and index not in state.doubtful:
            yield from (Made(cell, state.first_intent[index]) for cell in action.cells)


def _bad(plans: list[Plan], states: States, standing: set[tuple[str, Cell]], history: History) -> Iterator[BadVersion]:
    find = history.identities.find
    for plan in plans:
        cells = {str(cell): replace(cell.cell, dataset=find(cell.cell.dataset)) for cell in plan.cells}
        for name, stretches in plan.indices().items():
            cell = cells.get(name)
            if cell is None or (plan.id, cell) not in standing:
                continue
            outcomes, shown = states(plan.id).outcomes, str(cell)
            for index, action in plan.walk(*stretches):
                if outcomes.status(index) is not None and (version := _taken(action)) is not None:
                    yield BadVersion(shown, *version)


def _taken(action: Action) -> tuple[str, str, str, str] | None:
    """What an action took away for being bad: bucket, key, version id and ETag."""
    match action:
        case ChangeTable() if action.requires.etag:
            return "", action.table, action.requires.etag, action.requires.etag
        case SetAside():
            return action.bucket, action.key, planned_identity(action), action.requires.etag
        case PutMarker() | CopyVersion() if not action.requires.is_marker:
            return action.bucket, action.key, action.requires.version_id, action.requires.etag
    return None


def _covered(plans: list[Plan], states: States, plan_id: str, cell: str, history: History) -> Iterator[Covered]:
    find = history.identities.find
    for plan in plans:
        if plan.id != plan_id or plan.phase != "purge":
            continue
        outcomes = states(plan_id).outcomes
        names = [str(one) for one in plan.cells if str(replace(one.cell, dataset=find(one.cell.dataset))) == cell]
        indices = plan.indices()
        for index, action in plan.walk(*(stretch for name in names for stretch in indices.get(name, ()))):
            outcome = outcomes.get(index) if isinstance(action, PutMarker) else None
            if isinstance(action, PutMarker) and outcome is not None and outcome.status == "done" and outcome.version_id:
                yield Covered(action.key, outcome.version_id, action.requires.version_id)


def _urls(plans: list[Plan], cells: list[Cell], history: History) -> dict[str, str]:
    """Where our plans found the cells; for parts of them where the configuration says they lie."""
    find = history.identities.find
    known = {
        str(replace(cell.cell, dataset=find(cell.cell.dataset))): cell.url for plan in plans for cell in plan.cells if cell.url
    }
    for cell in cells:
        if str(cell) not in known:
            found = whereabouts(cell, history.declarations, deleting=False)
            known[str(cell)] = found if isinstance(found, str) else ""
    return known
