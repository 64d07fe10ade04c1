"""Suggestions about edges: which partitions a job reads relative to those it writes, from the reads its events name. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from lineage.attempts import Attempt
from lineage.datasets import DatasetId, JobId
from lineage.errors import PartitionError
from lineage.history import History
from lineage.periods import Grain, Period, floor, shift
from lineage.suggest import Suggestion, runs, window_value
from lineage.timestamps import to_datetime
from lineage.windows import Window
from lineage.zones import Zone

_FEW = 2
_WIDEST = 1_000
"""Periods; a window beyond this is all of the input."""
_ORDER = (Grain.HOUR, Grain.DAY, Grain.WEEK, Grain.MONTH, Grain.YEAR)


Anchor = tuple[Period, Zone]


@dataclass(frozen=True, slots=True)
class _Observed:
    """One run: the periods it wrote (or its nominal day), each with the zone whose clock it goes by, and those it named as read."""

    anchors: tuple[Anchor, ...]
    read: frozenset[Period]


def edge_suggestions(history: History) -> list[Suggestion]:
    """A window for each job and input whose reads are named, a line to fill in for each whose are not."""
    return _Edges(history).suggestions()


class _Edges:
    def __init__(self, history: History) -> None:
        self.history = history
        self.runs: dict[tuple[JobId, DatasetId], list[Attempt]] = defaultdict(list)
        self.first: dict[DatasetId, Period] = {}
        self.made: dict[tuple[DatasetId, Period], list[int]] = defaultdict(list)
        self.writes_of: dict[JobId, set[DatasetId]] = defaultdict(set)
        for one in history.attempts:
            if one.kind != "run":
                continue
            for write in one.writes:
                self.writes_of[one.job].add(write.cell.dataset)
                period = write.cell.partition.period
                if period is not None:
                    self._known(write.cell.dataset, period)
                    if one.state == "COMPLETE":
                        self.made[write.cell.dataset, period].append(one.end)
            merged = {write.cell.dataset for write in one.writes if write.mode.value == "merge"}
            for dataset in dict.fromkeys(read.cell.dataset for read in one.reads if read.how != "inferred"):
                if dataset not in merged:
                    self.runs[one.job, dataset].append(one)
                for period in _named(one, dataset) or ():
                    self._known(dataset, period)
        for ends in self.made.values():
            ends.sort()

    def _known(self, dataset: DatasetId, period: Period) -> None:
        first = self.first.get(dataset)
        if first is None or period.start < first.start:
            self.first[dataset] = period

    def suggestions(self) -> list[Suggestion]:
        return [found for (job, dataset) in sorted(self.runs) for found in self._edge(job, dataset)]

    def _edge(self, job: JobId, dataset: DatasetId) -> Iterator[Suggestion]:
        if self.history.declarations.edge(job, dataset) is not None:
            return
        whole = {
            read.cell.known and not read.cell.partition
            for one in self.runs[job, dataset]
            for read in one.reads
            if read.cell.dataset == dataset
        }
        if whole == {True} or self.history.rule(dataset).partition is False:
            return  # unpartitioned: there is nothing to choose
        subject, told = (str(job), str(dataset)), self.runs[job, dataset]
        itself = dataset in self.writes_of[job]
        observed = self._observed(job, dataset)
        found = self._window(dataset, observed) if observed else None
        if found is not None:
            window, exact = found
            rest = "" if exact == len(observed) else f"; the others named fewer: it covers all {len(observed):,}"
            evidence = f"explains {exact:,} of {runs(len(observed))} that name what they read{rest}"
            sure = len(observed) >= _FEW
            yield Suggestion("edge", subject, "window", window_value(window), evidence, exact, len(observed), sure=sure)
            if itself and sure:
                yield Suggestion("edge", subject, "until", "latest", "reads what it writes itself", exact, len(observed))
            return
        named = sum(_named(one, dataset) is not None for one in told)
        if itself and not named:
            evidence = f"{runs(len(told))} read what the job writes itself, and do not say which partitions: all earlier ones"
            yield Suggestion("edge", subject, "until", "latest", evidence, len(told), len(told))
            return
        yield self._unknown(subject, dataset, told, named)

    def _unknown(self, subject: tuple[str, str], dataset: DatasetId, told: list[Attempt], named: int) -> Suggestion:
        if named:
            evidence = f"{named:,} of {runs(len(told))} name what they read, and no window explains it"
            return Suggestion("edge", subject, "window", "all", evidence, named, len(told), sure=False)
        anchored = [(one, anchors) for one in told if (anchors := self._anchors(one))]
        ready = sum(self._there(dataset, one, anchors) for one, anchors in anchored)
        evidence = f"a guess: {runs(len(told))} do not say which partitions they read"
        if any(dataset == known for known, _ in self.made):
            evidence += f"; in {ready:,} of {len(anchored):,} the partition of the same time had been made before"
        return Suggestion("edge", subject, "window", self._guess(dataset, anchored), evidence, 0, len(told), sure=False)

    def _guess(self, dataset: DatasetId, anchored: list[tuple[Attempt, tuple[Anchor, ...]]]) -> str:
        """The same time; for inputs of another grain what lies inside, or around."""
        source = self.first[dataset].grain if dataset in self.first else Grain.DAY
        outputs = {anchor.grain for _, anchors in anchored for anchor, _ in anchors}
        if len(outputs) != 1 or Grain.INSTANT in {source, *outputs}:
            return "identity"
        finer = _ORDER.index(min(outputs, key=_ORDER.index)) - _ORDER.index(source)
        return _word(finer)

    def _there(self, dataset: DatasetId, one: Attempt, anchors: tuple[Anchor, ...]) -> bool:
        return all(bisect_right(self.made.get((dataset, anchor), []), one.start) for anchor, _ in anchors)

    def _anchors(self, one: Attempt) -> tuple[Anchor, ...]:
        """What a window is relative to: the periods written, else the nominal day of a run that names none."""
        zone = self.history.declarations.zone
        told = [(write.cell.partition.period, zone(write.cell.dataset)) for write in one.writes if write.how != "inferred"]
        known = tuple(dict.fromkeys((period, made_in) for period, made_in in told if period is not None))
        if known:
            return known
        return ((floor(to_datetime(one.nominal[0]), Grain.DAY), None),) if told and one.nominal is not None else ()

    # --- windows ---------------------------------------------------------------------------------------------------------

    def _observed(self, job: JobId, dataset: DatasetId) -> list[_Observed]:
        found = []
        for one in self.runs[job, dataset]:
            anchors, read = self._anchors(one), _named(one, dataset)
            if one.state == "COMPLETE" and anchors and read:
                found.append(_Observed(anchors, read))
        return found

    def _window(self, dataset: DatasetId, observed: list[_Observed]) -> tuple[Window, int] | None:
        """The narrowest window that covers every read, and how many runs it explains exactly."""
        grains = {period.grain for one in observed for period in one.read}
        outputs = {period.grain for one in observed for period, _ in one.anchors}
        if len(grains) != 1 or len(outputs) != 1 or Grain.INSTANT in grains | outputs:
            return None
        (grain,), (output,) = grains, outputs
        zone = self.history.declarations.zone(dataset)
        finer = _ORDER.index(output) - _ORDER.index(grain)
        candidates = [Window.parse(_word(finer))]
        spans = [(one, span) for one in observed if len(one.anchors) == 1 and (span := _span(one, grain, zone)) is not None]
        if len(spans) == len(observed):
            first, last = min(span[0] for _, span in spans), max(span[1] for _, span in spans)
            # Reads that always begin at the first partition there is may as well be of all of them: tomorrow's reach further back.
            bounded = any(span[0] == first and min(one.read) > self.first[dataset] for one, span in spans)
            candidates.append(Window("offsets", first, last) if bounded and last - first < _WIDEST else Window("all"))
        for window in candidates:
            if window.kind == "all":
                return window, len(observed)
            wanted = [_wanted(window, one, grain, zone) for one in observed]
            if all(one.read <= periods for one, periods in zip(observed, wanted, strict=True)):
                exact = sum(
                    one.read == self._existing(dataset, one, periods) for one, periods in zip(observed, wanted, strict=True)
                )
                return (window, exact) if exact * 2 >= len(observed) else (Window("all"), 0)
        return None

    def _existing(self, dataset: DatasetId, one: _Observed, periods: frozenset[Period]) -> frozenset[Period]:
        """Less the periods before the dataset's first, and those after what there was to read."""
        first, last = self.first[dataset], max(one.read)
        return frozenset(period for period in periods if first <= period <= last)


