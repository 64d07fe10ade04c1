"""What happened: read-only knowledge of jobs, runs and data, from lineage events.

Nothing in this package changes anything outside the process.

Glossary (OpenLineage's words where it has them):

Job, Run, Dataset, facet
    As in OpenLineage.
Attempt
    One execution of a run. A run id is not one execution: orchestrators reuse it for retries.
Partition
    A named part of a dataset, canonically a map of key to value (``dt=2026-11-18``).
Cell
    A dataset and one of its partitions, or ``*`` when the partition is unknown. *Known* cells name their partition, or are
    all of a dataset that is declared unpartitioned.
Declaration
    What a person said in the configuration about datasets and edges. Only declared or observed knowledge convicts or cleanses.
Effect
    Something we did to a cell ourselves: a revert, a purge, an undo. Effects are lineage too.
Fault
    The attempts or cells where the error began.
Blast radius
    Everything the fault reached.
TAINTED, SUSPECT, CLEANED, CLEAN
    The states of a cell: certainly bad now; perhaps bad; was perhaps bad and has been cleansed since; never reached.
Exposure
    How long a bad cell could be read.
"""
