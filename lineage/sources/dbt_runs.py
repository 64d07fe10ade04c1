"""What a dbt ``run_results.json`` says: which models, seeds and snapshots were made, when, and with what outcome."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lineage.events import FULL_REFRESH, REPLACED_BATCH, DatasetRef, Event, EventType, Unusable, decode
from lineage.partitions import BARE, Partition, partition
from lineage.periods import floor
from lineage.sources import Problems, Skipped
from lineage.sources.dbt_manifest import Producer, table, text
from lineage.timestamps import SECOND, parse, to_datetime

_NOTHING_MADE = {"compile", "show", "generate", "docs", "parse", "list", "test", "freshness", "source"}
_MAKING = {"run", "build", "seed", "snapshot", "retry"}
_OUTCOMES: dict[str, EventType] = {
    "success": "COMPLETE",
    "warn": "COMPLETE",
    "error": "FAIL",
    "fail": "FAIL",
    "runtime error": "FAIL",
    "partial success": "FAIL",
}
_NOT_RUN = {"skipped", "no-op", "reused"}
_CODE = re.compile(r"SHA|COMMIT|REVISION")


@dataclass(frozen=True, slots=True)
class Invocation:
    """One ``run_results.json``. ``ended`` in nanoseconds."""

    name: str
    id: str
    command: str | None
    ended: int
    results: list[Any]
    arguments: dict[str, Any]
    code_version: str | None

    def ran(self, unique_id: str) -> dict[str, Any] | None:
        return next((one for one in self.results if isinstance(one, dict) and one.get("unique_id") == unique_id), None)

    def events(self, producers: dict[str, Producer], earlier: Sequence[Invocation], problems: Problems) -> Iterator[Event]:
        """A START and an end for each result that made data."""
        for number, result in enumerate(self.results, 1):
            try:
                yield from self._result(table(result), producers, earlier)
            except Unusable as error:
                problems.skipped.append(Skipped(self.name, number, str(error)))

    def _result(self, result: dict[str, Any], producers: dict[str, Producer], earlier: Sequence[Invocation]) -> Iterator[Event]:
        unique_id, status = text(result.get("unique_id")), text(result.get("status")).lower()
        if not unique_id:
            raise Unusable("a result without a unique_id")
        if status in _NOT_RUN or unique_id.partition(".")[0] not in {"model", "seed", "snapshot"}:
            return
        producer = producers.get(unique_id)
        if producer is None:
            raise Unusable(f"{unique_id} is not in the manifest: give the manifest it ran with, as a source of its own")
        relation = text(result.get("relation_name"))
        if relation and producer.relation and relation != producer.relation:
            raise Unusable(f"{unique_id} was made at {relation}, but the manifest is about {producer.relation}")
        if status not in _OUTCOMES:
            raise Unusable(f"{unique_id}: status {status!r} is not one we know")
        start, end = self._times(result)
        output = self._output(producer)
        made, failed = _batches(producer, result)
        if made and self._retried:
            before = next((one for run in reversed(earlier) if (one := run.ran(unique_id)) is not None), None)
            already = _batches(producer, before)[0] if before is not None else []
            made = [batch for batch in made if batch not in already] or made
        parts = [(_OUTCOMES[status], [*made, *failed], "")]
        if made and failed and status == "partial success":
            parts = [("FAIL", failed, ""), ("COMPLETE", made, "/made")]
        for outcome, batches, suffix in parts:
            event = Event(
                start,
                "START",
                f"{self.id}/{unique_id}{suffix}",
                producer.job(self.command),
                inputs=producer.inputs,
                outputs=(_of_batches(producer, output, batches),),
                nominal=self._nominal() if producer.batch is not None else None,
                code_version=self.code_version,
                said_by="dbt",
            )
            yield event
            yield replace(event, time=end, type=outcome)

    @property
    def _retried(self) -> bool:
        """``dbt retry`` writes the former command's name, and counts batches that the former run made as its own."""
        return "retry" in text(self.arguments.get("invocation_command")).split()

    def _output(self, producer: Producer) -> DatasetRef:
        if self.command not in _MAKING:
            return replace(producer.output, materialized=None, strategy=None)  # what it does to the old data is not known
        asked = self.arguments.get("full_refresh") is True if producer.full_refresh is None else producer.full_refresh
        if asked and producer.output.materialized == "incremental":
            return replace(producer.output, materialized="table", strategy=FULL_REFRESH)
        return producer.output

    def _times(self, result: dict[str, Any]) -> tuple[int, int]:
        """When it began and ended: the ``execute`` step, which is what openlineage-dbt tells too."""
        listed = result.get("timing")
        steps = [table(one) for one in listed] if isinstance(listed, list) else []
        steps = [one for one in steps if one.get("name") == "execute"] or steps
        try:
            began = [parse(step["started_at"]) for step in steps if isinstance(step.get("started_at"), str)]
            ended = [parse(step["completed_at"]) for step in steps if isinstance(step.get("completed_at"), str)]
        except (ValueError, OverflowError) as error:
            raise Unusable(f"{result['unique_id']}: {error}") from None
        end = max(ended, default=self.ended)
        took = result.get("execution_time")
        seconds = took if isinstance(took, int | float) and 0 <= took < 10**9 else 0
        return min(began, default=end - round(seconds * SECOND)), end

    def _nominal(self) -> tuple[int, int] | None:
        start, end = self.arguments.get("event_time_start"), self.arguments.get("event_time_end")
        try:
            found = (parse(start), parse(end)) if isinstance(start, str) and isinstance(end, str) else None
        except (ValueError, OverflowError):
            return None
        return found if found and found[0] <= found[1] else None


