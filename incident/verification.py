"""Whether an incident is over: asked of storage, lineage, journals and the timeline. Read-only.

Each check is ok, warn (a person should look) or fail (something tainted is left, something purged is not back, or we cannot say).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from incident.checks import Check
from incident.claim import holder_of
from incident.errors import ConfigError
from incident.executor import interrupted, unsettled
from incident.home import IncidentFolder
from incident.journal import read_journal
from incident.key_spool import KeySpool
from incident.language import plural
from incident.losses import BadVersion, Losses
from incident.outputs import Newest, Outputs
from incident.storage.local import Unfit
from lineage.blast_radius import BlastRadius
from lineage.effects import Effect
from lineage.timestamps import AFTER
from runbooks.aside import identity
from runbooks.survey import KeyHistory, ObjectVersion, finder

_TOLD = 10
_LOOKING = 16
"""Cells listed at once: a listing waits for the network, not for us."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the checks look at."""

    folder: IncidentFolder
    radius: BlastRadius
    losses: Losses
    outputs: Outputs


def verification(evidence: Evidence) -> Iterator[Check]:
    """Every check, in order; none stops the others."""
    found = _look(evidence)
    yield _purged_are_back(evidence, found)
    yield _no_bad_version_is_current(evidence, found)
    yield _nothing_is_as_it_was(evidence, found)
    yield _reverted_are_made_again(evidence)
    yield _nothing_is_tainted(evidence.radius)
    yield _nothing_is_suspect(evidence.radius)
    yield _nothing_is_unfinished(evidence.folder)
    yield _timeline_is_whole(evidence.folder)


# --- storage -------------------------------------------------------------------------------------------------------------


Found = Mapping[str, Sequence[KeyHistory] | str]


def _look(evidence: Evidence) -> Found:
    """For each cell that we changed its keys, or why they cannot be looked at; each place is listed once."""
    spool = KeySpool(evidence.folder.room)

    def look(cell: str) -> Sequence[KeyHistory] | str:
        try:
            return spool.gather(evidence.outputs.histories(evidence.losses.urls.get(cell, "")))
        except (ConfigError, Unfit) as error:
            return error.message

    cells = [str(effect.cell) for effect in evidence.losses.standing]
    with ThreadPoolExecutor(max_workers=_LOOKING) as pool:
        return dict(zip(cells, pool.map(look, cells), strict=True))


def _purged_are_back(evidence: Evidence, found: Found) -> Check:
    purged = [effect for effect in evidence.losses.standing if effect.kind == "purge"]
    expected = [effect for effect in purged if str(effect.cell) in evidence.losses.expected_empty]
    lacking = [
        f"{effect.cell} {why}"
        for effect in purged
        if effect not in expected and (why := _not_back(effect, found[str(effect.cell)], evidence))
    ]
    unseen = {str(one): one for one in evidence.losses.missing if one.leaves == "nothing"}
    told = {str(effect.cell) for effect in purged}
    # A part of what was purged as a whole (one partition of a dataset) has to be back as well.
    lacking += [
        f"{name} is not made again" for name in unseen if name not in told and name not in {str(e.cell) for e in _reverts(evidence)}
    ]
    but = f"; {plural(len(expected), 'cell')} rightly empty" if expected else ""
    return _verdict(
        "purged cells are back",
        lacking,
        f"{plural(len(purged) - len(expected), 'purged cell')} exist again, newer than the purge{but}",
        f"of {plural(len(purged), 'purged cell')} {len(lacking)} are not back",
        "incident backfill; or, for data that is rightly gone: incident verify --expect-empty CELL --reason R",
    )


def _not_back(effect: Effect, keys: Sequence[KeyHistory] | str, evidence: Evidence) -> str:
    """Why a purged cell is not back; empty when it is. No clock of ours is asked: what lies above our marker came later."""
    if isinstance(keys, str):
        return f"cannot be looked at: {keys}"
    if effect.end >= AFTER:
        return "is only half purged"
    others = sum(one.current is not None for one in keys)
    if not others:
        return "has no objects"
    find = finder(keys)
    laid, at_that_moment = 0, set[str]()
    covered = evidence.losses.covered(effect.plan_id, str(effect.cell))
    for one in covered:
        now = find(one.key)
        versions = now.versions if now is not None else ()
        others -= now is not None and now.current is not None
        for at, version in enumerate(versions):
            if version.version_id not in {one.marker, one.beneath}:
                continue
            if at and not versions[0].is_marker:
                return ""
            if version.last_modified >= laid:
                at_that_moment = at_that_moment if version.last_modified == laid else set()
                at_that_moment.add(version.version_id)
                laid = version.last_modified
    if effect.complete and others:
        return ""  # when the purge ended, nothing was current there
    last = Newest(laid, frozenset(at_that_moment))
    newer = sum(one.current is not None and last.precedes(one.current) for one in keys)
    for one in covered:
        now = find(one.key)
        newer -= now is not None and now.current is not None and last.precedes(now.current)
    return "" if at_that_moment and newer > 0 else "has only objects from before the purge"


def _reverts(evidence: Evidence) -> list[Effect]:
    return [effect for effect in evidence.losses.standing if effect.kind == "revert"]


