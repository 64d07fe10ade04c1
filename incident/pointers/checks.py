"""What ``doctor`` and ``verify`` ask of pointers. Read-only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from incident.checks import Check
from incident.errors import IncidentError
from incident.language import plural
from incident.pointers.kinds import KINDS, kind_of
from incident.pointers.planned import assured, pointer_surveyor
from lineage.blast_radius import BlastRadius
from lineage.history import History
from runbooks.consents import Consents
from runbooks.plan import Refusal
from runbooks.pointers import moments, shown, wrong

if TYPE_CHECKING:
    from incident.context import Context

_TOLD = 10


def pointer_checks(context: Context) -> Iterator[Check]:
    """Whether each pointer of the configuration can be read; those of single partitions are read when they are needed."""
    config = context.config
    listed = [(rule.pointer, rule.kind, rule.name) for rule in config.serving if rule.pointer is not None]
    listed += [(rule.pointer, None, rule.match) for rule in config.declarations.datasets if rule.pointer is not None]
    for url, kind, who in listed:
        name = f"pointer {url}"
        if "{partition}" in url:
            yield Check(name, "ok", f"one for each partition of what {who} serves; read when it is needed")
            continue
        yield _readable(context, name, url, kind_of(url, kind).name)


def _readable(context: Context, name: str, url: str, kind: str) -> Check:
    try:
        pointer = assured(context, kind, url)
        now, degraded = pointer.now(), pointer.degraded()
    except IncidentError as error:
        return Check(name, "fail", error.message, error.hint)
    if now.value is None and not KINDS[kind].absence:
        return Check(name, "warn", "is absent: nothing is served through it", "check the pointer and its kind in incident.toml")
    if degraded:
        return Check(name, "warn", f"{kind}, holds {shown(now.plain)}; {degraded}", "a swap of it will need --writers-stopped")
    return Check(name, "ok", f"{kind}, holds {shown(now.plain if now.value is not None else None)}")


def served_check(context: Context, radius: BlastRadius, history: History) -> Check | None:
    """Whether a pointer of what the fault reached serves something tainted; None where there is no pointer."""
    since = moments(radius.dirty(), context.config.declarations.skew, None)
    found: dict[str, str] = {}
    for cell, surveys in pointer_surveyor(context, radius, history, Consents()).survey([one.cell for one in radius.cells]).items():
        for survey in surveys:
            if isinstance(survey, Refusal):
                found.setdefault(survey.why, f"{survey.what}: {survey.why}")
            else:
                found[survey.pointer] = found.get(survey.pointer) or wrong(cell, survey, since)
    bad = [why for why in found.values() if why]
    name = "no pointer serves what is tainted"
    if not found:
        return None
    if not bad:
        return Check(name, "ok", f"{plural(len(found), 'pointer')} of what was reached: what they name is there, and clean")
    more = f"; and {len(bad) - _TOLD} more" if len(bad) > _TOLD else ""
    return Check(name, "fail", f"{'; '.join(bad[:_TOLD])}{more}", "incident revert")
