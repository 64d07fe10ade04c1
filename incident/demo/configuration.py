"""The ``incident.toml`` of the demo's lake: what a team would have written about its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from incident.config import NAME
from incident.demo.settings import NAMESPACE, REGION, Settings

_TEMPLATE = """\
# The demo's lake, as a team would describe its own. `incident doctor` checks it.

[lineage]
sources = ["events/*.ndjson"]                    # OpenLineage, appended by every run

[[storage]]
url = "{namespace}"
endpoint = {endpoint}
region = "{region}"

# --- datasets: where their partitions lie, who owns them -----------------------------------------------

[[dataset]]
match = "{namespace}/*"
partition = "dt=%Y-%m-%d"
nominal = true                                   # a run that names no partition writes that of its nominal day
write = "overwrite"

[[dataset]]
match = "{namespace}/raw/*"
owners = ["team-ingest"]
protected = true                                 # never deleted from

[[dataset]]
match = "{namespace}/enriched/*"
owners = ["team-pricing"]

[[dataset]]
match = "{namespace}/metrics/*"
owners = ["team-analytics"]

[[dataset]]
match = "{namespace}/metrics/monthly"
partition = "month=%Y-%m"
nominal = false                                  # its runs name the month they write

[[dataset]]
match = "{namespace}/accounts/balance"
owners = ["team-payouts"]

[[dataset]]
match = "{namespace}/serving/dashboard"
partition = false                                # one unpartitioned table, replaced every day
nominal = false
serving = true
owners = ["team-analytics", "team-finance"]

[[dataset]]
match = "{namespace}/models/fraud"
partition = false
nominal = false
serving = true
owners = ["team-risk"]

[[dataset]]
match = "{namespace}/customers/segments"
partition = false
nominal = false
owners = ["team-marketing"]

[[dataset]]
match = "{namespace}/trial/report"
partition = false
nominal = false
owners = ["team-analytics"]

# --- edges: which partitions a job reads, relative to the one it writes, where its events do not say ----

[[edge]]
job = "{jobs}/enrich"
reads = "{namespace}/raw/orders"
window = "identity"

[[edge]]
job = "{jobs}/daily_metrics"
reads = "{namespace}/enriched/orders"
window = "identity"

[[edge]]
job = "{jobs}/weekly_rolling"
reads = "{namespace}/metrics/daily"
window = [-6, 0]

[[edge]]
job = "{jobs}/monthly"
reads = "{namespace}/metrics/daily"
window = "contained"

[[edge]]
job = "{jobs}/balance"
reads = "{namespace}/enriched/orders"
window = "identity"

[[edge]]
job = "{jobs}/balance"                            # reads what it wrote the day before,
reads = "{namespace}/accounts/balance"
window = [-1, -1]
until = "latest"                                 # so that a bad day lives on in every later one

# --- who makes the partitions again ---------------------------------------------------------------------

[[orchestrator]]
jobs = "{jobs}/*"
kind = "command"
command = {command}

[home]
url = "incidents"
"""


def write_configuration(settings: Settings) -> Path:
    """Write ``incident.toml`` beside the lake's settings."""
    pipeline = [sys.executable, "-m", "incident.demo.lake", "--lake", str(settings.path), "run"]
    text = _TEMPLATE.format(
        namespace=settings.namespace,
        endpoint=json.dumps(settings.endpoint),
        region=REGION,
        jobs=NAMESPACE,
        command=json.dumps([*pipeline, "{job}", "{partition}", "{start}", "{end}"], ensure_ascii=False),
    )
    path = settings.path.parent / NAME
    path.write_text(text, encoding="utf-8")
    return path
