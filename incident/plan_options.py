"""What the plan commands share: which plan to apply, and the consents, each its own flag."""

from __future__ import annotations

from dataclasses import dataclass

from incident.errors import UsageError


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """``apply`` is a plan id, and goes without consents: what is in a plan was consented to when it was made.

    ``max_bytes`` as typed (``1 TiB``); ``before`` is an RFC 3339 time. Raises UsageError.
    """

    apply: str | None = None
    include: tuple[str, ...] = ()
    max_objects: int | None = None
    max_bytes: str | None = None
    skip_refused: bool = False
    before: str | None = None
    writers_stopped: bool = False
    detailed_exitcode: bool = False
    lineage: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        consents = ("include", "max_objects", "max_bytes", "skip_refused", "before", "writers_stopped")
        given = [
            f"--{name.replace('_', '-')}"
            for name in consents
            if getattr(self, name) != PlanOptions.__dataclass_fields__[name].default
        ]
        if self.apply is not None and given:
            raise UsageError(
                f"--apply does exactly what the plan says; {' and '.join(given)} belongs to the making of a plan",
                "leave it out, or make the plan again with it and apply that",
            )
