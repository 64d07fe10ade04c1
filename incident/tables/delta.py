"""Delta tables through deltalake.

A cell is changed by one commit that removes some data files from the table and adds others that an older version has: nothing is
read or rewritten. A commit is only ever the version after the one that the handle saw, since it is never tried again by itself.
Delta has no tags: what keeps former files is that nobody vacuums, which every plan warns of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from incident.config import Config
from incident.errors import ConfigError, PreconditionFailed, StorageError, StorageUnreachable
from incident.tables import missing_extra
from incident.tables.delta_files import DeltaFile, files_of, of_cells, partition_texts, statistics, within
from incident.tables.delta_storage import storage_options
from incident.tables.port import Asked, Commit, Note, Swap
from runbooks.table_survey import CellFiles, TableVersion

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties

_PLAN, _ACTIONS = "incident.plan", "incident.actions"
_MS = 1_000_000
_RETENTION = "delta.deletedFileRetentionDuration"


class DeltaLakeTable:
    """One table, at the version that was the newest when it was opened."""

    def __init__(self, table: DeltaTable, name: str, options: dict[str, str]) -> None:
        self._table, self._name, self._options = table, name, options

    @classmethod
    def load(cls, config: Config, name: str) -> Self:
        """Raises ConfigError where there is no table or library, StorageUnreachable where nobody answers."""
        try:
            from deltalake import DeltaTable
            from deltalake.exceptions import TableNotFoundError
        except ImportError as error:
            raise missing_extra("delta", error) from error
        options = storage_options(config, name)
        try:
            return cls(DeltaTable(name, storage_options=options), name, options)
        except TableNotFoundError as error:
            raise ConfigError(f"there is no Delta table at {name}", "check the location of its [[dataset]]") from error
        except Exception as error:
            raise StorageUnreachable(f"the table {name} cannot be read: {error}", "check [[storage]] and the network") from error

    @property
    def uuid(self) -> str:
        return str(self._table.metadata().id)

    @property
    def version(self) -> str:
        return str(self._table.version())

    def history(self) -> tuple[Sequence[TableVersion], bool]:
        found = [
            TableVersion(str(one["version"]), int(one["timestamp"]) * _MS, str(one.get("operation", "?")), _PLAN in one)
            for one in self._log()
            if "timestamp" in one
        ]
        return found, bool(found) and found[0].version == "0" and len(found) == self._table.version() + 1

    def visible(self, version: str) -> bool | None:
        return int(version) <= self._table.version()

    def files(self, version: str, asked: Mapping[str, Asked]) -> Mapping[str, CellFiles]:
        return of_cells(self._at(version), asked)

    def lost(self, version: str, asked: Mapping[str, Asked]) -> str:
        from deltalake.fs import DeltaStorageHandler
        from pyarrow.fs import FileType, PyFileSystem

        now = {one.path for one in files_of(self._table)}
        wanted = [path for path in within(self._at(version), list(asked.values())) if path not in now]
        places = PyFileSystem(DeltaStorageHandler(self._name, self._options))
        infos = places.get_file_info([unquote(path) for path in wanted])
        return next((path for path, info in zip(wanted, infos, strict=True) if info.type != FileType.File), "")

    def warnings(self) -> tuple[str, ...]:
        said = self._table.metadata().configuration.get(_RETENTION, "interval 1 week")
        kept = f"{self._name} keeps former files only until somebody vacuums ({_RETENTION}: {said})"
        return (f"{kept}: vacuum nothing until the incident is closed",)

    def ours(self, plan_id: str) -> Sequence[Commit]:
        return [
            Commit(str(int(one["version"]) - 1), str(one["version"]), _indices(str(one.get(_ACTIONS, ""))))
            for one in self._log()
            if one.get(_PLAN) == plan_id
        ]

    def descends(self, version: str) -> bool:
        return int(version) <= self._table.version()

    def replace(self, swaps: Sequence[Swap], note: Note) -> Commit:
        from deltalake.transaction import AddAction, RemoveAction

        goes = within(self._table, [swap.asked for swap in swaps])
        comes: dict[str, DeltaFile] = {}
        for source in sorted({swap.source for swap in swaps if swap.source}):
            comes |= within(self._at(source), [swap.asked for swap in swaps if swap.source == source])
        stays = goes.keys() & comes.keys()
        # The library encodes the paths that it is given, and those that it tells are encoded already.
        at = note.at // _MS
        actions: list[Any] = [
            RemoveAction(unquote(path), True, at, one.size, partition_texts(one)) for path, one in goes.items() if path not in stays
        ]
        actions += [
            AddAction(unquote(path), one.size, partition_texts(one), one.modified, True, statistics(one))
            for path, one in comes.items()
            if path not in stays
        ]
        return self._commit(
            note,
            lambda said, after: self._table.create_write_transaction(
                actions,
                "append",
                self._table.schema(),
                partition_by=list(self._table.metadata().partition_columns),
                commit_properties=said,
                post_commithook_properties=after,
            ),
        )

    def go_to(self, version: str, note: Note) -> Commit:
        return self._commit(
            note,
            lambda said, after: self._table.restore(int(version), commit_properties=said, post_commithook_properties=after),
        )

    # --- parts ------------------------------------------------------------------------------------------------------------

    def _commit(self, note: Note, send: Callable[[CommitProperties, PostCommitHookProperties], object]) -> Commit:
        """The version after the one that we saw, or nothing. Our commit cleans no log up, and makes no checkpoint that may fail."""
        from deltalake import CommitProperties, PostCommitHookProperties
        from deltalake.exceptions import CommitFailedError, DeltaProtocolError

        base = self._table.version()
        said = {_PLAN: note.plan_id, _ACTIONS: ",".join(map(str, note.actions))}
        after = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
        try:
            send(CommitProperties(custom_metadata=said, max_commit_retries=0), after)
        except CommitFailedError as error:
            raise PreconditionFailed(f"{self._name} was changed by somebody else: {error}", "plan again") from error
        except (DeltaProtocolError, ValueError, TypeError) as error:
            raise StorageError(f"a commit to {self._name} cannot be made: {error}", "nothing was changed") from error
        except Exception as error:
            raise StorageUnreachable(f"no answer about a commit to {self._name}: {error}", "check the storage") from error
        return Commit(str(base), str(base + 1), frozenset(note.actions))

    def _log(self) -> list[dict[str, Any]]:
        """What each version's commit says of itself, oldest first."""
        return list(reversed(self._table.history()))

    def _at(self, version: str) -> DeltaTable:
        if version == self.version:
            return self._table
        from deltalake import DeltaTable

        if not 0 <= int(version) <= self._table.version():  # the library looks for all the versions between, for minutes
            raise StorageError(f"{self._name} has no version {version}; it is at {self.version}", "plan again")
        try:
            return DeltaTable(self._name, version=int(version), storage_options=self._options)
        except Exception as error:
            raise StorageError(f"version {version} of {self._name} cannot be read: {error}", "its log may have expired") from error


def _indices(text: str) -> frozenset[int]:
    return frozenset(int(one) for one in text.split(",") if one.isdigit())
