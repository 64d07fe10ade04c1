"""The event index: what lineage events told, as Parquet by day, so that a question costs what happened since the fault.

It holds what producers said and nothing that we decided: references as they were named, not the cells that they mean, because
declarations may change. Whoever asks gets attempts made by the very code that makes them from events (``lineage.attempts``,
``lineage.cells``, ``lineage.widening``), of the jobs and days that can matter, so that the answers are those of reading everything.

Layout (``<index>/``; every file but the lock is written once and never changed)::

    lock                              held by the one writer (local disk)
    generations/00000007.json         a manifest: made by one link or one conditional put; the highest one counts
    pending.json                      the manifest of an ingest that was interrupted; only the next ingest reads it
    attempts/day=2026-11-18/*.parquet attempts that ended on that day (UTC), by job
    attempts/day=open/*.parquet       attempts that never told their end
    tables/{jobs,datasets,references,heads,shapes,edges,dates,recent}-*.parquet   small tables, whole in each generation

Glossary:

Reference
    A dataset as an event names it, less what differs from run to run (partitions and version).
Slot
    What was less: (position, partitions, version) of a reference within its event, or within its attempt. In columns: ``slots.py``.
Head
    What repeats of an event: its type, its job, the references that it reads and writes, the job's owners, and which of nominal
    time, partition key and code version it tells.
Shape
    What repeats of an attempt: the heads of its events, in their order. A company has a few shapes a job.
Row
    One attempt: job, run id, number, start, end, state, nominal time, partition key, code version, its shape and its slots.

Tables. Times are whole nanoseconds UTC, null for −∞ and +∞; ids are small integers that never change their meaning.

=============  =====================================================================================================================
attempts       run, number, job, start, end, state (C, F, A, O), nominal_start, nominal_end, partition_key, code_version, shape,
               slots (JSON: which references name which of the partitions), partitions (JSON: their names),
               times (of its events, where start and end do not say), odd (JSON: events of one attempt that disagree),
               run_crc (to find a run without reading its name)
jobs           job, namespace, name
datasets       dataset, namespace, name, versioned: normalised, each name by itself; which are one dataset is told by references
references     reference, dataset, told (JSON: what else the event says of the dataset: symlinks, owners, modes, …)
heads          head, type, job, inputs, outputs, owners, flags
shapes         shape, heads, job, attempts (how many rows have it now), reads, writes (dataset ids, for other engines)
edges          job, dataset, direction: job-level lineage, static events included
dates          dataset, key, sure: under which keys the dates of its partitions stood (for one spelling of dates)
recent         job, start, run, number, nominal_start, cut: the last attempts of each job (for its cadence)
=============  =====================================================================================================================

Arrival. An ingest groups the events of a batch by run. A run that the index knows already (found by the checksum of its id, then
by the id) is taken out of the files that hold it, its old events and the new are sorted and split into attempts together, and its
rows go to the days of their ends: so a terminal event moves an attempt from ``open`` to its day, a reused run id gets its next
number, a late event amends the days of its run only, and an exact duplicate leaves everything as it was. What a file told stays
known when the file is rotated away.

Safety. One writer holds the lock; a manifest is linked into place after all it names is on disk, and never replaced; the files of
the last two generations are kept for readers. A killed ingest leaves the last generation, and pending.json from which the next one
continues.
"""
