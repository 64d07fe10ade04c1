"""What events tell beyond taint, by attempt. ``Signals.hear`` is a tap of ``lineage.sources.read``."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from itertools import pairwise
from typing import Any

from lineage.attempts import Attempt
from lineage.datasets import DatasetId
from lineage.events import Event
from lineage.facets import Schema, Told, told
from lineage.history import History

_RANK = {"OTHER": 0, "START": 1, "RUNNING": 2, "COMPLETE": 3, "ABORT": 4, "FAIL": 5}


class Signals:
    """Hears events, then tells them by attempt, in whatever order and however often they came."""

    def __init__(self) -> None:
        self._heard: dict[str, list[tuple[int, int, Told]]] = defaultdict(list)
        self._texts: dict[str, str] = {}
        self._schemas: dict[Schema, Schema] = {}

    def hear(self, raw: Any, event: Event) -> None:
        """A tap for ``lineage.sources.read``. Never raises."""
        if event.run_id is not None and (found := told(raw)):
            # versions and schemas are the same in run after run, so they are kept once
            found.versions = {key: self._texts.setdefault(value, value) for key, value in found.versions.items()}
            found.schemas = {key: self._schemas.setdefault(value, value) for key, value in found.schemas.items()}
            self._heard[event.run_id].append((event.time, _RANK[event.type], found))

    def by_attempt(self, history: History) -> dict[tuple[str, int], Told]:
        """What is told of each attempt, under its (run id, number), datasets by the name that the history has for them."""
        runs: dict[str, list[Attempt]] = defaultdict(list)
        for one in history.attempts:
            if one.run_id in self._heard:
                runs[one.run_id].append(one)
        found: dict[tuple[str, int], Told] = {}
        for run_id, attempts in runs.items():
            attempts.sort(key=lambda one: one.number)
            starts = [one.start for one in attempts]
            heard = sorted(self._heard[run_id], key=lambda one: one[:2])
            if any(left[:2] == right[:2] for left, right in pairwise(heard)):
                heard.sort(key=lambda one: (one[:2], repr(one[2])))  # order of arrival decides nothing
            for time, _, words in heard:
                attempt = attempts[max(0, bisect_right(starts, time) - 1)]
                found.setdefault(attempt.key, Told()).add(_renamed(words, history))
        return found


def _renamed(one: Told, history: History) -> Told:
    """With one name for each dataset."""

    def find(dataset: DatasetId | None) -> DatasetId | None:
        return None if dataset is None else history.identities.find(dataset)

    return Told(
        one.versions,
        {(direction, find(dataset)): schema for (direction, dataset), schema in one.schemas.items()},
        {(direction, find(dataset), name): figure for (direction, dataset, name), figure in one.figures.items()},
        {history.identities.find(dataset): outcomes for dataset, outcomes in one.assertions.items()},
        one.error,
    )
