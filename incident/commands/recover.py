"""revert, purge, undo and resume: a plan is shown; --apply does exactly that plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from incident.archives import unreadable
from incident.aside_actions import KINDS as ASIDE
from incident.changeable import changeable
from incident.claim import drop
from incident.context import Context
from incident.copy_facts import describing_copies
from incident.errors import Drift, InputNeeded, UsageError
from incident.executor import Applied, Execution, apply, interrupted, last_applied, require_settled, unsettled
from incident.executor import resume as finish
from incident.guarantees import Assurance
from incident.home import IncidentFolder
from incident.journal import read_journal
from incident.journal_state import Made
from incident.kept_actions import ActionSpool
from incident.key_spool import KeySpool
from incident.object_actions import AT_ONCE, KINDS, ObjectActions
from incident.outputs import place
from incident.plan_actions import Family, PlanActions
from incident.plan_options import PlanOptions
from incident.plan_report import as_shown, show_applied, show_plan
from incident.pointer_actions import PointerActions
from incident.pointers.planned import assured, pointers_now, survey_pointers, unlisted
from incident.pointers.serving import unpointed
from incident.quarantine import aside_actions, keepings, keepings_now, surveyed_copies
from incident.radius import FIX, Fresh, fresh_radius, lacks_fix
from incident.report import Report
from incident.sizes import parse_size
from incident.sources import named_sources
from incident.storage import open_reader, open_store
from incident.surveys import places, surveyor
from incident.tables import open_table
from incident.tables.actions import TableActions, tables_now
from incident.tables.planned import unconditional, with_tables
from lineage.attempts import Cell
from lineage.timestamps import parse
from runbooks.consents import Consents
from runbooks.facts import Facts
from runbooks.plan import Action, ChangeTable, Plan, PutMarker, Refusal, SwapPointer
from runbooks.purge import plan_purge
from runbooks.revert import plan_revert
from runbooks.survey import BucketState, KeyHistory
from runbooks.table_places import whereabouts
from runbooks.table_survey import TablePlace
from runbooks.undo import Current, plan_undo

_FOLLOWING = {"revert": "incident purge", "purge": "incident backfill", "backfill": "incident verify", "undo": "incident status"}


def revert(context: Context, options: PlanOptions) -> Report:
    """Serving cells back to just before their first bad write."""
    folder = changeable(context)
    if options.apply is not None:
        return _apply(context, folder, folder.load_plan(options.apply, "revert"), options)
    _no_engine(options)
    require_settled(folder)
    fresh = fresh_radius(context, folder, attempts="deciding")
    consents = _consents(context, options)
    cells = [one.cell for one in fresh.radius.dirty() if one.serving or consents.include]
    facts = _facts(context, folder, fresh, cells, deleting=False)
    facts = replace(facts, pointers=survey_pointers(context, fresh, cells, consents))
    facts = with_tables(context, fresh, facts, cells, consents, reverting=True)
    rules = context.config.declarations
    protected = frozenset(cell for cell in cells if rules.dataset(cell.dataset).protected)
    describing = describing_copies(context, facts)
    plan = plan_revert(replace(facts, keep=describing), consents, rules.skew, protected)
    plan = replace(plan, refused=(*plan.refused, *describing.refused))
    warnings = tuple(dict.fromkeys(told for cell in cells for told in unpointed(context.config, cell)))
    return _shown(context, folder, _with(plan, (*warnings, *describing.warnings)), consents, options)


def purge(context: Context, options: PlanOptions) -> Report:
    """The tainted cells covered with delete markers, every version kept."""
    folder = changeable(context)
    if options.apply is not None:
        return _apply(context, folder, folder.load_plan(options.apply, "purge"), options)
    _no_engine(options)
    require_settled(folder)
    fresh = fresh_radius(context, folder, attempts="deciding")
    consents = _consents(context, options)
    cells = [one.cell for one in fresh.radius.dirty()]
    facts = _facts(context, folder, fresh, cells, deleting=True)
    facts = with_tables(context, fresh, facts, cells, consents, reverting=False)
    serving = [one.cell for one in fresh.radius.dirty() if one.serving]
    facts = replace(facts, pointers=survey_pointers(context, fresh, serving, consents))
    plan = plan_purge(facts, consents, context.config.declarations.skew)
    return _shown(context, folder, plan, consents, options)


def undo(context: Context, plan_id: str | None, options: PlanOptions) -> Report:
    """What an applied plan did, taken back wherever it still is what readers see."""
    folder = changeable(context)
    if options.apply is not None:
        plan = folder.load_plan(options.apply, "undo")
        if plan_id is not None and plan.target != plan_id:
            raise UsageError(f"{plan.id} takes back {plan.target}, not {plan_id}", f"incident undo {plan_id}")
        return _apply(context, folder, plan)
    if plan_id is None:
        raise UsageError("Which plan is to be taken back?", "incident undo PLAN_ID; incident status lists the applied plans")
    target = folder.load_plan(plan_id)
    if target.phase not in {"revert", "purge"}:
        raise UsageError(f"{plan_id} cannot be undone: only a revert or a purge can", "incident status")
    state = read_journal(folder.journal_dir, plan_id)
    if state.begun is None:
        raise UsageError(f"{plan_id} was never applied, so there is nothing to undo", f"incident {target.phase}")
    if plan_id in interrupted(folder) or state.doubtful:
        raise InputNeeded(f"{plan_id} is not finished; what it did is not certain yet", "incident resume", code="interrupted-apply")
    require_settled(folder)
    consents = _consents(context, options)
    current, buckets = _current(context, target, KeySpool(folder.room))
    pointers, beside = pointers_now(context, target)
    tables = tables_now(target, partial(open_table, context.config), context.config.declarations)
    plan = plan_undo(
        target,
        Made(state.outcomes),
        current,
        [*buckets, *beside],
        consents=consents,
        previous=last_applied(folder),
        places=pointers | tables,
        keepings=keepings_now(
            context.config,
            target,
            buckets,
            lambda: places(context, fresh_radius(context, folder, attempts="deciding").history.datasets),
        ),
        keep=ActionSpool(folder.room),
    )
    return _shown(context, folder, _with(plan, _home_warning(context)), consents, options)


def resume(context: Context, take_over: bool) -> Report:
    """Finish what was interrupted; else try again what failed in the last apply."""
    folder = changeable(context)
    left = interrupted(folder)
    if not left and (last := last_applied(folder)) is not None and unsettled(folder, folder.load_plan(last)):
        left = [last]
    if not left:
        if take_over:
            drop(folder.journal_dir)  # of a process that is gone and had not begun
        return Report(
            {"plan_id": None, "done": 0, "failed": 0, "drifted": 0, "unknown": 0, "seconds": 0.0},
            "Nothing is left to resume.",
            next=["incident status"],
            incident=folder.id,
        )
    plan = folder.load_plan(left[0])
    if plan.phase == "backfill":
        from incident.commands.backfill import resume_backfill

        return resume_backfill(context, folder, plan, take_over)
    batched = folder if read_journal(folder.journal_dir, plan.id).jobs else None
    as_shown(folder, plan)
    with _execution(context, folder, plan, _performer(context, plan, batched)) as run:
        return _told(folder, plan, finish(run, take_over=take_over))


# --- parts ---------------------------------------------------------------------------------------------------------------


def _facts(context: Context, folder: IncidentFolder, fresh: Fresh, cells: Sequence[Cell], *, deleting: bool) -> Facts:
    context.say(f"Looking at {len(cells)} cells in storage …")
    with context.progress("survey", len(cells)) as bar:
        looking = surveyor(context, folder.room, deleting=deleting)
        surveys = looking.survey(cells, bar.advance)
        copies = {} if deleting else surveyed_copies(looking, cells)
    known = places(context, fresh.history.datasets, named_sources(context, folder))
    return Facts(
        incident=folder.id,
        radius=fresh.radius,
        surveys=surveys,
        keepings=keepings(context.config, surveys, known),
        copies=copies,
        can_be_made=lambda job: context.config.orchestrator_for(job) is not None,
        places=known,
        unreadable=unreadable(context),
        previous=last_applied(folder),
        keep=ActionSpool(folder.room),
        warnings=(*(f"the radius changed: {change}" for change in fresh.difference), *_home_warning(context), *looking.warnings),
    )


def _home_warning(context: Context) -> tuple[str, ...]:
    if context.home.url.startswith("s3://"):
        return ()
    return (f"the home {context.home.url} is on this machine: others who work on the same storage do not see this incident",)


def _consents(context: Context, options: PlanOptions) -> Consents:
    policy = context.config.policy
    try:
        size = policy.max_bytes if options.max_bytes is None else parse_size(options.max_bytes)
        before = None if options.before is None else parse(options.before)
    except ValueError as error:
        raise UsageError(str(error), "--max-bytes 1TiB, --before 2026-11-15T04:00:00Z") from error
    return Consents(
        include=options.include,
        max_objects=policy.max_objects if options.max_objects is None else options.max_objects,
        max_bytes=size,
        skip_refused=options.skip_refused,
        writers_stopped=options.writers_stopped,
        before=before,
        pointers=options.pointer,
    )


def _with(plan: Plan, warnings: tuple[str, ...]) -> Plan:
    return replace(plan, warnings=plan.warnings + warnings) if warnings else plan


def _shown(context: Context, folder: IncidentFolder, plan: Plan, consents: Consents, options: PlanOptions) -> Report:
    command = f"incident undo {plan.target}" if plan.target is not None else f"incident {plan.phase}"
    report = show_plan(folder, plan, consents, context.now(), command, detailed=options.detailed_exitcode)
    if not report.next:
        report.next = [_FOLLOWING[plan.phase]]
    elif report.data.get("saved") and context.config.policy.approvals:
        report.next.insert(0, f"incident approve {plan.id}")
    return report


def _no_engine(options: PlanOptions) -> None:
    if options.engine is not None or options.submit:
        raise UsageError("--engine and --submit belong to --apply PLAN_ID", "plan first, without them", code="usage")


def _apply(context: Context, folder: IncidentFolder, plan: Plan, options: PlanOptions | None = None) -> Report:
    engine, submit = (options.engine, options.submit) if options is not None else (None, False)
    if engine not in {None, "s3-batch"} or (submit and engine is None):
        raise UsageError(f"there is no engine {engine!r}" if engine else "--submit needs an engine", "--engine s3-batch")
    if engine is not None and not submit:
        from incident.batch.engine import preview

        return preview(context, folder, plan, _objects(context, plan))
    as_shown(folder, plan)
    fresh_start = read_journal(folder.journal_dir, plan.id).begun is None
    if engine is not None and fresh_start:
        from incident.batch.engine import ready

        ready(context, plan)
    performer = _performer(context, plan, batched=folder if engine is not None else None)
    if fresh_start and (why := _relocated(context, plan) or performer.moved()):
        again = f"incident undo {plan.target}" if plan.target is not None else f"incident {plan.phase}"
        raise Drift(f"{plan.id} is stale: {why}; nothing was done", again, code="stale")
    with _execution(context, folder, plan, performer) as run:
        return _told(folder, plan, apply(run))


@contextmanager
def _execution(context: Context, folder: IncidentFolder, plan: Plan, performer: PlanActions) -> Iterator[Execution]:
    with context.progress(plan.id, len(plan.actions), plan.bytes) as bar:
        yield Execution(folder, plan, performer, context.now, context.actor(), bar, context.config.policy.approvals)


def _relocated(context: Context, plan: Plan) -> str:
    """Why the configuration no longer says what the plan was made from; empty where it does. Undoing only needs our versions."""
    if plan.phase == "undo":
        return ""
    deleted = {one.cell for one in plan.stretches if one.op == "put-marker"}
    if why := unlisted(context.config, plan):
        return why
    for cell in plan.cells:
        if cell.leaves == "pointer":
            continue
        found = whereabouts(cell.cell, context.config.declarations, deleting=plan.phase == "purge" or str(cell) in deleted)
        if isinstance(found, Refusal):
            return f"{found.what} {found.why}"
        if found != cell.url:
            return f"{cell} lies at {found} by the configuration, planned was {cell.url}"
    return ""


def _told(folder: IncidentFolder, plan: Plan, applied: Applied) -> Report:
    following = _FOLLOWING[plan.phase]
    if plan.phase == "undo" and plan.target is not None:
        following = f"incident {folder.load_plan(plan.target).phase}"
    if plan.phase == "purge" and lacks_fix(folder):
        following = FIX
    return show_applied(folder, plan, applied, following)


def _performer(context: Context, plan: Plan, batched: IncidentFolder | None = None) -> PlanActions:
    """``batched``: the incident whose folder holds what goes to S3 Batch Operations, where they put the delete markers."""
    objects, recall = _objects(context, plan), Assurance(context).recall
    pointers = PointerActions(plan, partial(assured, context), context.now)
    reached = partial(open_table, context.config)
    tables = TableActions(plan, reached, context.config.declarations, context.now, partial(unconditional, context))
    families: dict[type[Action], Family] = dict.fromkeys(KINDS, objects)
    families |= dict.fromkeys(ASIDE, aside_actions(context.config, plan, context.now, recall))
    families |= {SwapPointer: pointers, ChangeTable: tables}
    if batched is not None:
        from incident.batch.engine import family, require

        require(plan)
        families[PutMarker] = family(context, batched, plan, objects)
    return PlanActions(plan, families, context.now, at_once=AT_ONCE)


def _objects(context: Context, plan: Plan) -> ObjectActions:
    return ObjectActions(plan, partial(open_store, context.config), context.now, recall=Assurance(context).recall)


def _current(context: Context, target: Plan, spool: KeySpool) -> tuple[Current, list[BucketState]]:
    """What lies in the cells of an applied plan now. Where its undo relies on conditions, the store learns what is honoured."""
    found: dict[str, Sequence[KeyHistory]] = {}
    states: dict[tuple[str, str], BucketState] = {}
    aside = {one.cell for one in target.stretches if one.op in {"set-aside", "bring-back"}}
    assure = Assurance(context)
    with context.progress("survey", len(target.cells)) as bar:
        for cell in target.cells:
            if cell.leaves == "pointer" or TablePlace.parse(cell.url) is not None:
                continue
            bucket, prefix = place(cell.url)
            if str(cell) in aside:
                assure(bucket, prefix)
            reader = open_reader(context.config, bucket, prefix)
            state = reader.state(bucket)
            states[bucket, state.server] = state
            found[str(cell)] = spool.gather(reader.histories(bucket, prefix))
            bar.advance()
    return found, list(states.values())
