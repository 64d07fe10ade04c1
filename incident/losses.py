"""What an incident took from cells: which are still missing, which objects were bad, and where each cell lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from incident.effects import effects
from incident.home import IncidentFolder
from incident.journal import read_journal
from incident.radius import Fresh
from lineage.attempts import Cell
from lineage.effects import Effect
from lineage.history import History
from runbooks.aside import planned_identity
from runbooks.missing import Made, Missing, missing_cells, standing_effects
from runbooks.plan import ChangeTable, CopyVersion, Plan, PutMarker, RunJob, SetAside
from runbooks.survey import Target
from runbooks.table_places import whereabouts


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


Covered = tuple[str, str]
"""A key, and the version id of the delete marker that we put on it or of what that marker covered. What lies above came later."""


@dataclass(frozen=True, slots=True)
class Losses:
    """``covered``: what each purge did to each cell, by plan and cell.
    ``standing``: the effects of ours that still hold. ``urls``: where each cell lies, "" where nobody can say.
    ``expected_empty``: cells that somebody said are rightly empty, with the reason.
    """

    missing: tuple[Missing, ...]
    standing: tuple[Effect, ...]
    bad: tuple[BadVersion, ...]
    urls: Mapping[str, str]
    expected_empty: Mapping[str, str]
    covered: Mapping[tuple[str, str], frozenset[Covered]]


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
    return Losses(
        tuple(missing),
        standing,
        tuple(_bad(folder, plans, {(effect.plan_id, effect.cell) for effect in standing}, fresh.history)),
        _urls(plans, [*(one.cell for one in missing), *(one.cell for one in standing)], fresh.history),
        empty,
        _covered(folder, plans, fresh.history),
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
    for index, action in enumerate(plan.actions):
        outcome = state.outcomes.get(index)
        if isinstance(action, RunJob) and outcome is not None and outcome.status == "done" and index not in state.doubtful:
            yield from (Made(cell, state.first_intent[index]) for cell in action.cells)


def _bad(folder: IncidentFolder, plans: list[Plan], standing: set[tuple[str, Cell]], history: History) -> Iterator[BadVersion]:
    find = history.identities.find
    for plan in plans:
        state = read_journal(folder.journal_dir, plan.id)
        cells = {str(cell): replace(cell.cell, dataset=find(cell.cell.dataset)) for cell in plan.cells}
        for index, action in enumerate(plan.actions):
            cell = None if isinstance(action, RunJob) else cells.get(action.cell)
            if cell is None or index not in state.outcomes or (plan.id, cell) not in standing:
                continue
            if isinstance(action, ChangeTable) and action.requires.etag:
                yield BadVersion(str(cell), "", action.table, action.requires.etag, action.requires.etag)
            if isinstance(action, SetAside):
                yield BadVersion(str(cell), action.bucket, action.key, planned_identity(action), action.requires.etag)
            if isinstance(action, PutMarker | CopyVersion) and not action.requires.is_marker:
                yield BadVersion(str(cell), action.bucket, action.key, action.requires.version_id, action.requires.etag)


def _covered(folder: IncidentFolder, plans: list[Plan], history: History) -> dict[tuple[str, str], frozenset[Covered]]:
    find = history.identities.find
    found: dict[tuple[str, str], set[Covered]] = {}
    for plan in plans:
        if plan.phase != "purge":
            continue
        state = read_journal(folder.journal_dir, plan.id)
        cells = {str(cell): str(replace(cell.cell, dataset=find(cell.cell.dataset))) for cell in plan.cells}
        for index, action in enumerate(plan.actions):
            outcome = state.outcomes.get(index)
            if isinstance(action, PutMarker) and outcome is not None and outcome.status == "done" and outcome.version_id:
                pairs = {(action.key, outcome.version_id), (action.key, action.requires.version_id)}
                found.setdefault((plan.id, cells.get(action.cell, action.cell)), set()).update(pairs)
    return {cell: frozenset(pairs) for cell, pairs in found.items()}


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
