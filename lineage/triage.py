"""Code, data or format? From the attempts around the first bad one: what changed with it, ranked, with the evidence.

It says what the evidence points to and how strongly, and where upstream the signal appears first; never what is to blame. What
could not be looked at is told apart from what was looked at without finding anything. Pure and read-only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from lineage.attempts import Attempt
from lineage.counters import Counter
from lineage.errors import FaultError
from lineage.facets import Figure, Told
from lineage.fault import Fault, Fix, choose
from lineage.history import History
from lineage.signals import Signals
from lineage.timestamps import render
from lineage.triage_changes import code_changes, schema_changes
from lineage.triage_figures import figures, input_assertions, output_assertions
from lineage.triage_scene import Check, Evidence, Scene, moment, who
from lineage.triage_upstream import conditions
from lineage.triage_walk import ALONG, SIGNAL, Walk, walk

Verdict = Literal["code", "data", "format", "unclear"]
Hypothesis = Literal["code", "data", "format"]
Confidence = Literal["strong", "fair", "weak", "none"]

HYPOTHESES: tuple[Hypothesis, ...] = ("code", "data", "format")
_ENOUGH = 0.35
_MARGIN = 0.15


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hypothesis with what supports it, the strongest first. ``score`` from 0 to 1."""

    hypothesis: Hypothesis
    score: float
    evidence: tuple[Evidence, ...]

    @property
    def confidence(self) -> Confidence:
        return confidence(self.score)


@dataclass(frozen=True, slots=True)
class Triage:
    """What the evidence points to. ``shown``: what the fault itself shows, which supports no hypothesis."""

    verdict: Verdict
    confidence: Confidence
    reason: str
    first_bad: Attempt
    attempts: int
    earlier: int
    words: str
    ranked: tuple[Ranked, ...]
    shown: tuple[Evidence, ...]
    checks: tuple[Check, ...]
    walked: Walk
    notes: tuple[str, ...] = ()

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """All evidence, the strongest hypothesis first."""
        return tuple(one for ranked in self.ranked for one in ranked.evidence)

    @property
    def first_seen(self) -> Evidence | None:
        """The evidence furthest upstream to which the signal can be followed from the first bad attempt."""
        leading = self.ranked[0].evidence if self.ranked else ()
        carried = [one for one in leading if one.carried and one.strength >= SIGNAL * ALONG**one.hops]
        return min(carried, key=lambda one: (-one.hops, one.moment, -one.strength), default=None)

    def to_json(self) -> dict[str, Any]:
        seen = self.first_seen
        return {
            "verdict": self.verdict,
            "confidence": self.confidence,
            "reason": self.reason,
            "fault": self.words,
            "first_bad": {
                **who(self.first_bad),
                "state": self.first_bad.state,
                "start": render(self.first_bad.start),
                "end": render(self.first_bad.end),
                "nominal": None if self.first_bad.nominal is None else render(self.first_bad.nominal[0]),
            },
            "attempts": self.attempts,
            "compared_with": self.earlier,
            "hypotheses": [
                {"hypothesis": one.hypothesis, "score": round(one.score, 2), "confidence": one.confidence} for one in self.ranked
            ],
            "evidence": [{"hypothesis": one.points_to, **one.to_json()} for one in self.evidence],
            "first_seen": None
            if seen is None
            else {**who(seen.attempt), "when": render(seen.moment), "hops": seen.hops, "words": seen.words},
            "shown": [one.to_json() for one in self.shown],
            "checks": [one.to_json() for one in self.checks],
            "upstream": {"attempts": self.walked.attempts, "jobs": self.walked.jobs, "hops": self.walked.hops},
            "notes": list(self.notes),
        }


def triage(history: History, fault: Fault, signals: Signals, *, counters: Iterable[Counter] = (), fix: Fix | None = None) -> Triage:
    """What the evidence around the first bad attempt of a fault points to. Raises FaultError when the fault chooses nothing."""
    seeds = choose(history, fault, fix)
    certain = seeds.must | {index for index, _ in seeds.writes}
    bad = certain or set(seeds.may)
    if not bad:
        raise FaultError(
            f"no attempt of the fault is left: {seeds.words}", "choose the fault's attempts without those since the fix"
        )
    told = signals.by_attempt(history)
    unknown = _count(history, told, counters)
    scene = Scene(history, told, certain | seeds.may.keys())
    first = min(bad, key=lambda index: (moment(history.attempts[index]), index))
    evidence, checks = _around(scene, first)
    walked = walk(scene, first, evidence)
    ranked = rank([*evidence, *walked.evidence])
    verdict, strength, reason = _verdict(ranked, scene, first)
    return Triage(
        verdict=verdict,
        confidence=strength,
        reason=reason,
        first_bad=history.attempts[first],
        attempts=seeds.count,
        earlier=len(scene.baseline(first)[0]),
        words=seeds.words,
        ranked=ranked,
        shown=tuple(sorted((one for one in evidence if one.points_to == "nothing"), key=lambda one: -one.strength)),
        checks=tuple(checks),
        walked=walked,
        notes=(*_notes(fault, scene, first), *unknown),
    )


