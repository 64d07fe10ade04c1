"""``approve``: record on the timeline that a second person agrees to exactly one plan."""

from __future__ import annotations

from incident.approvals import KIND, approvers
from incident.changeable import changeable
from incident.context import Context
from incident.errors import Drift
from incident.executor import APPLIED, last_applied
from incident.language import plural
from incident.report import Report, printable


def approve(context: Context, plan_id: str) -> Report:
    """Consent to a saved plan, by its id. Changes nothing but the timeline.

    Raises UsageError when there is no such plan, Drift when it was applied already or is stale: the consent would be to nothing.
    """
    folder = changeable(context)
    plan = folder.load_plan(plan_id)
    records = folder.timeline.records()
    if any(one.kind in APPLIED and one.evidence.get("plan_id") == plan.id for one in records):
        raise Drift(f"{plan.id} was applied already; there is nothing to approve any more", "incident status", code="stale")
    begun = any(one.kind == "apply-started" and one.evidence.get("plan_id") == plan.id for one in records)
    if not begun and plan.previous != last_applied(folder):
        again = "incident status" if plan.phase == "undo" else f"incident {plan.phase}"
        raise Drift(f"{plan.id} is stale: another plan was applied since it was made", again, code="stale")
    me = str(context.actor()["name"])
    known = approvers(records, plan.id)
    again_told = me.casefold() in {name.casefold() for name in known}
    if not again_told:
        text = f"Approved {plan.id}: {plural(len(plan.actions), 'action')}"
        folder.timeline.append(KIND, text, evidence={"plan_id": plan.id, "phase": plan.phase})
        known = [*known, me]
    needed = context.config.policy.approvals
    said = f"{plan.id} was approved by {me} before." if again_told else f"{plan.id} is approved by {me}."
    rest = f" [policy] approvals = {needed}: whoever of them applies it does not count." if needed else ""
    data = {"plan_id": plan.id, "approved_by": known, "approvals_needed": needed}
    how = f"incident undo {plan.target}" if plan.target is not None else f"incident {plan.phase}"
    following = "incident resume" if begun else f"{how} --apply {plan.id}"
    return Report(data, printable(said + rest), next=[following], incident=folder.id)
