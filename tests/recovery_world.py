"""A small world for recovery tests: a store in memory, cells in it, a folder to journal in, and faults that wrap the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from incident.errors import StorageUnreachable
from incident.executor import Applied, Execution, apply, interrupted, last_applied, resume
from incident.journal import read_journal
from incident.object_actions import KINDS, ObjectActions
from incident.plan_actions import PlanActions
from incident.storage.memory import MemoryStore
from incident.storage.port import Current, Described, Made, Marked, ObjectStore, Removed, Told, Upload
from incident.surveys import Surveyor
from lineage.attempts import Cell
from lineage.blast_radius import BlastRadius, Reached, ReachedCell
from lineage.datasets import DatasetId, JobId
from lineage.declarations import DatasetRule, Declarations
from lineage.layouts import Layout
from lineage.partitions import parse_partition
from runbooks.consents import Consents
from runbooks.facts import Facts, Place
from runbooks.guarantees import Guarantees
from runbooks.plan import Plan
from runbooks.purge import plan_purge
from runbooks.revert import plan_revert
from runbooks.survey import BucketState, KeyHistory, ObjectVersion
from runbooks.undo import plan_undo

BUCKET = "lake"
ORDERS = DatasetId("s3://lake", "clean/orders")
JOB = JobId("spark", "orders_enriched")
MS = 1_000_000
RULES = Declarations(datasets=(DatasetRule("s3://lake/clean/*", partition=Layout("dt={dt}")),))


def cell(partition: str, dataset: DatasetId = ORDERS, *, known: bool = True) -> Cell:
    return Cell(dataset, parse_partition(partition), known)


def reached(
    one: Cell, state: Reached = "TAINTED", *, since: int = 0, serving: bool = False, open_writer: bool = False
) -> ReachedCell:
    return ReachedCell(one, state, since, (), serving, (), (), None, (JOB,), open_writer, None)


def radius(*cells: ReachedCell) -> BlastRadius:
    return BlastRadius({}, (), cells, (), (), 0, "r1")


@dataclass
class Record:
    kind: str
    evidence: dict[str, Any]


@dataclass
class ListTimeline:
    """A timeline in a list."""

    kept: list[Record] = field(default_factory=list)

    def append(self, kind: str, text: str, *, evidence: dict[str, Any] | None = None) -> Record:
        self.kept.append(Record(kind, {**(evidence or {}), "text": text}))
        return self.kept[-1]

    def records(self) -> list[Record]:
        return list(self.kept)


@dataclass
class World:
    """``folder`` is an empty directory. The store's clock is the only one."""

    folder: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    timeline: ListTimeline = field(default_factory=ListTimeline)
    rules: Declarations = RULES
    id: str = "INC-1"

    def __post_init__(self) -> None:
        self.store.create(BUCKET)
        self.store.now += MS  # off the whole second, which would stand for all of it

    @property
    def journal_dir(self) -> Path:
        return self.folder

    def listing(self, prefix: str = "") -> dict[str, tuple[ObjectVersion, ...]]:
        return self.store.listing(BUCKET, prefix)

    def contents(self, prefix: str = "") -> dict[str, bytes]:
        return {key: self.store.read(BUCKET, key) for key in self.store.list_keys(BUCKET, prefix)}

    def facts(self, *cells: ReachedCell, makeable: bool = True, places: tuple[Place, ...] = (), deleting: bool = True) -> Facts:
        surveyor = Surveyor(lambda _bucket, _prefix: self.store, self.rules, deleting)
        surveys = surveyor.survey([one.cell for one in cells if one.state != "CLEANED"], lambda: None)
        return Facts(self.id, radius(*cells), surveys, lambda _job: makeable, places, last_applied(self))

    def purge(self, *cells: ReachedCell, consents: Consents | None = None, **more: Any) -> Plan:
        return plan_purge(self.facts(*cells, **more), consents or Consents())

    def revert(self, *cells: ReachedCell, consents: Consents | None = None, skew: int = 0) -> Plan:
        return plan_revert(self.facts(*cells, deleting=False), consents or Consents(), skew)

    def undo(self, target: Plan, consents: Consents | None = None) -> Plan:
        state = read_journal(self.folder, target.id)
        done = {index: one.version_id for index, one in state.outcomes.items() if one.status == "done"}
        places = {str(one): one.url.removeprefix(f"s3://{BUCKET}/") for one in target.cells}
        current = {name: tuple(self.store.histories(BUCKET, prefix)) for name, prefix in places.items()}
        states: Sequence[BucketState] = [self.store.state(BUCKET)]
        return plan_undo(target, done, current, states, consents=consents or Consents(), previous=last_applied(self))

    def apply(self, plan: Plan, store: ObjectStore | None = None) -> Applied:
        return apply(self.execution(plan, store))

    def go_on(self, plan: Plan) -> Applied:
        """What a person does after a crash: resume what was begun, else apply."""
        if plan.id in interrupted(self):
            return resume(self.execution(plan, None))
        return self.apply(plan)

    def execution(self, plan: Plan, store: ObjectStore | None) -> Execution:
        return Execution(self, plan, self.performer(plan, store), clock=lambda: self.store.now, actor={"name": "t"})

    def performer(self, plan: Plan, store: ObjectStore | None) -> PlanActions:
        objects = ObjectActions(plan, lambda _bucket, _prefix: store or self.store, lambda: self.store.now, workers=1)
        return PlanActions(plan, dict.fromkeys(KINDS, objects), lambda: self.store.now)


