"""What serves a revert's cells: pointers are swapped instead of copying objects; where both are needed, objects come first.

A swap leaves the data of its cell as it is. So it counts as no write of that data, and cleanses nothing: what is bad there is
still purged and made again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from lineage.attempts import Cell
from runbooks.consents import Consents
from runbooks.facts import Draft, Facts, asked, uncertainties
from runbooks.plan import PlannedCell, Refusal
from runbooks.pointers import Elsewhere, Moments, Swap, decide, doubts, moments, swap_action
from runbooks.survey import PointerSurvey


@dataclass(slots=True)
class AtPointers:
    """``settled``: cells whose objects are left alone. ``needs``: cells whose objects have to be set back for a swap's sake."""

    consents: Consents
    swaps: dict[str, tuple[Cell, Swap]] = field(default_factory=dict)
    settled: set[Cell] = field(default_factory=set)
    needs: set[Cell] = field(default_factory=set)
    refused: list[Refusal] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def drafts(self, planned: Mapping[Cell, PlannedCell]) -> tuple[list[Draft], list[Refusal]]:
        """The swaps, to come behind all objects. ``planned``: the cells whose objects the plan sets back."""
        found, unmet = list[Draft](), list[Refusal]()
        for cell, swap in self.swaps.values():
            lacking = [need for need in swap.needs if need not in planned]
            if lacking:
                why = f"{swap.survey.pointer} would go back to what is tainted itself, and {lacking[0]} is not reverted with it"
                unmet.append(Refusal(str(cell), why, "needs"))
                continue
            named = planned.get(cell) or PlannedCell.of(cell, "pointer")
            found.append(Draft(named, (swap_action(named, swap, self.consents),), swap.survey.bucket))
        return found, unmet


@dataclass(frozen=True, slots=True)
class Served:
    """What a cell's pointers ask for. ``swaps`` move; ``objects``: its own objects have to be set back as well."""

    swaps: tuple[Swap, ...] = ()
    needs: tuple[Cell, ...] = ()
    objects: bool = False
    notes: tuple[str, ...] = ()


def served(cell: Cell, surveys: Sequence[PointerSurvey | Refusal], since: Moments) -> Served | Refusal:
    """All pointers of a cell, decided together: one that cannot be decided keeps the cell out of the plan."""
    found, notes = Served(), list[str]()
    for survey in surveys:
        if isinstance(survey, Refusal):
            return replace(survey, what=str(cell))
        decision = decide(cell, survey, since)
        match decision:
            case Refusal():
                return decision
            case Elsewhere():
                notes.append(decision.why)
            case Swap():
                notes += decision.notes
                moving = (decision,) if decision.moves else ()
                found = Served(
                    (*found.swaps, *moving),
                    (*found.needs, *decision.needs),
                    found.objects or cell in decision.needs,
                )
            case _:
                assert_never(decision)
    return replace(found, notes=tuple(notes))


def still_served(cell: Cell, facts: Facts, consents: Consents, skew: int) -> list[str]:
    """What readers of a serving cell will miss when it is purged: nothing, where its pointers name something else."""
    surveys = facts.pointers.get(cell)
    if not surveys:
        return [f"{cell} serves and was not reverted: its readers will find nothing until it is made again"]
    since = moments(facts.radius.dirty(), skew, consents.before)
    found = []
    for survey in surveys:
        if isinstance(survey, Refusal):
            found.append(f"{cell}: whether it serves cannot be told: {survey.why}")
        elif not isinstance(decide(cell, survey, since), Elsewhere):
            found.append(f"{survey.pointer} still names {cell}: its readers will find nothing; incident revert first")
    return found


def at_pointers(facts: Facts, chosen: Collection[Cell], consents: Consents, skew: int) -> AtPointers:
    """What to do about the pointers of the cells to revert."""
    found = AtPointers(consents)
    surveys = [survey for cell in facts.pointers.values() for survey in cell]
    known = {survey.pointer for survey in surveys if not isinstance(survey, Refusal)}
    unread = [survey.why for survey in surveys if isinstance(survey, Refusal)]
    for text in consents.pointers:
        if not any(text.startswith(f"{url}=") for url in known) and not any(text.rpartition("=")[0] in why for why in unread):
            listed = ", ".join(sorted(known)) or "none"
            why = f"names no pointer that serves a cell of this revert; write URL=VALUE, with one of: {listed}"
            found.refused.append(Refusal(f"--pointer {text}", why, "not-included"))
    dirty = facts.radius.dirty()
    since = moments(dirty, skew, consents.before)
    for reached in dirty:
        ours = facts.pointers.get(reached.cell)
        if not ours or not (reached.serving or reached.cell in chosen):
            continue
        asks = served(reached.cell, ours, since)
        if isinstance(asks, Refusal):
            found.refused.append(asks)
            found.settled.add(reached.cell)
            continue
        swaps = [swap for swap in asks.swaps if swap.survey.pointer not in found.swaps]
        questions = [doubt for swap in swaps for doubt in doubts(reached.cell, swap, consents)]
        never = [one for one in questions if one.code == "unconditional"]
        questions = uncertainties(reached, consents) * bool(swaps) + [one for one in questions if one not in never]
        if never or (questions and reached.cell not in chosen):
            found.refused.append(never[0] if never else asked(questions))
            found.settled.add(reached.cell)
            continue
        found.warnings += [f"{doubt.what}: {doubt.why} (included by name)" for doubt in questions]
        found.warnings += [f"{reached.cell}: {note}" for note in asks.notes]
        found.swaps |= {swap.survey.pointer: (reached.cell, swap) for swap in swaps}
        found.needs |= set(asks.needs)
        if not asks.objects and (asks.swaps or reached.cell not in chosen):
            found.settled.add(reached.cell)
    found.settled -= found.needs
    return found
