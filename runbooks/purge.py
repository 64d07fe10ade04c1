"""Purge: cover every current object of the tainted cells with a delete marker. Every version stays where it is."""

from __future__ import annotations

from lineage.attempts import Cell
from runbooks.consents import Consents, included
from runbooks.facts import Draft, Facts, asked, assembled, marker_first, questions, surveyed
from runbooks.plan import Plan, PlannedCell, PutMarker, Refusal, Requirement
from runbooks.survey import CellSurvey, Target


def plan_purge(facts: Facts, consents: Consents) -> Plan:
    """The purge of the TAINTED cells, and of the SUSPECT ones named by --include. CLEANED cells are left alone."""
    chosen, refused = included(facts.radius.cells, consents)
    refusals = list(refused)
    warnings = list(facts.warnings)
    drafts: list[Draft] = []
    taken: list[tuple[Cell, Target]] = []
    if not facts.radius.cells:
        refusals.append(Refusal("the radius", "is empty: no cell was reached, so there is nothing to purge", "empty"))
    for reached in facts.radius.dirty():
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
        warnings += [f"{doubt.what}: {doubt.why} (included by name)" for doubt in doubts]
        if reached.serving and survey.objects:
            warnings.append(f"{reached.cell} serves and was not reverted: its readers will find nothing until it is made again")
        taken.append((reached.cell, survey.target))
        drafts.append(_draft(survey))
    return assembled("purge", facts, drafts, consents, refused=refusals, warnings=warnings)


def _draft(survey: CellSurvey) -> Draft:
    planned = PlannedCell.of(survey.cell, "nothing", survey.target.url)
    actions = tuple(
        PutMarker(
            bucket=survey.target.bucket,
            key=version.key,
            requires=Requirement(version.version_id, version.etag),
            size=version.size,
            cell=str(planned),
        )
        for version in sorted(survey.objects, key=marker_first)
    )
    return Draft(planned, actions, survey.bucket)
