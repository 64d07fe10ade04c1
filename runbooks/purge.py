"""Purge: cover every current object of the tainted cells with a delete marker. Every version stays where it is.

Where there are no versions, every object goes to quarantine instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from lineage.attempts import Cell
from lineage.timestamps import render
from runbooks.aside import kept_warnings, purge_draft, versionless
from runbooks.consents import Consents, included
from runbooks.contents import contents_of
from runbooks.facts import Again, Draft, Facts, asked, assembled, marks_completion, questions, surveyed
from runbooks.plan import Plan, PlannedCell, PutMarker, Refusal, Requirement
from runbooks.serving import still_served
from runbooks.survey import CellSurvey, Target
from runbooks.tables import purged_tables


def plan_purge(facts: Facts, consents: Consents, skew: int = 0) -> Plan:
    """The purge of the TAINTED cells, and of the SUSPECT ones named by --include. CLEANED cells are left alone.

    ``skew`` in nanoseconds.
    """
    chosen, refused = included(facts.radius.cells, consents)
    refusals = list(refused)
    warnings = list(facts.warnings)
    drafts: list[Draft] = []
    taken: list[tuple[Cell, Target]] = []
    if not facts.radius.cells:
        refusals.append(Refusal("the radius", "is empty: no cell was reached, so there is nothing to purge", "empty"))
    tables = purged_tables(facts, chosen, consents)
    refusals += tables.refused
    warnings += tables.warnings
    for reached in facts.radius.dirty():
        if reached.cell in tables.settled:
            continue
        survey = surveyed(reached, facts, taken)
        if isinstance(survey, Refusal):
            refusals.append(survey)
            continue
        doubts = questions(reached, survey, facts, consents)
        if not any(facts.can_be_made(job) for job in reached.writers):
            why = "cannot be made again: no [[orchestrator]] covers a job that writes it"
            doubts.append(Refusal(str(reached.cell), why, "not-remakeable"))
        if doubts and reached.cell not in chosen:
            refusals.append(asked(doubts))
            continue
        draft = _draft(survey)
        if versionless(survey):
            keeping = facts.keepings.get(reached.cell)
            aside = purge_draft(survey, keeping, consents)
            if isinstance(aside, Refusal):
                refusals.append(aside)
                continue
            draft = aside
            warnings += kept_warnings(survey, keeping, consents)
        warnings += [f"{doubt.what}: {doubt.why} (included by name)" for doubt in doubts]
        if reached.serving and contents_of(survey).objects:
            warnings += still_served(reached.cell, facts, consents, skew)
        taken.append((reached.cell, survey.target))
        drafts.append(draft)
    return assembled("purge", facts, [*drafts, *tables.drafts], consents, refused=refusals, warnings=warnings)


def _draft(survey: CellSurvey) -> Draft:
    planned = PlannedCell.of(survey.cell, "nothing", survey.target.url)
    return Draft(planned, Again(lambda: _markers(survey, str(planned))), survey.bucket)


def _markers(survey: CellSurvey, cell: str) -> Iterator[PutMarker]:
    """In the order of the keys, but completion markers first: no reader may take half a partition for a whole one."""
    for first in (True, False) if contents_of(survey).completions else (False,):
        for version in survey.objects:
            if marks_completion(version.key) is first:
                yield PutMarker(
                    bucket=survey.target.bucket,
                    key=version.key,
                    requires=Requirement(version.version_id, version.etag),
                    size=version.size,
                    cell=cell,
                    last_modified=render(version.last_modified) or "",
                    storage_class=version.storage_class,
                )
