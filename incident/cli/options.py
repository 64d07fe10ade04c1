"""The flags that several commands share, and how the options dataclasses are spread into flags."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from incident.fault_options import FaultOptions
from incident.plan_options import PlanOptions


def _many(flag: str, metavar: str, help_text: str) -> Any:
    return Annotated[list[str] | None, typer.Option(flag, metavar=metavar, help=f"{help_text} (repeatable)", show_default=False)]


def _one(flag: str, metavar: str, help_text: str) -> Any:
    return Annotated[str | None, typer.Option(flag, metavar=metavar, help=help_text, show_default=False)]


def _flag(flag: str, help_text: str) -> Any:
    return Annotated[bool, typer.Option(flag, help=help_text, show_default=False)]


Lineage = _many("--lineage", "PATH|URL", "Lineage to read instead of the configuration's")

FAULT: dict[str, tuple[Any, Any]] = {
    "job": (_one("--job", "NAMESPACE/NAME", "The job at fault; unique suffixes and globs are accepted."), None),
    "nominals": (_many("--nominal", "A..B", "Attempts for the nominal times or partitions A to B, both included"), None),
    "since": (_one("--since", "T", "Attempts that ran at T or later."), None),
    "until": (_one("--until", "T", "Attempts that ran before T."), None),
    "runs": (_many("--run", "RUN_ID", "These runs"), None),
    "code_versions": (_many("--code-version", "V", "Attempts that ran this code version"), None),
    "cells": (_many("--cell", "DATASET@PARTITION", "Data that arrived bad; @* for all of a dataset"), None),
    "columns": (_many("--column", "NAME", "Only these columns"), None),
    "lineage": (Lineage, None),
}

PLAN: dict[str, tuple[Any, Any]] = {
    "apply": (_one("--apply", "PLAN_ID", "Do exactly what that plan says."), None),
    "include": (_many("--include", "CELL", "Consent to a SUSPECT or otherwise refused cell"), None),
    "max_objects": (
        Annotated[
            int | None, typer.Option("--max-objects", metavar="N", min=0, help="Raise the cap on objects.", show_default=False)
        ],
        None,
    ),
    "max_bytes": (_one("--max-bytes", "SIZE", "Raise the cap on bytes, for example 2TiB."), None),
    "skip_refused": (_flag("--skip-refused", "Go on without what is refused."), False),
    "before": (_one("--before", "T", "Revert to the state before T, where the start is not known."), None),
    "writers_stopped": (_flag("--writers-stopped", "You made sure that nothing writes these cells."), False),
    "pointer": (_many("--pointer", "URL=VALUE", "The good value of a pointer, where it cannot be told"), None),
    "engine": (_one("--engine", "s3-batch", "Have S3 Batch Operations put the delete markers of --apply."), None),
    "submit": (_flag("--submit", "Send the job, instead of showing it."), False),
    "detailed_exitcode": (_flag("--detailed-exitcode", "Exit 8 when the plan has actions."), False),
    "lineage": (Lineage, None),
}

SPREAD: dict[type, dict[str, tuple[Any, Any]]] = {FaultOptions: FAULT, PlanOptions: PLAN}
