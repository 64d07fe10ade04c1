"""Table actions: look, compare, intend, commit on condition, look again.

A commit names the plan and the actions that it does. So whatever became of its answer, the table itself tells whether it landed,
and a repeated chunk changes nothing more. Somebody else's commit is never lost: ours is made on what we looked at, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from incident.errors import IncidentError, PreconditionFailed, StorageError, StorageUnreachable
from incident.journal import Journal, Outcome
from incident.tables.port import Asked, Commit, LakeTable, Note, Swap
from lineage.declarations import Declarations
from runbooks.actions import ChangeTable, Requirement
from runbooks.plan import Plan
from runbooks.table_survey import TablePlace

Tables = Callable[[TablePlace], LakeTable]
_CHUNK = 1_000
_TRIES = 5
"""How often a commit is made anew because others commit to other parts of the table meanwhile."""


class TableActions:
    """Performs the table actions of one plan. ``tables`` opens a table as it is now; ``clock`` is in ns UTC.

    ``unconditional``: why commits to a table could be lost.
    """

    def __init__(
        self,
        plan: Plan,
        tables: Tables,
        declarations: Declarations,
        clock: Callable[[], int],
        unconditional: Callable[[TablePlace], str] = lambda _place: "",
    ) -> None:
        self._plan, self._tables, self._declarations, self._clock = plan, tables, declarations, clock
        self._unconditional = unconditional
        self._datasets = {str(cell): cell.cell.dataset for cell in plan.cells}

    def chunks(self, indices: Sequence[int]) -> list[list[int]]:
        """What changes files of one table goes by one commit; a whole table goes to a version by itself."""
        found: list[list[int]] = []
        for index in indices:
            action = self.action(index)
            last = self.action(found[-1][-1]) if found else None
            fits = last is not None and last.change == action.change == "files" and _table(last) == _table(action)
            if fits and len(found[-1]) < _CHUNK:
                found[-1].append(index)
            else:
                found.append([index])
        return found

    def action(self, index: int) -> ChangeTable:
        found = self._plan.actions[index]
        if not isinstance(found, ChangeTable):
            raise TypeError(f"{self._plan.id}: {found.op!r} is not an action on a table")
        return found

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        """One chunk, its intents and outcomes journalled.

        Raises ConfigError, StorageError, CredentialsMissing when a table cannot be looked at, and TimelineUnwritable; what was sent
        by then stays in doubt in the journal, and performing the same chunk again settles it.
        """
        left = {index: self.action(index) for index in chunk}
        table = self._open(left[chunk[0]])
        settled = self._landed(table, {index: action for index, action in left.items() if index in journal.state.doubtful})
        for _ in range(_TRIES):
            left = self._settle(journal, left, settled)
            left = self._settle(journal, left, self._drifted(table, left)) if left else left
            if not left:
                return
            journal.intent(left, self._clock())
            try:
                commit = self._commit(table, left)
            except (PreconditionFailed, StorageUnreachable) as error:
                # Also a refusal may be the echo of our own commit, sent twice on its way: the table itself tells.
                table = self._open(left[next(iter(left))])
                settled = self._landed(table, left)
                if isinstance(error, StorageUnreachable):
                    rest = {index: Outcome("unknown", None, error.message) for index in left}
                    self._settle(journal, left, {**rest, **settled})
                    return
                continue
            except StorageError as error:
                self._settle(journal, left, {index: Outcome("failed", None, error.message) for index in left})
                return
            journal.made({index: _made(commit, action) for index, action in left.items()}, self._clock())
            table = self._open(left[next(iter(left))])
            self._settle(journal, left, {index: self._verified(table, commit, action) for index, action in left.items()})
            return
        self._settle(journal, left, settled)
        left = {index: action for index, action in left.items() if index not in settled}
        self._settle(journal, left, {index: Outcome("failed", None, "others commit to the table all the time") for index in left})

    def moved(self) -> str:
        """Why a table is not what the plan relies on; empty when all are."""
        for action in self._one_per_table():
            table = self._open(action)
            if table.uuid != action.uuid:
                return f"{_table(action)} is another table than the one planned for"
            if action.change == "version" and table.version != action.requires.version_id:
                return f"{_table(action)} is at version {table.version}, planned was {action.requires.version_id}"
            if not action.writers_stopped and (why := self._unconditional(_place(action))):
                return why
        return ""

    def strays(self) -> dict[str, str]:
        """Cells that in the end hold other files than the plan left there."""
        by_table: dict[str, dict[str, TablePlace]] = {}
        leaves = {str(cell): cell.leaves for cell in self._plan.cells}
        for cell in self._plan.cells:
            if (place := TablePlace.parse(cell.url)) is not None:
                by_table.setdefault(place.table, {})[str(cell)] = place
        known = {action.cell: {action.leaves, action.requires.etag} for action in self._changes()}
        found: dict[str, str] = {}
        for places in by_table.values():
            table = self._tables(next(iter(places.values())))
            now = table.files(table.version, {name: self._asked(name, place) for name, place in places.items()})
            for name, files in now.items():
                if name in known and files.fingerprint not in known[name]:
                    found[name] = "it was committed to since the plan"
                elif name not in known and leaves[name] == "nothing" and files.files:
                    found[name] = f"{files.files} files were committed there since the plan"
        return found

    # --- parts ------------------------------------------------------------------------------------------------------------

    def _open(self, action: ChangeTable) -> LakeTable:
        return self._tables(_place(action))

    def _changes(self) -> list[ChangeTable]:
        return [one for _, one in self._plan.of(ChangeTable)]

    def _one_per_table(self) -> list[ChangeTable]:
        return list({(_table(one), one.uuid, one.change): one for one in self._changes()}.values())

    def _asked(self, cell: str, place: TablePlace) -> Asked:
        return Asked(place.cells, utc=self._declarations.zone(self._datasets[cell]) is None)

    def _cells(self, actions: Mapping[int, ChangeTable]) -> dict[str, Asked]:
        return {str(index): self._asked(action.cell, _place(action)) for index, action in actions.items()}

    def _settle(self, journal: Journal, left: Mapping[int, ChangeTable], outcomes: Mapping[int, Outcome]) -> dict[int, ChangeTable]:
        """Write down what is settled; what is left."""
        journal.outcome({index: outcome for index, outcome in outcomes.items() if index in left}, self._clock())
        return {index: action for index, action in left.items() if index not in outcomes}

    def _drifted(self, table: LakeTable, actions: Mapping[int, ChangeTable]) -> dict[int, Outcome]:
        """What must not be done now, and why."""
        asked, found = self._cells(actions), dict[int, Outcome]()
        now = table.files(table.version, asked)
        for index, action in actions.items():
            files = now[str(index)]
            if table.uuid != action.uuid:
                found[index] = Outcome("drifted", None, "it is another table than the one planned for")
            elif action.change == "version" and table.version != action.requires.version_id:
                found[index] = Outcome("drifted", None, "it was committed to since the plan")
            elif files.fingerprint != action.requires.etag:
                found[index] = Outcome("drifted", None, "its files are not those of the plan any more")
            elif action.change == "files" and files.unclear:
                found[index] = Outcome("drifted", None, files.unclear)
        left = {index: action for index, action in actions.items() if index not in found and action.target}
        for target in sorted({action.target for action in left.values()}):
            cells = {str(index): asked[str(index)] for index, action in left.items() if action.target == target}
            found |= self._unreachable(table, target, cells, left)
        return found

    def _unreachable(
        self, table: LakeTable, target: str, cells: Mapping[str, Asked], actions: Mapping[int, ChangeTable]
    ) -> dict[int, Outcome]:
        """The cells whose files of an older version are not all there any more."""
        try:
            then = table.files(target, cells)
            lost = table.lost(target, cells)
        except StorageError as error:
            return {int(key): Outcome("failed", None, error.message) for key in cells}
        if lost:
            return {
                int(key): Outcome("failed", None, f"{lost} of version {target} is not in the storage any more") for key in cells
            }
        changed = [int(key) for key, files in then.items() if files.fingerprint != actions[int(key)].leaves]
        return {index: Outcome("failed", None, f"version {target} does not hold what was planned") for index in changed}

    def _commit(self, table: LakeTable, actions: Mapping[int, ChangeTable]) -> Commit:
        note = Note(self._plan.id, tuple(actions), self._clock())
        first = next(iter(actions.values()))
        if first.change == "version":
            return table.go_to(first.target, note)
        return table.replace([Swap(self._asked(one.cell, _place(one)), one.target) for one in actions.values()], note)

    def _landed(self, table: LakeTable, actions: Mapping[int, ChangeTable]) -> dict[int, Outcome]:
        """What commits of ours did of these; nothing about an action that no commit names."""
        found: dict[int, Outcome] = {}
        for commit in table.ours(self._plan.id) if actions else ():
            for index in commit.actions & actions.keys():
                found[index] = self._verified(table, commit, actions[index])
        return found

    def _verified(self, table: LakeTable, commit: Commit, action: ChangeTable) -> Outcome:
        """Whether what we committed is what was planned, and still in the table's history."""
        version = commit.version or action.target
        if not table.descends(version):
            return Outcome("drifted", None, "somebody else took our commit back")
        try:
            there = table.files(version, {"": self._asked(action.cell, _place(action))})[""]
        except IncidentError as error:
            return Outcome("unknown", _made(commit, action), error.message)
        if there.fingerprint != action.leaves:
            return Outcome("failed", _made(commit, action), f"version {version} does not hold what was planned")
        return Outcome("done", _made(commit, action))


