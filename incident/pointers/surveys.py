"""Surveys of pointers: what they hold, what they held, and what lies where those values point. Read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from incident.errors import BucketMissing, ObjectMissing, UsageError
from incident.outputs import Readers
from incident.pointers.port import PointerReader, PointerUnreadable
from incident.pointers.serving import Entry, entries, named_by, normal, places
from lineage.attempts import Cell
from lineage.blast_radius import ReachedCell
from lineage.history import History
from lineage.partitions import overlap
from lineage.timestamps import BEFORE, SECOND
from runbooks.consents import Consents
from runbooks.plan import Refusal
from runbooks.pointers import decide, moments, unseen
from runbooks.survey import KeyHistory, Overlap, PointedAt, PointerSurvey
from runbooks.targets import Location, locate, location

if TYPE_CHECKING:
    from incident.config import Config

_MILLISECOND = 1_000_000
_CANDIDATES = 5
Found = PointerSurvey | Refusal


@dataclass
class PointerSurveyor:
    """Looks at the pointers of cells. What cannot be looked at is refused by name.

    ``opened``: opens a pointer by its kind and URL. ``dirty``: all dirty cells, since a value may name another one's place.
    """

    config: Config
    opened: Callable[[str, str], PointerReader]
    readers: Readers
    history: History
    dirty: Sequence[ReachedCell]
    consents: Consents
    _kept: dict[str, tuple[PointerReader, PointerSurvey] | Refusal] = field(default_factory=dict)

    def survey(self, cells: Iterable[Cell]) -> dict[Cell, tuple[Found, ...]]:
        """Each cell's pointers; cells without any are left out. Raises CredentialsMissing, StorageUnreachable."""
        found: dict[Cell, tuple[Found, ...]] = {}
        for cell in cells:
            ours = entries(self.config, cell)
            if ours:
                found[cell] = tuple(one if isinstance(one, Refusal) else self._survey(cell, one) for one in ours)
        return found

    def _survey(self, cell: Cell, entry: Entry) -> Found:
        """What all cells of one pointer share is looked at once; targets as far as they matter to any of them."""
        if entry.url not in self._kept:
            self._kept[entry.url] = self._read(cell, entry)
        kept = self._kept[entry.url]
        if isinstance(kept, Refusal):
            return replace(kept, what=str(cell))
        pointer, survey = kept
        since = moments(self.dirty, self.config.declarations.skew, self.consents.before)
        while (value := unseen(cell, survey, since)) is not None:
            try:
                seen = self._look(self._where(entry, cell, pointer, value), cell)
            except (BucketMissing, ObjectMissing, UsageError) as error:
                return Refusal(str(cell), f"{entry.url} names what cannot be looked at: {error.message}; {error.hint}", "no-target")
            survey = replace(survey, targets={**survey.targets, value: seen})
        if not survey.candidates and isinstance(decide(cell, survey, since), Refusal):
            survey = replace(survey, candidates=tuple(self._candidates(entry, cell, pointer, survey)))
        self._kept[entry.url] = pointer, survey
        return survey

    def _read(self, cell: Cell, entry: Entry) -> tuple[PointerReader, PointerSurvey] | Refusal:
        try:
            pointer = self.opened(entry.kind.name, entry.url)
            now = pointer.now()
            named = self.consents.pointer(entry.url)
            spelled = None if named is None else pointer.spelled(named, now.value)
            past, ordered = pointer.past(self._first_taint())
        except (PointerUnreadable, BucketMissing, UsageError) as error:
            return Refusal(str(cell), f"its pointer {entry.url}: {error.message}; {error.hint}", "pointer")
        times = [one.written for one in (now, *past) if one.value is not None]
        survey = PointerSurvey(
            kind=entry.kind.name,
            pointer=entry.url,
            now=now,
            past=tuple(past),
            ordered=ordered,
            cut=_MILLISECOND if any(time % SECOND for time in times) else SECOND,
            degraded=pointer.degraded(),
            named=spelled,
            absence=entry.kind.absence,
            bucket=pointer.bucket(),
        )
        return pointer, survey

    def _first_taint(self) -> int:
        known = moments(self.dirty, self.config.declarations.skew, self.consents.before).values()
        return min((one for one in known if one is not None), default=BEFORE)

    def _where(self, entry: Entry, cell: Cell, pointer: PointerReader, value: str) -> tuple[str, ...]:
        declared = places(self.config, entry, cell, value, pointer.plain(value))
        return declared or tuple(url for one in pointer.where(value) if (url := normal(one)) is not None)

    def _candidates(self, entry: Entry, cell: Cell, pointer: PointerReader, survey: PointerSurvey) -> Iterator[str]:
        """What it might rightly hold: the values it knows of whose data the fault did not reach."""
        for value in pointer.others():
            try:
                seen = self._look(self._where(entry, cell, pointer, value), cell)
            except (BucketMissing, ObjectMissing, UsageError):
                continue
            if seen.objects and not seen.missing and not seen.overlaps:
                yield pointer.plain(value)
        if not pointer.others():
            yield from self._by_lineage(entry, cell, survey.now.plain)

    def _by_lineage(self, entry: Entry, cell: Cell, like: str) -> Iterator[str]:
        """The cells of its dataset that ended well and that the fault did not reach, newest first."""
        ends: dict[Cell, int] = {}
        for attempt in self.history.attempts:
            if attempt.kind == "run" and attempt.state == "COMPLETE":
                for write in attempt.writes:
                    if write.cell.dataset == cell.dataset and write.cell.partition:
                        ends[write.cell] = max(attempt.end, ends.get(write.cell, BEFORE))
        dirty = [one.cell.partition for one in self.dirty if one.cell.dataset == cell.dataset]
        found = 0
        for other in sorted(ends, key=lambda one: ends[one], reverse=True):
            if found == _CANDIDATES or any(overlap(other.partition, one) for one in dirty):
                continue
            if (value := named_by(self.config, entry, other, like)) is not None:
                found += 1
                yield value

    # --- what lies where a value points -----------------------------------------------------------------------------------

    def _look(self, urls: tuple[str, ...], cell: Cell) -> PointedAt:
        objects, lost, missing = 0, 0, list[str]()
        newest: dict[Cell, int] = {}
        for bucket, prefix, url, keys in self._listed(urls):
            near = list(self._near(bucket, prefix, cell))
            newest |= {other: newest.get(other, 0) for other, _ in near}
            here = 0
            for one in keys:
                if one.current is None:
                    lost = max(lost, one.top.last_modified)
                    continue
                here += 1
                for other, place in near:
                    if one.key.startswith(place):
                        newest[other] = max(newest[other], one.current.last_modified)
            objects += here
            missing += [] if here else [url]
        overlaps = tuple(Overlap(other, moment) for other, moment in newest.items())
        return PointedAt(urls, objects, tuple(missing), overlaps, lost)

    def _listed(self, urls: tuple[str, ...]) -> Iterator[tuple[str, str, str, Iterable[KeyHistory]]]:
        """Each url's bucket and prefix, and its keys. Files of one folder (a manifest's) are listed together."""
        folders: dict[tuple[str, str], dict[str, KeyHistory]] = {}
        for url in urls:
            bucket, key = _parsed(url)
            if url.endswith("/"):
                yield bucket, key, url, self._histories(bucket, key)
                continue
            folder = key.rpartition("/")[0] + "/" if len(urls) > 1 and "/" in key else key
            if (bucket, folder) not in folders:
                folders[bucket, folder] = {one.key: one for one in self._histories(bucket, folder)}
            listed = folders[bucket, folder]
            if key in listed:
                yield bucket, key, url, [listed[key]]
            else:
                yield bucket, f"{key}/", url, [one for name, one in listed.items() if name.startswith(f"{key}/")]

    def _histories(self, bucket: str, prefix: str) -> Iterator[KeyHistory]:
        """One after another: a version of a dataset may have millions of objects."""
        for one in self.readers(bucket, prefix).histories(bucket, prefix):
            if not (one.key.endswith("/") and all(version.size == 0 for version in one.versions)):
                yield one

    def _near(self, bucket: str, prefix: str, cell: Cell) -> Iterator[tuple[Cell, str]]:
        """The dirty cells that lie at, in or around a place, each with the prefix that both share.

        Where a dirty cell of the pointer's own dataset lies cannot be told, all of the place counts as its.
        """
        for one in self.dirty:
            place = self._place(one.cell)
            if place is None:
                if one.cell.dataset == cell.dataset:
                    yield one.cell, prefix
            elif place.bucket == bucket and (prefix.startswith(place.prefix) or place.prefix.startswith(prefix)):
                yield one.cell, max(prefix, place.prefix, key=len)

    def _place(self, cell: Cell) -> Location | None:
        target = locate(cell, self.config.declarations, deleting=False)
        if not isinstance(target, Refusal):
            return Location(target.bucket, target.prefix)
        root = location(cell.dataset, self.config.declarations)
        return root if isinstance(root, Location) else None


def _parsed(url: str) -> tuple[str, str]:
    if url.startswith("file:///"):
        return "file:", url.removeprefix("file:///")
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key
