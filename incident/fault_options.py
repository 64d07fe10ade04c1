"""The choice of a fault as the command line gives it; ``lineage`` makes sense of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FaultOptions:
    """CONTRACT "Choosing the fault". Different selectors intersect, repeats of one unite."""

    job: str | None = None
    nominals: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    runs: tuple[str, ...] = ()
    code_versions: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    lineage: tuple[str, ...] = ()

    @property
    def nominal(self) -> str | None:
        """All the nominal ranges as one text, the way a fault keeps them."""
        return ",".join(self.nominals) or None
