"""What a recovery plan is made from, and the questions that revert and purge both ask of a cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from lineage.attempts import Cell
from lineage.blast_radius import BlastRadius, ReachedCell
from lineage.datasets import DatasetId, JobId
from runbooks.consents import Consents, over_caps
from runbooks.contents import contents_of
from runbooks.plan import DataAction, Phase, Plan, PlannedCell, Refusal
from runbooks.plan_lines import Keep
from runbooks.survey import COMPLETION, BucketState, CellSurvey, ObjectVersion, PointerSurvey, Target
from runbooks.table_survey import TableSurvey
from runbooks.targets import in_table, inside

T = TypeVar("T")

ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects must be restored before anybody can read them."""

KEPT_DAYS = 30
"""Purged versions must outlive the incident by this much, in days."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place that a plan must not touch by the way: the home, the quarantine, the lineage, or another dataset's root.

    ``whole``: the dataset has no partitions, so that everything below its root is its data.
    """

    what: str
    bucket: str
    prefix: str
    dataset: DatasetId | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a cell's objects are kept when they are set aside, and what can be relied upon there.

    ``to``: a URL that ends at a ``/``. ``exact``: taking away takes nothing but the planned object. ``absent``: bringing back
    covers nothing. ``why``: which of both is not so, and why, in words. ``expires``: why what is kept there might not last.
    """

    to: str
    exact: bool = True
    absent: bool = True
    why: str = ""
    expires: str = ""


Unreadable = Callable[[str, ObjectVersion], str]


def by_class(bucket: str, version: ObjectVersion) -> str:
    """As a listing has it, which does not tell of restored ones."""
    if version.storage_class not in ARCHIVED:
        return ""
    return f"s3://{bucket}/{version.key} is archived ({version.storage_class}); restore it from there first"


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a planner may know. ``surveys`` has each dirty cell, or why it could not be surveyed."""

    incident: str
    radius: BlastRadius
    surveys: Mapping[Cell, CellSurvey | Refusal]
    can_be_made: Callable[[JobId], bool]
    places: tuple[Place, ...] = ()
    previous: str | None = None
    warnings: tuple[str, ...] = ()
    keep: Keep = tuple
    """Where the actions go, one after another: a plan of a million is never held whole."""
    keepings: Mapping[Cell, Keeping | Refusal] = field(default_factory=dict)
    """Where what lies in cells without versions can be set aside."""
    copies: Mapping[Cell, CellSurvey | Refusal] = field(default_factory=dict)
    """The kept copies of such cells, where they are declared."""
    tables: Mapping[Cell, TableSurvey | Refusal] = field(default_factory=dict)
    """The cells that are in tables with a history of their own; their files are nobody else's business."""
    unreadable: Unreadable = by_class
    """Why an archived version cannot be read now; empty when it can, because it was restored for a while."""
    pointers: Mapping[Cell, Sequence[PointerSurvey | Refusal]] = field(default_factory=dict)
    """The pointers that cells are served through, where they are."""


@dataclass(frozen=True, slots=True)
class Again(Generic[T]):
    """Values that are made anew each time somebody goes through them."""

    make: Callable[[], Iterator[T]]

    def __iter__(self) -> Iterator[T]:
        return self.make()


@dataclass(frozen=True, slots=True)
class Draft:
    """One cell's part of a plan. ``actions`` can be gone through more than once, and need not be held anywhere."""

    planned: PlannedCell
    actions: Iterable[DataAction]
    bucket: BucketState | None
    """None where nothing in a bucket is touched."""


def assembled(
    phase: Phase, facts: Facts, drafts: Sequence[Draft], consents: Consents, *, refused: Sequence[Refusal], warnings: Sequence[str]
) -> Plan:
    """The plan of a phase from its cells' parts, in their order; more than a cap allows is refused too."""
    actions = facts.keep(action for draft in drafts for action in draft.actions)
    plan = Plan(
        incident=facts.incident,
        phase=phase,
        revision=facts.radius.revision or "",
        actions=actions,
        cells=tuple({str(draft.planned): draft.planned for draft in reversed(drafts)}.values())[::-1],
        previous=facts.previous,
        buckets=tuple(sorted({draft.bucket.terms for draft in drafts if draft.bucket is not None})),
        warnings=tuple(warnings),
    )
    return replace(plan, refused=(*refused, *over_caps(len(actions), plan.bytes, consents)))


