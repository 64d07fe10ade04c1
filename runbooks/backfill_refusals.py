"""What a backfill cannot make, by name: runs whose command lacks a value, or that would read something missing or tainted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from lineage.attempts import Cell
from lineage.blast_radius import ReachedCell
from lineage.datasets import DatasetId
from lineage.partition_index import PartitionIndex
from runbooks.backfill_runs import Command, RunNode
from runbooks.command_template import placeholders
from runbooks.plan import Refusal


class Refusals:
    """Collects refusals by cell, and warnings. ``include``: cells that the operator named, made in spite of their inputs."""

    def __init__(self, dirty: Iterable[ReachedCell], include: Collection[str], command: Command) -> None:
        self.by_cell: dict[str, Refusal] = {}
        self.warnings: set[str] = set()
        self._include = include
        self._command = command
        self._dirty: dict[DatasetId, PartitionIndex[ReachedCell]] = defaultdict(PartitionIndex)
        for reached in dirty:
            self._dirty[reached.cell.dataset].add(reached.cell.partition, reached)

    def add(self, cell: Cell, why: str, code: str) -> None:
        self.by_cell[str(cell)] = Refusal(str(cell), why, code)

    def possible(self, nodes: list[RunNode], absent: list[Cell], gone: Collection[Cell]) -> list[RunNode]:
        """The runs that are left when those that cannot run are taken out, and those who read what they make, and so on.

        ``absent``: cells that nobody makes again; ``gone``: all cells of which nothing is there now.
        """
        refused = [node for node in nodes if self._alone(node)]
        while refused or absent:
            lost = {cell for node in refused for cell in node.cells}
            # A cell that several jobs make is not made by half of them.
            for node in nodes:
                node.makings = [making for making in node.makings if making.cell not in lost]
            nodes = [node for node in nodes if node.makings]
            lacking: dict[DatasetId, PartitionIndex[Cell]] = defaultdict(PartitionIndex)
            for cell in (*absent, *(cell for cell in lost if cell in gone)):
                lacking[cell.dataset].add(cell.partition, cell)
            refused = [node for node in nodes if self._lacks(node, lacking)]
            absent = []
        return nodes

    def _alone(self, node: RunNode) -> bool:
        """Whether the run is refused for what it is itself, or for bad data it would read."""
        values = node.values()
        for name in sorted(placeholders(self._command(node.job) or ()) & {"start", "end"}):
            if not values[name]:
                return self._refuse(
                    node, f"the command of {node.job} needs {{{name}}}, and no run said for which interval it ran", "no-interval"
                )
        own = set(node.cells)
        for read in node.reads:
            for _, reached in self._dirty[read.cell.dataset].overlapping(read.cell.partition):
                if reached.cell in own:
                    continue
                certain = reached.state == "TAINTED" and read.cell == reached.cell and read.how != "inferred"
                if certain and not self._included(node):
                    return self._refuse(
                        node,
                        f"{node.job} reads {reached.cell}, which is still TAINTED: it would be made bad again",
                        "tainted-input",
                    )
                self.warnings.add(f"{node.job} may read {reached.cell}, which is {reached.state}: what it makes may be bad again")
        return False

    def _lacks(self, node: RunNode, lacking: Mapping[DatasetId, PartitionIndex[Cell]]) -> bool:
        for read in node.reads:
            if read.cell.dataset not in lacking:
                continue
            for _, cell in lacking[read.cell.dataset].overlapping(read.cell.partition):
                if not self._included(node):
                    return self._refuse(node, f"{node.job} reads {cell}, which is not made again", "missing-input")
        return False

    def _included(self, node: RunNode) -> bool:
        return all(str(cell) in self._include for cell in node.cells)

    def _refuse(self, node: RunNode, why: str, code: str) -> bool:
        for cell in node.cells:
            self.add(cell, why, code)
        return True
