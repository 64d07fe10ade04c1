"""What knowledge would decide a SUSPECT cell: derived from the first step of its chain that is not certain. Pure.

A remedy is a declaration to paste, tried on the history so that its outcome is a fact and not a promise, or advice in words where
nothing can be declared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from lineage.attempts import Attempt, Cell, Mode, Read, Write
from lineage.blast_radius import BlastRadius
from lineage.datasets import DatasetId, JobId
from lineage.declarations import DatasetRule, Declarations, EdgeRule
from lineage.explain import Explanation, explain
from lineage.history import History
from lineage.layouts import Layout
from lineage.partitions import Partition, overlap, same
from lineage.remedy import Remedy, Rule
from lineage.suggest import glob
from lineage.suggest_datasets import layout_of
from lineage.suggest_edges import edge_suggestions
from lineage.windows import Window

Suppose = Callable[[Declarations], tuple[History, BlastRadius]]
"""The history and the radius as they would be with other declarations."""

_ROUNDS = 4
"""How many doubts of one chain are followed."""


def remedies(history: History, explained: Explanation, suppose: Suppose | None = None) -> tuple[Remedy, ...]:
    """What would turn a SUSPECT cell into TAINTED or CLEAN.

    With ``suppose`` the declarations are tried, and those for later doubts of the chain added until the cell is decided.
    """
    found = _first_doubt(history, explained)
    if suppose is None:
        return tuple(found)
    return tuple(_tried(history.declarations, one, explained.cell, suppose) if one.rules else one for one in found)


def _first_doubt(history: History, explained: Explanation) -> list[Remedy]:
    number = explained.first_doubt
    return [] if explained.state != "SUSPECT" or number is None else _Doubt(history, explained, number).remedies()


def _tried(declared: Declarations, remedy: Remedy, cell: Cell, suppose: Suppose) -> Remedy:
    """The remedy with its outcome; while the cell stays SUSPECT, with what the next doubt asks for."""
    for _ in range(_ROUNDS):
        history, radius = suppose(_with(declared, remedy.rules))
        found = explain(history, radius, cell)
        doubtful = next((one for one in found if one.state == "SUSPECT"), None)
        more = (
            [] if doubtful is None else [one for one in _first_doubt(history, doubtful) if not set(one.rules) <= set(remedy.rules)]
        )
        following = next((one for one in more if one.rules), None)
        remedy = replace(remedy, outcome=_outcome(found))
        if following is None:
            return remedy
        remedy = remedy.also(following)
    history, radius = suppose(_with(declared, remedy.rules))
    return replace(remedy, outcome=_outcome(explain(history, radius, cell)))


def _with(declared: Declarations, rules: Sequence[Rule]) -> Declarations:
    return replace(
        declared,
        datasets=(*declared.datasets, *(rule for rule in rules if isinstance(rule, DatasetRule))),
        edges=(*declared.edges, *(rule for rule in rules if isinstance(rule, EdgeRule))),
        _memo={},
    )


def _outcome(found: Sequence[Explanation]) -> str:
    states = Counter(one.state for one in found)
    if len(found) > 1:
        return ", ".join(f"{count} {state}" for state, count in states.most_common()) + " among its partitions, the others CLEAN"
    (only,) = found
    reason = only.reached.reason if only.reached is not None else None
    return f"{only.state} still, because {reason}" if reason else only.state


class _Doubt:
    """The first uncertain step, with the write of the step before that it may have seen."""

    def __init__(self, history: History, explained: Explanation, number: int) -> None:
        self.history = history
        self.step = explained.steps[number]
        self.before = explained.steps[number - 1] if number else None
        self.decided_later = explained.reached is not None and self.step.doubt == explained.reached.reason
        self.attempt = self.step.attempt

    def remedies(self) -> list[Remedy]:
        if self.decided_later:  # the writer is certainly reached; what it wrote, or what became of it, is not certain
            return self._about_write(self.attempt, self.step.write)
        if self.before is None or self.step.read is None:
            run = f"run {self.attempt.run_id} of {self.attempt.job}"
            if "absent" in self.step.doubt:
                return [Remedy(f"have {run} made again: it read data that was purged")]
            return [Remedy(f"choose the fault by --run {self.attempt.run_id} if {run} is part of it, or so that it is left out")]
        return self._about_read(self.step.read, self.before.attempt, self.before.write)

    # --- reads -----------------------------------------------------------------------------------------------------------

    def _about_read(self, read: Read, writer: Attempt, write: Write) -> list[Remedy]:
        job, dataset = self.attempt.job, read.cell.dataset
        if read.how == "inferred":
            words = f"{job} does not always read {dataset}"
            return [Remedy(words, (EdgeRule(glob(str(job)), glob(str(dataset)), Window("none")),))]
        if read.version is not None and not read.cell.known:
            return [Remedy(f"nothing can be declared: {job} read a version of {dataset}, and its partitions are not told")]
        if not read.cell.known:
            return self._windows(job, dataset)
        if not write.cell.known or write.how == "inferred" or writer.state != "COMPLETE":
            return self._about_write(writer, write)
        if not same(write.cell.partition, read.cell.partition):
            return [
                Remedy(f"nothing can be declared: {job} read {read.cell} and {writer.job} wrote {write.cell}; compare the data")
            ]
        unknown = [one for one in self._between(writer, write) if one.mode is Mode.UNKNOWN]
        if unknown and self.history.rule(dataset).write is None:
            rule = DatasetRule(glob(str(dataset)), write="append")
            return [
                Remedy(f"writes of {dataset} only add to a partition", (rule,)),
                Remedy(f"each write of {dataset} replaces all of a partition", (replace(rule, write="overwrite"),)),
            ]
        return [Remedy(f"nothing can be declared: {write.cell} was written at about the time {job} read it; compare the data")]

    def _windows(self, job: JobId, dataset: DatasetId) -> list[Remedy]:
        """The window that other runs show, or the likeliest, with the layout that it is relative to where that is not known."""
        unknown = [
            write.cell.dataset
            for one, writes in (
                (self.attempt, self.attempt.writes),
                *([(self.before.attempt, (self.before.write,))] if self.before else []),
            )
            for write in writes
            if not write.cell.known and write.how != "inferred" and one.nominal is not None
        ]
        needed = tuple(rule for one in dict.fromkeys(unknown) if (rule := self._layout_rule(one)) is not None)
        declared = self.history.declarations.edge(job, dataset)
        if declared is not None and declared.window is not None and declared.window.kind != "all":
            words = f"a run of {job} writes the partition of its nominal time, to which its window on {dataset} is relative"
            return [Remedy(words, needed)] if needed else [Remedy(f"have {job} report which partition it writes")]
        subject = (str(job), str(dataset))
        shown = next((one for one in edge_suggestions(self.history) if one.subject == subject and one.key == "window"), None)
        until = "latest" if any(write.cell.dataset == dataset for write in self.attempt.writes) else None
        windows = [Window("offsets", -1, -1) if until else Window("identity")]
        if shown is not None and shown.value != "all":
            value = list(shown.value) if isinstance(shown.value, tuple) else shown.value
            windows = [Window.parse(value), *([] if shown.explains else windows)]
        edge = EdgeRule(glob(subject[0]), glob(subject[1]), until="latest" if until else None)
        words = f"{job} reads, of {dataset}, {{}}"
        if needed:
            words += f", and a run writes the partition of its nominal time of {' and '.join(rule.match for rule in needed)}"
        return [Remedy(words.format(_meant(window)), (replace(edge, window=window), *needed)) for window in dict.fromkeys(windows)]

    # --- writes ----------------------------------------------------------------------------------------------------------

    def _about_write(self, writer: Attempt, write: Write) -> list[Remedy]:
        job, dataset = writer.job, write.cell.dataset
        if write.how == "inferred":
            return [Remedy(f"have {job} report its outputs: it may have written any of {dataset} in run {writer.run_id}")]
        if not write.cell.known:
            found = [Remedy(f"{dataset} is unpartitioned", (DatasetRule(glob(str(dataset)), partition=False),))]
            if writer.nominal is not None and (rule := self._layout_rule(dataset)) is not None:
                found.insert(0, Remedy(f"a run writes the partition of its nominal time of {dataset}", (rule,)))
            return found
        if writer.state == "OPEN":
            when = f"incident note TEXT --run {writer.run_id} --ended T"
            return [Remedy(f"find out whether run {writer.run_id} of {job} ended and when: {when}")]
        if writer.state != "COMPLETE":
            words = f"look whether run {writer.run_id} of {job} wrote {write.cell} before it ended as {writer.state}"
            return [Remedy(f"{words}; nothing can be declared")]
        if self.history.rule(dataset).write is None:
            words = f"each write of {dataset} replaces all of a partition"
            return [Remedy(words, (DatasetRule(glob(str(dataset)), write="overwrite"),))]
        return [Remedy(f"nothing can be declared: compare {write.cell} with what {job} wrote")]

    def _between(self, writer: Attempt, write: Write) -> list[Write]:
        """Other writes of the same data, which may have come between."""
        return [
            other
            for one in self.history.attempts
            if one.key not in {writer.key, self.attempt.key}
            for other in one.writes
            if other.cell.dataset == write.cell.dataset and overlap(other.cell.partition, write.cell.partition)
        ]

    def _layout_rule(self, dataset: DatasetId) -> DatasetRule | None:
        """A layout with nominal times: the declared one, the one that is seen, or the likeliest."""
        declared = self.history.rule(dataset)
        if declared.partition is False or declared.nominal:
            return None
        if isinstance(declared.partition, Layout):
            return DatasetRule(glob(str(dataset)), nominal=True)
        seen = self._seen(lambda cell: cell.dataset == dataset) or self._seen(lambda _: True) or "dt=%Y-%m-%d"
        return DatasetRule(glob(str(dataset)), partition=Layout(seen), nominal=True)

    def _seen(self, wanted: Callable[[Cell], bool]) -> str | None:
        parts: Counter[Partition] = Counter(
            cell.partition
            for one in self.history.attempts
            for cell in (*(read.cell for read in one.reads), *(write.cell for write in one.writes))
            if cell.partition and wanted(cell)
        )
        layouts = Counter(
            layout for part in parts if (layout := layout_of(str(part), part)) and "%" in layout and "{" not in layout
        )
        return layouts.most_common(1)[0][0] if layouts else None


def _meant(window: Window) -> str:
    match window.kind:
        case "identity":
            return "the partitions of the same time as those it writes"
        case "contained":
            return "the partitions inside the one it writes"
        case "refine":
            return "the partition around the one it writes"
        case "offsets" if window.first == window.last == -1:
            return "the partition before the one it writes"
        case _:
            return f"the partitions {window} away from the one it writes"
