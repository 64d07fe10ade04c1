"""What changed with an attempt: the code it ran, and the fields of what it read or wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Generic, TypeVar

from lineage.datasets import DatasetId
from lineage.facets import Direction, Schema
from lineage.triage_scene import Check, Evidence, Scene

V = TypeVar("V")

_LOOKED_BACK = 20
_LEAST = 0.05
_CLIPPED = 90

_KINDS: dict[str, tuple[str, str, float]] = {
    "sourceCodeLocation.version": ("code-version", "code version", 0.75),
    "sourceCodeLocation.tag": ("code-version", "code tag", 0.75),
    "code_version": ("code-version", "code version", 0.75),
    "airflow.dag_bundle_version": ("code-version", "DAG bundle version", 0.7),
    "airflow.dag_version_number": ("code-version", "DAG version", 0.7),
    "airflow.dag_version_id": ("code-version", "DAG version id", 0.6),
    "image": ("image", "image", 0.75),
    "processing_engine": ("engine", "engine", 0.5),
    "dbt_version": ("engine", "dbt version", 0.5),
    "dbt_run.project_version": ("code-version", "dbt project version", 0.6),
    "dbt_run.profile_name": ("code-version", "dbt profile", 0.5),
    "sql.query": ("code-text", "SQL text", 0.65),
    "sourceCode.sourceCode": ("code-text", "source code", 0.7),
}
"""By where a version stands: what kind of evidence its change is, how people call it, and how strong at most."""

_SILENT = frozenset({"dbt_run.invocation_id", "processing_engine.openlineageAdapterVersion"})
"""Told with evidence, never as evidence: an invocation is always another, and an adapter only reports."""


@dataclass(frozen=True, slots=True)
class Change(Generic[V]):
    """A value that an attempt had and the one before it had not. ``factor`` (0 to 1.1): how far the others bear it out."""

    before: V
    after: V
    since: int
    factor: float
    notes: tuple[str, ...]


def code_changes(scene: Scene, index: int) -> tuple[list[Evidence], list[Check]]:
    """Versions, images, engines and code texts that changed with this attempt."""
    versions = _versions(scene, index)
    earlier = scene.baseline(index)[0]
    told = [key for key in versions if key not in _SILENT]
    if not told:
        return [], [Check("code", "not told", "the events carry no code version, image, engine or code text")]
    if not earlier:
        return [], [Check("code", "too little history", "there is no earlier attempt of the job to compare with")]
    found: list[Evidence] = []
    compared = 0
    for key in told:
        kind, label, strength = _KINDS.get(key, ("code-version", key.partition(".")[2], 0.6))
        values = [_versions(scene, other).get(key) for other in earlier]
        compared = max(compared, sum(value is not None for value in values))
        change = changed(scene, index, lambda other, key=key: _versions(scene, other).get(key), str.__ne__)  # type: ignore[misc]
        if change is None or strength * change.factor < _LEAST:
            continue
        before, after = _fragments(change.before, change.after) if kind == "code-text" else (change.before, change.after)
        found.append(
            Evidence(
                "code",
                kind,
                strength * change.factor,
                f"{label} {before} → {after}",
                scene.attempts[index],
                before,
                after,
                key,
                details=(*change.notes, *_circumstances(scene, index, change.since)),
            )
        )
    if found:
        return found, []
    names = sorted({_KINDS.get(key, ("", key.partition(".")[2], 0.0))[1] for key in told})
    words = f"{', '.join(names)} as in the {compared} attempts before" if compared else "earlier attempts did not tell theirs"
    return [], [Check("code", "nothing" if compared else "too little history", words)]


def schema_changes(scene: Scene, index: int, direction: Direction, dataset: DatasetId | None = None) -> Iterator[Evidence]:
    """Fields added, dropped or retyped in what an attempt read (or wrote): of one dataset, or of all."""
    for side, one in scene.told(index).schemas:
        if side != direction or one is None or (dataset is not None and one != dataset):
            continue
        key = (side, one)
        change = changed(scene, index, lambda other, key=key: scene.told(other).schemas.get(key), _differ)  # type: ignore[misc]
        if change is None:
            continue
        lines, strength = difference(change.before, change.after)
        if strength * change.factor < _LEAST:
            continue
        yield Evidence(
            "format",
            "schema",
            strength * change.factor,
            f"{'input' if direction == 'input' else 'output'} schema of {one}: {'; '.join(lines[:3])}"
            + (f" and {len(lines) - 3} changes more" if len(lines) > 3 else ""),
            scene.attempts[index],
            _shown(change.before),
            _shown(change.after),
            "schema",
            one,
            details=(*lines[3:12], *change.notes),
        )


def difference(before: Schema, after: Schema) -> tuple[list[str], float]:
    """What became of the fields, in words, and how much that can break, from 0 to 1."""
    old, new = dict(before), dict(after)
    dropped = [f"{name} dropped" for name in old if name not in new]
    added = [f"{name} added{f' ({new[name]})' if new[name] else ''}" for name in new if name not in old]
    retyped = [f"{name} {old[name]} → {new[name]}" for name in old if new.get(name) and old[name] and old[name] != new[name]]
    lines = [*retyped, *dropped, *added]
    if lines:
        return lines, 0.75 if retyped or dropped else 0.45
    return (["fields in another order"], 0.25) if list(old) != list(new) else ([], 0.0)


def changed(scene: Scene, index: int, value_of: Callable[[int], V | None], differ: Callable[[V, V], bool]) -> Change[V] | None:
    """The change that came with an attempt, against the last earlier attempt that tells; None when there is none.

    Values that change with every run bear nothing out; that all of the fault's attempts have it, and later ones no longer, does.
    """
    after = value_of(index)
    earlier = [(other, value) for other in scene.baseline(index)[0][-_LOOKED_BACK:] if (value := value_of(other)) is not None]
    if after is None or not earlier or not differ(earlier[-1][1], after):
        return None
    values = [value for _, value in earlier]
    notes: list[str] = []
    if len(values) == 1:
        factor = 0.65
        notes.append("only one earlier attempt tells its own")
    else:
        changes = sum(differ(left, right) for left, right in pairwise(values))
        factor = 1 - changes / (len(values) - 1)
        times = f"changed {changes} times" if changes > 1 else "changed once" if changes else "did not change"
        notes.append(f"it {times} over the {_attempts(len(values), 'earlier')} that tell theirs")
    if any(not differ(value, after) for value in values):
        factor *= 0.6
        notes.append("an earlier attempt outside the fault had the same")
    peers = [value for other in scene.peers(index) if (value := value_of(other)) is not None]
    if peers:
        same = sum(not differ(value, after) for value in peers)
        factor *= 0.5 + 0.5 * same / len(peers)
        have = "both" if len(peers) == same == 1 else f"{same + 1} of the {len(peers) + 1}"
        notes.append(f"{have} attempts of the fault that tell theirs have it")
    later = [value for other in scene.later(index)[:_LOOKED_BACK] if (value := value_of(other)) is not None]
    if later:
        same = sum(not differ(value, after) for value in later)
        if same:
            factor *= 1 - 0.4 * same / len(later)
            notes.append(f"outside the fault {same} of {_attempts(len(later), 'later')} had it too")
        else:
            factor *= 1.1
            notes.append(f"outside the fault no later attempt has it ({len(later)} told theirs)")
    return Change(earlier[-1][1], after, earlier[-1][0], factor, tuple(notes))


def _attempts(number: int, which: str) -> str:
    return f"{number} {which} attempt{'' if number == 1 else 's'}"


def upstream_code(evidence: Evidence) -> Evidence:
    """A change of the code upstream, as seen from downstream: the data may come in otherwise than before."""
    return replace(
        evidence,
        points_to="data",
        kind="upstream-code",
        strength=evidence.strength * 0.6,
        words=f"upstream {evidence.attempt.job}: {evidence.words}",
    )


def _differ(before: Schema, after: Schema) -> bool:
    return bool(difference(before, after)[0])


def _versions(scene: Scene, index: int) -> dict[str, str]:
    versions, said = scene.told(index).versions, scene.attempts[index].code_version
    if said is None or any(key.startswith("sourceCodeLocation") for key in versions):
        return versions
    return {**versions, "code_version": said}


def _circumstances(scene: Scene, index: int, before: int) -> Iterator[str]:
    """What changed beside, and may help to find it."""
    old, new = _versions(scene, before), _versions(scene, index)
    if invocation := new.get("dbt_run.invocation_id"):
        yield f"dbt invocation {invocation}"
    adapter = "processing_engine.openlineageAdapterVersion"
    if new.get(adapter, "") != old.get(adapter, ""):
        yield f"the adapter that reports changed too, {old.get(adapter, 'not told')} → {new.get(adapter, 'not told')}"


def _fragments(before: str, after: str) -> tuple[str, str]:
    """Where two texts differ, with a word around it."""
    old, new = before.split(), after.split()
    head = next((at for at, (left, right) in enumerate(zip(old, new, strict=False)) if left != right), min(len(old), len(new)))
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    start, end = max(0, head - 1), max(0, tail - 1)
    return _clipped(" ".join(old[start : len(old) - end])), _clipped(" ".join(new[start : len(new) - end]))


def _clipped(text: str) -> str:
    return text if len(text) <= _CLIPPED else f"{text[: _CLIPPED - 1]}…"


def _shown(schema: Schema) -> str:
    shown = ", ".join(f"{name} {kind}".strip() for name, kind in schema[:30])
    return shown + (f", … ({len(schema)} fields)" if len(schema) > 30 else "")
