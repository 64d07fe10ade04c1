"""Suggestions about datasets: partition layouts, nominal times, who is served and who owns. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from lineage.attempts import Attempt
from lineage.datasets import DatasetId, JobId
from lineage.errors import PartitionError
from lineage.events import Event
from lineage.history import History
from lineage.layouts import Layout
from lineage.partitions import HOUR_KEYS, Partition
from lineage.periods import Period, floor, parse_period
from lineage.suggest import Suggestion, runs
from lineage.timestamps import to_datetime

_VALUES = (
    (re.compile(r"\d{4}-\d\d-\d\d"), "%Y-%m-%d"),
    (re.compile(r"\d{8}"), "%Y%m%d"),
    (re.compile(r"\d{4}-\d\d-\d\d([T _-])\d\d"), r"%Y-%m-%d\1%H"),
    (re.compile(r"\d{8}T\d\d"), "%Y%m%dT%H"),
    (re.compile(r"\d{10}"), "%Y%m%d%H"),
    (re.compile(r"\d{4}-\d\d"), "%Y-%m"),
    (re.compile(r"\d{4}-W\d\d"), "%G-W%V"),
)
_PARTS = {"year": "%Y", "month": "%m", "day": "%d", **dict.fromkeys(HOUR_KEYS, "%H")}
_POSITIONS = ("%Y", "%m", "%d", "%H")
_FEW = 2
"""How often something must be seen before it is more than a guess."""


def layout_of(spelled: str, found: Partition) -> str | None:
    """The layout that renders this partition exactly as it was written; None when there is none."""
    for dated in (True, False):
        template = _template(spelled, dated=dated)
        try:
            if template is not None and Layout(template).render(found) == spelled:
                return template
        except PartitionError:
            continue
    return None


def _template(spelled: str, *, dated: bool) -> str | None:
    segments: list[str] = []
    position = 0
    for segment in spelled.split("/"):
        key, equals, value = segment.partition("=")
        if not equals:
            key, value = "", segment
        directive = _directive(key, value) if dated else None
        if directive is None and not key and dated and value.isdigit() and position < len(_POSITIONS):
            directive = _POSITIONS[position]
            position += 1
        if directive is None and not re.fullmatch(r"\w+", key):
            return None
        segments.append((f"{key}=" if equals else "") + (directive or f"{{{key}}}"))
    return "/".join(segments)


def _directive(key: str, value: str) -> str | None:
    if key.lower() in _PARTS and value.isdigit() and len(value) <= 4:
        return _PARTS[key.lower()]
    if parse_period(value) is None:
        return None
    return next((pattern.sub(text, value) for pattern, text in _VALUES if pattern.fullmatch(value)), None)


class DatasetFacts:
    """What events and attempts show of each dataset."""

    def __init__(self, events: Sequence[Event], history: History) -> None:
        self.history = history
        self.named: dict[DatasetId, dict[Partition, str]] = defaultdict(dict)
        self.naming: dict[DatasetId, set[str]] = defaultdict(set)
        self.formats: dict[DatasetId, Counter[str]] = defaultdict(Counter)
        self.owned: Counter[DatasetId] = Counter()
        self.exposed: Counter[DatasetId] = Counter()
        for event in events:
            for reference in (*event.inputs, *event.outputs):
                dataset = history.identities.find(reference.dataset)
                for part, spelled in zip(reference.partitions, reference.spelled, strict=False):
                    self.named[dataset].setdefault(part, spelled)
                    self.naming[dataset].add(event.run_id or "")
                if reference.format is not None:
                    self.formats[dataset][reference.format] += 1
                self.owned[dataset] += bool(reference.owners)
                self.exposed[dataset] += reference.exposed
        self.writes: dict[DatasetId, list[Attempt]] = defaultdict(list)
        self.reads: dict[DatasetId, list[Attempt]] = defaultdict(list)
        for one in history.attempts:
            for dataset in dict.fromkeys(write.cell.dataset for write in one.writes if write.how != "inferred"):
                self.writes[dataset].append(one)
            for dataset in dict.fromkeys(read.cell.dataset for read in one.reads if read.how != "inferred"):
                self.reads[dataset].append(one)
        self.readers: dict[DatasetId, set[JobId]] = defaultdict(set)
        self.writers: dict[DatasetId, set[JobId]] = defaultdict(set)
        for job, datasets in history.job_reads.items():
            for dataset in datasets:
                self.readers[dataset].add(job)
        for job, datasets in history.job_writes.items():
            for dataset in datasets:
                self.writers[dataset].add(job)
        self.usual = Counter(layout for dataset in history.datasets if (layout := self._layout(dataset)[0]))

    def suggestions(self) -> list[Suggestion]:
        """For all datasets, in order."""
        return [one for dataset in self.history.datasets for one in self._about(dataset)]

    def _about(self, dataset: DatasetId) -> Iterator[Suggestion]:
        rule, subject = self.history.rule(dataset), (str(dataset),)
        if rule.partition is None:
            yield from self._partition(dataset)
        elif isinstance(rule.partition, Layout) and rule.nominal is None:
            yield from self._nominal(dataset, rule.partition)
        stored = self.formats[dataset]
        if rule.format is None and (known := next((one for one, _ in stored.most_common() if one in {"iceberg", "delta"}), None)):
            total = sum(stored.values())
            evidence = f"the storage facet says so in {stored[known]:,} of {total:,} events that have one"
            yield Suggestion("dataset", subject, "format", known, evidence, stored[known], total, sure=stored[known] == total)
        if rule.serving is None:
            yield from self._serving(dataset)
        if rule.owners is None and (owners := self.history.owners.get(dataset)):
            told = self.owned[dataset]
            by = (
                f"ownership facets in {told:,} events"
                if told
                else f"names no owner of its own; of {self._who(self.writers[dataset])}"
            )
            yield Suggestion("dataset", subject, "owners", owners, by, max(told, 1), max(told, 1))

    @staticmethod
    def _who(jobs: set[JobId]) -> str:
        return ", ".join(sorted(map(str, jobs))) + (", which writes it" if len(jobs) == 1 else ", which write it")

    # --- partitions ------------------------------------------------------------------------------------------------------

    def _layout(self, dataset: DatasetId) -> tuple[str | None, int, int]:
        """The layout that explains most named partitions, how many, and how many there are."""
        named = self.named[dataset]
        found = Counter(filter(None, (layout_of(spelled, part) for part, spelled in named.items())))
        best, count = found.most_common(1)[0] if found else (None, 0)
        return best, count, len(named)

    def _partition(self, dataset: DatasetId) -> Iterator[Suggestion]:
        subject = (str(dataset),)
        layout, explained, total = self._layout(dataset)
        if layout is not None:
            count = len(self.naming[dataset])
            evidence = f"explains {explained:,} of {total:,} partitions named by {runs(count)}"
            yield Suggestion("dataset", subject, "partition", layout, evidence, explained, total, sure=explained == total)
            if self.history.rule(dataset).nominal is None and explained == total:
                yield from self._nominal(dataset, Layout(layout, self.history.rule(dataset).timezone))
            return
        written = [one for one in self.writes[dataset] if one.kind == "run"]
        if (
            total
            or not written
            or any(write.cell.known for one in written for write in one.writes if write.cell.dataset == dataset)
        ):
            return
        others = sum(any(read.cell.partition for read in one.reads) for one in written)
        if others:
            evidence = f"{others:,} of {runs(len(written))} that write it name partitions of what they read, and none of this"
            more = "; keep it if it has no partitions"
            yield Suggestion("dataset", subject, "partition", False, evidence + more, others, len(written), sure=False)
        elif self.usual:
            layout, count = self.usual.most_common(1)[0]
            evidence = (
                f"a guess: {runs(len(written))} that write it name no partition, and {count:,} other datasets are laid out so"
            )
            yield Suggestion("dataset", subject, "partition", layout, evidence, 0, len(written), sure=False)

    def _nominal(self, dataset: DatasetId, layout: Layout) -> Iterator[Suggestion]:
        """Whether the nominal times of the writing runs are the partitions that they, or later readers, name."""
        grain = layout.grain
        if grain is None or "{" in layout.template:
            return
        told: list[bool] = []
        silent: list[tuple[Period, Attempt]] = []
        for one in self.writes[dataset]:
            if one.nominal is None:
                continue
            meant = floor(to_datetime(one.nominal[0]), grain, layout.zone)
            parts = {write.cell.partition for write in one.writes if write.cell.dataset == dataset and write.how == "observed"}
            if any(parts):
                told.append({part.period for part in parts} == {meant})
            elif one.state == "COMPLETE":
                silent.append((meant, one))
        if told:
            evidence = f"the nominal time of {sum(told):,} of {runs(len(told))} is the partition they name"
        else:
            ends: dict[Period, int] = {}
            for meant, one in silent:
                ends[meant] = min(one.end, ends.get(meant, one.end))
            asked = [(period, one) for one in self.reads[dataset] for period in self._periods(one, dataset)]
            told = [period in ends and ends[period] <= one.start for period, one in asked]
            evidence = f"{sum(told):,} of {len(told):,} partitions that readers name had been written by a run of that nominal time"
        if told and any(told):
            sure = all(told) and len(told) >= _FEW
            yield Suggestion("dataset", (str(dataset),), "nominal", True, evidence, sum(told), len(told), sure=sure)

    @staticmethod
    def _periods(one: Attempt, dataset: DatasetId) -> set[Period]:
        periods = (read.cell.partition.period for read in one.reads if read.cell.dataset == dataset and read.how == "observed")
        return {period for period in periods if period is not None}

    # --- serving ---------------------------------------------------------------------------------------------------------

    def _serving(self, dataset: DatasetId) -> Iterator[Suggestion]:
        subject, written = (str(dataset),), len(self.writes[dataset])
        if count := self.exposed[dataset]:
            yield Suggestion("dataset", subject, "serving", True, f"an exposure shows it, by {count:,} events", count, count)
        elif self.writers[dataset] and not self.readers[dataset] - self.writers[dataset]:
            evidence = f"{runs(written)} wrote it and no other job reads it; false if nobody uses it"
            yield Suggestion("dataset", subject, "serving", True, evidence, written, written)