class Plans:
    """The part of an incident's folder that effects read."""

    def __init__(self, world: World, *plans: Plan) -> None:
        self.journal_dir, self.timeline, self._plans = world.folder, world.timeline, {plan.id: plan for plan in plans}

    def plans(self) -> list[str]:
        return list(self._plans)

    def load_plan(self, plan_id: str, phase: str | None = None) -> Plan:
        assert phase is None
        return self._plans[plan_id]


def shape(listing: Mapping[str, tuple[ObjectVersion, ...]]) -> dict[str, list[tuple[bool, str]]]:
    """A listing without version ids, which count up differently after a crash."""
    return {key: [(one.is_marker, one.etag) for one in versions] for key, versions in listing.items()}


class Crash(BaseException):
    """The process ends here."""


Moment = Literal["before", "half", "after"]


@dataclass
class FailAfter:
    """Ends the process at the n-th call that anything makes: before it, after half of its effect, or after it."""

    at: int
    moment: Moment
    calls: int = 0

    def around(self, whole: Callable[[], Any], half: Callable[[], Any]) -> Any:
        self.calls += 1
        if self.calls - 1 != self.at:
            return whole()
        if self.moment == "after":
            whole()
        elif self.moment == "half":
            half()
        raise Crash


class FailingStore:
    """A store whose calls pass through ``fail``."""

    def __init__(self, store: MemoryStore, fail: FailAfter) -> None:
        self.inner, self.fail = store, fail

    def state(self, bucket: str, *, brief: bool = False) -> BucketState:
        found: BucketState = self.fail.around(lambda: self.inner.state(bucket, brief=brief), lambda: None)
        return found

    def probe(self, state: BucketState, prefix: str, asked: int) -> Guarantees:
        return self.inner.probe(state, prefix, asked)

    def remember(self, bucket: str, guarantees: Guarantees) -> None:
        self.inner.remember(bucket, guarantees)

    def histories(
        self, bucket: str, prefix: str, after: str | None = None, upto: tuple[str, str] | None = None
    ) -> Iterator[KeyHistory]:
        found: Iterator[KeyHistory] = self.fail.around(lambda: self.inner.histories(bucket, prefix, after, upto), lambda: None)
        return found

    def currents(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[Current]:
        found: Iterator[Current] = self.fail.around(lambda: self.inner.currents(bucket, prefix, after), lambda: None)
        return found

    def history(self, bucket: str, key: str) -> KeyHistory | None:
        found: KeyHistory | None = self.fail.around(lambda: self.inner.history(bucket, key), lambda: None)
        return found

    def read(self, bucket: str, key: str, version_id: str | None = None) -> bytes:
        return self.inner.read(bucket, key, version_id)

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        return self.inner.list_keys(bucket, prefix)

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        some = dict(list(etags.items())[: len(etags) // 2])
        found: Sequence[Marked] = self.fail.around(
            lambda: self.inner.put_markers(bucket, etags), lambda: self.inner.put_markers(bucket, some)
        )
        return found

    def blocks(self, bucket: str, key: str, version_id: str | None = None) -> Iterator[bytes]:
        return self.inner.blocks(bucket, key, version_id)

    def describe(self, bucket: str, key: str, version_id: str | None = None) -> Described:
        found: Described = self.fail.around(lambda: self.inner.describe(bucket, key, version_id), lambda: None)
        return found

    def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None, told: Told | None = None) -> str:
        found: str = self.fail.around(lambda: self.inner.copy_version(source, bucket, over=over, told=told), lambda: None)
        return found

    def copy_object(self, source: Described, bucket: str, key: str, *, over: str | None, told: Told | None = None) -> Made:
        found: Made = self.fail.around(lambda: self.inner.copy_object(source, bucket, key, over=over, told=told), lambda: None)
        return found

    def put_object(self, bucket: str, key: str, data: bytes, *, over: str | None, like: Described | None = None) -> Made:
        found: Made = self.fail.around(lambda: self.inner.put_object(bucket, key, data, over=over, like=like), lambda: None)
        return found

    def delete_object(self, bucket: str, key: str, *, if_match: str) -> str | None:
        found: str | None = self.fail.around(lambda: self.inner.delete_object(bucket, key, if_match=if_match), lambda: None)
        return found

    def abort_upload(self, upload: Upload) -> bool:
        found: bool = self.fail.around(lambda: self.inner.abort_upload(upload), lambda: None)
        return found

    def remove_version(self, bucket: str, key: str, version_id: str) -> None:
        self.fail.around(lambda: self.inner.remove_version(bucket, key, version_id), lambda: None)

    def remove_versions(self, bucket: str, versions: Sequence[tuple[str, str]]) -> Sequence[Removed]:
        some = versions[: len(versions) // 2]
        found: Sequence[Removed] = self.fail.around(
            lambda: self.inner.remove_versions(bucket, versions), lambda: self.inner.remove_versions(bucket, some)
        )
        return found


class Interfere(MemoryStore):
    """A store beside which somebody else acts, once, just before (or after) an effect. Shares another store's contents.

    ``honours`` false: a server that ignores the condition on a copy's destination, as some do.
    """

    def __init__(self, store: MemoryStore, act: Callable[[], object], *, after: bool = False, honours: bool = True) -> None:
        super().__init__(store.buckets, store.now, store._versions, store._bytes, store._made)
        self._inner, self._act, self._after, self._honours = store, act, after, honours

    def _once(self) -> None:
        act, self._act = self._act, lambda: None
        act()

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        if not self._after:
            self._once()
        found = self._inner.put_markers(bucket, etags)
        if self._after:
            self._once()
        return found

    def copy_version(self, source: ObjectVersion, bucket: str, *, over: str | None, told: Told | None = None) -> str:
        if not self._after:
            self._once()
        if not self._honours:
            found = self._inner.history(bucket, source.key)
            over = found.current.etag if found and found.current else None
        made = self._inner.copy_version(source, bucket, over=over, told=told)
        if self._after:
            self._once()
        return made

    def remove_versions(self, bucket: str, versions: Sequence[tuple[str, str]]) -> Sequence[Removed]:
        if not self._after:
            self._once()
        found = self._inner.remove_versions(bucket, versions)
        if self._after:
            self._once()
        return found


class Mute(Interfere):
    """Requests for markers never arrive."""

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        self._once()
        raise StorageUnreachable(f"no answer about {len(etags)} keys of {bucket}")


class Deaf(Interfere):
    """Requests for markers arrive, and their answers are lost."""

    def put_markers(self, bucket: str, etags: Mapping[str, str]) -> Sequence[Marked]:
        super().put_markers(bucket, etags)
        raise StorageUnreachable(f"no answer about {len(etags)} keys of {bucket}")


class Broken(Interfere):
    """Nobody there."""

    def state(self, bucket: str, *, brief: bool = False) -> BucketState:  # noqa: ARG002
        raise StorageUnreachable(f"no answer about {bucket}", "check the endpoint")
