"""Pointers: which value a pointer held before the taint, and the swap that brings it back.

The data stays where it is: a swap sets back what is read, a purge removes what is bad. "Before" is decided by the order of what
the pointer held, as for objects; a value counts as good only when what it points at is there, and nothing in it was written since
the first bad write of a cell that lies there. What cannot be told is asked of the operator, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lineage.attempts import Cell
from lineage.blast_radius import ReachedCell
from lineage.timestamps import BEFORE, SECOND, render
from runbooks.consents import Consents
from runbooks.plan import Plan, PlannedCell, Refusal, Requirement, SwapPointer
from runbooks.survey import PointedAt, PointerSurvey, PointerVersion

_MILLISECOND = 1_000_000
_SHOWN = 80
Moments = Mapping[Cell, int | None]
"""For each dirty cell the moment before which it was good, nanoseconds UTC; None where nobody can say."""


@dataclass(frozen=True, slots=True)
class Swap:
    """A pointer that serves something tainted, and its good value. ``needs``: cells to set back with it, before it.

    ``moves`` is false where it held that value all along, so that only what it points at has to be set back.
    """

    survey: PointerSurvey
    value: str | None
    told: str
    needs: tuple[Cell, ...] = ()
    notes: tuple[str, ...] = ()
    doubt: str = ""

    @property
    def moves(self) -> bool:
        return self.value != self.survey.now.value


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A pointer that does not serve the cell, and what it does instead."""

    why: str


Decision = Swap | Elsewhere | Refusal


class Unseen(Exception):
    """What a value points at has to be looked at before anything can be decided. Never seen outside of surveying."""

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value


def moments(dirty: Sequence[ReachedCell], skew: int, before: int | None) -> dict[Cell, int | None]:
    """The moment before which each dirty cell was good. ``skew`` and ``before`` in nanoseconds."""
    return {one.cell: before if one.since <= BEFORE else one.since - skew for one in dirty}


def decide(cell: Cell, survey: PointerSurvey, since: Moments) -> Decision:
    """What to do about a pointer for the sake of a cell. Raises Unseen where a value's target was not looked at."""
    if survey.now.value is None:
        return Elsewhere(f"{survey.pointer} is absent: nothing is served through it")
    here = _seen(survey, survey.now.value)
    bad = _bad(here, since)
    if here.urls and not (cell in bad or (not here.objects and any(one.cell == cell for one in here.overlaps))):
        if survey.named is not None and not bad:
            why = f"{survey.pointer} holds {shown(survey.now.value)} and serves nothing tainted; its value is not changed"
            return Refusal(str(cell), why, "not-included")
        return Elsewhere(f"{survey.pointer} holds {shown(survey.now.value)}, so that it is not what is served")
    return _named(cell, survey, survey.named, since) if survey.named is not None else _walked(cell, survey, since)


def unseen(cell: Cell, survey: PointerSurvey, since: Moments) -> str | None:
    """The value whose target has to be looked at next; None when all that matters was."""
    try:
        decide(cell, survey, since)
    except Unseen as found:
        return found.value
    return None


def wrong(cell: Cell, survey: PointerSurvey, since: Moments) -> str:
    """Why what a pointer of a cell serves is not as it should be; empty when what it names is there, and clean."""
    now = survey.now.value
    if now is None:
        return "" if survey.absence else f"{survey.pointer} is absent: nothing is served through it"
    here = survey.targets.get(now) or PointedAt(())
    if bad := _bad(here, since):
        return f"{survey.pointer} holds {shown(now)}, which is tainted: {_listed(bad)}"
    if why := _absent(here):
        return f"{survey.pointer} holds {shown(now)}, and {why}"
    if not here.urls and any(one.dataset == cell.dataset for one in since):
        return f"{survey.pointer} holds {shown(now)}, and nobody can tell whether that is tainted ({_DECLARE})"
    return ""


def doubts(cell: Cell, swap: Swap, consents: Consents) -> list[Refusal]:
    """What keeps a swap out of the plan until the operator says something."""
    found = [Refusal(str(cell), swap.doubt, "unresolved")] if swap.doubt else []
    if swap.moves and swap.survey.degraded and not consents.writers_stopped:
        why = f"{swap.survey.pointer}: {swap.survey.degraded}; stop its writers and give --writers-stopped"
        found.append(Refusal(str(cell), why, "unconditional"))
    return found


def swap_action(planned: PlannedCell, swap: Swap, consents: Consents) -> SwapPointer:
    survey, now = swap.survey, swap.survey.now
    return SwapPointer(
        kind=survey.kind,
        pointer=survey.pointer,
        requires=Requirement(now.version_id, now.etag, now.value is None),
        old=now.value,
        new=swap.value,
        cell=str(planned),
        told=swap.told,
        writers_stopped=consents.writers_stopped,
        after=tuple(sorted(map(str, swap.needs))),
    )


def swaps_of(plan: Plan) -> list[SwapPointer]:
    """The swaps of a plan."""
    return [action for _, action in plan.of(SwapPointer)]


def shown(value: str | None) -> str:
    """A value on one line, for people."""
    if value is None:
        return "(absent)"
    lines = value.strip().splitlines() or [""]
    first = lines[0] if len(lines[0]) <= _SHOWN else f"{lines[0][:_SHOWN]}…"
    return first + (f" and {len(lines) - 1} more lines" if len(lines) > 1 else "") or "(empty)"


# --- which value -----------------------------------------------------------------------------------------------------------


