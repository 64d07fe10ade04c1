"""``incident demo``: a small lake on a local S3 server, one broken job, and the whole incident played on it.

Glossary:

Lake
    One versioned bucket with four weeks of a shop's data, made day by day by the jobs of ``jobs``.
Work
    One run of one job: it reads and writes partitions and remembers which, so that its lineage event can say so.
Deployed
    Which code version of each job a run uses, in ``deployed.json`` beside the lake's settings.
Audit
    The demo's own reading of the lake: every figure made again from the raw orders, and the bucket's version listing.
"""
