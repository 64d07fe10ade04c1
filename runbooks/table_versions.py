"""Which version of a table is the last good one: decided by the order of its history, times only saying where in it to look."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lineage.timestamps import BEFORE, SECOND, render
from runbooks.plan import Refusal
from runbooks.table_survey import TableVersion

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
