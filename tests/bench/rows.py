"""What benches are given and what they answer. Nothing here is ever asserted by a test: speed is a ratio within one run.

A bench is a module with ``NAME`` (one word, for ``--only``) and ``run(options) -> list[Row]``. It measures ours and its floor or
peer as separate processes, in turn, in the same run (``tests.bench.runs.alternate``), and answers one row for each ratio.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """How much to do. ``folder``: where benches may keep what they generate; only ever below it."""

    folder: Path
    quick: bool = True
    """Minutes and small sizes; False is the real thing."""
    rounds: int = 3
    """How often ours and its floor run in turn; medians count."""

    def sized(self, quick: int, full: int) -> int:
        """The size that a bench takes, by how much is to be done."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Row:
    """One ratio. ``aim`` as a person reads it (``≤ 2.0``), with ``met`` saying whether it was; None where there is no aim."""

    bench: str
    what: str
    """What was done to how much: ``status over a home of 3 incidents``."""
    ours: str
    """With its unit, as shown: ``182 ms``."""
    floor: str
    """What it is compared with: ``119 ms: python -c "import typer"``."""
    ratio: float | None
    aim: str = ""
    met: bool | None = None
    note: str = ""


def at_most(ratio: float | None, limit: float) -> tuple[str, bool | None]:
    """The aim of a cost, and whether it is met."""
    return f"≤ {limit:g}", None if ratio is None else ratio <= limit


def at_least(ratio: float | None, limit: float) -> tuple[str, bool | None]:
    """The aim of a throughput, and whether it is met."""
    return f"≥ {limit:g}", None if ratio is None else ratio >= limit