def _no_bad_version_is_current(evidence: Evidence, found: Found) -> Check:
    versions = 0
    bad = []
    for one, now in _bad_now(evidence, found):
        versions += 1
        if now is not None and identity(now) == one.version_id:
            bad.append(f"{one.url} version {one.version_id} ({one.cell})")
    blind = [f"{cell}: {objects}" for cell, objects in found.items() if isinstance(objects, str)]
    return _verdict(
        "no bad version is current",
        bad + blind,
        f"none of {plural(versions, 'bad version')} is current",
        f"{plural(len(bad) + len(blind), 'bad version')} are current again, or cannot be looked at",
        "incident purge",
    )


def _nothing_is_as_it_was(evidence: Evidence, found: Found) -> Check:
    """Byte for byte the bad data under a new version id: perhaps the fix was not deployed; perhaps that file was never wrong."""
    same = [
        f"{one.url} ({one.cell})"
        for one, now in _bad_now(evidence, found)
        if now is not None and identity(now) != one.version_id and now.etag == one.etag
    ]
    return _verdict(
        "no object is as it was",
        same,
        "no current object has the bytes of a bad version",
        f"{plural(len(same), 'object')} made again with the very bytes of the bad version",
        "compare them with what they should hold; is the fix deployed where the job runs?",
        worst="warn",
    )


def _bad_now(evidence: Evidence, found: Found) -> Iterator[tuple[BadVersion, ObjectVersion | None]]:
    """Each bad version with what is current at its key now."""
    of: str | None = None
    find: Callable[[str], KeyHistory | None] = dict[str, KeyHistory]().get
    for one in evidence.losses.bad:
        if one.cell != of:
            keys = found.get(one.cell, ())
            of, find = one.cell, finder(() if isinstance(keys, str) else keys)
        now = find(one.key)
        yield one, now.current if now is not None else None


def _reverted_are_made_again(evidence: Evidence) -> Check:
    reverted = _reverts(evidence)
    missing = {str(one) for one in evidence.losses.missing}
    left = [f"{effect.cell} still is the last good version" for effect in reverted if str(effect.cell) in missing]
    return _verdict(
        "reverted cells are made again",
        left,
        f"{plural(len(reverted), 'reverted cell')} made again since",
        f"of {plural(len(reverted), 'reverted cell')} {len(left)} still are what they were set back to",
        "incident backfill",
        worst="warn",
    )


# --- lineage, journals, timeline -----------------------------------------------------------------------------------------


def _nothing_is_tainted(radius: BlastRadius) -> Check:
    tainted = [f"{one.cell}" for one in radius.dirty() if one.state == "TAINTED"]
    return _verdict(
        "nothing is tainted",
        tainted,
        f"no cell is TAINTED in {radius.revision}",
        f"{plural(len(tainted), 'cell')} TAINTED in {radius.revision}",
        "incident purge, then incident backfill",
    )


def _nothing_is_suspect(radius: BlastRadius) -> Check:
    suspect = [f"{one.cell}{f' ({one.reason})' if one.reason else ''}" for one in radius.dirty() if one.state == "SUSPECT"]
    return _verdict(
        "nothing is suspect",
        suspect,
        f"no cell is SUSPECT in {radius.revision}",
        f"{plural(len(suspect), 'cell')} SUSPECT in {radius.revision}",
        "incident blast --why CELL; incident purge --include CELL",
        worst="warn",
    )


def _nothing_is_unfinished(folder: IncidentFolder) -> Check:
    begun = set(interrupted(folder))
    holder = holder_of(folder.journal_dir)
    left: list[str] = []
    for plan_id in folder.plans():
        plan = folder.load_plan(plan_id)
        if plan_id in begun:
            left.append(f"{plan_id} was begun and is not finished")
        elif plan.phase == "backfill":
            # A failed run counts by the cell that it did not make; a later backfill may have made it.
            doubtful = read_journal(folder.journal_dir, plan_id).doubtful
            left += [f"{plan_id} has {plural(len(doubtful), 'run')} in doubt"] if doubtful else []
        elif unsettled(folder, plan):
            left.append(f"{plan_id} has actions that failed or are in doubt")
    if holder is not None and holder.get("plan") not in begun:
        left.append(f"{holder.get('plan', 'a plan')} is claimed by a process")
    return _verdict(
        "every apply is finished", left, "no apply is unfinished", f"{plural(len(left), 'apply')} unfinished", "incident resume"
    )


def _timeline_is_whole(folder: IncidentFolder) -> Check:
    return _verdict(
        "the timeline is whole",
        folder.timeline.verify(),
        "every record follows the one before",
        "the timeline was damaged or changed",
        "incident timeline verify",
    )


def _verdict(name: str, wrong: Iterable[str], good: str, bad: str, hint: str, *, worst: str = "fail") -> Check:
    listed = list(wrong)
    if not listed:
        return Check(name, "ok", good)
    more = f"; and {len(listed) - _TOLD} more" if len(listed) > _TOLD else ""
    return Check(name, "warn" if worst == "warn" else "fail", f"{bad}: {'; '.join(listed[:_TOLD])}{more}", hint)
