"""``backfill``: have the orchestrators make again what was purged or set back, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from incident.backfill_runner import JobRuns
from incident.changeable import changeable
from incident.context import Context
from incident.errors import INPUT_NEEDED, OK, PENDING, ConfigError, IncidentError, InputNeeded
from incident.executor import Applied, Execution, apply, last_applied, require_settled, resume
from incident.home import IncidentFolder
from incident.language import plural
from incident.orchestrators import command_of, opened
from incident.plan_options import PlanOptions
from incident.plan_report import SAMPLE, plan_data
from incident.radius import Fresh, fresh_radius, lacks_fix
from incident.report import Problem, Report, printable
from runbooks.consents import Consents, blocking, names
from runbooks.plan import Plan, Refusal, RunJob

if TYPE_CHECKING:
    from rich.console import RenderableType

    from incident.losses import Losses


def backfill(context: Context, options: PlanOptions) -> Report:
    """Show the plan that makes everything missing again; with ``apply`` run it.

    Raises InputNeeded while no fix is recorded for a fault chosen by job: what is made then would count as bad again.
    """
    folder = changeable(context)
    if options.apply is not None:
        return _perform(context, folder, folder.load_plan(options.apply, "backfill"), apply)
    require_settled(folder)
    if lacks_fix(folder):
        raise InputNeeded(
            f"No fix is recorded for {folder.id}: what the faulty job makes now would count as bad again",
            'incident fix "what was fixed" --code-version V; or --good-from T',
            code="not-fixed",
        )
    fresh = fresh_radius(context, folder, attempts="making")
    plan = _plan(context, folder, fresh, options)
    consents = Consents(include=options.include, skip_refused=options.skip_refused)
    return _shown(context, folder, plan, blocking(plan, consents), options)


def resume_backfill(context: Context, folder: IncidentFolder, plan: Plan, take_over: bool) -> Report:
    """Finish an interrupted backfill: a run whose end nobody saw is looked for in storage, and run again where it is not there."""
    return _perform(context, folder, plan, lambda run: resume(run, take_over=take_over))


# --- planning ------------------------------------------------------------------------------------------------------------


def _plan(context: Context, folder: IncidentFolder, fresh: Fresh, options: PlanOptions) -> Plan:
    from incident.losses import losses
    from runbooks.backfill import plan_backfill
    from runbooks.backfill_order import CyclicJobs

    found = losses(folder, fresh)
    wanted, unknown = _included(options.include, found)
    try:
        plan = plan_backfill(
            incident=folder.id,
            revision=fresh.radius.revision or "",
            previous=last_applied(folder),
            missing=found.missing,
            attempts=fresh.history.attempts,
            declarations=fresh.history.declarations,
            command=lambda job: command_of(context.config, job),
            dirty=fresh.radius.dirty(),
            reached=frozenset((one.run_id, one.number) for one in fresh.radius.attempts),
            include=wanted,
            urls=found.urls,
        )
    except CyclicJobs as error:
        raise ConfigError(error.message, error.hint, code="cyclic") from error
    left = [one for one in fresh.radius.dirty() if one.state == "TAINTED"]
    if left:
        warning = (
            f"{plural(len(left), 'TAINTED cell')} neither purged nor reverted will not be made again, the first {left[0].cell}"
        )
        plan = replace(plan, warnings=(warning, *plan.warnings))
    return replace(plan, refused=(*unknown, *plan.refused))


def _included(include: tuple[str, ...], found: Losses) -> tuple[frozenset[str], list[Refusal]]:
    wanted: set[str] = set()
    wrong: list[Refusal] = []
    for text in include:
        meant = [str(one) for one in found.missing if names(text, one.cell)]
        if len(meant) == 1:
            wanted.add(meant[0])
        else:
            why = f"could be any of {', '.join(meant)}" if meant else "is no cell that is missing; write it as the plan shows it"
            wrong.append(Refusal(text, why, "not-included"))
    return frozenset(wanted), wrong


def _shown(context: Context, folder: IncidentFolder, plan: Plan, unresolved: tuple[Refusal, ...], options: PlanOptions) -> Report:
    created_at = context.now()
    saved = bool(plan.actions) and not unresolved
    if saved:
        folder.save_plan(plan, created_at)
        folder.timeline.append(
            "planned",
            f"Planned {plan.id}: {plural(len(plan.actions), 'run')}",
            evidence={"plan_id": plan.id, "phase": plan.phase, "actions": len(plan.actions), "refused": len(plan.refused)},
        )
    runs = [action for action in plan.actions if isinstance(action, RunJob)]
    shown = {
        **plan_data(plan, created_at),
        "sample": [_run_json(action) for action in runs[:SAMPLE]],
        "waves": max((action.wave for action in runs), default=0),
    }
    problems = [Problem(one.code if one in unresolved else "skipped", f"{one.what}: {one.why}") for one in plan.refused]
    problems += [Problem("warning", warning) for warning in plan.warnings]
    if unresolved:
        problems.append(
            Problem(
                "refused",
                f"{plural(len(unresolved), 'cell')} cannot be made again, so the plan is not saved",
                "incident backfill --skip-refused; it goes on with the rest; --include CELL makes one in spite of what it reads",
            )
        )
        exit_code = INPUT_NEEDED
    else:
        exit_code = PENDING if options.detailed_exitcode and runs else OK
    following = [f"incident backfill --apply {plan.id}"] if saved else [] if unresolved else ["incident verify"]
    return Report({"plan": shown, "saved": saved}, lambda: _screen(plan, runs), problems, following, exit_code, incident=folder.id)


def _run_json(action: RunJob) -> dict[str, Any]:
    return {
        "wave": action.wave,
        "job": action.job,
        "partition": action.partition,
        "start": action.start or None,
        "end": action.end or None,
        "cells": list(action.cells),
        "command": list(action.command),
    }


def _screen(plan: Plan, runs: list[RunJob]) -> RenderableType:
    if not runs:
        return "Nothing is to be made again." if not plan.refused else "Nothing of it can be made again as things are."
    from rich.table import Table

    waves = max(action.wave for action in runs)
    table = Table(title=f"Plan {plan.id}: {plural(len(runs), 'run')} in {plural(waves, 'wave')}", title_justify="left", box=None)
    table.add_column("wave", justify="right")
    table.add_column("job", overflow="fold")
    table.add_column("runs", justify="right")
    table.add_column("partitions", overflow="fold")
    ordered = sorted(runs, key=lambda action: (action.wave, action.job))
    for (wave, job), group in groupby(ordered, key=lambda action: (action.wave, action.job)):
        partitions = [action.partition for action in group]
        told = partitions[0] if len(partitions) == 1 else f"{partitions[0]} … {partitions[-1]}"
        table.add_row(str(wave), printable(job), str(len(partitions)), printable(told))
    return table


# --- doing ---------------------------------------------------------------------------------------------------------------


def _perform(context: Context, folder: IncidentFolder, plan: Plan, how: Callable[[Execution], Applied]) -> Report:
    from incident.tables.outputs import all_outputs

    performer = JobRuns(
        plan,
        opened(context.config),
        all_outputs(context.config),
        folder.path / "backfill" / plan.id,
        clock=context.now,
        say=context.say,
    )
    try:
        with context.progress("backfill", len(plan.actions)) as progress:
            approvals = context.config.policy.approvals
            applied = how(Execution(folder, plan, performer, context.now, context.actor(), progress, approvals))
    except IncidentError as error:
        if error.code == "run-failed":
            # The journal knows it; whoever reads the story later wants to know it too.
            folder.timeline.append("stopped", error.message, evidence={"plan_id": plan.id, "phase": plan.phase})
        raise
    if applied.already:
        text = f"{plan.id} was applied before; nothing was done."
    else:
        text = f"{plan.id}: {applied.done} of {plural(len(plan.actions), 'run')} done in {applied.seconds:.1f} s."
    problems = [Problem("run-failed", f"{name}: {note}", "incident resume") for name, note in applied.notes]
    following = ["incident verify"] if applied.exit_code == OK else ["incident resume"]
    return Report(applied.to_json(), text, problems, following, applied.exit_code, incident=folder.id)
