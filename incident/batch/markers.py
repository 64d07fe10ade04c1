"""The family of delete markers that S3 Batch Operations put: one job for all of a bucket.

Completion markers are put from here, before the job is sent, and so is all that is no delete marker. The intent for every object of
the job is durable before AWS hears of it, the job's id before it is waited for. What came of it is read from its report, and then
looked at object by object like every effect: the report tells which markers are ours, the listing what they cover.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incident.batch import job, manifest, report
from incident.errors import Drift, IncidentError, InputNeeded, ObjectMissing
from incident.journal import Journal
from incident.object_actions import ObjectActions
from incident.steps import Step
from incident.storage.port import ObjectStore
from incident.storage.s3_control import BatchControl
from runbooks.actions import PutMarker
from runbooks.facts import marks_completion
from runbooks.plan import Plan

_PAUSE = 10.0
"""Seconds between two looks at a job."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a plan that one job does: the markers in one bucket. ``number`` counts the plan's buckets."""

    number: int
    bucket: str
    indices: Sequence[int]


def parts(plan: Plan, indices: Sequence[int]) -> tuple[list[int], list[Part]]:
    """What is done from here, and what by jobs."""
    here: list[int] = []
    there: dict[str, list[int]] = {}
    for index in indices:
        action = plan.actions[index]
        if isinstance(action, PutMarker) and not marks_completion(action.key):
            there.setdefault(action.bucket, []).append(index)
        else:
            here.append(index)
    buckets = sorted({terms.bucket for terms in plan.buckets} | there.keys())
    return here, [Part(buckets.index(bucket), bucket, there[bucket]) for bucket in sorted(there)]


