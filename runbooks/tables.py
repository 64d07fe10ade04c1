"""Cells of tables with a history of their own: what a purge or a revert does to them.

A partition is purged by a commit without its files and reverted by one with the files that it had before the fault; whatever
else the table holds stays, committed by whomever. A cell that is all of its table goes back to the version before the fault.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from lineage.attempts import Cell
from lineage.blast_radius import ReachedCell
from lineage.partitions import overlap
from lineage.timestamps import render
from runbooks.actions import ChangeTable, Requirement
from runbooks.consents import Consents
from runbooks.facts import Draft, Facts, asked, uncertainties
from runbooks.plan import PlannedCell, Refusal
from runbooks.table_survey import CellFiles, Good, TablePlace, TableSurvey

_TOLD = 4


@dataclass
class AtTables:
    """The cells of a plan that are in tables. ``settled``: those that nobody else needs to look at."""

    settled: frozenset[Cell] = frozenset()
    drafts: list[Draft] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _taken: list[TablePlace] = field(default_factory=list)

    def take(self, survey: TableSurvey, doubts: list[Refusal], draft: Draft | Refusal, *, named: bool) -> None:
        """A draft into the plan, or what keeps it out."""
        if doubts and not named:
            self.refused.append(asked(doubts))
            return
        for other in self._taken:
            same = (other.format, other.table) == (survey.place.format, survey.place.table)
            if same and overlap(other.cells, survey.place.cells):
                draft = Refusal(str(survey.cell), f"{survey.place.url} overlaps {other.url}", "overlap")
        if isinstance(draft, Refusal):
            self.refused.append(draft)
            return
        self.warnings += [f"{doubt.what}: {doubt.why} (included by name)" for doubt in doubts]
        self._taken.append(survey.place)
        self.drafts.append(draft)


def purged_tables(facts: Facts, chosen: Collection[Cell], consents: Consents) -> AtTables:
    """The part of a purge that is in tables."""
    found = AtTables(frozenset(facts.tables))
    for reached, survey in _surveyed(facts, found):
        doubts = [*uncertainties(reached, consents), *_nothing_there(survey)]
        if not any(facts.can_be_made(job) for job in reached.writers):
            why = "cannot be made again: no [[orchestrator]] covers a job that writes it"
            doubts.append(Refusal(str(reached.cell), why, "not-remakeable"))
        before = len(found.drafts)
        draft = _conditional(survey, consents) or _purge(survey, consents)
        found.take(survey, doubts, draft, named=reached.cell in chosen)
        if reached.serving and survey.now.files and len(found.drafts) > before:
            why = "serves and was not reverted: its readers will find nothing until it is made again"
            found.warnings.append(f"{reached.cell} {why}")
    return found


def reverted_tables(
    facts: Facts,
    chosen: Collection[Cell],
    pointed: tuple[Collection[Cell], Collection[Cell]],
    consents: Consents,
    protected: Collection[Cell],
) -> AtTables:
    """The part of a revert that is in tables. ``pointed``: what pointers need set back, and what they settle without."""
    found = AtTables(frozenset(facts.tables))
    needed, settled = pointed
    for reached, survey in _surveyed(facts, found):
        wanted = reached.serving or reached.cell in chosen or reached.cell in needed
        if not wanted or reached.cell in settled:
            continue
        draft = _conditional(survey, consents) or _revert(reached, survey, consents)
        doubts = [*uncertainties(reached, consents), *_nothing_there(survey)]
        if isinstance(draft, Draft) and survey.place.whole:
            doubts += _dropping(survey)
        empties = isinstance(draft, Draft) and any(isinstance(one, ChangeTable) and not one.leaves for one in draft.actions)
        if empties and reached.cell in protected:
            draft = Refusal(str(reached.cell), "is protected, and going back would leave nothing there", "protected")
        found.take(survey, doubts, draft, named=reached.cell in chosen)
    return found


def _surveyed(facts: Facts, found: AtTables) -> Iterator[tuple[ReachedCell, TableSurvey]]:
    for reached in facts.radius.dirty():
        survey = facts.tables.get(reached.cell)
        if isinstance(survey, TableSurvey):
            yield reached, survey
        elif survey is not None:
            found.refused.append(survey)


def _conditional(survey: TableSurvey, consents: Consents) -> Refusal | None:
    """Where a commit of somebody else could be lost to ours, nobody else may commit."""
    if not survey.unconditional or consents.writers_stopped:
        return None
    why = f"{survey.unconditional}; stop whoever writes it and give --writers-stopped"
    return Refusal(str(survey.cell), why, "unconditional")


def _nothing_there(survey: TableSurvey) -> list[Refusal]:
    back = isinstance(survey.good, Good) and survey.good.files.files
    if survey.now.files or survey.now.unclear or back:
        return []
    why = f"no file of {survey.place.url} is there; check partition and table of its [[dataset]]"
    return [Refusal(str(survey.cell), why, "nothing-there")]


def _dropping(survey: TableSurvey) -> list[Refusal]:
    """The commits of others that going back to an older version of a whole table would drop."""
    if not survey.others:
        return []
    told = "; ".join(f"{one.version} at {render(one.committed)} ({one.what})" for one in survey.others[:_TOLD])
    more = f"; and {len(survey.others) - _TOLD} more" if len(survey.others) > _TOLD else ""
    why = f"going back would drop {len(survey.others)} commits that no bad run accounts for: {told}{more}"
    return [Refusal(str(survey.cell), why, "drops-commits")]


def _purge(survey: TableSurvey, consents: Consents) -> Draft | Refusal:
    """A commit without the cell's files; every file stays where it is, until somebody expires or vacuums."""
    if survey.now.unclear:
        return Refusal(str(survey.cell), survey.now.unclear, "table-partition")
    planned = PlannedCell.of(survey.cell, "nothing", survey.place.url)
    gone = _change(survey, planned, CellFiles(), consents, target="")
    return Draft(planned, (gone,) if survey.now.files else (), None)


def _revert(reached: ReachedCell, survey: TableSurvey, consents: Consents) -> Draft | Refusal:
    """The cell as it was before the fault."""
    name, good = str(reached.cell), survey.good
    if good is None:
        return Refusal(name, "was not looked at as it was before the fault", "not-surveyed")
    if isinstance(good, Refusal):
        return Refusal(name, good.why, good.code)
    planned = PlannedCell.of(survey.cell, "data" if good.files.files else "nothing", survey.place.url)
    whole = survey.place.whole and good.version is not None
    unclear = survey.now.unclear or good.files.unclear
    if unclear and not whole:
        return Refusal(name, unclear, "table-partition")
    same = good.version is not None and good.version.version == survey.version
    if same or (good.files.fingerprint == survey.now.fingerprint and not unclear):
        return Draft(planned, (), None)
    target = "" if good.version is None else good.version.version
    return Draft(planned, (_change(survey, planned, good.files, consents, target=target, whole=whole),), None)


def _change(
    survey: TableSurvey, planned: PlannedCell, leaves: CellFiles, consents: Consents, *, target: str, whole: bool = False
) -> ChangeTable:
    return ChangeTable(
        table=survey.place.url,
        uuid=survey.uuid,
        change="version" if whole else "files",
        requires=Requirement(survey.version, survey.now.fingerprint),
        target=target if whole or leaves.files else "",
        leaves=leaves.fingerprint,
        size=max(survey.now.size, leaves.size),
        cell=str(planned),
        writers_stopped=bool(survey.unconditional) and consents.writers_stopped,
    )
