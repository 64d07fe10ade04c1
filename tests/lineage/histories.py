"""Small nasty histories: found by Hypothesis as bytes, told to the oracle as a Story and to the engine as attempts or as events.

Bytes and not nested strategies, because thousands of histories a minute are worth more here than prettier shrinking; a byte
that shrinks to 0 is always the plainest choice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

from tests.lineage.oracle import INF, Deed, Keys, Place, Read, Story, Write

T = TypeVar("T")

_MODES = ("OVERWRITE", "OVERWRITE", "UNKNOWN", "APPEND", "MERGE", "DROP", "OVERWRITE", "UNKNOWN")
_STATES = ("COMPLETE", "COMPLETE", "COMPLETE", "COMPLETE", "COMPLETE", "FAIL", "ABORT", "OPEN")
_KEYS: tuple[Keys | None, ...] = (
    (("p", "a"),),
    (("p", "a"),),
    (("p", "b"),),
    None,
    (("p", "a"), ("q", "x")),
    (("q", "x"),),
    (("p", "b"), ("q", "x")),
    (("p", "a"), ("q", "y")),
)
_DATASETS = ("parts", "parts", "more", "whole", "other", "parts", "whole", "more")
_TIGHT_DATASETS = ("parts", "parts", "more", "whole", "more")
_TIGHT_KEYS = ((("p", "a"),), (("p", "a"),), (("p", "a"),), (("p", "a"),), None, (("p", "a"), ("q", "x")))
_TIGHT_MODES = ("OVERWRITE", "OVERWRITE", "OVERWRITE", "OVERWRITE", "MERGE", "APPEND", "DROP", "UNKNOWN")
WHOLE = "whole"
"""The dataset that is unpartitioned by declaration: its `*` is known, unless it is only inferred."""


@dataclass
class Choices:
    """Choices read off a byte string; always the first when it has run out."""

    left: bytes

    def below(self, count: int) -> int:
        if not self.left:
            return 0
        first, self.left = self.left[0], self.left[1:]
        return first % count

    def pick(self, options: tuple[T, ...]) -> T:
        return options[self.below(len(options))]


@dataclass(frozen=True)
class _Flavour:
    """How wild a history is. A tight one runs its attempts one after another over few cells, so that taint travels far."""

    tight: bool
    anything: bool

    def place(self, choices: Choices) -> Place:
        dataset = choices.pick(_TIGHT_DATASETS if self.tight else _DATASETS)
        if dataset == WHOLE:
            return Place(dataset, None, known=not self.anything or choices.below(8) < 7)
        keys = choices.pick(_TIGHT_KEYS if self.tight else _KEYS)
        return Place(dataset, keys, keys is not None)

    def deed(self, choices: Choices, name: str, index: int) -> Deed:
        start: float = 2 * index + choices.pick((0, 1, 0, 2)) if self.tight else choices.below(12)
        end = start + choices.pick((1, 0, 2, 1) if self.tight else (1, 0, 2, 4))
        state = choices.pick(_STATES)
        oddity = choices.below(32 if self.tight else 16)
        if self.tight and oddity < 20:
            state = "COMPLETE"
        if oddity == 15:
            start = -INF
        if state == "OPEN" and not (self.anything and oddity == 14):
            end = INF
        reads = tuple(Read(self.place(choices), choices.below(8) == 7) for _ in range(choices.pick((1, 0, 2, 1))))
        modes = _TIGHT_MODES if self.tight else _MODES
        writes = tuple(Write(self.place(choices), choices.pick(modes)) for _ in range(choices.pick((1, 2, 0, 1))))
        if reads and choices.below(6) == 5:  # reads its own output
            writes = (*writes, Write(reads[0].place, choices.pick(modes)))
        return Deed(name, start, end, state, reads, writes)


def decode(data: bytes) -> Story:
    """Attempts as the engine's index sees them: any combination at all, certain and perhaps faulty seeds, our own purges."""
    choices = Choices(data)
    skew = choices.pick((0, 0, 1, 0, 2))
    flavour = _Flavour(tight=choices.below(3) > 0, anything=True)
    deeds: list[Deed] = []
    seeds: set[str] = set()
    perhaps: set[str] = set()
    for index in range(2 + choices.below(8)):
        deed = flavour.deed(choices, f"r{index}#{index}", index)
        role = choices.below(12)
        if index and role == 11 and deed.state in {"COMPLETE", "FAIL"}:
            # a purge of ours: complete or partial, never of an unknown cell
            drops = tuple(Write(write.place, "DROP") for write in deed.writes if write.place.known)
            deed = replace(deed, start=max(deed.start, 0), end=max(deed.end, 0), reads=(), writes=drops, ours=True)
        elif role == 1:
            perhaps.add(deed.name)
        elif role == 2 or not seeds:
            seeds.add(deed.name)
        deeds.append(with_merge_reads(deed))
    return Story(tuple(deeds), skew, frozenset(seeds), frozenset(perhaps))


