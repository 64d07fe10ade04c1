"""``close``: the incident is over. Refuses until ``verify`` passes."""

from __future__ import annotations

from incident.changeable import changeable
from incident.commands.verify import record_result, run_checks
from incident.context import Context
from incident.errors import InputNeeded, UsageError, VerificationFailed
from incident.language import plural
from incident.quarantined import holdings
from incident.report import Report, printable


def close(context: Context, unverified: str | None) -> Report:
    """Verify once more, then close. ``unverified`` closes all the same and records the reason.

    Raises VerificationFailed, and leaves the incident open, when a check fails and no reason is given.
    """
    folder = changeable(context)
    if unverified is not None and not unverified.strip():
        raise UsageError("--unverified needs a reason", 'incident close --unverified "REASON"')
    if unverified is None:
        try:
            checks = run_checks(context, folder)
        except InputNeeded as error:
            raise VerificationFailed(
                f"{folder.id} cannot be verified: {error.message}", f"{error.hint}; or: incident close --unverified REASON"
            ) from error
        record_result(folder, checks)
        failed = [one for one in checks if one.status == "fail"]
        if failed:
            listed = "".join(f"\n  {one.name}: {one.detail}" for one in failed)
            raise VerificationFailed(
                f"{folder.id} is not over:{listed}",
                "incident verify; to close all the same: incident close --unverified REASON",
                data={"checks": [one.to_json() for one in checks]},
            )
        record = folder.timeline.append("closed", "Closed, verified", evidence={"verified": True})
    else:
        record = folder.timeline.append("closed", f"Closed without verification: {unverified}", evidence={"unverified": unverified})
    data = {"id": folder.id, "state": "closed", "verified": unverified is None, "seq": record.seq, "head": record.hash}
    text = f"{folder.id} is closed{'' if unverified is None else ', unverified'}."
    following = [f"incident export --incident {folder.id} --format md"]
    if kept := sum(one.objects for one in holdings(folder)):
        text += f" {plural(kept, 'object')} it set aside stay in quarantine."
        following.append("incident quarantine list")
    return Report(data, printable(text), [], following, incident=folder.id)
