"""Suggestions about write modes, from what later runs did to partitions written before. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from lineage.attempts import Attempt, Mode
from lineage.datasets import DatasetId
from lineage.events import Event
from lineage.history import History
from lineage.partitions import Partition
from lineage.suggest import Suggestion, runs

_FEW = 2


def write_suggestions(events: Sequence[Event], history: History) -> list[Suggestion]:
    """A mode for each dataset whose mode nobody said."""
    said: dict[DatasetId, dict[str, str]] = defaultdict(dict)
    tables: set[DatasetId] = set()
    for event in events:
        for reference in event.outputs:
            dataset = history.identities.find(reference.dataset)
            if reference.lifecycle and event.run_id:
                said[dataset][event.run_id] = reference.lifecycle
            if reference.format in {"iceberg", "delta"}:
                tables.add(dataset)
    written: dict[DatasetId, dict[Partition, list[Attempt]]] = defaultdict(lambda: defaultdict(list))
    unnamed: dict[DatasetId, int] = defaultdict(int)
    decided: set[DatasetId] = set(tables)
    for one in history.attempts:
        for write in one.writes:
            if one.kind != "run" or write.how == "inferred":
                continue
            if write.mode not in {Mode.UNKNOWN, Mode.DROP}:
                decided.add(write.cell.dataset)
            elif write.cell.partition:
                if one.state == "COMPLETE":
                    written[write.cell.dataset][write.cell.partition].append(one)
            else:
                unnamed[write.cell.dataset] += 1
    wanted = [one for one in history.datasets if one not in decided and history.rule(one).write is None]
    return [found for one in wanted for found in _mode(one, written[one], said[one], unnamed[one])]


def _mode(dataset: DatasetId, written: dict[Partition, list[Attempt]], said: dict[str, str], unnamed: int) -> Iterator[Suggestion]:
    subject = (str(dataset),)
    attempts = {one.key for found in written.values() for one in found}
    replaced = sum(word == "OVERWRITE" for word in said.values())
    if replaced and replaced == len(said):
        named = {run_id for run_id, _ in attempts}
        whole = len(said.keys() & named)
        evidence = f"{runs(replaced)} of {len(said):,} say OVERWRITE, {whole:,} of them of a partition they name"
        caution = "; keep it if all of a partition is replaced, not only some rows"
        yield Suggestion("dataset", subject, "write", "overwrite", evidence + caution, replaced, len(said), sure=whole == replaced)
        return
    again = {part: found for part, found in written.items() if len(found) > 1}
    same = {part for part, found in again.items() if len({_interval(one) for one in found}) == 1}
    if not written:
        return
    if not again:
        evidence = f"not seen: none of {len(written):,} partitions was written twice; keep it if a re-run replaces all of one"
        yield Suggestion("dataset", subject, "write", "overwrite", evidence, 0, len(written), sure=False)
    elif len(same) == len(again):
        evidence = (
            f"{len(same):,} of {len(written):,} partitions were made again by re-runs for the same time, and none was added to by"
            " a run for another; keep it if a re-run replaces all of one"
        )
        sure = len(same) >= _FEW and not unnamed
        yield Suggestion("dataset", subject, "write", "overwrite", evidence, len(written), len(written), sure=sure)
    else:
        added = len(again) - len(same)
        evidence = (
            f"{added:,} of {len(written):,} partitions were written by runs for different times:"
            ' only added to ("append"), or made again whole each time ("overwrite")?'
        )
        yield Suggestion("dataset", subject, "write", "append", evidence, added, len(written), sure=False)


def _interval(one: Attempt) -> object:
    """What the attempt ran for; attempts of unknown times are taken to differ."""
    return one.nominal or one.partition_key or one.key
