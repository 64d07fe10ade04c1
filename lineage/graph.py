"""The dependency graph between jobs and datasets, as job-level lineage sees it. The only module that imports networkx."""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx

from lineage.datasets import DatasetId, JobId
from lineage.history import History

Node = JobId | DatasetId


class DependencyGraph:
    """Directed: dataset → job that reads it, job → dataset it writes. Nodes are tagged, as a job and a dataset may share a name."""

    def __init__(self, history: History) -> None:
        self._graph: nx.DiGraph[tuple[str, Node]] = nx.DiGraph()
        for job, datasets in history.job_reads.items():
            self._graph.add_edges_from((("dataset", dataset), ("job", job)) for dataset in datasets)
        for job, datasets in history.job_writes.items():
            self._graph.add_edges_from((("job", job), ("dataset", dataset)) for dataset in datasets)

    def downstream_datasets(self, jobs: Iterable[JobId] = (), datasets: Iterable[DatasetId] = ()) -> frozenset[DatasetId]:
        """Every dataset that can be reached from these, the given datasets included: what static lineage would say."""
        found: set[DatasetId] = set(datasets)
        starts: list[tuple[str, Node]] = [*(("job", job) for job in jobs), *(("dataset", dataset) for dataset in found)]
        for start in starts:
            if start in self._graph:
                found.update(node for kind, node in nx.descendants(self._graph, start) if kind == "dataset")  # type: ignore[misc]
        return frozenset(found)

    def readers(self, dataset: DatasetId) -> tuple[JobId, ...]:
        """The jobs that read a dataset, sorted."""
        return self._jobs(self._graph.successors(("dataset", dataset)) if ("dataset", dataset) in self._graph else ())

    def writers(self, dataset: DatasetId) -> tuple[JobId, ...]:
        """The jobs that write a dataset, sorted."""
        return self._jobs(self._graph.predecessors(("dataset", dataset)) if ("dataset", dataset) in self._graph else ())

    @staticmethod
    def _jobs(nodes: Iterable[tuple[str, Node]]) -> tuple[JobId, ...]:
        return tuple(sorted(JobId(*node) for _, node in nodes))


Tagged = tuple[str, Node]
"""A node of the graph: ("job", job) or ("dataset", dataset)."""


def reachable(edges: Iterable[tuple[Tagged, Tagged]], starts: Iterable[Tagged]) -> frozenset[Tagged]:
    """What can be reached along the edges, the starts included."""
    graph: nx.DiGraph[Tagged] = nx.DiGraph(list(edges))
    found: set[Tagged] = set()
    for start in starts:
        if start not in found:
            found.add(start)
            if start in graph:
                found |= nx.descendants(graph, start)
    return frozenset(found)
