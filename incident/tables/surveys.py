"""Surveys of cells that are in tables: what they hold now, and what they held before the fault. Read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from incident.errors import ConfigError, StorageError, StorageUnreachable
from incident.tables.port import Asked, LakeTable
from lineage.attempts import Attempt, Cell, Write
from lineage.blast_radius import BlastRadius, ReachedCell
from lineage.history import History
from lineage.partitions import overlap
from runbooks.plan import Refusal
from runbooks.table_places import table_place
from runbooks.table_survey import CellFiles, Good, TablePlace, TableSurvey, TableVersion
from runbooks.table_versions import good_version

Tables = Callable[[TablePlace], LakeTable]
Found = dict[Cell, TableSurvey | Refusal]


@dataclass
class TableSurveyor:
    """Looks at the cells that are in tables. Raises CredentialsMissing, StorageUnreachable.

    ``reverting``: also look for the last good version, which ``before`` decides where nothing else does (ns UTC).
    ``unconditional``: why commits to a table could be lost.
    """

    tables: Tables
    history: History
    radius: BlastRadius
    reverting: bool
    before: int | None = None
    unconditional: Callable[[TablePlace], str] = lambda _place: ""
    warnings: list[str] = field(default_factory=list)

    @cached_property
    def _tainted(self) -> tuple[Attempt, ...]:
        keys = {(one.run_id, one.number) for one in self.radius.attempts}
        return tuple(attempt for attempt in self.history.attempts if attempt.key in keys)

    def survey(self, cells: Iterable[ReachedCell]) -> Found:
        """Each cell's survey, or why there is none; nothing about cells that are in no table."""
        found: Found = {}
        by_table: dict[tuple[str, str], dict[TablePlace, ReachedCell]] = {}
        for reached in cells:
            place = table_place(reached.cell, self.history.declarations, deleting=not self.reverting)
            if isinstance(place, Refusal):
                found[reached.cell] = place
            elif place is not None:
                by_table.setdefault((place.format, place.table), {})[place] = reached
        for places in by_table.values():
            found |= self._table(places)
        return found

    def _table(self, places: Mapping[TablePlace, ReachedCell]) -> Found:
        try:
            table = self.tables(next(iter(places)))
            now = table.files(table.version, {place.url: self._asked(place, reached.cell) for place, reached in places.items()})
        except ConfigError as error:
            code = "no-table" if error.code == ConfigError.code else error.code
            why = f"{error.message}; {error.hint}"
            return {reached.cell: Refusal(str(reached.cell), why, code) for reached in places.values()}
        self.warnings += table.warnings()
        unconditional = self.unconditional(next(iter(places)))
        history = table.history() if self.reverting else ((), False)
        found: Found = {}
        goods: dict[str, dict[TablePlace, ReachedCell]] = {}
        for place, reached in places.items():
            survey = TableSurvey(reached.cell, place, table.uuid, table.version, now[place.url], unconditional=unconditional)
            if self.reverting:
                good = self._good(table, history, reached)
                others = self._others(reached, good.since) if isinstance(good, Good) and place.whole else ()
                survey = replace(survey, good=good, others=others)
                if isinstance(good, Good) and good.version is not None:
                    goods.setdefault(good.version.version, {})[place] = reached
            found[reached.cell] = survey
        for version, chosen in goods.items():
            self._then(table, version, chosen, found)
        return found

    def _then(self, table: LakeTable, version: str, places: Mapping[TablePlace, ReachedCell], found: Found) -> None:
        """What the cells held at a version, if it is all still there."""
        asked = {place.url: self._asked(place, reached.cell) for place, reached in places.items()}
        try:
            then = table.files(version, asked)
            lost = table.lost(version, asked)
        except StorageUnreachable:
            raise
        except StorageError as error:
            then, lost = {}, error.message
        for place, reached in places.items():
            survey = found[reached.cell]
            if isinstance(survey, TableSurvey) and isinstance(survey.good, Good):
                why = f"{lost} of version {version}, the last good one, is not in the storage any more"
                good = Refusal(str(reached.cell), why, "expired") if lost else replace(survey.good, files=then[place.url])
                found[reached.cell] = replace(survey, good=good)

    def _good(self, table: LakeTable, told_history: tuple[Sequence[TableVersion], bool], reached: ReachedCell) -> Good | Refusal:
        """The last version before the fault, its files not yet looked at."""
        history, begins = told_history
        if history and history[-1].version != table.version:
            last = history[-1].version
            why = f"its history ends at version {last}, and {table.version} is current: nobody can tell what came before"
            return Refusal(str(reached.cell), why, "undecidable")
        told = {write.version for _, write in self._bad(reached)}
        versions = {one.version for one in history}
        at = good_version(
            str(reached.cell),
            history,
            reached.since,
            self.history.declarations.skew,
            self.before,
            begins=begins,
            bad={version for version in told if version is not None},
            named=bool(told) and told <= versions,
        )
        if isinstance(at, Refusal):
            return at
        while at >= 0 and (seen := table.visible(history[at].version)) is not True:
            if seen is None:
                why = f"nobody can tell any more whether version {history[at].version} was ever seen, or a step within a commit"
                return Refusal(str(reached.cell), why, "undecidable")
            at -= 1
        if at < 0 and not begins:
            return Refusal(str(reached.cell), "its versions of before the fault have expired", "expired")
        return Good(history[at] if at >= 0 else None, CellFiles(), tuple(history[at + 1 :]))

    def _bad(self, reached: ReachedCell) -> list[tuple[Attempt, Write]]:
        """What runs that the fault reached wrote into the cell."""
        dataset, partition = reached.cell.dataset, reached.cell.partition
        return [
            (attempt, write)
            for attempt in self._tainted
            for write in attempt.writes
            if write.cell.dataset == dataset and overlap(write.cell.partition, partition)
        ]

    def _others(self, reached: ReachedCell, since: Iterable[TableVersion]) -> tuple[TableVersion, ...]:
        """The versions that no run known to be bad accounts for, by name or by time."""
        bad, skew = self._bad(reached), self.history.declarations.skew
        named = {write.version for _, write in bad}
        return tuple(
            one
            for one in since
            if not one.ours
            and one.version not in named
            and not any(attempt.start - skew <= one.committed <= attempt.end + skew for attempt, _ in bad)
        )

    def _asked(self, place: TablePlace, cell: Cell) -> Asked:
        return Asked(place.cells, utc=self.history.declarations.zone(cell.dataset) is None)
