"""The dependency graph between jobs and datasets, as job-level lineage sees it. The only module that imports networkx."""

from __future__ import annotations

from collections.abc import Iterable

from lineage.datasets import DatasetId, JobId
from lineage.history import History

Node = JobId | DatasetId
Tagged = tuple[str, Node]
"""A node of the graph: ("job", job) or ("dataset", dataset)."""


class DependencyGraph:
    """Directed: dataset → job that reads it, job → dataset it writes. Nodes are tagged, as a job and a dataset may share a name."""

    def __init__(self, history: History) -> None:
        # Dictionaries, because a walk over them is a few lines, and every plan would wait for networkx to be loaded.
        self._after: dict[Tagged, set[Tagged]] = {}
        self._before: dict[Tagged, set[Tagged]] = {}
        for job, datasets in history.job_reads.items():
            for dataset in datasets:
                self._add(("dataset", dataset), ("job", job))
        for job, datasets in history.job_writes.items():
            for dataset in datasets:
                self._add(("job", job), ("dataset", dataset))

    def _add(self, one: Tagged, other: Tagged) -> None:
        self._after.setdefault(one, set()).add(other)
        self._before.setdefault(other, set()).add(one)

    def downstream_datasets(self, jobs: Iterable[JobId] = (), datasets: Iterable[DatasetId] = ()) -> frozenset[DatasetId]:
        """Every dataset that can be reached from these, the given datasets included: what static lineage would say."""
        starts: list[Tagged] = [*(("job", job) for job in jobs), *(("dataset", dataset) for dataset in datasets)]
        found, left = set(starts), starts
        while left:
            new = self._after.get(left.pop(), set()) - found
            found |= new
            left += new
        return frozenset(DatasetId(*node) for kind, node in found if kind == "dataset")

    def readers(self, dataset: DatasetId) -> tuple[JobId, ...]:
        """The jobs that read a dataset, sorted."""
        return self._jobs(self._after.get(("dataset", dataset), ()))

    def writers(self, dataset: DatasetId) -> tuple[JobId, ...]:
        """The jobs that write a dataset, sorted."""
        return self._jobs(self._before.get(("dataset", dataset), ()))

    @staticmethod
    def _jobs(nodes: Iterable[Tagged]) -> tuple[JobId, ...]:
        return tuple(sorted(JobId(*node) for _, node in nodes))


def reachable(edges: Iterable[tuple[Tagged, Tagged]], starts: Iterable[Tagged]) -> frozenset[Tagged]:
    """What can be reached along the edges, the starts included."""
    import networkx as nx

    graph: nx.DiGraph[Tagged] = nx.DiGraph(list(edges))
    found: set[Tagged] = set()
    for start in starts:
        if start not in found:
            found.add(start)
            if start in graph:
                found |= nx.descendants(graph, start)
    return frozenset(found)
