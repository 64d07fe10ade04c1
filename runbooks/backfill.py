"""The backfill planner: which jobs to run for which periods, in waves, so that every run reads what was made before it.

- One run for each job and period, however many of the cells it makes; for an unpartitioned cell one run for the interval of its
  latest run.
- A run waits for every run that makes a cell it reads. What it reads is what its last attempt read: where the events name the
  partitions they count, where they do not the declared window does, and a read of ``*`` waits for all of that dataset's runs.
- A job that reads its own output runs its periods one after another, in the order of time.
- What cannot be made is refused by name, and so are the cells whose makers would read something missing or still tainted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from lineage.attempts import Attempt, Cell
from lineage.blast_radius import ReachedCell
from lineage.declarations import Declarations
from runbooks.backfill_order import waves
from runbooks.backfill_refusals import Refusals
from runbooks.backfill_runs import Command, group
from runbooks.command_template import fill
from runbooks.makers import Makers, Making
from runbooks.missing import Missing
from runbooks.plan import Plan, PlannedCell, Refusal, RunJob


def plan_backfill(
    *,
    incident: str,
    revision: str,
    previous: str | None,
    missing: Sequence[Missing],
    attempts: Iterable[Attempt],
    declarations: Declarations,
    command: Command,
    dirty: Sequence[ReachedCell] = (),
    reached: Collection[tuple[str, int]] = frozenset(),
    include: Collection[str] = frozenset(),
    urls: Mapping[str, str] | None = None,
) -> Plan:
    """The plan that makes the missing cells again.

    ``dirty``: the cells that are TAINTED or SUSPECT now; ``reached``: the keys of the attempts that the fault reached; ``include``:
    refused cells that the operator named, for reading something missing or tainted; ``urls``: where each cell lies, so that the
    output of its run can be looked for. Raises CyclicJobs, UnknownPlaceholder.
    """
    makers = Makers(attempts, lambda job: command(job) is not None, reached, declarations.zone)
    refusals = Refusals(dirty, frozenset(include), command)
    makings: list[Making] = []
    absent: list[Cell] = []
    for one in missing:
        found = makers.of(one)
        if isinstance(found, Refusal):
            refusals.add(one.cell, found.why, found.code)
            absent += [one.cell] if one.leaves == "nothing" else []
        else:
            makings += found
    nodes = refusals.possible(group(makings), absent, {one.cell for one in missing if one.leaves == "nothing"})
    actions = []
    for number, wave in enumerate(waves(nodes, declarations), start=1):
        for node in wave:
            values = node.values()
            actions.append(
                RunJob(
                    job=values["job"],
                    partition=values["partition"],
                    start=values["start"],
                    end=values["end"],
                    cells=tuple(str(cell) for cell in node.cells),
                    wave=number,
                    command=fill(command(node.job) or (), values),
                )
            )
    made = sorted({cell for node in nodes for cell in node.cells}, key=str)
    return Plan(
        incident=incident,
        phase="backfill",
        revision=revision,
        previous=previous,
        actions=tuple(actions),
        cells=tuple(PlannedCell.of(cell, "data", (urls or {}).get(str(cell), "")) for cell in made),
        refused=tuple(refusals.by_cell[name] for name in sorted(refusals.by_cell)),
        warnings=tuple(sorted(refusals.warnings)),
    )
