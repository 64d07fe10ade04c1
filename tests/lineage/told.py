"""A Story told to the engine: as attempts, or as events with declarations; and the engine's answer in the oracle's words."""

from __future__ import annotations

from typing import Any

from lineage.attempts import Attempt, Cell, Mode, Read, State, Write
from lineage.blast import blast
from lineage.blast_radius import BlastRadius
from lineage.datasets import DatasetId, Identities, JobId
from lineage.declarations import DatasetRule, Declarations
from lineage.effects import Effect
from lineage.errors import FaultError
from lineage.events import Event, event
from lineage.fault import Fault
from lineage.history import History, build
from lineage.layouts import Layout
from lineage.partitions import partition
from lineage.sources import Problems
from lineage.timestamps import AFTER, BEFORE, SECOND, render
from tests.lineage.histories import WHOLE, run_of
from tests.lineage.oracle import INF, CellVerdict, Deed, Place, Story, Verdict

EPOCH = 1_794_000_000 * SECOND
JOB = JobId("test", "job")
_STATES: dict[str, State] = {"COMPLETE": "COMPLETE", "FAIL": "FAIL", "ABORT": "ABORT", "OPEN": "OPEN"}


def nanoseconds(moment: float) -> int:
    if moment in {INF, -INF}:
        return AFTER if moment > 0 else BEFORE
    return EPOCH + int(moment) * SECOND


def _moment(value: int) -> float:
    if value >= AFTER:
        return INF
    return -INF if value <= BEFORE else (value - EPOCH) / SECOND


def _cell(place: Place) -> Cell:
    return Cell(DatasetId("s3://lake", place.dataset), partition(dict(place.keys or ())), place.known)


# --- as attempts ---------------------------------------------------------------------------------------------------------


def as_attempt(deed: Deed, code_version: str | None) -> Attempt:
    run_id, _, number = deed.name.partition("#")
    return Attempt(
        run_id=run_id,
        number=int(number),
        job=JobId("incident", "purge") if deed.ours else JOB,
        start=nanoseconds(deed.start),
        end=nanoseconds(deed.end),
        state=_STATES[deed.state],
        reads=tuple(Read(_cell(read.place), version="7" if read.versioned else None) for read in deed.reads),
        writes=tuple(Write(_cell(write.place), Mode[write.mode]) for write in deed.writes),
        code_version=code_version,
        kind="purge" if deed.ours else "run",
    )


def as_history(story: Story) -> History:
    """The story's attempts, as ``build`` would have left them. Certain seeds run code version "bad", perhaps faulty ones none."""
    versions = dict.fromkeys(story.suspect_seeds) | dict.fromkeys(story.seeds, "bad")
    attempts = [as_attempt(deed, versions.get(deed.name, "good")) for deed in story.deeds]
    return History(
        attempts=tuple(sorted(attempts, key=lambda one: (one.start, one.end, one.key))),
        declarations=Declarations(skew=int(story.skew) * SECOND),
        identities=Identities(),
        problems=Problems(),
        job_reads={},
        job_writes={},
    )


def engine(story: Story) -> Verdict:
    """What the engine says of the story."""
    return verdict(blast(as_history(story), Fault(job=str(JOB), code_versions=("bad",))))


def verdict(radius: BlastRadius) -> Verdict:
    """A blast radius in the oracle's words."""
    attempts = {f"{one.run_id}#{one.number}": (one.state, one.distance) for one in radius.attempts}
    cells = {}
    for one in radius.cells:
        keys = tuple((key, str(value)) for key, value in one.cell.partition.items) or None
        exposure = frozenset((_moment(part.start), INF if part.until is None else _moment(part.until)) for part in one.exposure)
        cells[Place(one.cell.dataset.name, keys, one.cell.known)] = CellVerdict(one.state, _moment(one.since), exposure)
    return Verdict({name: (str(state), far) for name, (state, far) in attempts.items()}, cells)


def one_cell_a_name(said: Verdict) -> Verdict:
    """The verdict as it can be shown: an inferred `*` of an unpartitioned dataset goes by the name of the known one."""
    known = {(place.dataset, place.keys) for place in said.cells if place.known}
    cells = {place: cell for place, cell in said.cells.items() if place.known or (place.dataset, place.keys) not in known}
    return Verdict(said.attempts, cells)


# --- as events -----------------------------------------------------------------------------------------------------------

DECLARED = (
    DatasetRule("s3://lake/*", partition=Layout("p={p}")),  # so that a dbt facet, our way to say the mode, does not mean "a table"
    DatasetRule(f"s3://lake/{WHOLE}", partition=False),
)

_FACETS: dict[str, dict[str, Any]] = {
    "OVERWRITE": {"dbt_model": {"config": {"materialized": "table"}}},
    "APPEND": {"dbt_model": {"config": {"materialized": "incremental", "incremental": {"strategy": "append"}}}},
    "MERGE": {"dbt_model": {"config": {"materialized": "incremental"}}},
    "DROP": {"lifecycleStateChange": {"lifecycleStateChange": "DROP"}},
    "UNKNOWN": {"lifecycleStateChange": {"lifecycleStateChange": "OVERWRITE"}},
}


def _dataset(place: Place, direction: str, facets: dict[str, Any]) -> dict[str, Any]:
    raw: dict[str, Any] = {"namespace": "s3://lake", "name": place.dataset, "facets": facets}
    if place.keys is not None:
        condition = {"type": "partition", "partitions": [{"dimensions": dict(place.keys)}]}
        raw[f"{direction}Facets"] = {"subset": {f"{direction}Condition": condition}}
    return raw


def _told(deed: Deed, kind: str, moment: float, *, data: bool, version: str) -> dict[str, Any]:
    inputs = [
        _dataset(read.place, "input", {"version": {"datasetVersion": "7"}} if read.versioned else {}) for read in deed.reads if data
    ]
    return {
        "eventType": kind,
        "eventTime": render(nanoseconds(moment)),
        "run": {"runId": run_of(deed.name)},
        "job": {
            "namespace": "test",
            "name": run_of(deed.name),
            "facets": {"sourceCodeLocation": {"version": version}},
        },
        "inputs": inputs,
        "outputs": [_dataset(write.place, "output", _FACETS[write.mode]) for write in deed.writes if data],
    }


def as_events(story: Story) -> list[dict[str, Any]]:
    """The story as OpenLineage events. Each run is a job of its own; a merge's own read goes without saying."""
    told = []
    for deed in story.deeds:
        version = "bad" if deed.name in story.seeds else "good"
        data_first = deed.state == "OPEN"
        if deed.start > -INF:
            told.append(_told(deed, "START", deed.start, data=data_first, version=version))
        if deed.end < INF:
            told.append(_told(deed, deed.state if deed.state != "OPEN" else "COMPLETE", deed.end, data=True, version=version))
    return told


def from_events(raw: list[dict[str, Any]], skew: float = 0, *, effects: tuple[Effect, ...] = ()) -> History:
    """The history that these events tell under the declarations of this module."""
    return build(map(event, raw), Declarations(datasets=DECLARED, skew=int(skew) * SECOND), effects=effects)


def engine_by_events(raw: list[dict[str, Any]], skew: float = 0) -> BlastRadius | None:
    """The radius of the attempts that ran the bad code; None when there are none."""
    try:
        return blast(from_events(raw, skew), Fault(code_versions=("bad",)))
    except FaultError:
        return None


def parsed(raw: list[dict[str, Any]]) -> list[Event]:
    return [event(one) for one in raw]
