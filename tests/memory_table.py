"""A table with a history in memory, held to the same contract as the real ones; and faults around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from incident.errors import PreconditionFailed, StorageError, StorageUnreachable
from incident.tables.port import Asked, Commit, LakeTable, Note, Swap
from lineage.partitions import from_path
from lineage.timestamps import SECOND
from runbooks.table_partitions import FieldValue, Standing, standing
from runbooks.table_survey import CellFiles, TableVersion
from tests.recovery_world import FailAfter

_PATHS = count(1)


@dataclass(frozen=True)
class Version:
    """Day → path → words, and what the commit said of itself."""

    files: Mapping[str, Mapping[str, str]]
    committed: int
    note: Note | None = None


@dataclass
class MemoryLake:
    """One table. ``now`` in ns UTC is what commits get."""

    versions: list[Version] = field(default_factory=lambda: [Version({}, 1_700_000_000 * SECOND)])
    now: int = 1_700_000_000 * SECOND
    uuid: str = "u1"

    def open(self) -> MemoryTable:
        return MemoryTable(self, len(self.versions) - 1)

    def put(self, day: str, *words: str) -> None:
        """Rows more."""
        files = {one: dict(paths) for one, paths in self.versions[-1].files.items()}
        files.setdefault(day, {})[f"f{next(_PATHS)}"] = " ".join(words)
        self.commit(files)

    def overwrite(self, day: str, *words: str) -> None:
        self.commit({**self.versions[-1].files, day: {f"f{next(_PATHS)}": " ".join(words)}})

    def commit(self, files: Mapping[str, Mapping[str, str]], note: Note | None = None) -> None:
        self.now += SECOND
        self.versions.append(Version({day: paths for day, paths in files.items() if paths}, self.now, note))

    def read(self) -> dict[str, list[str]]:
        return {day: sorted(" ".join(paths.values()).split()) for day, paths in self.versions[-1].files.items()}

    def version(self) -> str:
        return str(len(self.versions) - 1)


class MemoryTable:
    """A handle on one version."""

    def __init__(self, lake: MemoryLake, at: int) -> None:
        self._lake, self._at = lake, at

    @property
    def uuid(self) -> str:
        return self._lake.uuid

    @property
    def version(self) -> str:
        return str(self._at)

    def history(self) -> tuple[Sequence[TableVersion], bool]:
        told = enumerate(self._lake.versions[: self._at + 1])
        return [TableVersion(str(at), one.committed, "write", one.note is not None) for at, one in told], True

    def visible(self, version: str) -> bool | None:
        return int(version) <= self._at

    def files(self, version: str, asked: Mapping[str, Asked]) -> Mapping[str, CellFiles]:
        found = {}
        for key, cell in asked.items():
            paths: list[str] = []
            unclear = ""
            for day, files in self._files(version).items():
                where = _standing(cell, day)
                paths += files if where != "outside" else ()
                unclear = unclear or (f"{day} may hold others" if where == "unclear" else "")
            found[key] = CellFiles.of(paths, len(paths), unclear)
        return found

    def lost(self, version: str, asked: Mapping[str, Asked]) -> str:
        del version, asked
        return ""

    def warnings(self) -> tuple[str, ...]:
        return ()

    def ours(self, plan_id: str) -> Sequence[Commit]:
        return [
            Commit(str(at - 1), str(at), frozenset(one.note.actions))
            for at, one in enumerate(self._lake.versions[: self._at + 1])
            if one.note is not None and one.note.plan_id == plan_id
        ]

    def descends(self, version: str) -> bool:
        return int(version) <= self._at

    def replace(self, swaps: Sequence[Swap], note: Note) -> Commit:
        made = {day: paths for day, paths in self._files(self.version).items() if not _within(swaps, day)}
        for swap in swaps:
            there = self._files(swap.source) if swap.source else {}
            made |= {day: paths for day, paths in there.items() if _standing(swap.asked, day) == "inside"}
        return self._commit(made, note)

    def go_to(self, version: str, note: Note) -> Commit:
        return self._commit(self._files(version), note)

    def _commit(self, files: Mapping[str, Mapping[str, str]], note: Note) -> Commit:
        if self._at != len(self._lake.versions) - 1:
            raise PreconditionFailed("somebody was faster")
        self._lake.commit(files, note)
        return Commit(str(self._at), str(self._at + 1), frozenset(note.actions))

    def _files(self, version: str) -> Mapping[str, Mapping[str, str]]:
        if int(version) >= len(self._lake.versions):
            raise StorageError(f"there is no version {version}")
        return self._lake.versions[int(version)].files


def _standing(asked: Asked, day: str) -> Standing:
    found = from_path(f"dt={day}")
    assert found is not None
    value = found.get("dt")
    assert not isinstance(value, tuple)
    return standing(asked.partition, [FieldValue(frozenset({"dt"}), value)])  # type: ignore[arg-type]


def _within(swaps: Sequence[Swap], day: str) -> bool:
    return any(_standing(swap.asked, day) == "inside" for swap in swaps)


class FailingTable:
    """A table whose calls pass through ``fail``; ``lose``: the answer to every commit is lost."""

    def __init__(
        self, inner: LakeTable, fail: FailAfter | None = None, *, lose: bool = False, meanwhile: Callable[[], object] | None = None
    ) -> None:
        self._inner, self._fail, self._lose, self._meanwhile = inner, fail, lose, meanwhile

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def called(*arguments: Any, **more: Any) -> Any:
            def whole() -> Any:
                return found(*arguments, **more)

            if name not in {"replace", "go_to"}:
                return whole() if self._fail is None else self._fail.around(whole, lambda: None)
            if self._meanwhile is not None:
                self._meanwhile()
            answer = whole() if self._fail is None else self._fail.around(whole, lambda: None)
            if self._lose:
                raise StorageUnreachable("no answer")
            return answer

        return called
