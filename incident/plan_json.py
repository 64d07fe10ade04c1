"""Plans as the first versions saved them, as one JSON document: what was applied from them stays known and can be taken back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from incident.errors import IncidentError
from runbooks.plan import Plan, PlannedCell, Refusal
from runbooks.plan_lines import UnknownAction, action_from, summary_of
from runbooks.survey import Terms


def read_former(path: Path) -> Plan:
    """The plan, under the id that it was saved with. Raises IncidentError when it is not what was saved."""
    import rfc8785

    try:
        raw = json.loads(path.read_bytes())
        body = raw["plan"]
        sha256 = hashlib.sha256(rfc8785.dumps(body)).hexdigest()
        plan = Plan(
            incident=body["incident"],
            phase=body["phase"],
            revision=body["revision"],
            actions=tuple(action_from(one) for one in body["actions"]),
            cells=tuple(PlannedCell(**one) for one in body["cells"]),
            previous=body["previous"],
            target=body["target"],
            buckets=tuple(_terms(*one) for one in body["buckets"]),
            refused=tuple(Refusal(**one) for one in raw["refused"]),
            warnings=tuple(raw["warnings"]),
        )
    except (OSError, ValueError, KeyError, TypeError, UnknownAction, rfc8785.CanonicalizationError) as error:
        raise IncidentError(f"The saved plan {path} cannot be read: {error}", "plan again", code="plan-damaged") from error
    if path.stem != f"{plan.phase}-{sha256[:12]}":
        raise IncidentError(
            f"The saved plan {path} was changed after it was made: it does not match its name",
            f"incident {plan.phase}",
            code="plan-damaged",
        )
    return plan.named(sha256, summary_of(plan.actions))


def _terms(bucket: str, versioning: str, server: str, expiry: str) -> Terms:
    return Terms.of(bucket, server, {"versioning": versioning, "expiry of covered versions": expiry})
