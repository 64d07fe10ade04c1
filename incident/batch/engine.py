"""``--engine s3-batch``: what would be sent, as files to look at, and the family that sends it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from importlib.resources import files as resources
from typing import TYPE_CHECKING, Any

from incident.batch import job, manifest
from incident.batch.markers import BatchMarkers, parts
from incident.context import Context
from incident.errors import UsageError
from incident.guarantees import SCRATCH
from incident.home import IncidentFolder
from incident.object_actions import ObjectActions
from incident.report import Report
from incident.storage import open_control, open_store
from runbooks.plan import Plan, PutMarker

if TYPE_CHECKING:
    from rich.console import RenderableType

ENGINE = "s3-batch"


def family(
    context: Context,
    folder: IncidentFolder,
    plan: Plan,
    objects: ObjectActions,
    terms: Callable[[job.BatchEntry | None, str], job.Terms] = job.Terms.of,
) -> BatchMarkers:
    """The family that puts a plan's markers through jobs."""
    config = context.config
    room = folder.path / "batch"
    room.mkdir(parents=True, exist_ok=True)
    return BatchMarkers(
        plan,
        objects,
        lambda bucket: open_store(config, bucket),
        lambda bucket: open_control(config, bucket),
        lambda bucket: terms(config.storage_for(bucket), f"s3://{bucket}"),
        room,
        lambda _bucket: SCRATCH,
        context.now,
        time.sleep,
        context.say,
    )


def require(plan: Plan) -> None:
    """Raises UsageError for a plan that a job could do nothing of."""
    if not parts(plan, range(len(plan.actions)))[1]:
        raise UsageError(
            f"{plan.id} puts no delete markers, and S3 Batch Operations could do nothing else on condition",
            f"incident {plan.phase} --apply {plan.id}",
            code="no-batch",
        )


def missing(context: Context, plan: Plan) -> str:
    """What has to be set in ``[[storage]]`` before anything can be sent; empty when nothing has. Asked before anything is begun."""
    try:
        ready(context, plan)
    except UsageError as error:
        return f"{error.message}: {error.hint}"
    return ""


def ready(context: Context, plan: Plan) -> None:
    """Raises UsageError for a plan whose jobs could not be sent: a plan that was begun could only be resumed from here."""
    require(plan)
    for part in parts(plan, range(len(plan.actions)))[1]:
        job.Terms.of(context.config.storage_for(part.bucket), f"s3://{part.bucket}")


def preview(context: Context, folder: IncidentFolder, plan: Plan, objects: ObjectActions) -> Report:
    """Nothing is sent: the manifests, requests and the function's source, written into the incident's folder."""
    require(plan)
    batch = family(context, folder, plan, objects, job.Terms.shown)
    lacking = missing(context, plan)
    here, there = parts(plan, range(len(plan.actions)))
    function = batch.room / "function.py"
    function.write_text(source(), encoding="utf-8")
    jobs = []
    for part in there:
        path = batch.room / f"{plan.id}-{part.number}.csv"
        count = manifest.write(path, (action for index in part.indices if isinstance(action := plan.actions[index], PutMarker)))
        request = batch.request(part, _etag(path))
        asked = batch.room / f"{plan.id}-{part.number}.json"
        asked.write_text(json.dumps(request, indent=2) + "\n", encoding="utf-8")
        jobs.append({"bucket": part.bucket, "objects": count, "manifest": str(path), "request": str(asked), "create_job": request})
    command = f"incident {plan.phase} --apply {plan.id} --engine {ENGINE} --submit"
    return Report(
        data={
            "plan_id": plan.id,
            "jobs": jobs,
            "function": str(function),
            "here": len(here),
            "submitted": False,
            "missing": lacking,
        },
        text=lambda: _screen(plan, jobs, str(function), len(here), command, lacking),
        next=[] if lacking else [command],
        incident=folder.id,
    )


def source() -> str:
    """The Lambda function, as it is to be uploaded."""
    return (resources("incident.batch") / "function.py").read_text(encoding="utf-8")


def _etag(path: Any) -> str:
    """That of an object put in one request, unless its bucket encrypts with KMS: then only AWS knows it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _screen(plan: Plan, jobs: list[dict[str, Any]], function: str, here: int, command: str, lacking: str) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(f"{plan.id} by S3 Batch Operations: nothing was sent.", style="bold")]
    for one in jobs:
        parts += [
            Text(f"\n{one['objects']} delete markers in {one['bucket']}"),
            Text(f"  manifest     {one['manifest']}"),
            Text(f"  create_job   {one['request']}"),
            Text(json.dumps(one["create_job"], indent=2)),
        ]
    parts += [
        Text(f"\nThe function that is invoked for each object: {function}"),
        Text(f"{here} actions are done from here, completion markers first."),
        *([Text(f"\nBefore it can be sent: {lacking}", style="bold")] if lacking else []),
        Text(f"\nTo send it: {command}"),
        Text("A job begins when it is confirmed; then `incident resume` follows it and reads its report."),
    ]
    return Group(*parts)
