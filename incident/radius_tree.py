"""The radius as people see it: a tree of datasets from the fault downstream, then the totals."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from incident.report import printable
from lineage.blast_radius import BlastRadius
from lineage.cadence import NextReader
from lineage.datasets import DatasetId
from lineage.overview import ReachedDataset, StateGroup
from lineage.partition_ranges import partitions_in_words
from lineage.timestamps import render

_STYLES = {"TAINTED": "bold red", "SUSPECT": "yellow", "CLEANED": "green"}


SHOWN = 40
"""How many datasets are shown one by one: nobody reads a tree of a thousand."""
_STRETCHES = 8
"""How many stretches of partitions without a gap are shown one by one."""
_GAPS = 12
"""How many of the things that are not known are shown one by one."""


def radius_tree(radius: BlastRadius, readers: Sequence[NextReader] = (), most: int | None = SHOWN) -> RenderableType:
    """A tree by dataset, each under the dataset through which it was reached, and sentences with the totals.

    ``most``: so many datasets, those nearest to the fault, with all that lead to them; None for all, with all their partitions.
    """
    found = {one.dataset: one for one in radius.overview.by_dataset()}
    nearest = sorted(found.values(), key=lambda one: (one.steps, one.dataset))
    waiting = nearest if most is None else nearest[:most]
    root = Tree(Text(f"Fault: {printable(str(radius.fault['words']))}"), guide_style="dim")
    branches: dict[DatasetId | None, Tree] = {None: root}
    through = {one.dataset: one.through() for one in waiting}
    while waiting:
        ready = [one for one in waiting if (by := through[one.dataset]) in branches or by not in found] or waiting[:1]
        for one in ready:
            branch = branches.get(through[one.dataset], root).add(_dataset(one))
            for group in one.groups():
                branch.add(_state(group, None if most is None else _STRETCHES, narrowed=bool(radius.fault.get("columns"))))
            branches[one.dataset] = branch
        waiting = [one for one in waiting if one.dataset not in branches]
    lines = [*_left_out(nearest[most:] if most is not None else []), *totals(radius, readers)]
    return Group(root, Text(), *(Text(line) for line in lines))


def _left_out(datasets: Sequence[ReachedDataset]) -> list[str]:
    """What is farther from the fault than what is shown; all that serves by name."""
    if not datasets:
        return []
    serving = [printable(str(one.dataset)) for one in datasets if one.serving]
    named = f" SERVING among them: {', '.join(serving)}." if serving else ""
    return [f"… and {_count(len(datasets), 'dataset')} farther from the fault: incident blast --all shows them.{named}"]


def totals(radius: BlastRadius, readers: Sequence[NextReader] = ()) -> list[str]:
    """What the radius amounts to, in sentences."""
    summary = radius.summary()
    cells, attempts = summary["cells"], summary["attempts"]
    lines = [
        (
            f"Static lineage says {_count(radius.static_datasets, 'dataset')}; {_count(len(radius.datasets), 'dataset')}, "
            f"{_count(len(radius.cells), 'partition')} are actually reached, through {_count(attempts['may'], 'attempt')}."
        ),
        (
            f"Partitions: {cells['must']} TAINTED, {cells['may'] - cells['must']} SUSPECT, {cells['cleaned']} CLEANED. "
            f"Attempts: {attempts['must']} TAINTED, {attempts['may'] - attempts['must']} SUSPECT."
        ),
    ]
    if summary["teams"]:
        lines.append(f"Who must know: {', '.join(summary['teams'])}.")
    if readers:
        lines += [f"Will read it next: {printable(str(one.job))}: {one.cadence}." for one in readers if not one.reached]
        if again := [one for one in readers if one.reached and not one.cadence.retired]:
            lines.append(f"Were reached and will read it again: {printable(', '.join(str(one.job) for one in again))}.")
    elif radius.at_risk:
        lines.append(f"Will read it next: {printable(', '.join(map(str, radius.at_risk)))}.")
    lines += [f"Not known: {printable(str(gap.subject))}: {printable(gap.reason)}." for gap in radius.gaps[:_GAPS]]
    if len(radius.gaps) > _GAPS:
        lines.append(f"Not known: {len(radius.gaps) - _GAPS} things more; --json lists all, incident lineage gaps says what to do.")
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _dataset(one: ReachedDataset) -> Text:
    text = Text(printable(str(one.dataset)), style="bold", overflow="fold")
    if one.serving:
        text.append("  SERVING", style="bold magenta")
    if one.owners:
        text.append(f"  {printable(', '.join(sorted(one.owners)))}", style="cyan")
    return text


def _columns(names: Sequence[str] | None) -> str:
    return f"column{'s' if len(names) > 1 else ''} {', '.join(names)}" if names else "all columns"


def _state(group: StateGroup, most: int | None, *, narrowed: bool) -> Text:
    """A line for one state, with the earliest cell's reason; other cells' reasons are told by ``--why``.

    ``most``: so many stretches of partitions, None for all.
    """
    text = Text(overflow="fold").append(group.state, style=_STYLES[group.state])
    text.append(f"  {printable(partitions_in_words(group.partitions, most, ' (--all)'))}")
    text.append(f"  since {render(group.since) or 'the beginning'}", style="dim")
    if narrowed:
        text.append(f"  {printable(_columns(group.columns))}", style="dim")
    if group.reason:
        text.append(f"\n{printable(group.reason)}", style="dim italic")
        if others := len(group.partitions) - 1:
            more = f"the {f'{others:,} others' if others > 1 else 'other'} may be so for other reasons"
            text.append(f"\n{more}: --why {printable(str(group.last))}", style="dim italic")
    return text
