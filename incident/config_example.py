"""The ``incident.toml`` that ``incident init`` writes: every key, explained, commented out until somebody means it."""

from __future__ import annotations

EXAMPLE = """\
# What incident knows about your lake. `incident doctor` checks it.
# Everything below is an example: take the leading '# ' away from what you mean.

[lineage]
# OpenLineage events: NDJSON or JSON files, folders, globs, .gz, .zst, s3://…; plain paths are relative to this file.
# sources = ["events/*.ndjson", "s3://lake-meta/openlineage/"]
# Seconds of clock difference between the producers of events.
# skew = 0
# Seconds after its last event at which a run that never told its end counts as ended; by default it may still run.
# lost_after = 604800

# How each bucket is reached; the first match wins. Credentials come by boto3's usual chain.
# [[storage]]
# url = "s3://lake"                       # a bucket, or a bucket and a prefix
# endpoint = "http://127.0.0.1:4567"      # only for S3-compatible servers
# profile = "prod"
# region = "eu-north-1"
# requester_pays = true                   # we pay for what we ask of it
# probe = false                           # never try out what it honours; then no condition is relied upon
# batch_role = "arn:aws:iam::123456789012:role/s3-batch"   # for --engine s3-batch, with batch_function

# What datasets are; later entries override earlier ones, key by key.
# [[dataset]]
# match = "s3://lake/clean/*"             # glob over NAMESPACE/NAME; * crosses /
# partition = "date=%Y-%m-%d"             # layout below the dataset's location; false = unpartitioned
# timezone = "Europe/Stockholm"           # whose days, hours and months the dates are; default UTC
# nominal = true                          # a run that names no partition writes that of its nominal time
# write = "overwrite"                     # overwrite | append | merge
# serving = true                          # users or online services read it
# owners = ["team-pricing"]

# [[dataset]]
# match = "warehouse/orders"              # a dataset whose name is not its place
# location = "s3://lake/clean/orders"     # or file:///data/orders, escaped as URLs are
# copy = "s3://backup/orders"             # a kept copy in the same layout, for reverts where no versions are kept
# format = "objects"                      # objects | iceberg | delta

# [[dataset]]
# match = "warehouse/events"
# format = "iceberg"                      # changed through its catalog, never file by file
# catalog = "prod"
# table = "db.events"

# How an Iceberg catalog is reached; what is not said here, secrets above all, comes from pyiceberg's own configuration.
# [[catalog]]
# name = "prod"
# type = "rest"                           # sql | rest | glue | hive
# uri = "https://catalog.example.org"
# warehouse = "s3://lake/warehouse"
# properties = { "s3.region" = "eu-north-1" }

# [[dataset]]
# match = "s3://lake/ledger*"
# protected = true                        # never deleted from

# [[dataset]]
# match = "s3://lake/serving/features"
# partition = "v={v}"
# pointer = "s3://lake/serving/current.json#version"   # says which version serves: reverted instead of the objects

# What serves datasets and trained models, and through which pointer; see the manual for its kinds.
# [[serving]]
# name = "churn scores"
# model = "s3://lake/models/churn"        # or: dataset = "…"; a glob over NAMESPACE/NAME
# pointer = "s3://lake/models/PRODUCTION"
# kind = "text"                           # json | text | symlink | success | glue | mlflow; default: by its URL
# target = "s3://lake/models/churn/v={value}/"   # where what it says lies
# owners = ["team-ml"]

# Which partitions a job reads, relative to the one it writes, where its events do not say.
# [[edge]]
# job = "airflow-prod/ml_features.features"
# reads = "s3://lake/clean/orders"
# window = [-6, 0]                        # identity | contained | refine | all | none | [first, last]

# [[edge]]
# job = "airflow-prod/balance"            # a job that reads its own output
# reads = "s3://lake/balance"
# window = [-1, -1]
# until = "latest"

# Who makes partitions again; the first match wins.
# [[orchestrator]]
# jobs = "airflow-prod/*"
# kind = "command"
# command = ["make-it", "{job}", "{partition}", "{start}", "{end}"]

# [policy]
# max_objects = 100000                    # per operation; raised by hand with --max-objects
# max_bytes = "1 TiB"
# approvals = 0
# quarantine = "s3://lake-quarantine/incident/"

# [home]
# url = "~/incidents"                     # where incidents are kept; default: $XDG_STATE_HOME/dataops-incident
"""
