"""Iceberg tables through pyiceberg and their catalog.

A cell is changed by one snapshot without some data files and with others that an older snapshot has: nothing is read or
rewritten. The former snapshot is tagged in the same commit, which keeps it from expiry and tells our commit from others'.

Commits go to the catalog with requirements of our own, not through ``Transaction.commit_transaction``. That one keeps a single
requirement of each kind, so that a tag set beside ``main`` leaves ``main`` unguarded; it tries again on a table that moved; and
it deletes the manifests of a commit that was reported as failed, although its answer may only have been lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

from incident.config import Config
from incident.errors import PreconditionFailed, StorageError, StorageUnreachable
from incident.tables.iceberg_catalog import definite, load_table
from incident.tables.iceberg_files import Files
from incident.tables.iceberg_steps import seen_by_readers
from incident.tables.port import Asked, Commit, Note, Swap
from runbooks.table_survey import CellFiles, TableVersion

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

_PLAN, _ACTIONS = "incident.plan", "incident.actions"
_MS = 1_000_000
_AT_ONCE = 16
_EXPIRING = ("history.expire.max-snapshot-age-ms", "history.expire.min-snapshots-to-keep")


class IcebergTable:
    """One table, at the metadata that its catalog named when it was loaded."""

    def __init__(self, table: Table, name: str) -> None:
        self._table, self._name = table, name
        self._files = Files(table, name)

    @classmethod
    def load(cls, config: Config, name: str) -> Self:
        return cls(load_table(config, name), name)

    @property
    def uuid(self) -> str:
        return str(self._table.metadata.table_uuid)

    @property
    def version(self) -> str:
        current = self._table.metadata.current_snapshot_id
        return "" if current is None else str(current)

    def history(self) -> tuple[Sequence[TableVersion], bool]:
        """What was current, by the snapshot log: a snapshot that somebody went back to counts again, at its second time."""
        log = self._table.metadata.snapshot_log
        found: list[TableVersion] = []
        seen: set[int] = set()
        for one in log:
            ours = one.snapshot_id in seen or _PLAN in self._said(one.snapshot_id)
            found.append(TableVersion(str(one.snapshot_id), one.timestamp_ms * _MS, self._what(one.snapshot_id), ours))
            seen.add(one.snapshot_id)
        first = self._table.metadata.snapshot_by_id(log[0].snapshot_id) if log else None
        begins = first is not None and first.parent_snapshot_id is None
        return found, begins or (not log and not self.version)

    def visible(self, version: str) -> bool | None:
        return seen_by_readers(self._table, int(version))

    def files(self, version: str, asked: Mapping[str, Asked]) -> Mapping[str, CellFiles]:
        return self._files.of_cells(version, asked)

    def lost(self, version: str, asked: Mapping[str, Asked]) -> str:
        now = {one.file_path for _, one in self._files.live(self.version)}
        wanted = [path for path in self._files.within(version, list(asked.values())) if path not in now]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            there = pool.map(lambda path: self._table.io.new_input(path).exists(), wanted)
            return next((path for path, found in zip(wanted, there, strict=True) if not found), "")

    def warnings(self) -> tuple[str, ...]:
        said = self._table.metadata.properties
        found = [
            f"{key} = {said[key]}"
            for key in ("history.expire.max-snapshot-age-ms", "history.expire.min-snapshots-to-keep")
            if key in said
        ]
        main = self._table.metadata.refs.get("main")
        if main is not None and main.max_snapshot_age_ms is not None:
            found.append(f"main keeps its snapshots for {main.max_snapshot_age_ms} ms")
        if not found:
            return ()
        return (f"{self._name} says {', '.join(found)}: stop what expires its snapshots until the incident is closed",)

    def ours(self, plan_id: str) -> Sequence[Commit]:
        found = []
        for snapshot in self._table.metadata.snapshots:
            said = self._said(snapshot.snapshot_id)
            if said.get(_PLAN) == plan_id:
                base = "" if snapshot.parent_snapshot_id is None else str(snapshot.parent_snapshot_id)
                found.append(Commit(base, str(snapshot.snapshot_id), _indices(said.get(_ACTIONS, ""))))
        told = {commit.base for commit in found}
        for tag, ref in self._table.metadata.refs.items():
            base, (plan, _, index) = str(ref.snapshot_id), tag.removeprefix("incident-").rpartition("-")
            if tag.startswith("incident-") and plan == plan_id and index.isdigit() and base not in told:
                found.append(Commit(base, "", frozenset({int(index)})))
        return found

    def descends(self, version: str) -> bool:
        at = self._table.metadata.current_snapshot()
        while at is not None:
            if str(at.snapshot_id) == version:
                return True
            at = self._table.metadata.snapshot_by_id(at.parent_snapshot_id) if at.parent_snapshot_id is not None else None
        return False

    def replace(self, swaps: Sequence[Swap], note: Note) -> Commit:
        from pyiceberg.table import Transaction

        goes = self._files.within(self.version, [swap.asked for swap in swaps])
        comes: dict[str, DataFile] = {}
        for source in sorted({swap.source for swap in swaps if swap.source}):
            comes |= self._files.within(source, [swap.asked for swap in swaps if swap.source == source])
        stays = goes.keys() & comes.keys()
        said = {_PLAN: note.plan_id, _ACTIONS: ",".join(map(str, note.actions))}
        try:
            producer = Transaction(self._table, autocommit=False).update_snapshot(snapshot_properties=said).overwrite()
            for path, one in goes.items():
                if path not in stays:
                    producer.delete_data_file(one)
            for path, one in comes.items():
                if path not in stays:
                    producer.append_data_file(one)
            updates, _ = producer._commit()  # noqa: SLF001 - the snapshot alone; see the module's docstring
        except Exception as error:
            raise StorageError(f"a commit to {self._name} cannot be prepared: {error}", "nothing was changed") from error
        self._commit([*updates, *self._tag(note)], note)
        return Commit(self.version, str(producer.snapshot_id), frozenset(note.actions))

    def go_to(self, version: str, note: Note) -> Commit:
        snapshot, main = self._files.snapshot(version), self._table.metadata.refs.get("main")
        kept = {} if main is None else main.model_dump(by_alias=True, exclude_none=True)  # how long main keeps its snapshots
        update = _ref(**{**kept, "ref-name": "main", "type": "branch", "snapshot-id": snapshot.snapshot_id})
        self._commit([*self._tag(note), update], note)
        return Commit(self.version, version, frozenset(note.actions))

    # --- parts ------------------------------------------------------------------------------------------------------------

    def _tag(self, note: Note) -> list[Any]:
        return [_ref(**{"ref-name": _tag_name(note), "type": "tag", "snapshot-id": int(self.version)})] if self.version else []

    def _commit(self, updates: Sequence[Any], note: Note) -> None:
        """Only while ``main`` is what we saw, the table is the same one, and nobody has a tag of our name."""
        from pyiceberg.exceptions import CommitFailedException
        from pyiceberg.table.update import AssertRefSnapshotId, AssertTableUUID

        metadata = self._table.metadata
        requirements = (
            AssertTableUUID(uuid=metadata.table_uuid),
            AssertRefSnapshotId.model_validate({"ref": "main", "snapshot-id": metadata.current_snapshot_id}),
            AssertRefSnapshotId.model_validate({"ref": _tag_name(note), "snapshot-id": None}),
        )
        try:
            self._table.catalog.commit_table(self._table, requirements, tuple(updates))
        except CommitFailedException as error:
            raise PreconditionFailed(f"{self._name} was changed by somebody else: {error}", "plan again") from error
        except Exception as error:
            if definite(error):
                raise StorageError(f"the catalog refuses a commit to {self._name}: {error}", "check [[catalog]]") from error
            raise StorageUnreachable(f"no answer about a commit to {self._name}: {error}", "check the catalog") from error

    def _said(self, snapshot_id: int) -> Mapping[str, str]:
        snapshot = self._table.metadata.snapshot_by_id(snapshot_id)
        return {} if snapshot is None or snapshot.summary is None else snapshot.summary.additional_properties

    def _what(self, snapshot_id: int) -> str:
        snapshot = self._table.metadata.snapshot_by_id(snapshot_id)
        return "expired" if snapshot is None or snapshot.summary is None else str(snapshot.summary.operation.value)


def _tag_name(note: Note) -> str:
    return f"incident-{note.plan_id}-{note.actions[0]}"


def _ref(**said: Any) -> Any:
    from pyiceberg.table.update import SetSnapshotRefUpdate

    return SetSnapshotRefUpdate.model_validate({"action": "set-snapshot-ref", **said})


def _indices(text: str) -> frozenset[int]:
    return frozenset(int(one) for one in text.split(",") if one.isdigit())
