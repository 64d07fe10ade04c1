"""Configuration that writes itself: what the lineage shows of layouts, write modes, windows, serving data and owners. Pure.

Nothing learned is used: it becomes ``incident.toml`` when a person keeps it. What is only a guess is ``sure=False`` and printed
commented out. What is declared already is not suggested again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lineage.declarations import DatasetRule, Declarations
from lineage.events import Event
from lineage.history import build
from lineage.layouts import Layout
from lineage.windows import Window

Value = str | bool | tuple[str, ...] | tuple[int, int]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line of configuration. ``explains`` of ``of``: how much of what was observed it agrees with, in the evidence's unit."""

    table: Literal["dataset", "edge"]
    subject: tuple[str, ...]
    """The dataset, or the job and the dataset that it reads."""
    key: str
    value: Value
    evidence: str
    explains: int
    of: int
    sure: bool = True

    def to_json(self) -> dict[str, object]:
        """For scripts; a commented-out line is ``sure`` false."""
        names = ("dataset",) if self.table == "dataset" else ("job", "reads")
        return {
            "table": self.table,
            **dict(zip(names, self.subject, strict=True)),
            "key": self.key,
            "value": list(self.value) if isinstance(self.value, tuple) else self.value,
            "evidence": self.evidence,
            "explains": self.explains,
            "of": self.of,
            "sure": self.sure,
        }


@dataclass(frozen=True, slots=True)
class Learned:
    """All suggestions, and the buckets that the lineage names with how many of its datasets lie there."""

    suggestions: tuple[Suggestion, ...]
    buckets: dict[str, int]


def suggest(events: Sequence[Event], declarations: Declarations) -> Learned:
    """What the events would have one declare, beside what is declared."""
    from lineage.suggest_datasets import DatasetFacts
    from lineage.suggest_edges import edge_suggestions
    from lineage.suggest_writes import write_suggestions

    history = build(events, declarations)
    facts = DatasetFacts(events, history)
    datasets = facts.suggestions()
    # Writes and windows are judged by the partitions that the suggested layouts give to runs which name none.
    learned = build(events, replace(declarations, datasets=(*declarations.datasets, *_rules(datasets)), _memo={}))
    writes = write_suggestions(events, learned)
    edges = edge_suggestions(learned)
    buckets: dict[str, int] = {}
    for dataset in history.datasets:
        if dataset.namespace.startswith("s3://"):
            bucket = dataset.namespace.removeprefix("s3://").partition("/")[0]
            buckets[bucket] = buckets.get(bucket, 0) + 1
    ordered = sorted([*datasets, *writes], key=lambda one: one.subject)
    return Learned((*ordered, *edges), dict(sorted(buckets.items())))


def _rules(suggestions: Sequence[Suggestion]) -> list[DatasetRule]:
    """The suggested layouts as declarations, the sure ones only."""
    found = []
    for one in suggestions:
        if not one.sure:
            continue
        match one.key, one.value:
            case "partition", str(layout):
                found.append(DatasetRule(glob(one.subject[0]), partition=Layout(layout)))
            case "nominal", True:
                found.append(DatasetRule(glob(one.subject[0]), nominal=True))
    return found


def glob(name: str) -> str:
    """A pattern that matches exactly this name."""
    return "".join(f"[{char}]" if char in "[*?" else char for char in name)


def window_value(window: Window) -> Value:
    """A window as configuration writes it."""
    return (window.first, window.last) if window.kind == "offsets" else window.kind


def runs(number: int) -> str:
    return f"{number:,} run{'' if number == 1 else 's'}"
