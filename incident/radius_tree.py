"""The radius as people see it: a tree of datasets from the fault downstream, then the totals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from incident.report import printable
from lineage.blast_radius import BlastRadius, ReachedCell
from lineage.cadence import NextReader
from lineage.datasets import DatasetId
from lineage.partition_ranges import partitions_in_words
from lineage.timestamps import render

_STYLES = {"TAINTED": "bold red", "SUSPECT": "yellow", "CLEANED": "green"}


_GAPS = 12
"""How many of the things that are not known are shown one by one."""


def radius_tree(radius: BlastRadius, readers: Sequence[NextReader] = ()) -> RenderableType:
    """A tree by dataset, each under the dataset through which it was reached, and sentences with the totals."""
    by_dataset: dict[DatasetId, list[ReachedCell]] = defaultdict(list)
    for reached in radius.cells:
        by_dataset[reached.cell.dataset].append(reached)
    parents = {dataset: _parent(dataset, cells) for dataset, cells in by_dataset.items()}
    root = Tree(Text(f"Fault: {printable(str(radius.fault['words']))}"), guide_style="dim")
    branches: dict[DatasetId | None, Tree] = {None: root}
    waiting = sorted(by_dataset, key=lambda one: (min(len(cell.path) for cell in by_dataset[one]), one))
    while waiting:
        ready = [one for one in waiting if parents[one] in branches or parents[one] not in by_dataset] or waiting[:1]
        for dataset in ready:
            branch = branches.get(parents[dataset], root).add(_dataset(dataset, by_dataset[dataset]))
            for line in _states(by_dataset[dataset], narrowed=bool(radius.fault.get("columns"))):
                branch.add(line)
            branches[dataset] = branch
        waiting = [one for one in waiting if one not in branches]
    return Group(root, Text(), *(Text(line) for line in totals(radius, readers)))


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


def _parent(dataset: DatasetId, cells: list[ReachedCell]) -> DatasetId | None:
    """The dataset before this one on its shortest path."""
    path = min((cell.path for cell in cells), key=len)
    earlier = [hop.cell.dataset for hop in path[:-1] if hop.cell.dataset != dataset]
    return earlier[-1] if earlier else None


def _dataset(dataset: DatasetId, cells: list[ReachedCell]) -> Text:
    text = Text(printable(str(dataset)), style="bold", overflow="fold")
    if any(cell.serving for cell in cells):
        text.append("  SERVING", style="bold magenta")
    if owners := sorted({owner for cell in cells for owner in cell.owners}):
        text.append(f"  {printable(', '.join(owners))}", style="cyan")
    return text


def columns_in_words(cells: list[ReachedCell]) -> str:
    """The columns reached in any of the cells."""
    found = [one.columns for one in cells]
    names = sorted({name for columns in found for name in columns or ()})
    if None in found or not names:
        return "all columns"
    return f"column{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _states(cells: list[ReachedCell], *, narrowed: bool) -> list[Text]:
    """A line for each state, with the earliest cell's reason; other cells' reasons are told by ``--why``."""
    lines = []
    for state in ("TAINTED", "SUSPECT", "CLEANED"):
        group = sorted((one for one in cells if one.state == state), key=lambda one: one.since)
        if not group:
            continue
        text = Text(overflow="fold").append(state, style=_STYLES[state])
        text.append(f"  {printable(partitions_in_words(one.cell.partition for one in group))}")
        text.append(f"  since {render(group[0].since) or 'the beginning'}", style="dim")
        if narrowed:
            text.append(f"  {printable(columns_in_words(group))}", style="dim")
        reasons = list(dict.fromkeys(one.reason for one in group if one.reason))
        if reasons:
            text.append(f"\n{printable(reasons[0])}", style="dim italic")
        if len(reasons) > 1:
            text.append(f"\nand {len(reasons) - 1} reasons more: --why {printable(str(group[-1].cell))}", style="dim italic")
        lines.append(text)
    return lines
