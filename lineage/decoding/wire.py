"""What of an OpenLineage line is needed, as typed structs; all else is checked to be JSON and skipped. Pure.

Each field takes what a producer that keeps the specification sends there. A line with anything else in these places does not fit
(``msgspec.ValidationError``) and goes the tolerant way. Fields that the tolerant way reads as text and ignores otherwise take
anything; ``Raw`` ones are kept as they are written, and understood once for all that are written alike.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

ABSENT: Final = Raw(b"")
"""The very object that stands where a line has no such field."""


class Condition(Struct, gc=False):
    partitions: Raw = ABSENT
    locations: list[str] | None = None


class Subset(Struct, gc=False):
    inputCondition: Condition | None = None  # noqa: N815  # here and below: the names of the specification
    outputCondition: Condition | None = None  # noqa: N815


class Version(Struct, gc=False):
    datasetVersion: str | int | None = None  # noqa: N815  # nothing that equals another in Python only


class Facets(Struct, gc=False):
    """Of a dataset."""

    subset: Subset | None = None
    version: Version | None = None
    lifecycleStateChange: Raw = ABSENT  # noqa: N815
    dbt_model: Raw = ABSENT
    dbt_exposures: Raw = ABSENT
    symlinks: Raw = ABSENT
    ownership: Raw = ABSENT
    storage: Raw = ABSENT


PLAIN: Final = Facets()
"""Facets of which nothing is needed."""


class Report(Struct, gc=False):
    """Iceberg's, of a scan or a commit."""

    snapshotId: str | int | None = None  # noqa: N815
    operation: Any = None


class OwnFacets(Struct, gc=False):
    """Of a dataset as an input, or as an output."""

    subset: Subset | None = None
    icebergScanReport: Report | None = None  # noqa: N815
    icebergCommitReport: Report | None = None  # noqa: N815


class Dataset(Struct, gc=False):
    name: str
    namespace: str = ""
    facets: Facets | None = None
    inputFacets: OwnFacets | None = None  # noqa: N815
    outputFacets: OwnFacets | None = None  # noqa: N815


class Nominal(Struct, gc=False):
    nominalStartTime: str | None = None  # noqa: N815
    nominalEndTime: str | None = None  # noqa: N815


class DagRun(Struct, gc=False):
    partition_key: Any = None


class Task(Struct, gc=False):
    inlets: Any = None
    outlets: Any = None


class Airflow(Struct, gc=False):
    dagRun: DagRun | None = None  # noqa: N815
    task: Task | None = None


class Location(Struct, gc=False):
    """Of source code."""

    version: Any = None
    tag: Any = None


class RunFacets(Struct, gc=False):
    nominalTime: Nominal | None = None  # noqa: N815
    airflow: Airflow | None = None
    airflowDagRun: Airflow | None = None  # noqa: N815
    sourceCodeLocation: Location | None = None  # noqa: N815


class Run(Struct, gc=False):
    runId: str  # noqa: N815
    facets: RunFacets | None = None


class JobFacets(Struct, gc=False):
    sourceCodeLocation: Location | None = None  # noqa: N815
    ownership: Raw = ABSENT


class Job(Struct, gc=False):
    name: str
    namespace: str = ""
    facets: JobFacets | None = None


class RunEvent(Struct, gc=False):
    """An event of a run; static job and dataset events do not fit."""

    eventTime: str  # noqa: N815
    run: Run
    job: Job
    eventType: str | None = None  # noqa: N815
    inputs: list[Dataset] | None = None
    outputs: list[Dataset] | None = None


decode: Final = msgspec.json.Decoder(RunEvent).decode
"""The event that a line is. Raises msgspec.MsgspecError, UnicodeDecodeError or RecursionError for a line that does not fit."""
