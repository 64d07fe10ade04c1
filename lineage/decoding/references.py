"""The references of typed events, each understood once: the same words of a producer give the same ``DatasetRef`` again.

What a reference says is made by ``lineage.events``, from the same words; here is only the memory of it, so that it cannot say
anything else. No memory grows with the length of a file: those that fill up are emptied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple

import orjson
from msgspec import Raw

from lineage.datasets import DatasetId, normalise
from lineage.decoding.wire import ABSENT, PLAIN, Condition, Dataset, Facets, OwnFacets, Report, Subset
from lineage.events import DatasetRef, asset_references, reference, scalar, subset
from lineage.index.batch import Batch, Dated
from lineage.index.partition_text import written
from lineage.partitions import Partition, split_name

FULL = 1 << 16
"""So many entries a memory holds before it is emptied."""


class Doubt(Exception):
    """Something that only the tolerant way can answer."""


class Named(NamedTuple):
    """Partitions that an event names, with their spellings, and as text that gives them back.

    ``json``: that text as a list; ``dated``: the keys under which they have dates, the same object for the same keys.
    """

    partitions: tuple[Partition, ...]
    spelled: tuple[str, ...]
    texts: tuple[str, ...]
    json: str
    dated: tuple[str, ...]


Found = tuple[int, Named | None, str | None]
"""A reference: the number of its constant part, and what differs from run to run, its partitions and its version."""

Placed = tuple[int, Named | None, str | None]
"""What differs of a reference, after its position in the event; only of those that name partitions or a version."""

_Place = tuple[int, Found]
"""A dataset as it is named: the number of its constant when a subset names partitions, and what it is when none does."""


class _Told(NamedTuple):
    """What the facets of a dataset say, word for word, and what that means."""

    told: tuple[Raw, ...]
    operation: str | None
    facets: Facets
    place: _Place


class References:
    """``constants`` by their numbers in a batch and those that follow it: references without partitions and version."""

    def __init__(self, batch: Batch) -> None:
        self.constants = batch.refs
        self._number = batch.ref
        self._dated = batch.dated
        self._noted: set[Dated] = set()
        self.plain: dict[tuple[str, str], _Place] = {}
        self.suffixed: dict[tuple[str, str], tuple[int, int]] = {}
        self.partitions: dict[bytes, tuple[Named | None, Raw]] = {}
        self.tails: dict[str, Named | None] = {}
        self.places: dict[tuple[str, ...], Named | None] = {}
        """What names, words and places mean to either side."""
        self._made: dict[Found, DatasetRef] = {}
        self._assets: dict[str, tuple[tuple[DatasetId, Found], ...]] = {}
        self.inputs = Side(self, "input")
        self.outputs = Side(self, "output")

    def split(self, made: DatasetRef) -> Found:
        """A reference in its two parts."""
        named, constant = None, made
        if made.partitions or made.version is not None:
            constant = replace(made, partitions=(), spelled=(), version=None)
        if made.partitions:
            named = _as_named(dict(zip(made.partitions, made.spelled, strict=True)))
        return self._number(constant), named, made.version

    def whole(self, numbers: Sequence[int], placed: Iterable[Placed]) -> list[DatasetRef]:
        """The references of an event by the numbers of their constants, and what else it says of some."""
        found = [self.constants[number] for number in numbers]
        for position, named, version in placed:
            told = numbers[position], named, version
            made = self._made.get(told)
            if made is None:
                make_room(self._made)
                partitions, spelled = ((), ()) if named is None else named[:2]
                made = replace(found[position], partitions=partitions, spelled=spelled, version=version)
                self._made[told] = made
            found[position] = made
        return found

    def assets(self, raw: Any, present: Sequence[int]) -> list[Found]:
        """Of Airflow's inlets or outlets, those whose datasets are not among the references present."""
        if not isinstance(raw, str) or "uri" not in raw:
            return []
        told = self._assets.get(raw)
        if told is None:
            told = tuple((one.dataset, self.split(one)) for one in asset_references(raw))
            if len(raw) < FULL:
                make_room(self._assets)
                self._assets[raw] = told
        known = {self.constants[number].dataset for number in present}
        return [found for dataset, found in told if dataset not in known]

    def note(self, number: int, dated: tuple[str, ...], *, sure: bool, versioned: bool = False) -> None:
        """Note for the index under which keys the partitions of a reference have dates, and that it has versions."""
        told = Dated(number, dated, sure, versioned)
        if told not in self._noted:
            self._noted.add(told)
            self._dated.append(told)