def invocation(name: str, opener: Callable[[], bytes], problems: Problems) -> Invocation | None:
    """The run results in a file; None when they made no data, or, counted, when there are none in it."""
    try:
        found = _decoded(name, opener())
    except (OSError, Unusable, ValueError, OverflowError) as error:
        problems.skipped.append(Skipped(name, 0, f"not dbt run results: {error}"))
        return None
    if found.command in _NOTHING_MADE:
        return None
    if found.command not in _MAKING:
        command = f"dbt {found.command}" if found.command else "a command it does not name"
        problems.noted.append(Skipped(name, 0, f"by {command}: how it wrote is not known"))
    return found


def _decoded(name: str, body: bytes) -> Invocation:
    raw = decode(body)
    if not isinstance(raw, dict) or not isinstance(raw.get("results"), list):
        raise Unusable("no list of results")
    metadata, arguments = table(raw.get("metadata")), table(raw.get("args"))
    written, environment = text(metadata.get("generated_at")), table(metadata.get("env"))
    versions = [text(environment[key]) for key in sorted(environment) if _CODE.search(str(key).upper())]
    return Invocation(
        name,
        id=text(metadata.get("invocation_id")) or f"dbt-{written}",
        command=text(arguments.get("which")) or None,
        ended=parse(written),
        results=raw["results"],
        arguments=arguments,
        code_version=next((version for version in versions if version), None),
    )


def _batches(producer: Producer, result: dict[str, Any]) -> tuple[list[Partition], list[Partition]]:
    """The batches of a microbatch model that were made and that failed; none where one cannot be read."""
    told = table(result.get("batch_results"))
    found: list[list[Partition]] = []
    for key in ("successful", "failed"):
        batches = told.get(key) if isinstance(told.get(key), list) else []
        found.append([])
        for batch in batches or []:
            named = _batch(producer, batch)
            if named is None:
                return [], []
            found[-1].append(named)
    return found[0], found[1]


def _of_batches(producer: Producer, output: DatasetRef, batches: Sequence[Partition]) -> DatasetRef:
    replaced = bool(batches) and producer.replaces and output.strategy == "microbatch"
    return replace(output, partitions=tuple(batches), strategy=REPLACED_BATCH if replaced else output.strategy)


def _batch(producer: Producer, batch: Any) -> Partition | None:
    if producer.batch is None or not isinstance(batch, list) or not batch or not isinstance(batch[0], str):
        return None
    try:
        start = to_datetime(parse(batch[0]))
    except (ValueError, OverflowError):
        return None
    period = floor(start, producer.batch)
    return partition({BARE: str(period)}) if period.start == start else None
