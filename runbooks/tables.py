"""Tables with a history of their own: which version is good, and what a purge or a revert does to a cell of one.

A partition is purged by a commit without its files and reverted by one with the files that it had before the fault; whatever
else the table holds stays, committed by whomever. A cell that is all of its table goes back to the version before the fault.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lineage.blast_radius import ReachedCell
from lineage.partitions import overlap
from lineage.timestamps import BEFORE, SECOND, render
from runbooks.actions import ChangeTable, Requirement
from runbooks.facts import Draft
from runbooks.plan import PlannedCell, Refusal
from runbooks.table_survey import CellFiles, Good, TablePlace, TableSurvey, TableVersion

_CUT = 1_000_000
"""Commit times are told in milliseconds; each stands for all of its millisecond."""
_TOLD = 4


class _Undecidable(Exception):
    """An answer within this module, never seen outside."""

    def __init__(self, why: str, code: str = "undecidable") -> None:
        super().__init__(why)
        self.why, self.code = why, code


def good_version(
    name: str,
    history: Sequence[TableVersion],
    since: int,
    skew: int,
    before: int | None,
    *,
    begins: bool,
    bad: Collection[str] = (),
    named: bool = False,
) -> int | Refusal:
    """The index in ``history`` (oldest first) of the last version before the fault; -1: the table was not there yet.

    ``since``: when the first bad write began, ns UTC. ``begins``: the history is told from the table's first version on. ``bad``:
    the versions that lineage says bad runs made; ``named``: it says so of each of them, so that no time needs to be asked.
    """
    told = [at for at, one in enumerate(history) if one.version in bad]
    try:
        latest = told[0] - 1 if told else len(history)
        at = latest if named and told else min(_in_time(history, since, skew, before), latest)
        if at < 0 and not begins:
            return Refusal(name, f"its versions of before the fault have expired{_listed(history)}", "expired")
    except _Undecidable as error:
        return Refusal(name, f"{error.why}{_listed(history)}", error.code)
    return at


def _in_time(history: Sequence[TableVersion], since: int, skew: int, before: int | None) -> int:
    if since <= BEFORE:
        if before is None:
            why = "nobody reported when its first bad write began; say up to when it was good: --before T"
            raise _Undecidable(why, "unbounded")
        return _by_time(history, before)
    moment = since - skew
    try:
        return _by_time(history, moment)
    except _Undecidable as first:
        # Only what the times leave open may be decided by hand; anything wider would bring bad data back.
        if before is None or not moment - SECOND <= before <= moment + SECOND:
            why = f"{first.why}; if you know it, give --before T within a second of {render(moment)}"
            raise _Undecidable(why) from first
        return _by_time(history, before)


def _by_time(history: Sequence[TableVersion], moment: int) -> int:
    """The order of the history decides; times only say where in it the bad commits begin."""
    early = [at for at, one in enumerate(history) if one.committed < moment]
    at = early[-1] if early else -1
    if len(early) != at + 1:
        raise _Undecidable(f"its commits are not in the order of their times around {render(moment)}")
    if early and history[at].committed + _CUT > moment:
        raise _Undecidable(f"version {history[at].version} was committed in the very millisecond of {render(moment)}")
    return at


def _listed(history: Sequence[TableVersion]) -> str:
    told = "; ".join(f"{one.version} at {render(one.committed)} ({one.what})" for one in history[-_TOLD:])
    return f"; the last versions: {told}" if told else ""


# --- plans ---------------------------------------------------------------------------------------------------------------


def refusal(survey: TableSurvey, taken: Sequence[TablePlace]) -> Refusal | None:
    """What forbids touching the cell whatever the operator says."""
    for other in taken:
        if (other.format, other.table) == (survey.place.format, survey.place.table) and overlap(other.cells, survey.place.cells):
            return Refusal(str(survey.cell), f"{survey.place.url} overlaps {other.url}", "overlap")
    return None


def table_questions(survey: TableSurvey) -> list[Refusal]:
    """What keeps a cell of a table out of a plan unless the operator names it."""
    back = isinstance(survey.good, Good) and survey.good.files.files
    if survey.now.files or survey.now.unclear or back:
        return []
    why = f"no file of {survey.place.url} is there; check partition and table of its [[dataset]]"
    return [Refusal(str(survey.cell), why, "nothing-there")]


def dropping(survey: TableSurvey) -> list[Refusal]:
    """The commits of others that going back to an older version of a whole table would drop."""
    if not survey.others:
        return []
    told = "; ".join(f"{one.version} at {render(one.committed)} ({one.what})" for one in survey.others[:_TOLD])
    more = f"; and {len(survey.others) - _TOLD} more" if len(survey.others) > _TOLD else ""
    why = f"going back would drop {len(survey.others)} commits that no bad run accounts for: {told}{more}"
    return [Refusal(str(survey.cell), why, "drops-commits")]


def purge_draft(survey: TableSurvey) -> Draft | Refusal:
    """A commit without the cell's files; every file stays where it is, until somebody expires or vacuums."""
    if survey.now.unclear:
        return Refusal(str(survey.cell), survey.now.unclear, "table-partition")
    planned = PlannedCell.of(survey.cell, "nothing", survey.place.url)
    gone = _change(survey, planned, CellFiles(), target="")
    return Draft(planned, (gone,) if survey.now.files else (), None)


def revert_draft(reached: ReachedCell, survey: TableSurvey) -> Draft | Refusal:
    """The cell as it was before the fault."""
    name, good = str(reached.cell), survey.good
    if good is None:
        return Refusal(name, "was not looked at as it was before the fault", "not-surveyed")
    if isinstance(good, Refusal):
        return Refusal(name, good.why, good.code)
    planned = PlannedCell.of(survey.cell, "data" if good.files.files else "nothing", survey.place.url)
    whole = survey.place.whole and good.version is not None
    unclear = survey.now.unclear or good.files.unclear
    if unclear and not whole:
        return Refusal(name, unclear, "table-partition")
    same = good.version is not None and good.version.version == survey.version
    if same or (good.files.fingerprint == survey.now.fingerprint and not unclear):
        return Draft(planned, (), None)
    target = "" if good.version is None else good.version.version
    return Draft(planned, (_change(survey, planned, good.files, target=target, whole=whole),), None)


def _change(survey: TableSurvey, planned: PlannedCell, leaves: CellFiles, *, target: str, whole: bool = False) -> ChangeTable:
    return ChangeTable(
        table=survey.place.url,
        uuid=survey.uuid,
        change="version" if whole else "files",
        requires=Requirement(survey.version, survey.now.fingerprint),
        target=target if whole or leaves.files else "",
        leaves=leaves.fingerprint,
        size=max(survey.now.size, leaves.size),
        cell=str(planned),
    )
