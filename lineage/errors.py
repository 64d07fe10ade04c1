"""What can go wrong while reading lineage.

LineageError
├── SourceUnreadable   a file, folder, glob or URL that cannot be read as lineage at all
├── PartitionError     a partition, layout or window that makes no sense, or does not fit the layout declared for it
├── IndexUnreadable    an event index that is damaged, made by another version, or not there
│   └── IndexBusy      another process is writing it
└── FaultError         a choice of fault that makes no sense, or matches more than one job
    ├── AmbiguousJob   several jobs match; carries the candidates
    └── NothingChosen  no attempt matches
"""

from __future__ import annotations


class LineageError(Exception):
    """Something about the lineage that the person at the keyboard can act on."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SourceUnreadable(LineageError):
    """A lineage source that cannot be opened or is not lineage."""


class PartitionError(LineageError):
    """A partition, layout or window that cannot be understood."""


class IndexUnreadable(LineageError):
    """An event index that cannot be used; the sources it was made from still can."""


class IndexBusy(IndexUnreadable):
    """An event index that another process is writing."""


class FaultError(LineageError):
    """A choice of fault that does not choose."""


class AmbiguousJob(FaultError):
    """More than one job matches the name given."""

    def __init__(self, name: str, candidates: tuple[str, ...]) -> None:
        listed = "\n".join(f"  {candidate}" for candidate in candidates)
        super().__init__(f"{len(candidates)} jobs match {name!r}:\n{listed}", "give --job one of these, or a glob with *")
        self.candidates = candidates


class NothingChosen(FaultError):
    """A choice that no attempt matches; the hint says what there is instead."""
