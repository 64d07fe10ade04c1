"""What happened to those who wrote what an attempt read: that they failed, ran again, or were late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lineage.attempts import Attempt, Read
from lineage.outliers import standing
from lineage.partitions import same
from lineage.timestamps import AFTER, BEFORE, SECOND, render, span
from lineage.triage_scene import Check, Evidence, Scene, Written, moment

_DAY = 86_400 * SECOND
_LOOKED_BACK = 10
_LEAST_DELAY = 600 * SECOND
"""Spread of delays that counts as none: ten minutes."""


def conditions(scene: Scene, index: int) -> tuple[list[Evidence], list[Check]]:
    """Upstream attempts that failed, ran again or were late; what is usual for the job counts less."""
    if not scene.attempts[index].reads:
        return [], [Check("upstream attempts and late data", "not told", "the events name no input")]
    usual: dict[tuple[str, str], int] = {}
    earlier = scene.baseline(index)[0][-_LOOKED_BACK:]
    found = list(_conditions(scene, index))
    if found:
        for other in earlier:
            for key in {(one.kind, str(one.dataset)) for one in _conditions(scene, other)}:
                usual[key] = usual.get(key, 0) + 1
    weighed: dict[tuple[str, str], Evidence] = {}
    for one in found:
        times = usual.get((one.kind, str(one.dataset)), 0)
        if times:
            told = f"so it was for {times} of the {len(earlier)} attempts before"
            one = replace(one, strength=one.strength * (1 - times / len(earlier)), details=(*one.details, told))  # noqa: PLW2901 - the same, weighed
        elif not earlier:
            told = "there is no earlier attempt to tell whether that is usual"
            one = replace(one, strength=one.strength * 0.7, details=(*one.details, told))  # noqa: PLW2901 - see above
        key = (one.kind, str(one.dataset))
        if one.strength >= 0.05 and (key not in weighed or weighed[key].strength < one.strength):
            weighed[key] = one
    found = [*weighed.values(), *_delays(scene, index)]
    if found:
        return found, []
    return [], [Check("upstream attempts and late data", "nothing", "none failed, ran again or ended late around it")]


def _conditions(scene: Scene, index: int) -> Iterator[Evidence]:
    one = scene.attempts[index]
    until = scene.next_start(index)
    until = until if until is not None else (one.end if one.end < AFTER else moment(one)) + _DAY
    since = scene.previous_start(index)
    for read in dict.fromkeys(one.reads):
        writes = [each for each in scene.writes(read.cell, index, until) if scene.attempts[each.index].job != one.job]
        exact = [each for each in writes if _exact(each, read)]
        window = [each for each in writes if each in exact or (each.start > since and each.start <= one.end)]
        yield from _failures(scene, one, read, window)
        yield from _lateness(scene, one, read, [each for each in window if each.write.how != "inferred"], exact)


def _exact(written: Written, read: Read) -> bool:
    """Both name the same partition, so that a later write is about this data and not the next."""
    left, right = written.write.cell, read.cell
    return left.known and right.known and bool(left.partition) and same(left.partition, right.partition)


def _failures(scene: Scene, one: Attempt, read: Read, window: list[Written]) -> Iterator[Evidence]:
    before = [(scene.attempts[each.index], each) for each in window if each.start <= one.start]
    failed = [writer for writer, _ in before if writer.state in {"FAIL", "ABORT"} and moment(writer) <= one.start]
    if not failed:
        return
    last = failed[-1]
    again = [writer for writer, _ in before if writer.state == "COMPLETE" and last.end <= writer.end <= one.start]
    error = next((scene.told(each.index).error for each in window if scene.attempts[each.index] is last), "")
    details = tuple(line for line in error.splitlines()[:1] if line)
    if again:
        words = f"upstream {last.job} ended in {last.state}, then ran again before this was read"
        strength, after = 0.25, f"COMPLETE at {render(again[-1].end)}"
    else:
        words = f"upstream {last.job} ended in {last.state} and did not complete again before this was read"
        strength, after = 0.65, "not made again"
    yield Evidence(
        "data", "upstream-failed", strength, words, last, last.state, after, "eventType", read.cell.dataset, details=details
    )


def _lateness(scene: Scene, one: Attempt, read: Read, window: list[Written], exact: list[Written]) -> Iterator[Evidence]:
    dataset = read.cell.dataset
    ended = [each for each in exact if _state(scene, each) == "COMPLETE" and scene.attempts[each.index].end <= one.start]
    for each in window:
        writer = scene.attempts[each.index]
        if moment(writer) <= one.end and writer.start <= one.start < writer.end:
            open_ = writer.end >= AFTER
            if open_ and any(other.start > each.start for other in window if _state(scene, other) == "COMPLETE"):
                continue  # it never reported its end, and others have written since
            words = (
                f"upstream {writer.job} had not reported its end when this was read"
                if open_
                else f"upstream {writer.job} ended {span(writer.end - one.start)} after this attempt had started"
            )
            yield _late(words, 0.35 if open_ else 0.6, one, writer, dataset)
    after = [each for each in exact if one.start < each.start and _state(scene, each) == "COMPLETE"]
    if after and one.start > BEFORE:
        writer = scene.attempts[after[0].index]
        lag = span(writer.end - one.start)
        if ended:
            words = f"upstream {writer.job} wrote {read.cell.partition} again, {lag} after this attempt had started"
            yield replace(_late(words, 0.45, one, writer, dataset), kind="upstream-again")
        else:
            words = f"upstream {writer.job} wrote {read.cell.partition} first {lag} after this attempt had started"
            yield _late(words, 0.75, one, writer, dataset)
    if len(ended) > 1:
        writer = scene.attempts[ended[-1].index]
        words = f"upstream {writer.job} wrote {read.cell.partition} {len(ended)} times before this was read"
        first = scene.attempts[ended[0].index]
        yield Evidence(
            "data",
            "upstream-again",
            0.3,
            words,
            writer,
            f"first at {render(first.end)}",
            f"last at {render(writer.end)}",
            "eventTime",
            dataset,
        )


def _late(words: str, strength: float, one: Attempt, writer: Attempt, dataset: object) -> Evidence:
    return Evidence(
        "data",
        "late",
        strength,
        words,
        writer,
        f"this attempt started {render(one.start)}",
        f"ended {render(writer.end) or 'never, as far as is told'}",
        "eventTime",
        dataset,  # type: ignore[arg-type]  # a DatasetId; kept short
        when=writer.end if writer.end < AFTER else moment(writer),
    )


def _state(scene: Scene, written: Written) -> str:
    return scene.attempts[written.index].state


def _delays(scene: Scene, index: int) -> Iterator[Evidence]:
    """Nominal against actual times: that this attempt ran early, or what it read was made later than usual."""
    if (early := _delay(scene, index)) is not None and early[1] < 0:
        yield replace(early[0], strength=0.4, words=f"this attempt started {early[2]} earlier than usual for its nominal time")
    for dataset, writer in scene.upstream(index):
        late = _delay(scene, writer)
        if late is not None and late[1] > 0:
            words = f"upstream {scene.attempts[writer].job} started {late[2]} later than usual for its nominal time"
            in_time = scene.attempts[writer].end <= scene.attempts[index].start
            yield replace(late[0], strength=0.1 if in_time else 0.35, words=words, dataset=dataset)


def _delay(scene: Scene, index: int) -> tuple[Evidence, float, str] | None:
    """Evidence, score and difference, when an attempt's delay after its nominal time is out of line."""
    one = scene.attempts[index]
    if one.nominal is None or one.start <= BEFORE:
        return None
    history: list[tuple[int, float]] = [
        (other.nominal[0], other.start - other.nominal[1])
        for other in (scene.attempts[each] for each in scene.baseline(index)[0])
        if other.nominal is not None and other.start > BEFORE
    ]
    delay = one.start - one.nominal[1]
    stands = standing(delay, one.nominal[0], history, floor=_LEAST_DELAY)
    if not stands.out_of_line or stands.score is None:
        return None
    evidence = Evidence(
        "data",
        "late",
        0.35,
        "",
        one,
        f"usually {_after(stands.usual)}",
        _after(delay),
        "nominalTime against eventTime",
        details=(f"robust z-score {stands.score:+.1f} {stands.basis}",),
    )
    return evidence, stands.score, span(delay - stands.usual)


def _after(delay: float) -> str:
    return f"{span(delay)} {'after' if delay >= 0 else 'before'} its nominal time"
