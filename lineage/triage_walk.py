"""Upstream from the first bad attempt to where the signal appears first."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from lineage.datasets import DatasetId
from lineage.triage_changes import code_changes, schema_changes, upstream_code
from lineage.triage_figures import figures, input_assertions
from lineage.triage_scene import Evidence, Scene
from lineage.triage_upstream import conditions

_FURTHEST = 8
_MOST = 120
SIGNAL = 0.2
"""Evidence from here on is a signal that is worth following upstream."""

ALONG, _ASIDE = 0.9, 0.5
"""What a hop leaves of evidence: where a signal led there, and where none did."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What was found upstream, and how far was looked: attempts, jobs and hops."""

    evidence: tuple[Evidence, ...]
    attempts: int
    jobs: int
    hops: int


def walk(scene: Scene, first: int, evidence: list[Evidence]) -> Walk:
    """Evidence from those whose writes were read, and theirs. Follows every input one hop, and further only a signal."""
    found: dict[tuple[str, int, DatasetId | None, str], Evidence] = {}
    seen, furthest = {first}, 0
    queue = deque([(first, 0, True, evidence)])
    while queue:
        index, hops, carried, here = queue.popleft()
        if hops >= _FURTHEST or not (carried or hops == 0):
            continue
        signals = {one.dataset for one in here if one.points_to in {"data", "format"} and one.strength >= SIGNAL}
        for dataset, writer in scene.upstream(index):
            if writer in seen or len(seen) >= _MOST:
                continue
            seen.add(writer)
            furthest = max(furthest, hops + 1)
            made = _made(scene, writer, dataset)
            known = dataset in signals or None in signals  # a counter does not say of which input
            led = carried and (known or any(one.strength >= SIGNAL for one in made))
            own = _own(scene, writer)
            factor = (ALONG if led else _ASIDE) ** (hops + 1)
            near = ALONG**hops if carried else _ASIDE**hops
            theirs = [replace(one, strength=one.strength * near, hops=hops + 1, carried=carried) for one in made]
            theirs += [replace(one, strength=one.strength * factor, hops=hops + 1, carried=led) for one in own]
            for one in theirs:
                found.setdefault((one.kind, scene.moment(writer), one.dataset, one.words), one)
            queue.append((writer, hops + 1, led, own))
    jobs = {scene.attempts[index].job for index in seen - {first}}
    return Walk(tuple(found.values()), len(seen) - 1, len(jobs), furthest)


def _made(scene: Scene, writer: int, dataset: DatasetId) -> list[Evidence]:
    """What an upstream attempt wrote, which is what was read."""
    return [*schema_changes(scene, writer, "output", dataset), *figures(scene, writer, "output", "data", dataset)[0]]


def _own(scene: Scene, writer: int) -> list[Evidence]:
    """What changed with an upstream attempt, and with what it read itself."""
    return [
        *(upstream_code(one) for one in code_changes(scene, writer)[0]),
        *schema_changes(scene, writer, "input"),
        *figures(scene, writer, "input", "data")[0],
        *input_assertions(scene, writer)[0],
        *conditions(scene, writer)[0],
    ]