@dataclass
class BatchMarkers:
    """A ``Family`` of one plan's delete markers. ``objects`` does what no job does, and looks at what jobs did.

    ``room``: a folder for the manifests; ``scratch``: the prefix of ours in a bucket. ``tell`` speaks to whoever waits, ``pause``
    waits some seconds; ``clock`` in ns UTC.
    """

    plan: Plan
    objects: ObjectActions
    stores: Callable[[str], ObjectStore]
    controls: Callable[[str], BatchControl]
    terms: Callable[[str], job.Terms]
    room: Path
    scratch: Callable[[str], str]
    clock: Callable[[], int]
    pause: Callable[[float], None]
    tell: Callable[[str], None]

    def chunks(self, indices: Sequence[int]) -> Iterator[Sequence[int]]:
        here, there = parts(self.plan, indices)
        yield from self.objects.chunks(here)
        yield from (Step(part.indices) for part in there)

    def moved(self) -> str:
        return self.objects.moved()

    def strays(self) -> Mapping[str, str]:
        return self.objects.strays()

    def perform(self, chunk: Sequence[int], journal: Journal) -> None:
        """A job is a step without a lane; whatever has one is done from here."""
        if isinstance(chunk, Step) and chunk.lane is None:
            [part] = parts(self.plan, chunk)[1]
            self._job(part, journal)
        else:
            self.objects.perform(chunk, journal)

    def _job(self, part: Part, journal: Journal) -> None:
        known: Mapping[str, Any] | None = journal.state.jobs.get(part.number)
        if known is not None and known["ended"]:
            # What the job left undone is tried again from here: there is no second job for it.
            for chunk in self.objects.chunks(part.indices):
                self.objects.perform(chunk, journal)
            return
        if known is None or not known["id"]:
            known = self._send(part, journal)
        status = self._awaited(known)
        self._settle(part, journal, known, status)
        journal.job_ended(part.number, status, self.clock())

    # --- sending ----------------------------------------------------------------------------------------------------------

    def _send(self, part: Part, journal: Journal) -> Mapping[str, Any]:
        """Twice the same request is one job: its token says so, and the manifest of a part is the same each time."""
        terms = self.terms(part.bucket)
        if why := self.objects.moved():
            raise Drift(f"{self.plan.id} is stale: {why}; no job was sent", f"incident {self.plan.phase}", code="stale")
        store, control = self.stores(part.bucket), self.controls(part.bucket)
        journal.intent(part.indices, self.clock(), since=store.state(part.bucket).told)
        place = f"{self.scratch(part.bucket)}batch/{self.plan.id}/{part.number}"
        journal.job(part.number, "", terms.account, part.bucket, f"{place}/report", self.clock())
        path = self.room / f"{self.plan.id}-{part.number}.csv"
        manifest.write(path, self._markers(part.indices))
        etag = control.upload(part.bucket, f"{place}/manifest.csv", path)
        job_id = control.create(self.request(part, etag))
        journal.job(part.number, job_id, terms.account, part.bucket, f"{place}/report", self.clock())
        self.tell(f"Job {job_id} for {len(part.indices)} objects of {part.bucket}")
        return journal.state.jobs[part.number]

    def request(self, part: Part, etag: str) -> dict[str, Any]:
        """``create_job`` for a part, whose manifest has this ETag."""
        place = f"{self.scratch(part.bucket)}batch/{self.plan.id}/{part.number}"
        return job.request(
            self.terms(part.bucket),
            bucket=part.bucket,
            manifest=f"{place}/manifest.csv",
            etag=etag,
            report=f"{place}/report",
            token=job.token(self.plan.sha256, part.number),
            description=f"{self.plan.incident}: {self.plan.id}",
        )

    def _markers(self, indices: Sequence[int]) -> Iterator[PutMarker]:
        for index in indices:
            action = self.plan.actions[index]
            if isinstance(action, PutMarker):
                yield action

    # --- waiting ----------------------------------------------------------------------------------------------------------

    def _awaited(self, known: Mapping[str, Any]) -> str:
        """How the job ended. Raises InputNeeded while nobody has confirmed it: then it has done nothing, and waits."""
        control = self.controls(known["bucket"])
        said = ""
        while True:
            found = control.describe(known["account"], known["id"])
            status = str(found["Status"])
            if status in job.ENDED:
                return status
            if status == job.WAITS:
                command = job.confirmation(known["account"], known["id"])
                raise InputNeeded(
                    f"the job {known['id']} waits for its confirmation; it has done nothing yet", command, code="confirm-job"
                )
            count = found.get("ProgressSummary") or {}
            done, failed = count.get("NumberOfTasksSucceeded", 0), count.get("NumberOfTasksFailed", 0)
            now = f"Job {known['id']}: {status}, {done} of {count.get('TotalNumberOfTasks', '?')} done, {failed} failed"
            if now != said:
                self.tell(now)
                said = now
            self.pause(_PAUSE)

    # --- afterwards -------------------------------------------------------------------------------------------------------

    def _settle(self, part: Part, journal: Journal, known: Mapping[str, Any], status: str) -> None:
        """The report into the journal, and a look at every object. Where a job was cut short, one may still be under way."""
        markers, errors = self._reported(part, known)
        cut_short = status != "Complete"
        for chunk in self.objects.chunks(part.indices):
            journal.made({index: markers[index] for index in chunk if index in markers}, self.clock())
            told = {index: errors.get(index, f"the job, which is {status}, did not report it") for index in chunk}
            unsure = [index for index in chunk if cut_short and index not in errors and index not in markers]
            self.objects.settle_sent(chunk, journal, told, unsure)

    def _reported(self, part: Part, known: Mapping[str, Any]) -> tuple[dict[int, str], dict[int, str]]:
        """By index: the markers that were put, and what went wrong elsewhere."""
        planned: dict[tuple[str, str], int] = {}
        for index in part.indices:
            action = self.plan.actions[index]
            if isinstance(action, PutMarker):
                planned[manifest.encoded(action.key), action.requires.version_id] = index
        markers: dict[int, str] = {}
        errors: dict[int, str] = {}
        store = self.stores(part.bucket)
        try:
            for task in report.tasks(store.read, part.bucket, known["report"], known["id"]):
                index = planned.get((task.key, task.version_id), planned.get((manifest.encoded(task.key), task.version_id), -1))
                if index < 0:
                    raise IncidentError(
                        f"the report of job {known['id']} tells of {task.key}, which it was not sent for",
                        "look at the job in the AWS console",
                        code="batch-report",
                    )
                if task.error:
                    errors[index] = task.error
                elif task.marker:
                    markers[index] = task.marker
        except ObjectMissing:
            pass  # a job that invoked nothing has no report; the look tells what lies there
        return markers, errors