def surveyed(reached: ReachedCell, facts: Facts, taken: Sequence[tuple[Cell, Target]]) -> CellSurvey | Refusal:
    """The cell's survey, unless something forbids touching it whatever the operator says."""
    name = str(reached.cell)
    survey = facts.surveys.get(reached.cell)
    if survey is None:
        return Refusal(name, "was not surveyed", "not-surveyed")
    if isinstance(survey, Refusal):
        return survey
    form = survey.table_format or contents_of(survey).form
    if form is not None:
        return Refusal(name, in_table(form), "table-format")
    if survey.bucket.mfa_delete:
        return Refusal(name, f"{survey.target.bucket} has MFA delete: we could not take back what we do", "mfa-delete")
    for place in facts.places:
        if place.dataset is not None:
            continue
        if inside(survey.target, place.bucket, place.prefix):
            return Refusal(name, f"{survey.target.url} holds {place.what}", "keep-out")
        if inside(Target(place.bucket, place.prefix), survey.target.bucket, survey.target.prefix):
            return Refusal(name, f"{survey.target.url} lies in {place.what}", "keep-out")
    for other, target in taken:
        if inside(target, survey.target.bucket, survey.target.prefix) or inside(survey.target, target.bucket, target.prefix):
            return Refusal(name, f"{survey.target.url} overlaps the place of {other}", "overlap")
    return survey


def questions(reached: ReachedCell, survey: CellSurvey, facts: Facts, consents: Consents) -> list[Refusal]:
    """What keeps a cell out of the plan unless the operator names it."""
    name = str(reached.cell)
    found = uncertainties(reached, consents)
    if not survey.keys:
        why = f"no object ever lay under {survey.target.url}; check location and partition of its [[dataset]]"
        found.append(Refusal(name, why, "nothing-there"))
    bucket, prefix = survey.target.bucket, survey.target.prefix
    kept = survey.bucket.versioning == "Enabled"  # elsewhere nothing is covered that could expire
    if kept and not survey.bucket.lifecycle_known:
        why = f"the lifecycle rules of {bucket} may not be read, so they might expire the covered versions"
        found.append(Refusal(name, why, "expiring"))
    days = [one.days for one in survey.bucket.expiries if one.prefix.startswith(prefix) or prefix.startswith(one.prefix)]
    if kept and days and min(days) < KEPT_DAYS:
        why = f"a lifecycle rule of {bucket} expires covered versions after {min(days)} days, less than {KEPT_DAYS}"
        found.append(Refusal(name, why, "expiring"))
    keeping = facts.keepings.get(reached.cell)
    if isinstance(keeping, Keeping) and keeping.expires:
        found.append(Refusal(name, keeping.expires, "expiring"))
    others = [place for place in facts.places if place.dataset not in {None, reached.cell.dataset}]
    shared = ((_shared(reached.cell.dataset, survey.target, place, facts), place) for place in others)
    found += [Refusal(name, f"{survey.target.url} {how} {place.what}", "contains") for how, place in shared if how is not None]
    return found


def uncertainties(reached: ReachedCell, consents: Consents) -> list[Refusal]:
    """The questions that arise wherever a cell lies."""
    name, found = str(reached.cell), list[Refusal]()
    if reached.state == "SUSPECT":
        found.append(Refusal(name, f"is only SUSPECT: {reached.reason or 'it is not certain that it is bad'}", "suspect"))
    if reached.open_writer and not consents.writers_stopped:
        why = "a run that writes it has not ended; stop it and give --writers-stopped, or: incident note --run ID --ended T"
        found.append(Refusal(name, why, "open-writer"))
    return found


def _shared(dataset: DatasetId, target: Target, place: Place, facts: Facts) -> str | None:
    """How another dataset's data would go with this cell's, if it would."""
    if inside(target, place.bucket, place.prefix):
        return "holds"
    own = {(one.bucket, one.prefix) for one in facts.places if one.dataset == dataset}
    if (place.bucket, place.prefix) in own:
        return "has the same location as"
    if place.whole and inside(Target(place.bucket, place.prefix), target.bucket, target.prefix):
        return "belongs to"
    return None


def asked(found: list[Refusal]) -> Refusal:
    """Several questions about one cell as one refusal that names the consent."""
    return Refusal(found[0].what, f"{'; '.join(one.why for one in found)} (to go on: --include '{found[0].what}')", found[0].code)


def marks_completion(key: str) -> bool:
    """Whether readers take this object for the word that the others are all there: it goes first and comes back last."""
    return key.endswith(COMPLETION)
