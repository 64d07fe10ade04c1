"""The index finds exactly what comparing all with all finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lineage.partition_index import PartitionIndex
from lineage.partitions import Partition, overlap, parse_partition

TEXTS = (
    *("*", "dt=2026-11-17", "dt=2026-11-18", "20261118", "2026/11", "dt=2026-11", "dt=2026-W47", "ds=2026-11-18"),
    *("dt=2026-11-18/hour=03", "dt=2026-11-18/hour=3", "dt=2026-11-18/hour=4", "dt=2026-11-18T03:00:00", "dt=2026-11-18T00:00:00"),
    *("country=SE/dt=2026-11-18", "country=NO/dt=2026-11-18", "country=SE", "bucket=7", "bucket=007", "bucket=seven"),
    *("offset=0-10", "offset=5-15", "offset=20-30"),
)
PARTITIONS = st.sampled_from([parse_partition(text) for text in TEXTS])


@given(st.lists(PARTITIONS), PARTITIONS)
def test_it_finds_what_overlaps_and_nothing_else(kept: list[Partition], sought: Partition) -> None:
    index: PartitionIndex[int] = PartitionIndex()
    for number, partition in enumerate(kept):
        index.add(partition, number)
    found = sorted(number for _, number in index.overlapping(sought))
    assert found == [number for number, partition in enumerate(kept) if overlap(partition, sought)]
