"""Recovery tests on places without versions (buckets that keep none, null ones, a local folder), and faults in their calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

from incident import aside_files
from incident.aside_actions import KINDS, AsideActions
from incident.executor import last_applied
from incident.journal import read_journal
from incident.object_actions import KINDS as OBJECTS
from incident.object_actions import ObjectActions
from incident.plan_actions import PlanActions
from incident.storage.local import LocalReader
from incident.storage.memory import MemoryStore
from incident.storage.port import ObjectReader, ObjectStore
from incident.surveys import Surveyor
from lineage.attempts import Cell
from lineage.blast_radius import ReachedCell
from lineage.datasets import DatasetId
from lineage.declarations import DatasetRule, Declarations
from lineage.layouts import Layout
from lineage.partitions import parse_partition
from runbooks.consents import Consents
from runbooks.facts import Facts, Keeping
from runbooks.guarantees import EVERYTHING
from runbooks.plan import Plan
from runbooks.survey import LOCAL, BucketState, CellSurvey, Target
from runbooks.undo import plan_undo
from tests.recovery_world import BUCKET, JOB, MS, Crash, FailAfter, World, radius

Kind = Literal["off", "suspended", "nulls", "local"]
KINDS_OF_PLACE: tuple[Kind, ...] = ("off", "suspended", "nulls", "local")
VAULT = "vault"
DAY = "dt=2026-11-1"
EFFECTS = ("copy_object", "put_object", "delete_object", "remove_version")
LOOKS = ("history", "describe")
FILE_EFFECTS = ("name_too", "copied", "fingerprint")


@dataclass
class AsideWorld(World):
    """A cell in a place of some kind. ``put`` and ``delete`` are somebody else's doing."""

    kind: Kind = "off"
    reader: ObjectReader = field(default_factory=LocalReader)
    patched: list[tuple[Any, str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.folder / "journal").mkdir(parents=True, exist_ok=True)
        self.store.buckets[BUCKET] = BucketState(BUCKET, "Off", guarantees=EVERYTHING)
        self.store.create(VAULT, BucketState(VAULT, "Off"))
        dataset = (
            DatasetId("file", f"{self.folder}/lake/orders") if self.kind == "local" else DatasetId("s3://lake", "clean/orders")
        )
        self.cell = Cell(dataset, parse_partition(DAY), known=True)
        self.rules = Declarations(datasets=(DatasetRule("*", partition=Layout("dt={dt}")),))

    @property
    def journal_dir(self) -> Path:
        return self.folder / "journal"

    def lay(self, objects: dict[str, bytes]) -> None:
        """What lies there before anybody plans; only then does the bucket become what it is."""
        for name, data in objects.items():
            self.put(name, data)
        if self.kind == "suspended":
            self.store.buckets[BUCKET] = BucketState(BUCKET, "Suspended", guarantees=EVERYTHING)
        if self.kind == "nulls":
            self.store.buckets[BUCKET] = BucketState(BUCKET, "Enabled", guarantees=EVERYTHING)
        self.store.tick()

    def path(self, name: str) -> Path:
        return self.folder / "lake" / "orders" / DAY / name

    def put(self, name: str, data: bytes) -> None:
        """A whole new object or file, as writers make them."""
        if self.kind != "local":
            self.store.put(BUCKET, f"clean/orders/{DAY}/{name}", data)
            return
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.writing")
        temporary.write_bytes(data)
        temporary.replace(path)

    def delete(self, name: str) -> None:
        if self.kind == "local":
            self.path(name).unlink(missing_ok=True)
        else:
            self.store.delete(BUCKET, f"clean/orders/{DAY}/{name}")

    def lying(self) -> dict[str, bytes]:
        """What a reader finds in the cell."""
        bucket, prefix = self.place
        return {
            key.removeprefix(prefix): self.reading(bucket).read(bucket, key)
            for key in self.reading(bucket).list_keys(bucket, prefix)
        }

    def kept(self) -> list[bytes]:
        """Every byte string in quarantine."""
        if self.kind == "local":
            return [path.read_bytes() for path in sorted((self.folder / "lake" / "kept").rglob("*")) if path.is_file()]
        return [self.store.read(VAULT, key) for key in self.store.list_keys(VAULT, "")]

    def everything(self) -> set[bytes]:
        """All bytes that can be had back: what lies there, in quarantine, and in any version."""
        versions = {
            self.store.read(BUCKET, key, one.version_id)
            for key, found in self.store.listing(BUCKET).items()
            for one in found
            if not one.is_marker
        }
        return {*self.lying().values(), *self.kept(), *versions}

    def taken(self) -> set[bytes]:
        """What was taken and is not settled, and what was not brought whole: local files under names of ours."""
        if self.kind != "local":
            return set()
        shelves = [path for path in (self.folder / "lake" / "kept").rglob("*.taking/incident-*") if path.is_file()]
        return {path.read_bytes() for path in [*shelves, *(self.folder / "lake" / "orders").rglob(".incident-*")]}

    @property
    def place(self) -> tuple[str, str]:
        if self.kind == "local":
            return LOCAL, f"{self.folder}/lake/orders/{DAY}/".lstrip("/")
        return BUCKET, f"clean/orders/{DAY}/"

    def reading(self, bucket: str) -> ObjectReader:
        return self.reader if bucket == LOCAL else self.store

    # --- plans ------------------------------------------------------------------------------------------------------------

    @property
    def keeping(self) -> Keeping:
        state = self.store.state(BUCKET)
        if self.kind == "local":
            return Keeping(f"file://{self.folder}/lake/kept/")
        exact = state.versioning == "Enabled" or "conditional-delete" in state.guarantees
        return Keeping(f"s3://{VAULT}/incident/", exact=exact, absent="put-if-absent" in state.guarantees, why="nobody knows")

    def facts(self, *cells: ReachedCell, makeable: bool = True, deleting: bool = True, **more: Any) -> Facts:
        listed = cells or (self.reached,)
        looking = Surveyor(lambda bucket, _prefix: self.reading(bucket), self.rules, deleting)
        surveys = looking.survey([one.cell for one in listed], lambda: None)
        keepings = {one.cell: self.keeping for one in listed}
        return Facts(self.id, radius(*listed), surveys, lambda _job: makeable, (), last_applied(self), keepings=keepings, **more)

    @property
    def reached(self) -> ReachedCell:
        return ReachedCell(self.cell, "TAINTED", 0, (), True, (), (), None, (JOB,), False, None)

    def revert_to(self, copy: CellSurvey, consents: Consents | None = None) -> Plan:
        from runbooks.revert import plan_revert

        since = self.store.now if self.kind != "local" else 1 << 61
        facts = self.facts(replace(self.reached, since=since), deleting=False, copies={self.cell: copy})
        return plan_revert(facts, consents or Consents())

    def undo(self, target: Plan, consents: Consents | None = None) -> Plan:
        state = read_journal(self.journal_dir, target.id)
        done = {index: one.version_id for index, one in state.outcomes.items() if one.status == "done"}
        bucket, prefix = self.place
        current = {str(self.cell): tuple(self.reading(bucket).histories(bucket, prefix))}
        return plan_undo(
            target,
            done,
            current,
            [self.reading(bucket).state(bucket)],
            consents=consents or Consents(),
            previous=last_applied(self),
            keepings={str(self.cell): self.keeping},
        )

    def performer(self, plan: Plan, store: ObjectStore | None) -> PlanActions:
        stored = store or self.store
        aside = AsideActions(
            plan,
            lambda bucket, _prefix: self.reader if bucket == LOCAL else stored,
            lambda _action: stored,
            lambda: self.store.now,
            workers=1,
        )
        versioned = ObjectActions(plan, lambda _bucket, _prefix: stored, lambda: self.store.now, workers=1)
        families: dict[Any, Any] = {**dict.fromkeys(OBJECTS, versioned), **dict.fromkeys(KINDS, aside)}
        return PlanActions(plan, families, lambda: self.store.now)


def kept_copy(world: AsideWorld, objects: dict[str, bytes]) -> CellSurvey:
    """A kept copy of the cell, surveyed."""
    if world.kind == "local":
        prefix = f"{world.folder}/backup/orders/{DAY}/".lstrip("/")
        for name, data in objects.items():
            path = Path(f"/{prefix}{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        bucket = LOCAL
    else:
        bucket, prefix = "backup", f"orders/{DAY}/"
        if bucket not in world.store.buckets:
            now, world.store.now = world.store.now, world.store.now - 1_000 * MS
            world.store.create(bucket, BucketState(bucket, "Off"))
            for name, data in objects.items():
                world.store.put(bucket, prefix + name, data)
            world.store.now = now
    reading = world.reading(bucket)
    return CellSurvey(world.cell, Target(bucket, prefix), reading.state(bucket), tuple(reading.histories(bucket, prefix)))


# --- faults --------------------------------------------------------------------------------------------------------------


class Around:
    """A store whose calls pass through ``around(name, call)``."""

    def __init__(self, store: MemoryStore, around: Callable[[str, Callable[[], Any]], Any]) -> None:
        self._store, self._around = store, around

    def __getattr__(self, name: str) -> Any:
        whole = getattr(self._store, name)
        if name not in {*EFFECTS, *LOOKS, "histories"}:
            return whole
        return lambda *arguments, **more: self._around(name, lambda: whole(*arguments, **more))


def around(store: MemoryStore, act: Callable[[str, Callable[[], Any]], Any]) -> ObjectStore:
    return cast("ObjectStore", Around(store, act))


def around_files(act: Callable[[str, Callable[[], Any]], Any]) -> Iterator[tuple[Any, str, Any]]:
    """What to patch so that every step on files passes through ``act``."""

    def passing(name: str, whole: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **more: act(name, lambda: whole(*arguments, **more))

    for name in FILE_EFFECTS:
        yield aside_files, name, passing(name, getattr(aside_files, name))
    steps = {name: passing(name, getattr(os, name)) for name in ("rename", "unlink")}
    yield aside_files, "os", SimpleNamespace(**{name: getattr(os, name) for name in dir(os) if not name.startswith("__")} | steps)


def failing(fail: FailAfter) -> Callable[[str, Callable[[], Any]], Any]:
    """Ends the process at the call that ``fail`` names, also when that call would have answered with an error."""

    def act(_name: str, whole: Callable[[], Any]) -> Any:
        try:
            return fail.around(whole, lambda: None)
        except Exception:
            if fail.calls - 1 == fail.at:
                raise Crash from None
            raise

    return act


__all__: Sequence[str] = ("DAY", "KINDS_OF_PLACE", "AsideWorld", "Kind", "around", "around_files", "failing", "kept_copy")
