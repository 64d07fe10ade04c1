"""What the operator allowed, each by its own flag, and what a plan needs before it may be saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lineage.attempts import Cell
from lineage.blast_radius import ReachedCell
from lineage.datasets import split_url
from lineage.errors import PartitionError
from lineage.partitions import parse_partition, same
from runbooks.plan import Plan, Refusal

NEVER_SKIPPED = frozenset({"empty", "cap-objects", "cap-bytes"})
"""Refusals of the plan as a whole: there is no rest to go on with."""


@dataclass(frozen=True, slots=True)
class Consents:
    """``include`` are cells as the operator wrote them, ``pointers`` are ``URL=VALUE``. ``before`` in nanoseconds UTC.

    Caps are per operation.
    """

    include: tuple[str, ...] = ()
    max_objects: int = 100_000
    max_bytes: int = 1 << 40
    skip_refused: bool = False
    writers_stopped: bool = False
    before: int | None = None
    pointers: tuple[str, ...] = ()

    def pointer(self, url: str) -> str | None:
        """The value that the operator named for a pointer."""
        return next((text[len(url) + 1 :] for text in reversed(self.pointers) if text.startswith(f"{url}=")), None)


def names(text: str, cell: Cell) -> bool:
    """Whether ``DATASET@PARTITION`` as written by a person is this very cell. Suffixes of the dataset's name are accepted."""
    if text == str(cell):
        return True
    dataset, at, partition = text.rpartition("@")
    if not at or not dataset:
        return False
    try:
        meant = parse_partition(partition)
    except PartitionError:
        return False
    full = str(cell.dataset)
    named = full in {dataset.rstrip("/"), str(split_url(dataset))}
    return (named or full.endswith("/" + dataset.strip("/"))) and (
        meant == cell.partition or (bool(meant) and bool(cell.partition) and same(meant, cell.partition))
    )


def included(reached: Sequence[ReachedCell], consents: Consents) -> tuple[frozenset[Cell], tuple[Refusal, ...]]:
    """The cells named by --include, and a refusal for each name that is none of them, is several, or is not to be touched."""
    found: set[Cell] = set()
    wrong: list[Refusal] = []
    for text in consents.include:
        match [one for one in reached if names(text, one.cell)]:
            case [one] if one.state == "CLEANED":
                wrong.append(Refusal(text, "was cleaned since; it is left alone", "not-included"))
            case [one]:
                found.add(one.cell)
            case []:
                wrong.append(Refusal(text, "is no cell of the radius; write it as incident blast shows it", "not-included"))
            case several:
                wrong.append(Refusal(text, f"could be any of {', '.join(str(one.cell) for one in several)}", "not-included"))
    return frozenset(found), tuple(wrong)


def blocking(plan: Plan, consents: Consents) -> tuple[Refusal, ...]:
    """The refusals that keep a plan from being saved and applied."""
    return tuple(refusal for refusal in plan.refused if refusal.code in NEVER_SKIPPED or not consents.skip_refused)


def over_caps(objects: int, size: int, consents: Consents) -> tuple[Refusal, ...]:
    """A refusal for each cap that the plan breaks; a cap is raised by hand."""
    found = []
    if objects > consents.max_objects:
        why = f"{objects} objects are more than the cap of {consents.max_objects}; raise it with --max-objects {objects}"
        found.append(Refusal("the plan", why, "cap-objects"))
    if size > consents.max_bytes:
        why = f"{size} bytes are more than the cap of {consents.max_bytes}; raise it with --max-bytes {size}"
        found.append(Refusal("the plan", why, "cap-bytes"))
    return tuple(found)
