"""triage: what the evidence around the first bad attempt points to, on one screen."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from incident.context import Context
from incident.fault_options import FaultOptions
from incident.language import plural
from incident.radius import fix_of, known_fault
from incident.report import Problem, Report, printable
from incident.sources import read_history
from lineage.fault import Fault
from lineage.timestamps import render

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from lineage.attempts import Attempt
    from lineage.history import History
    from lineage.triage import Ranked, Triage
    from lineage.triage_scene import Evidence

_SHOWN = 3
"""How many observations of a hypothesis are shown; ``--json`` has all."""

_STYLES = {"strong": "bold", "fair": "", "weak": "dim", "none": "dim"}
_STATUS = {"nothing": "nothing found", "not told": "not told", "too little history": "too little history"}


def triage(context: Context, fault: FaultOptions, counters: tuple[str, ...] = ()) -> Report:
    """Code, data or format? Read-only; works without an incident. Raises FaultError when the fault matches nothing."""
    from lineage import triage as engine
    from lineage.counters import read_counters
    from lineage.signals import Signals

    chosen = Fault(**{key: getattr(fault, key) for key in Fault.__dataclass_fields__})
    folder = None
    if not chosen:
        folder = context.folder()
        chosen = known_fault(folder)
    counted = [one for path in counters for one in read_counters(path)]
    signals = Signals()
    history = read_history(context, folder, signals.hear)
    found = engine.triage(history, chosen, signals, counters=counted, fix=fix_of(folder) if folder is not None else None)
    return Report(
        found.to_json(),
        lambda: _screen(found),
        _problems(history),
        _next(found, inside=folder is not None),
        incident=folder.id if folder else None,
    )


def _problems(history: History) -> list[Problem]:
    skipped = len(history.problems.skipped)
    if not skipped:
        return []
    first = history.problems.skipped[0]
    message = f"{skipped} lines could not be used, the first {first.source}:{first.line}: {first.reason}"
    return [Problem("skipped", message, "incident lineage gaps")]


def _next(found: Triage, *, inside: bool) -> list[str]:
    seen = found.first_seen
    following = []
    if found.verdict in {"data", "format"} and seen is not None and seen.hops:
        following.append(f"incident triage --job {quote(str(seen.attempt.job))} --run {quote(seen.attempt.run_id)}")
    elif found.verdict == "unclear":
        following.append(f"incident lineage show {quote(str(found.first_bad.job))}")
    if inside:
        return [*following, "incident note TEXT --kind hypothesis", "incident blast"]
    return [*following, 'incident declare "TITLE" with the same choice, to act on it']


def _screen(found: Triage) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    lines: list[RenderableType] = [_sentence(found), Text(), _first(found)]
    for number, ranked in enumerate(found.ranked, 1):
        lines += [Text(), *_hypothesis(number, ranked, found.first_seen)]
    if found.shown:
        lines += [Text(), Text("Shown by the fault itself, or beside it; supports none of these", style="bold")]
        lines += [line for one in found.shown[:_SHOWN] for line in _evidence(one)]
    if found.checks or found.walked.attempts:
        lines += [Text(), Text("Looked at", style="bold")]
        lines += [_indented(2, f"{one.name}: {_STATUS[one.status]}; {one.words}", "dim") for one in found.checks]
        walked = found.walked
        looked = f"{plural(walked.attempts, 'attempt')} of {plural(walked.jobs, 'job')}, at most {plural(walked.hops, 'hop')} away"
        looked += "" if walked.evidence else "; nothing changed there"
        lines.append(_indented(2, f"upstream: {looked}", "dim"))
    lines += [_line(f"Note: {note}.", "dim") for note in found.notes]
    return Group(*lines)


def _line(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(printable(text), style=style, overflow="fold")


def _indented(indent: int, text: str, style: str = "") -> RenderableType:
    """A line whose continuation, where the screen is narrow, stands below its beginning."""
    from rich.padding import Padding

    return Padding(_line(text, style), (0, 0, 0, indent))


def _sentence(found: Triage) -> Text:
    if found.verdict == "unclear":
        return _line(f"Unclear: {found.reason}.", "bold yellow")
    confident = {"strong": "strongly", "fair": "fairly well", "weak": "weakly", "none": "hardly"}[found.confidence]
    return _line(f"The evidence points to the {found.verdict}, {confident}: {found.reason}.", "bold")


def _first(found: Triage) -> Text:
    more = found.attempts - 1
    beside = f"; {plural(more, 'more attempt')} in the fault" if more else ""
    line = _line(f"First bad attempt: {_who(found.first_bad)}{_when(found.first_bad)}{beside}.")
    line.append(f" Compared with {plural(found.earlier, 'earlier attempt')}.")
    seen = found.first_seen
    if found.verdict in {"data", "format"} and seen is not None and seen.hops:
        hops = "hop" if seen.hops == 1 else "hops"
        line.append(
            printable(f"\nThe signal appears first {seen.hops} {hops} upstream: {_who(seen.attempt)}{_when(seen.attempt)}.")
        )
    return line


def _who(attempt: Attempt) -> str:
    number = f" attempt {attempt.number}" if attempt.number else ""
    return f"{attempt.job} run {attempt.run_id}{number}"


def _when(attempt: Attempt) -> str:
    began = render(attempt.start)
    ended = render(attempt.end)
    ran = f", started {began}" if began else f", ended {ended}" if ended else ""
    return ran + (f", for {(render(attempt.nominal[0]) or '').removesuffix('T00:00:00Z')}" if attempt.nominal is not None else "")


def _hypothesis(number: int, ranked: Ranked, seen: Evidence | None) -> list[RenderableType]:
    """The strongest observations, and those where the signal appears first; the rest as a number."""
    words: dict[str, str] = {"none": "next to nothing"}
    confident = words.get(ranked.confidence, ranked.confidence)
    shown = list(ranked.evidence[:_SHOWN])
    if seen is not None and seen.hops:
        beginning = [one for one in ranked.evidence[_SHOWN:] if one.attempt == seen.attempt]
        shown = [*shown[: _SHOWN - len(beginning[:2])], *beginning[:2]]
    lines: list[RenderableType] = [_line(f"{number}. {ranked.hypothesis}: {confident}", _STYLES[ranked.confidence])]
    lines += [line for one in shown for line in _evidence(one)]
    if len(ranked.evidence) > len(shown):
        lines.append(
            _indented(3, f"… and {plural(len(ranked.evidence) - len(shown), 'more observation')} (--json lists all)", "dim")
        )
    return lines


def _evidence(one: Evidence) -> list[RenderableType]:
    hops = f", {plural(one.hops, 'hop')} upstream" if one.hops else ""
    moment = render(one.moment)
    where = f"{_who(one.attempt)}{f', {moment}' if moment else ''}{hops} (from {one.source})"
    lines = [_indented(3, one.words), _indented(5, where, "dim")]
    return [*lines, *([_indented(5, "; ".join(one.details), "dim")] if one.details else [])]