def decode_runs(data: bytes) -> Story:
    """Attempts as events can tell them: retries one after another under one run id, and a dataset named whole or in parts."""
    choices = Choices(data)
    skew = choices.pick((0, 0, 1, 0, 2))
    flavour = _Flavour(tight=choices.below(3) > 0, anything=False)
    deeds: list[Deed] = []
    seeds: set[str] = set()
    for run in range(2 + choices.below(6)):
        after = -INF
        for number in range(choices.pick((1, 1, 2, 3))):
            deed = flavour.deed(choices, f"r{run}#{number}", len(deeds))
            if number:
                gap = 1 + choices.below(3)  # a START at the very time of a terminal event is that attempt's own
                length = deed.end - deed.start if deed.start > -INF else INF if deed.state == "OPEN" else 1
                deed = replace(deed, start=after + gap, end=after + gap + length)
            if deed.start == -INF and deed.state == "OPEN":
                deed = replace(deed, start=0)  # without START and without end there is no event at all
            deed = replace(deed, reads=_once(deed.reads), writes=_written_once(deed.writes))
            if choices.below(4) == 3 or not deeds:
                seeds.add(deed.name)
            deeds.append(deed)
            if deed.state == "OPEN":
                break
            after = deed.end
    return Story(tuple(deeds), skew, frozenset(seeds))


def _once(reads: tuple[Read, ...]) -> tuple[Read, ...]:
    named = {read.place.dataset for read in reads if read.place.keys is not None}
    return tuple(read for read in reads if read.place.keys is not None or read.place.dataset not in named)


def _written_once(writes: tuple[Write, ...]) -> tuple[Write, ...]:
    named = {write.place.dataset for write in writes if write.place.keys is not None}
    once: dict[Place, Write] = {}
    for write in writes:
        if write.place.keys is not None or write.place.dataset not in named:
            once.setdefault(write.place, write)
    return tuple(once.values())


def with_merge_reads(deed: Deed) -> Deed:
    """A merge also reads what it writes."""
    return replace(deed, reads=deed.reads + tuple(Read(write.place) for write in deed.writes if write.mode == "MERGE"))


def with_missing_lineage(deeds: tuple[Deed, ...]) -> tuple[Deed, ...]:
    """Attempts of one run read and write, at `*` and not known, the datasets that only their siblings named."""
    widened = []
    for deed in deeds:
        siblings = [one for one in deeds if run_of(one.name) == run_of(deed.name)]
        unread = {read.place.dataset for one in siblings for read in one.reads} - {read.place.dataset for read in deed.reads}
        unmade = {write.place.dataset for one in siblings for write in one.writes}
        unmade -= {write.place.dataset for write in deed.writes}
        reads = tuple(Read(Place(dataset, None, known=False)) for dataset in sorted(unread))
        writes = tuple(Write(Place(dataset, None, known=False), "UNKNOWN") for dataset in sorted(unmade))
        widened.append(replace(deed, reads=deed.reads + reads, writes=deed.writes + writes))
    return tuple(widened)


def run_of(name: str) -> str:
    return name.partition("#")[0]


def stories() -> st.SearchStrategy[Story]:
    """Any history of attempts, as the engine's index could meet it."""
    return st.binary(min_size=20, max_size=200).map(decode)


def run_stories() -> st.SearchStrategy[Story]:
    """Any history that events can tell, before missing lineage is widened."""
    return st.binary(min_size=20, max_size=200).map(decode_runs)


def seeded(seed: int) -> bytes:
    """As many bytes as a history needs, from a seed: for long runs outside Hypothesis."""
    random = Random(seed)
    return random.randbytes(random.randrange(60, 221))