def _named(cell: Cell, survey: PointerSurvey, value: str, since: Moments) -> Swap | Refusal:
    """The operator's word says which value; whether what it names is there and clean is looked at all the same."""
    if value == survey.now.value:
        return Refusal(str(cell), f"{survey.pointer} holds {shown(value)} already, and that is what is tainted", "tainted-target")
    there = _seen(survey, value)
    if why := _absent(there):
        return Refusal(str(cell), f"--pointer names {shown(value)}, and {why}", "no-target")
    if bad := _bad(there, since):
        why = f"--pointer names {shown(value)}, and that holds what is tainted: {_listed(bad)}"
        return Refusal(str(cell), why, "tainted-target")
    notes = () if there.urls else (f"what {shown(value)} points at could not be looked at",)
    return Swap(survey, value, "named with --pointer", notes=notes)


def _walked(cell: Cell, survey: PointerSurvey, since: Moments) -> Swap | Refusal:
    """Back through what the pointer held, to the newest value that was good."""
    moment, notes = since.get(cell), list[str]()
    while True:
        if moment is None:
            why = "nobody reported when its first bad write began; say up to when it was good: --before T"
            return Refusal(str(cell), why, "unbounded")
        found = _before(survey, moment)
        if isinstance(found, str):
            return _unknown(cell, survey, found, "undecidable")
        if found is None and survey.absence and _kept_for_ever(survey):
            return Swap(survey, None, f"not there before {render(moment)}", notes=tuple(notes))
        if found is None:
            why = "it is not kept what it held before" if not survey.past else f"it was not there before {render(moment)}"
            return _unknown(cell, survey, why)
        told = f"held just before {render(moment)}, since {render(found.written)}"
        if found.value is None and not survey.absence:
            return _unknown(cell, survey, "it was absent before")
        if found.value is None:
            return Swap(survey, None, told, notes=tuple(notes))
        there = _seen(survey, found.value)
        bad = _bad(there, since)
        near = bad if there.urls else tuple(one for one in since if one.dataset == cell.dataset)
        earlier = _earliest(near, moment, since)
        if earlier is None or earlier < moment:
            notes += [f"{survey.pointer} held {shown(found.value)} before, which is tainted as well"] if bad else []
            moment = earlier
            continue
        if not bad and (why := _absent(there) or _lost(there, found)):
            return _unknown(cell, survey, f"it held {shown(found.value)} before, and {why}", "no-target")
        if found.beside != survey.now.beside:
            notes.append(f"{survey.pointer} held other things beside this value then, and they are left as they are")
        doubt = "" if there.urls else f"{survey.pointer}: nobody can tell what {shown(found.value)} points at ({_DECLARE})"
        return Swap(survey, found.value, told, bad, tuple(notes), doubt)


_DECLARE = 'declare it in [[serving]]: target = "s3://BUCKET/PREFIX/{value}/"'


def _earliest(cells: Sequence[Cell], moment: int, since: Moments) -> int | None:
    """The first moment at which one of these cells went bad; ``moment`` where there is none, None where nobody can say."""
    known = [since.get(cell) for cell in cells]
    if any(one is None for one in known):
        return None
    return min((one for one in known if one is not None), default=moment)


def _before(survey: PointerSurvey, moment: int) -> PointerVersion | str | None:
    """What the pointer held just before a moment; None where nothing is known from then, in words where nobody can say."""
    states = (survey.now, *survey.past)
    for at, version in enumerate(states):
        if version.written >= moment:
            continue
        if version.written + survey.cut > moment:
            return f"it was written at {render(version.written)}, and nobody can say whether that is before {render(moment)}"
        following = states[at + 1 :]
        tied = any(one.written == version.written and (one.value is None) != (version.value is None) for one in following)
        if tied and at > 0 and not survey.ordered:
            return "it was written and deleted in one moment, and the storage does not say in which order"
        return version
    return None


def _kept_for_ever(survey: PointerSurvey) -> bool:
    """Whether everything that it ever held is still there to see."""
    state = survey.bucket
    return state is not None and state.versioning == "Enabled" and state.lifecycle_known and not state.expiries


def _unknown(cell: Cell, survey: PointerSurvey, why: str, code: str = "no-good-value") -> Refusal:
    others = [one for one in survey.candidates if one != survey.now.plain]
    possible = f"clean by lineage: {', '.join(others)}" if others else "lineage knows of no clean one"
    return Refusal(
        str(cell),
        f"{survey.pointer} serves it and holds {shown(survey.now.value)}; which value was good cannot be told: {why} ({possible}); "
        f"name one with --pointer '{survey.pointer}=VALUE'",
        code,
    )


# --- what a value points at -------------------------------------------------------------------------------------------------


def _seen(survey: PointerSurvey, value: str) -> PointedAt:
    try:
        return survey.targets[value]
    except KeyError:
        raise Unseen(value) from None


def _bad(there: PointedAt, since: Moments) -> tuple[Cell, ...]:
    """The dirty cells that something lying there may have been written into since they went bad."""
    found = []
    for one in there.overlaps:
        moment = since.get(one.cell)
        cut = _MILLISECOND if one.newest % SECOND else SECOND
        if one.newest and (moment is None or one.newest + cut > moment):
            found.append(one.cell)
    return tuple(found)


def _absent(there: PointedAt) -> str:
    if there.missing:
        return f"nothing lies at {', '.join(there.missing[:3])}"
    return f"nothing lies at {', '.join(there.urls[:3])}" if there.urls and not there.objects else ""


def _lost(there: PointedAt, version: PointerVersion) -> str:
    """Whether it is not whole any more, as far as deletions are kept."""
    if there.lost <= version.written:
        return ""
    return f"objects of it were deleted since, the last at {render(there.lost)}"


def _listed(cells: Sequence[Cell]) -> str:
    more = f" and {len(cells) - 3} more" if len(cells) > 3 else ""
    return ", ".join(str(cell) for cell in cells[:3]) + more
