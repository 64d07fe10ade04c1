"""Volumes, quality metrics, counters and assertions that are out of line with what they were before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from lineage.attempts import Cell
from lineage.datasets import DatasetId
from lineage.facets import Direction, Figure
from lineage.outliers import OUT_OF_LINE, Standing, amount, standing, times
from lineage.timestamps import AFTER, BEFORE
from lineage.triage_scene import Check, Evidence, Outcome, PointsTo, Scene, about

_AMOUNTS = frozenset({"rowCount", "size", "fileCount"})
_MANY = 1.5
"""Column metrics are many, so that some are out of line by chance; they count from here times the usual limit."""

_SIDES: dict[Direction, str] = {"input": "input", "output": "output", "run": "counter"}


def figures(
    scene: Scene, index: int, direction: Direction, points_to: PointsTo, dataset: DatasetId | None = None
) -> tuple[list[Evidence], list[Check]]:
    """An attempt's figures that are out of line, the furthest one for each dataset; the others are its details."""
    groups: dict[tuple[DatasetId | None, str], list[tuple[str, Figure, Standing]]] = defaultdict(list)
    judged, unjudged, told = 0, "", 0
    for (side, one, name), figure in scene.told(index).figures.items():
        if side != direction or (dataset is not None and one not in {dataset, None}):
            continue
        told += 1
        stands = standing(figure.value, about(scene.attempts[index]), _history(scene, index, (side, one, name)))
        if stands.score is None:
            unjudged = unjudged or stands.basis
            continue
        judged += 1
        column = " of " in name
        if abs(stands.score) > OUT_OF_LINE * (_MANY if column else 1):
            groups[one, "quality" if column else "volume"].append((name, figure, stands))
    found = [_evidence(scene, index, direction, points_to, one, kind, out) for (one, kind), out in groups.items()]
    name = f"{_SIDES[direction]} volume and quality"
    if found:
        return found, []
    if judged:
        return [], [Check(name, "nothing", f"{judged} figures, all in line with the history")]
    if told:
        return [], [Check(name, "too little history", unjudged)]
    return [], [Check(name, "not told", "the events and counters carry no figures for it")]


def _history(scene: Scene, index: int, key: tuple[Direction, DatasetId | None, str]) -> list[tuple[int, float]]:
    """Earlier values, each with the moment it is about; the last of those about one moment, so that re-runs count once."""
    values: dict[int, float] = {}
    for other in scene.baseline(index)[0]:
        figure = scene.told(other).figures.get(key)
        if figure is not None:
            when = about(scene.attempts[other])
            values.pop(when, None)
            values[when] = figure.value
    return list(values.items())


def _evidence(
    scene: Scene,
    index: int,
    direction: Direction,
    points_to: PointsTo,
    dataset: DatasetId | None,
    kind: str,
    out: list[tuple[str, Figure, Standing]],
) -> Evidence:
    out = sorted(out, key=lambda one: (one[0] not in _AMOUNTS and kind == "volume", -abs(one[2].score or 0), one[0]))
    name, figure, stands = out[0]
    score = stands.score or 0.0
    of = f" of {dataset}" if dataset is not None else ""
    compared = times(figure.value, stands.usual)
    return Evidence(
        points_to,
        kind,
        min(0.85 if kind == "volume" else 0.7, 0.45 + 0.05 * (abs(score) - OUT_OF_LINE)) * (1 if stands.sure else 0.4),
        f"{_SIDES[direction]} {name}{of} {amount(stands.usual)} (usual) → {amount(figure.value)}"
        + (f", {compared}" if compared else ""),
        scene.attempts[index],
        amount(stands.usual),
        amount(figure.value),
        figure.source,
        dataset,
        details=(
            f"robust z-score {_shown(score)} {stands.basis}",
            *(
                f"{other} {amount(each.usual)} → {amount(told.value)} (z {_shown(each.score or 0.0)})"
                for other, told, each in out[1:6]
            ),
        ),
    )


def _shown(score: float) -> str:
    return f"{score:+.1f}" if abs(score) < 99 else "beyond ±99"


def assertions(
    scene: Scene, dataset: DatasetId, cell: Cell | None, points_to: PointsTo, since: int, until: int
) -> Iterator[Evidence]:
    """Tests of a dataset that failed in a span of time, against their outcome before it."""
    last: dict[tuple[str, str], Outcome] = {}
    failed: dict[tuple[str, str], Outcome] = {}
    for one in scene.outcomes(dataset):  # before it: of any partition, as each is tested anew
        if one.moment < since:
            last[one.assertion.name, one.assertion.column] = one
    for one in scene.outcomes(dataset, cell):
        key = (one.assertion.name, one.assertion.column)
        if since <= one.moment < until:
            if one.assertion.success:
                failed.pop(key, None)  # what passed later in the same span was made good
            else:
                failed.setdefault(key, one)
    for key, one in failed.items():
        before = last.get(key)
        if before is None:
            strength, was = 0.6, "not tested before"
        elif before.assertion.success:
            strength, was = 0.8, "passed"
        else:
            strength, was = 0.15, "failed too"
        if one.assertion.warning:
            strength *= 0.5
        name = one.assertion.name
        column = f" on {one.assertion.column}" if one.assertion.column and one.assertion.column not in name else ""
        yield Evidence(
            points_to,
            "assertion",
            strength,
            f"test {name}{column} of {dataset} failed; before it {was}",
            scene.attempts[one.index],
            was,
            f"failed{f' (actual {one.assertion.actual})' if one.assertion.actual else ''}",
            "dataQualityAssertions",
            dataset,
            details=("reported as a warning",) if one.assertion.warning else (),
            when=one.moment,
        )


def input_assertions(scene: Scene, index: int) -> tuple[list[Evidence], list[Check]]:
    """Failed tests of what an attempt read: between the write that it read and the next."""
    found: dict[tuple[DatasetId, str], Evidence] = {}
    known = False
    for read in scene.attempts[index].reads:
        dataset = read.cell.dataset
        known = known or bool(scene.outcomes(dataset))
        writes = [writer for one, writer in scene.upstream(index) if one == dataset]
        since = max((scene.moment(one) for one in writes), default=scene.previous_start(index) + 1)
        later = scene.writes(read.cell, index, AFTER) if writes else []
        following = [one.start for one in later if one.start > max(since, scene.moment(index))]
        after = min(following, default=None) if following else scene.next_start(index)
        until = max(AFTER if after is None else after, since)
        for one in assertions(scene, dataset, read.cell, "data", since, until):
            found.setdefault((dataset, one.words), one)
    if found:
        return list(found.values()), []
    if known:
        return [], [Check("tests of the input", "nothing", "no test of what it read failed")]
    return [], [Check("tests of the input", "not told", "no event carries tests of what it read")]


def output_assertions(scene: Scene, index: int) -> Iterator[Evidence]:
    """Failed tests of what an attempt wrote, until it is written anew: what the fault shows."""
    one = scene.attempts[index]
    seen: set[tuple[DatasetId, str]] = set()
    for write in one.writes:
        later = [each.start for each in scene.writes(write.cell, index, AFTER) if each.start > max(one.start, BEFORE)]
        for each in assertions(scene, write.cell.dataset, write.cell, "nothing", scene.moment(index), min(later, default=AFTER)):
            if (write.cell.dataset, each.words) not in seen:
                seen.add((write.cell.dataset, each.words))
                yield each
