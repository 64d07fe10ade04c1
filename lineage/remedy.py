"""Something to find out and declare, as a sentence and as configuration. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from lineage.declarations import DatasetRule, EdgeRule
from lineage.layouts import Layout
from lineage.suggest import Value, window_value
from lineage.suggest_toml import entry

Rule = DatasetRule | EdgeRule


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to find out. Where it can be declared, ``words`` is a condition and ``rules`` are what to declare if it is true.

    ``outcome``: the state that the cell has then; empty where it was not tried.
    """

    words: str
    rules: tuple[Rule, ...] = ()
    outcome: str = ""

    def also(self, other: Remedy) -> Remedy:
        """Both together."""
        return replace(self, words=f"{self.words}, and {other.words}", rules=(*self.rules, *other.rules))

    @property
    def toml(self) -> str:
        """The declarations to paste, one entry for each dataset and edge; empty where there are none."""
        merged: dict[tuple[type, str, str], Rule] = {}
        for rule in self.rules:
            key = (type(rule), rule.match, "") if isinstance(rule, DatasetRule) else (type(rule), rule.job, rule.reads)
            before = merged.get(key)
            said = {one.name: getattr(rule, one.name) for one in fields(rule) if getattr(rule, one.name) is not None}
            merged[key] = rule if before is None else replace(before, **said)
        return "\n\n".join(map(_toml, merged.values()))


def _toml(rule: Rule) -> str:
    said: list[tuple[str, Value | None]]
    if isinstance(rule, EdgeRule):
        window = None if rule.window is None else window_value(rule.window)
        return entry("edge", [("job", rule.job), ("reads", rule.reads), ("window", window), ("until", rule.until)])
    layout = rule.partition.template if isinstance(rule.partition, Layout) else rule.partition
    said = [("match", rule.match), ("partition", layout), ("nominal", rule.nominal), ("write", rule.write)]
    return entry("dataset", said)