class Side:
    """The references that events read, or those that they write."""

    def __init__(self, references: References, direction: Literal["input", "output"]) -> None:
        self._references = references
        self._direction = direction
        self._reads = direction == "input"
        self._told: dict[tuple[object, ...], _Told] = {}
        self._lately: dict[tuple[str, str, bool], _Told] = {}
        """What was told last of each name, or of what comes before the partition that names end in."""
        self._plain, self._suffixed = references.plain, references.suffixed
        self._partitions, self._tails, self._places = references.partitions, references.tails, references.places
        self._noted: dict[int, tuple[str, ...]] = {}
        """The keys that were noted last of a reference: nearly always those of the next event too."""

    def find(self, told: Iterable[Dataset], numbers: list[int], placed: list[Placed]) -> None:
        """Add the datasets of an event. Raises Doubt or ValueError for what the tolerant way has to look at."""
        reads, plain, partitions, noted = self._reads, self._plain, self._partitions, self._noted
        for raw in told:
            facets, version = raw.facets, None
            own = raw.inputFacets if reads else raw.outputFacets
            subset = None if own is None else own.subset
            if (facets is None or facets == PLAIN) and (own is None or own.icebergScanReport is own.icebergCommitReport):
                bare, (number, named, _) = plain.get((raw.namespace, raw.name)) or self._new_plain(raw)
            else:
                bare, (number, named, _), subset, version = self._telling_place(raw, facets or PLAIN, own or _NONE)
            if subset is not None and (condition := subset.inputCondition if reads else subset.outputCondition) is not None:
                if condition.locations is None:
                    said, condition.partitions = partitions.get(bytes(condition.partitions)) or self._named(condition.partitions)
                else:
                    said = self._located(condition.locations, condition)
                if said is not None:
                    number, named = bare, said
            if named is not None or version is not None:
                placed.append((len(numbers), named, version))
                dated = _NO_KEYS if named is None else named[4]
                if noted.get(number) is not dated or version is not None:
                    noted[number] = dated
                    self._references.note(number, dated, sure=True, versioned=version is not None)
            numbers.append(number)

    def _new_plain(self, raw: Dataset) -> _Place:
        name = raw.name
        if (slash := _tail_begins(name)) > 0 and (named := self._tail(name, slash)) is not None:
            key = raw.namespace, name[:slash]  # names that end in other partitions are told by the same words
            known = self._suffixed.get(key)
            if known is None:
                make_room(self._suffixed)
                place = self._understood(raw, {}, {})
                known = self._suffixed[key] = place[0], place[1][0]
            return known[0], (known[1], named, None)
        make_room(self._plain)
        place = self._plain[raw.namespace, name] = self._understood(raw, {}, {})
        return place

    def _telling_place(self, raw: Dataset, facets: Facets, own: OwnFacets) -> tuple[int, Found, Subset | None, str | None]:
        """The dataset by everything that its facets say; what differs from run to run is no part of the memory's key."""
        scan, commit = own.icebergScanReport, own.icebergCommitReport
        if (scan is not None and commit is not None) or (own.subset is not None and facets.subset is not None):
            raise Doubt
        report = scan or commit or _NO_REPORT
        if not isinstance(report.operation, str | None):
            raise Doubt
        name, named = raw.name, None
        if (slash := _tail_begins(name)) > 0:
            named = self._tail(name, slash)
        key = raw.namespace, name if named is None else name[:slash], named is None
        told = _telling(facets)
        known = self._lately.get(key)
        if known is None or known.told != told or known.operation != report.operation:
            known = self._retold(raw, key, told, report.operation)
        if raw.facets is not None:  # the words of the line would keep all of it
            alone = facets.version is None and facets.subset is None
            raw.facets = known.facets if alone else Facets(facets.subset, facets.version, *known.told)
        version = None
        if facets.version is not None:
            version = _version(facets.version.datasetVersion)
        if version is None and report.snapshotId is not None:
            version = _version(report.snapshotId)
        bare, (number, always, _) = known.place
        return bare, (number, named or always, None), own.subset or facets.subset, version

    def _retold(self, raw: Dataset, key: tuple[str, str, bool], told: tuple[Raw, ...], operation: str | None) -> _Told:
        """A dataset of which something else was told last."""
        words = tuple(map(bytes, told))
        known = self._told.get((*key, operation, *words))
        if known is None:
            make_room(self._told)
            read = {one: orjson.loads(word) for one, word in zip(_TELLING, words, strict=True) if word}
            place = self._understood(raw, read, {"icebergScanReport": {"operation": operation}})
            kept = tuple([Raw(word) if word else ABSENT for word in words])
            known = self._told[*key, operation, *words] = _Told(kept, operation, Facets(None, None, *kept), place)
        make_room(self._lately)
        self._lately[key] = known
        return known

    def _understood(self, raw: Dataset, facets: dict[str, Any], own: dict[str, Any]) -> _Place:
        if not raw.name:
            raise Doubt
        made = reference(normalise(raw.namespace, raw.name), {"facets": facets, f"{self._direction}Facets": own}, self._direction)
        bare = replace(made, partitions=(), spelled=(), suffixed=False) if made.partitions else made
        return self._references.split(bare)[0], self._references.split(made)

    def _named(self, told: Raw) -> tuple[Named | None, Raw]:
        """The partitions of a subset by the words in which it lists them, and these words by themselves."""
        make_room(self._partitions)
        words = bytes(told)
        named = _as_named(subset({"partitions": _read(words)}) if words else {})
        made = self._partitions[words] = named, Raw(words) if words else ABSENT
        return made

    def _located(self, locations: list[str], condition: Condition) -> Named | None:
        """The partitions of a subset by the places where they lie, and by their words where it has these too."""
        if condition.partitions is not ABSENT:
            return _as_named(subset({"locations": locations, "partitions": _read(bytes(condition.partitions))}))
        if len(locations) == 1:
            (only,) = locations
            ends = only.find("=")
            slash = only.rfind("/", 0, ends) if ends > 0 else -1
            if slash >= 0 and (named := self._tail(only, slash)) is not None:
                return named
        key = tuple(locations)
        if key not in self._places:
            make_room(self._places)
            self._places[key] = _as_named(subset({"locations": locations}))
        return self._places[key]

    def _tail(self, place: str, slash: int) -> Named | None:
        """The partition that a place or name ends in after that slash; None unless all of that is keys and values."""
        tail = place[slash + 1 :]
        if tail not in self._tails:
            make_room(self._tails)
            base, found = split_name(place)
            ours = len(base) == slash and place[-1] != "/"
            self._tails[tail] = _as_named({found: tail}) if ours else None
        return self._tails[tail]