def _place(action: ChangeTable) -> TablePlace:
    found = TablePlace.parse(action.table)
    if found is None:
        raise TypeError(f"{action.table} is no place of a table")
    return found


def _table(action: ChangeTable) -> str:
    return action.table.rpartition("#")[0]


def _made(commit: Commit, action: ChangeTable) -> str:
    """What the journal keeps of a commit: the version it was made on, and the one it made."""
    return f"{commit.base}>{commit.version or action.target}"


def tables_now(plan: Plan, tables: Tables, declarations: Declarations) -> dict[str, Requirement]:
    """What the table cells of a plan hold now, by their places: the version of the table, and the fingerprint of the cell."""
    found: dict[str, Requirement] = {}
    datasets = {str(cell): cell.cell.dataset for cell in plan.cells}
    changes = [one for _, one in plan.of(ChangeTable)]
    for name in sorted({_table(one) for one in changes}):
        here = {one.table: one for one in changes if _table(one) == name}
        table = tables(_place(next(iter(here.values()))))
        asked = {
            url: Asked(_place(one).cells, utc=declarations.zone(datasets[one.cell]) is None)
            for url, one in here.items()
            if one.uuid == table.uuid
        }
        now = table.files(table.version, asked)
        found |= {url: Requirement(table.version, files.fingerprint) for url, files in now.items()}
    return found