def _around(scene: Scene, first: int) -> tuple[list[Evidence], list[Check]]:
    """What can be seen at the first bad attempt itself."""
    evidence, checks = code_changes(scene, first)
    schemas = list(schema_changes(scene, first, "input"))
    reported = sum(direction == "input" for direction, _ in scene.told(first).schemas)
    if not schemas:
        earlier = scene.baseline(first)[0]
        before = any(direction == "input" for other in earlier for direction, _ in scene.told(other).schemas)
        if reported and before:
            checks.append(Check("input schema", "nothing", "the fields it read are those that earlier attempts read"))
        elif reported:
            checks.append(Check("input schema", "too little history", "no earlier attempt tells the fields that it read"))
        else:
            checks.append(Check("input schema", "not told", "the events carry no schema of what it read"))
    evidence += schemas
    for one in schema_changes(scene, first, "output"):
        own = reported and not schemas
        evidence.append(replace(one, points_to="code" if own else "nothing", kind="output-schema", strength=one.strength * 0.4))
    for found, looked in (
        figures(scene, first, "input", "data"),
        input_assertions(scene, first),
        conditions(scene, first),
    ):
        evidence += found
        checks += looked
    for direction in ("output", "run"):
        evidence += figures(scene, first, direction, "nothing")[0]
    evidence += output_assertions(scene, first)
    return evidence, checks


def rank(evidence: Iterable[Evidence]) -> tuple[Ranked, ...]:
    """The hypotheses that have evidence, the strongest first. Evidence of one kind counts once, by its strongest."""
    found = []
    everything = list(evidence)
    for hypothesis in HYPOTHESES:
        mine = sorted(
            (one for one in everything if one.points_to == hypothesis),
            key=lambda one: (-one.strength, one.hops, one.moment, one.words),
        )
        strongest: dict[str, float] = {}
        for one in mine:
            strongest[one.kind] = max(one.strength, strongest.get(one.kind, 0.0))
        left = 1.0
        for strength in strongest.values():
            left *= 1 - strength
        if mine:
            found.append(Ranked(hypothesis, 1 - left, tuple(mine)))
    return tuple(sorted(found, key=lambda one: -one.score))


def confidence(score: float) -> Confidence:
    """A score in words."""
    return "strong" if score >= 0.7 else "fair" if score >= 0.5 else "weak" if score >= _ENOUGH else "none"


def _verdict(ranked: tuple[Ranked, ...], scene: Scene, first: int) -> tuple[Verdict, Confidence, str]:
    if not ranked or ranked[0].score < _ENOUGH:
        if not scene.baseline(first)[0]:
            return "unclear", "none", "there is no earlier attempt to compare with"
        hint = (
            f"what there is points to the {ranked[0].hypothesis}, too weakly to say so" if ranked else "nothing looked at changed"
        )
        return "unclear", "none", hint
    best = ranked[0]
    if len(ranked) > 1 and best.score - ranked[1].score < _MARGIN:
        both = f"both the {best.hypothesis} and the {ranked[1].hypothesis} changed around the first bad attempt"
        return "unclear", "none", f"{both}, and the evidence for one is hardly stronger than for the other"
    return best.hypothesis, best.confidence, best.evidence[0].words


def _notes(fault: Fault, scene: Scene, first: int) -> list[str]:
    notes = []
    if fault.code_versions:
        notes.append("the fault was chosen by its code version, so that the version changed is no independent evidence")
    if fault.columns:
        notes.append(f"column {', '.join(fault.columns)} narrows nothing here: every field and figure was looked at")
    if whose := scene.baseline(first)[1]:
        notes.append(whose)
    return notes


def _count(history: History, told: dict[tuple[str, int], Told], counters: Iterable[Counter]) -> list[str]:
    """Add counters to what is told of their runs; in words those whose run the lineage does not know."""
    attempts: dict[str, list[tuple[str, int]]] = {}
    for one in history.attempts:
        attempts.setdefault(one.run_id, []).append(one.key)
    unknown: dict[str, int] = {}
    for counter in counters:
        keys = sorted(attempts.get(counter.run_id, []))
        key = keys[-1] if keys and counter.attempt is None else (counter.run_id, counter.attempt or 0)
        if key not in keys:
            unknown[counter.run_id] = unknown.get(counter.run_id, 0) + 1
            continue
        found = told.setdefault(key, Told())
        found.figures[counter.direction, None, counter.name] = Figure(counter.value, counter.source)
    if not unknown:
        return []
    runs = sorted(unknown)
    more = f" and {len(runs) - 3} more" if len(runs) > 3 else ""
    return [f"{sum(unknown.values())} counters are of runs that the lineage does not know: {', '.join(runs[:3])}{more}"]