def _word(finer: int) -> str:
    """The window without offsets, by how many grains the input is finer than the output."""
    return "identity" if finer == 0 else "contained" if finer > 0 else "refine"


def _wanted(window: Window, one: _Observed, grain: Grain, zone: Zone) -> frozenset[Period]:
    try:
        inputs = (window.backward(anchor, grain, made_in=made_in, read_in=zone) for anchor, made_in in one.anchors)
        return frozenset(period for periods in inputs for period in periods or ())
    except (PartitionError, OverflowError, ValueError):
        return frozenset()


def _span(one: _Observed, grain: Grain, zone: Zone) -> tuple[int, int] | None:
    """How far the first and last period read lie from the first and last inside the anchor."""
    ((anchor, made_in),) = one.anchors
    inside = Window("contained").backward(anchor, grain, made_in=made_in, read_in=zone)
    if not inside:
        return None
    first, last = _distance(inside[0], min(one.read)), _distance(inside[-1], max(one.read))
    return (first, last) if first is not None and last is not None and first <= last else None


def _distance(origin: Period, target: Period) -> int | None:
    """How many periods from one to the other; None beyond what a window may span."""
    days = (target.start - origin.start).total_seconds() / 86_400
    length = {Grain.HOUR: 1 / 24, Grain.DAY: 1, Grain.WEEK: 7, Grain.MONTH: 30.436875, Grain.YEAR: 365.2425}[origin.grain]
    guess = round(days / length)
    return guess if abs(guess) <= _WIDEST and shift(origin, guess) == target else None


def _named(one: Attempt, dataset: DatasetId) -> frozenset[Period] | None:
    """The periods that the run names as read; None when it leaves any of its reads of the dataset open."""
    periods = [read.cell.partition.period for read in one.reads if read.cell.dataset == dataset and read.how == "observed"]
    known = frozenset(period for period in periods if period is not None)
    return known if periods and len(known) == len(periods) else None
