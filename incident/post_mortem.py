"""The post-mortem in Markdown: what the record says, and room for what only people know. Names stay out, roles are shown."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from incident.language import duration, moment, plural
from incident.milestones import Applied, Milestone, applies, milestones
from incident.sizes import render_size
from incident.timeline import Record
from lineage import timestamps


@dataclass(frozen=True, slots=True)
class Story:
    """All that an export tells about an incident. ``now`` in nanoseconds UTC; ``radius`` is the latest revision."""

    id: str
    title: str
    is_open: bool
    records: tuple[Record, ...]
    radius: dict[str, Any] | None
    now: int

    @property
    def plans(self) -> tuple[Applied, ...]:
        return applies(self.records)

    @property
    def moments(self) -> tuple[Milestone, ...]:
        return milestones(self.records, self.radius)

    def impact(self) -> dict[str, Any]:
        """The figures: everything the fault reached, cleaned since or not, and what was done to objects."""
        radius = self.radius or {}
        cells = radius.get("cells", [])
        attempts = radius.get("attempts", [])
        effective = [one for one in self.plans if not one.undone]
        exposures = [
            (timestamps.parse(one["from"]), timestamps.parse(one["until"]) if one["until"] else None)
            for cell in cells
            for one in cell.get("exposure", [])
            if one["from"]
        ]
        longest = max(((self.now if until is None else until) - start for start, until in exposures), default=0)
        figures = {
            f"{name}_{what}": sum(getattr(one, what) for one in effective if one.phase == phase)
            for name, phase in (("purged", "purge"), ("restored", "revert"))
            for what in ("objects", "bytes")
        }
        figures["restored_pointers"] = sum(one.pointers for one in effective if one.phase == "revert")
        return {
            "datasets": len({(cell["dataset"]["namespace"], cell["dataset"]["name"]) for cell in cells}),
            "serving_datasets": len({(cell["dataset"]["namespace"], cell["dataset"]["name"]) for cell in cells if cell["serving"]}),
            "partitions": len(cells),
            "attempts": len(attempts),
            "teams": sorted({owner for cell in cells for owner in cell.get("owners", [])}),
            **figures,
            "longest_exposure_seconds": longest // timestamps.SECOND,
            "still_exposed": sum(any(one["until"] is None for one in cell.get("exposure", [])) for cell in cells),
        }


def markdown(story: Story) -> str:
    """The whole document."""
    sections = (
        _head(story),
        _summary(story),
        _impact(story),
        _milestones(story),
        _timeline(story),
        _plans(story),
        _open_questions(story),
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _head(story: Story) -> list[str]:
    state = "open" if story.is_open else "closed"
    return [f"# {escape(story.title)}", "", f"Incident {code(story.id)}, {state}. Times are UTC. People are shown by their roles."]


def _summary(story: Story) -> list[str]:
    fault = ((story.radius or {}).get("fault") or {}).get("words")
    lines = ["## Summary", "", f"The fault: {escape(str(fault))}." if fault else "The fault is not known yet."]
    for one in story.records:
        if one.kind == "fixed":
            lines += ["", escape(one.text)]
    return [*lines, "", "_In two or three sentences: what users saw, and how it ended._"]


def _impact(story: Story) -> list[str]:
    figures = story.impact()
    restored = f"{plural(figures['restored_objects'], 'object')}, {render_size(figures['restored_bytes'])}"
    swapped = f", {plural(figures['restored_pointers'], 'pointer')}" if figures["restored_pointers"] else ""
    rows = [
        ("Datasets reached", f"{figures['datasets']:,} ({figures['serving_datasets']:,} of them serving)"),
        ("Partitions reached", f"{figures['partitions']:,}"),
        ("Job attempts that wrote or read bad data", f"{figures['attempts']:,}"),
        ("Teams to tell", escape(", ".join(figures["teams"])) or "—"),
        ("Longest exposure of a partition", duration(figures["longest_exposure_seconds"] * timestamps.SECOND)),
        ("Partitions still exposed", f"{figures['still_exposed']:,}"),
        ("Restored by revert", restored + swapped),
        ("Purged, recoverably", f"{plural(figures['purged_objects'], 'object')}, {render_size(figures['purged_bytes'])}"),
    ]
    lines = ["## Impact", "", *_table(("What", "How much"), rows)]
    by_dataset: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for cell in (story.radius or {}).get("cells", []):
        by_dataset[f"{cell['dataset']['namespace'].rstrip('/')}/{cell['dataset']['name'].lstrip('/')}"].append(cell)
    if by_dataset:
        head = ("Dataset", "Serving", "Partitions", "Bad since", "Readable until")
        lines += ["", *_table(head, [(code(name), *_dataset(cells)) for name, cells in sorted(by_dataset.items())])]
    return lines


def _dataset(cells: Sequence[dict[str, Any]]) -> tuple[str, str, str, str]:
    since = min((timestamps.parse(cell["since"]) for cell in cells if cell["since"]), default=None)
    ends = [one["until"] for cell in cells for one in cell.get("exposure", [])]
    until = "still" if None in ends else moment(max(map(timestamps.parse, ends), default=None))
    return "yes" if any(cell["serving"] for cell in cells) else "no", str(len(cells)), moment(since), until


def _milestones(story: Story) -> list[str]:
    """When, and how long after the moment before it that had come."""
    rows: list[tuple[str, str, str]] = []
    known = {one.name: one.at for one in story.moments}
    for one in story.moments:
        if one.at is None:
            rows.append((one.name, "—", ""))
            continue
        earlier = [(at, name) for name, at in known.items() if at is not None and at < one.at]
        before = max(earlier, default=None)
        rows.append((one.name, moment(one.at), f"{duration(one.at - before[0])} after {before[1]}" if before else ""))
    return ["## Milestones", "", *_table(("Milestone", "When", "How long"), rows)]


def _timeline(story: Story) -> list[str]:
    ordered = sorted(story.records, key=lambda record: (record.occurred_at, record.seq))
    rows = [
        (moment(one.occurred_at), escape(str(one.actor.get("role", "—"))), escape(_kind(one)), escape(one.text)) for one in ordered
    ]
    return ["## Timeline", "", *(_table(("When", "By", "Kind", "What happened"), rows) if rows else ["Nothing is recorded yet."])]


def _plans(story: Story) -> list[str]:
    def outcome(one: Applied) -> str:
        counts = [
            f"{number} {name}"
            for name in ("done", "failed", "drifted", "unknown")
            if (number := getattr(one, name)) or name == "done"
        ]
        return ", ".join(counts) + (", taken back since" if one.undone else "")

    rows = [
        (
            code(one.plan_id),
            moment(one.at),
            outcome(one),
            one.touched or "—",
        )
        for one in story.plans
    ]
    return ["## Plans applied", "", *(_table(("Plan", "When", "Outcome", "Size"), rows) if rows else ["No plan was applied."])]


def _open_questions(story: Story) -> list[str]:
    noted = [one for one in story.records if one.kind == "note" and one.evidence.get("kind") == "follow-up"]
    return [
        "## Contributing factors",
        "",
        "_How did it make sense at the time? What made it likely, what made it hard to see, what limited it?_",
        "",
        "- ",
        "",
        "## Follow-ups",
        "",
        *([f"- [ ] {escape(one.text)}" for one in noted] or ["- [ ] "]),
    ]


def _kind(record: Record) -> str:
    return str(record.evidence.get("kind") or "note") if record.kind == "note" else record.kind


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'|'.join(' --- ' for _ in head)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def escape(text: str) -> str:
    """Somebody's words as words: on one line, nothing in them is Markdown or HTML."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    line = re.sub(r"([\\`*_\[\]<>|~&#$])", r"\\\1", line)
    line = re.sub(r"(https?|ftp|www|mailto)([:.])", r"\1\\\2", line)
    return re.sub(r"^([-+=]|\d+[.)])", lambda match: match[1][:-1] + "\\" + match[1][-1], line)


def code(text: str) -> str:
    """A name as code, fit for a table's cell."""
    line = "".join(char if char.isprintable() else " " for char in text)
    fence = "`" * (max((len(run) for run in re.findall(r"`+", line)), default=0) + 1)
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{padding}{line.replace('|', chr(92) + '|')}{padding}{fence}"
