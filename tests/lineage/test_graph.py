"""What can be reached in the graph of jobs and datasets is what networkx finds."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from lineage.datasets import DatasetId, JobId
from lineage.graph import Tagged, reachable

NODES = st.one_of(
    st.integers(0, 5).map(lambda number: ("job", JobId("shop", str(number)))),
    st.integers(0, 5).map(lambda number: ("dataset", DatasetId("shop", str(number)))),
)


@given(st.lists(st.tuples(NODES, NODES), max_size=40), st.lists(NODES, max_size=4))
def test_what_can_be_reached_is_what_networkx_finds(edges: list[tuple[Tagged, Tagged]], starts: list[Tagged]) -> None:
    graph: nx.DiGraph[Tagged] = nx.DiGraph(edges)
    graph.add_nodes_from(starts)
    assert reachable(iter(edges), iter(starts)) == set(starts).union(*(nx.descendants(graph, one) for one in starts))


def test_a_chain_far_longer_than_any_lineage_is_walked_to_its_end() -> None:
    chain: list[Tagged] = [("job", JobId("shop", str(number))) for number in range(20_000)]
    assert reachable(pairwise(chain), chain[:1]) == set(chain)
