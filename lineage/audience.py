"""Who must know of a radius, and a message draft for each team: what to stop using since when. Plain text, blameless. Pure.

Owners are the declared ones, else those that the dataset's producer names, else those of the jobs that write it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lineage.blast_radius import BlastRadius, ReachedCell
from lineage.cadence import NextReader
from lineage.datasets import DatasetId
from lineage.partition_ranges import partitions_in_words
from lineage.timestamps import BEFORE, render, to_datetime

NOBODY = ""
"""The team of what nobody owns."""


@dataclass(frozen=True, slots=True)
class Team:
    """An owner and the cells of its datasets that the fault reached. ``draft``: a message, ready to paste."""

    name: str
    cells: tuple[ReachedCell, ...]
    draft: str

    @property
    def datasets(self) -> tuple[DatasetId, ...]:
        """Those that people or services read first."""
        order = {one.cell.dataset: not one.serving for one in self.cells}
        return tuple(sorted(order, key=lambda dataset: (order[dataset], dataset)))

    def to_json(self) -> dict[str, object]:
        return {
            "team": self.name or None,
            "datasets": [str(one) for one in self.datasets],
            "serving": [str(one) for one in self.datasets if any(cell.serving for cell in self.cells if cell.cell.dataset == one)],
            "since": render(min(cell.since for cell in self.cells)),
            "text": self.draft,
        }


def audience(radius: BlastRadius, readers: Sequence[NextReader] = (), title: str = "") -> tuple[Team, ...]:
    """Every team with reached data, those with serving data first; what nobody owns comes last, under ``NOBODY``."""
    cells: dict[str, list[ReachedCell]] = defaultdict(list)
    for reached in radius.cells:
        for owner in reached.owners or (NOBODY,):
            cells[owner].append(reached)
    ordered = sorted(cells, key=lambda name: (name == NOBODY, not any(one.serving for one in cells[name]), name))
    return tuple(Team(name, tuple(cells[name]), _draft(name, cells[name], radius, readers, title)) for name in ordered)


def _draft(name: str, cells: list[ReachedCell], radius: BlastRadius, readers: Sequence[NextReader], title: str) -> str:
    bad = [one for one in cells if one.state == "TAINTED"]
    perhaps = [one for one in cells if one.state == "SUSPECT"]
    cleaned = [one for one in cells if one.state == "CLEANED"]
    dirty = {one.cell.dataset for one in (*bad, *perhaps)}
    lines = [f"Subject: {_subject(cells, title)}", ""]
    if name:
        lines += [f"To {name}:", ""]
    else:
        lines += ["(No owner is known for these. Declare owners in incident.toml, or send this to whoever uses them.)", ""]
    which, was = " of your datasets" if name else "", "is" if dirty else "was"
    lines.append(f"Some data{which} {was} not right. What began it: {radius.fault['words']}.")
    lines += _part("Please stop using this now. People or services read it:", [one for one in bad if one.serving])
    lines += _part("Please stop using this:", [one for one in bad if not one.serving])
    lines += _part(
        "This may be bad too, and we cannot tell yet. Please do not rely on it. People or services read it:", _served(perhaps)
    )
    lines += _part(
        "This may be bad too, and we cannot tell yet. Please do not rely on it:", [one for one in perhaps if not one.serving]
    )
    lines += _part("This is right again. What was made from it in the meantime may not be:", cleaned)
    due = [one for one in readers if dirty & set(one.reads) and not one.cadence.retired]
    if due:
        lines += ["", "These jobs will read it when they run next:", *(f"- {one.job}: {one.cadence}" for one in due)]
    lines += ["", "Nothing needs to be repaired on your side now. We will write again when it is right."]
    return "\n".join(lines) + "\n"


def _served(cells: list[ReachedCell]) -> list[ReachedCell]:
    return [one for one in cells if one.serving]


def _subject(cells: list[ReachedCell], title: str) -> str:
    dirty = [one for one in cells if one.state != "CLEANED"]
    datasets = sorted(
        {one.cell.dataset for one in dirty}, key=lambda one: (not any(c.serving for c in dirty if c.cell.dataset == one), one)
    )
    if not datasets:
        about = "data that was bad is right again"
    else:
        more = f" and {len(datasets) - 1} more" if len(datasets) > 1 else ""
        about = f"please do not use {datasets[0]}{more} for now"
    return f"{title}: {about}" if title else about[0].upper() + about[1:]


def _part(heading: str, cells: list[ReachedCell]) -> list[str]:
    return ["", heading, *_lines(cells)] if cells else []


def _lines(cells: list[ReachedCell]) -> Iterator[str]:
    """One line a dataset and reason."""
    groups: dict[tuple[DatasetId, str], list[ReachedCell]] = defaultdict(list)
    for one in cells:
        groups[one.cell.dataset, one.reason or ""].append(one)
    for (dataset, reason), found in groups.items():
        yield f"- {dataset}: {_which(found)}, {_when(found)}{f' ({reason})' if reason else ''}"


def _which(cells: list[ReachedCell]) -> str:
    if any(not one.cell.partition for one in cells):
        return "all of it" if all(one.cell.known for one in cells) else "which partitions is not known"
    return partitions_in_words(one.cell.partition for one in cells)


def _when(cells: list[ReachedCell]) -> str:
    since = min(one.since for one in cells)
    begin = "an unknown time" if since <= BEFORE else _moment(since)
    ends = [exposure.until for one in cells for exposure in one.exposure]
    if all(one.state == "CLEANED" for one in cells) and ends:
        return f"bad from {begin} until {_moment(max(end for end in ends if end is not None))}"
    return f"{'bad' if cells[0].state == 'TAINTED' else 'perhaps bad'} since {begin}"


def _moment(nanoseconds: int) -> str:
    return f"{to_datetime(nanoseconds):%Y-%m-%d %H:%M:%S} UTC"