def _tail_begins(name: str) -> int:
    """Where the slash is after which a name may end in a partition; not above 0 for none."""
    ends = name.find("=")
    slash = name.rfind("/", 0, ends) if ends > 0 else -1
    return slash if slash > 0 and name[slash - 1] != "/" and "://" not in name else -1


_TELLING = ("lifecycleStateChange", "dbt_model", "dbt_exposures", "symlinks", "ownership", "storage")
_telling = attrgetter(*_TELLING)
_HUGE = re.compile(rb"[\[:,]\s*-?\d{19}")
_NO_KEYS: Final[tuple[str, ...]] = ()
_NONE = OwnFacets()
_NO_REPORT = Report()


def _read(words: bytes) -> Any:
    if _HUGE.search(words):
        raise Doubt  # whether it is a fraction depends on the rest of the line
    return orjson.loads(words)


def _version(told: Any) -> str | None:
    if isinstance(told, int) and not -(2**63) <= told < 2**64:
        raise Doubt  # a fraction to the tolerant way's parser
    return scalar(told) or None


def _as_named(told: dict[Partition, str]) -> Named | None:
    if not told:
        return None
    texts = tuple(map(written, told))
    dated = tuple(dict.fromkeys(key for one in told for key in one.dated_keys))
    return Named(tuple(told), tuple(told.values()), texts, orjson.dumps(texts).decode(), _same(dated))


@lru_cache(maxsize=1 << 10)
def _same(keys: tuple[str, ...]) -> tuple[str, ...]:
    return keys


def make_room(memory: dict[Any, Any]) -> None:
    """Empties a memory that is full."""
    if len(memory) >= FULL:
        memory.clear()
