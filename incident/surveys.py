"""Surveys: the cells of a radius as found in storage. Read-only."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from incident.context import Context
from incident.errors import BucketMissing, UsageError
from incident.guarantees import Assurance
from incident.key_spool import KeySpool
from incident.storage import open_reader
from incident.storage.local import Unfit
from incident.storage.port import ObjectReader
from incident.tables.recognition import TableRoots
from lineage.attempts import Cell
from lineage.datasets import DatasetId
from lineage.declarations import DatasetRule, Declarations
from runbooks.cautions import COPYING, COVERING, cautions
from runbooks.contents import Gathering
from runbooks.facts import Place
from runbooks.plan import Refusal
from runbooks.survey import LOCAL, BucketState, CellSurvey, Target
from runbooks.targets import Location, in_table, locate, location

_AT_ONCE = 8
Readers = Callable[[str, str], ObjectReader]


@dataclass
class Surveyor:
    """Looks at cells. What cannot be looked at is refused by name; what the storage does not let us see is raised.

    Raises CredentialsMissing, StorageUnreachable.
    """

    readers: Readers
    declarations: Declarations
    deleting: bool = True
    clock: Callable[[], int] | None = None
    assure: Callable[[str, str], object] | None = None
    """Makes the store of a place know what its server honours."""
    spool: KeySpool = field(default_factory=KeySpool)
    """Where the keys go: a survey of a million is never held whole."""
    warnings: list[str] = field(default_factory=list)
    """What is wrong with our clock, by those of the storages that were looked at, and what they make of our effects."""
    _states: dict[str, BucketState] = field(default_factory=dict)
    _roots: TableRoots = field(init=False)

    def __post_init__(self) -> None:
        self._roots = TableRoots(self.warnings)

    def survey(self, cells: Iterable[Cell], told: Callable[[], None]) -> dict[Cell, CellSurvey | Refusal]:
        """Each cell's survey, or why there is none. ``told`` is called after each."""
        found: dict[Cell, CellSurvey | Refusal] = {}
        targets: dict[Cell, Target] = {}
        for cell in cells:
            place = locate(cell, self.declarations, deleting=self.deleting)
            if isinstance(place, Refusal):
                found[cell] = place
                told()
            elif isinstance(refusal := self._prepare(cell, place), Refusal):
                found[cell] = refusal
                told()
            else:
                targets[cell] = place
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for cell, survey in zip(targets, pool.map(self._look, targets, targets.values()), strict=True):
                found[cell] = survey
                told()
        return found

    def _prepare(self, cell: Cell, target: Target) -> Refusal | None:
        """What is asked once for a bucket and a table: before the listings, which run side by side."""
        try:
            reader = self.readers(target.bucket, target.prefix)
        except UsageError as error:
            return Refusal(str(cell), f"{error.message}; {error.hint}", "no-mapping")
        try:
            if target.bucket not in self._states:
                state = reader.state(target.bucket)
                if self.assure is not None:
                    self.assure(target.bucket, target.prefix)
                    state = reader.state(target.bucket, brief=True)  # with what its server honours
                self._states[target.bucket] = state
                if self.clock is not None and (off := state.off(self.clock(), self.declarations.skew)):
                    self.warnings.append(off)
                if target.bucket != LOCAL:
                    self.warnings += cautions(state, COVERING if self.deleting else COVERING | COPYING)
            root = location(cell.dataset, self.declarations)
            above = self._roots.above(reader, target.bucket, target.prefix, root.prefix) if isinstance(root, Location) else None
            if above is not None:
                return Refusal(str(cell), in_table(above), "table-format")
        except BucketMissing as error:
            return Refusal(str(cell), error.message, "no-bucket")
        except Unfit as error:
            return Refusal(str(cell), f"{error.message}; {error.hint}", error.code)
        return None

    def _look(self, cell: Cell, target: Target) -> CellSurvey | Refusal:
        reader = self.readers(target.bucket, target.prefix)
        gathering = Gathering()
        try:
            keys = self.spool.gather(gathering.through(reader.histories(target.bucket, target.prefix)))
        except Unfit as error:
            return Refusal(str(cell), f"{error.message}; {error.hint}", error.code)
        return CellSurvey(cell, target, self._states[target.bucket], keys, contents=gathering.contents())


def surveyor(context: Context, room: Path, *, deleting: bool) -> Surveyor:
    """``room``: a folder for what does not fit into memory."""
    readers: Readers = lambda bucket, prefix: open_reader(context.config, bucket, prefix)  # noqa: E731
    return Surveyor(readers, context.config.declarations, deleting, context.now, Assurance(context), KeySpool(room))


def place_of_url(url: str) -> Location | None:
    """The place that a setting names: ``s3://bucket/prefix``, ``file:///folder``, or a plain path. None where it is none.

    Local ones as they really are: a link must not hide that one place is in another. Of a glob the folder that is certain.
    """
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", url):
        folder = url.partition("*")[0].partition("?")[0].partition("[")[0]
        folder = url if folder == url else folder.rpartition("/")[0]
        return Location(LOCAL, os.path.realpath(Path(folder).expanduser()).strip("/") + "/")
    root = location(DatasetId("", ""), Declarations(datasets=(DatasetRule("*", location=url.rstrip("/")),)))
    if isinstance(root, Refusal):
        return None
    if root.bucket != LOCAL:
        return root
    return Location(LOCAL, os.path.realpath(f"/{root.prefix}").strip("/") + "/")


def places(context: Context, datasets: Iterable[DatasetId], sources: Iterable[str] = ()) -> tuple[Place, ...]:
    """Where a plan must not reach by the way: home, quarantine, lineage, and the roots of the datasets that lineage knows."""
    ours = (("the incident home", context.home.url), ("the quarantine", context.config.policy.quarantine))
    found = [
        Place(what, ground.bucket, ground.prefix)
        for what, url in (*ours, *(("the lineage", source.removeprefix("index:")) for source in sources))
        if url and (ground := place_of_url(url)) is not None
    ]
    for dataset in sorted(set(datasets)):
        root = location(dataset, context.config.declarations)
        if isinstance(root, Location):
            whole = context.config.declarations.dataset(dataset).partition is False
            found.append(Place(f"the dataset {dataset}", root.bucket, root.prefix, dataset, whole))
    return tuple(found)
