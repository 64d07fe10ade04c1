"""A Marquez server: ``marquez+http://host:port``; its API key, where it has one, in ``MARQUEZ_API_KEY``.

The events that it was sent are read as they were, from ``/api/v1/events/lineage``. A server that gives none (an older version, or
events no longer kept) is asked for its jobs' runs instead, of which it keeps one outcome each. Jobs and datasets add static edges,
owners and symlinks in either case. Shapes: ``spec/openapi.yml`` and the resources of MarquezProject/marquez.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from lineage.errors import SourceUnreadable
from lineage.events import Event, Unusable, event
from lineage.sources import Problems, Remote, Skipped, Tap
from lineage.sources.rest import Absent, Server
from lineage.timestamps import parse, render

_PAGE = 100
_LARGEST_PAGE = 12_800
_MILLISECOND = 1_000_000
_TERMINAL = {"COMPLETED": "COMPLETE", "FAILED": "FAIL", "ABORTED": "ABORT"}
_KEY_HINT = "set MARQUEZ_API_KEY to a key that may read"


def read(
    source: str, problems: Problems, *, remote: Remote | None, progress: Callable[[str], None], tap: Tap | None = None
) -> Iterator[Event]:
    """Every usable event of one server. Raises SourceUnreadable; read-only."""
    del remote
    base = source.partition("+")[2].rstrip("/").removesuffix("/api/v1")
    marquez = _Marquez(Server(source, base, token=os.environ.get("MARQUEZ_API_KEY", ""), hint=_KEY_HINT), problems, progress, tap)
    try:
        namespaces = list(marquez.pages("namespaces"))
    except Absent as error:
        raise SourceUnreadable(
            f"lineage source {source}: no Marquez there: {error} is not found", "give the address of its API, by default port 5000"
        ) from None
    jobs: list[dict[str, Any]] = []
    for namespace in sorted({_text(one.get("name")) for one in namespaces} - {""}):
        yield from marquez.datasets(namespace)
        found = list(marquez.pages("jobs", "namespaces", namespace))
        yield from marquez.edges(found)
        jobs += found
    told = False
    try:
        for one in marquez.events():
            told = True
            yield one
    except Absent:
        problems.noted.append(Skipped(source, 0, "this Marquez does not give the events it was sent"))
    if not told:
        for job in jobs:
            yield from marquez.runs(job)


class _Marquez:
    """What one server says, as events. Asks page by page and keeps no more than a page."""

    def __init__(self, server: Server, problems: Problems, progress: Callable[[str], None], tap: Tap | None) -> None:
        self._server = server
        self._tap = tap
        self._problems = problems
        self._progress = progress
        self._notes: set[str] = set()

    def pages(self, key: str, *below: str) -> Iterator[dict[str, Any]]:
        """Every element of a listing. One that moved to the next page while we read is told once."""
        path = ("api", "v1", *below, key)
        seen: set[bytes] = set()
        offset = 0
        while True:
            self._progress("/".join(path))
            page = self._list(self._server.get(*path, parameters={"limit": _PAGE, "offset": offset}), key)
            fresh = {digest: one for one in page if (digest := _digest(one)) not in seen}
            seen.update(fresh)
            yield from (one for one in fresh.values() if isinstance(one, dict))
            offset += len(page)
            if not fresh or len(page) < _PAGE:
                return

    def datasets(self, namespace: str) -> Iterator[Event]:
        """Owners, symlinks and the like of a namespace's datasets."""
        for number, one in enumerate(self.pages("datasets", "namespaces", namespace), 1):
            dataset = {**_identity(one), "facets": one.get("facets") or {}}
            yield from self._event({"eventTime": _when(one), "dataset": dataset}, f"datasets of {namespace}", number)

    def edges(self, jobs: list[dict[str, Any]]) -> Iterator[Event]:
        """The static edges of jobs, as Marquez knows their current version."""
        for number, one in enumerate(jobs, 1):
            raw = {"eventTime": _when(one), "job": _identity(one), "inputs": one.get("inputs"), "outputs": one.get("outputs")}
            yield from self._event(raw, f"jobs of {_identity(one)['namespace']}", number)

    def events(self) -> Iterator[Event]:
        """The events that Marquez was sent, oldest first. Raises Absent where it does not give them.

        The next page begins at the time of the last event, not at an offset: older versions have none, and the order of events at
        one time is not fixed, so that an offset may skip some. What was already told at that time is recognised.
        """
        number, limit = 0, _PAGE
        after, seen, capped = 0, set[bytes](), False
        while True:
            path = ("api", "v1", "events", "lineage")
            moment = render(after) or ""
            self._progress(f"events since {moment}")
            asked: dict[str, str | int] = {
                "after": moment,
                "before": "9999-12-31T00:00:00Z",
                "sortDirection": "asc",
                "limit": limit,
            }
            page = self._list(self._server.get(*path, parameters=asked), "events")
            fresh = [(one, digest) for one in page if (digest := _digest(one)) not in seen]
            if capped and page:
                self._note("events", number, f"more than {len(seen)} events just before {moment}: some may be missing")
            capped = False
            if not page:
                return
            for one, digest in fresh:
                number += 1
                seen.add(digest)
                yield from self._event(one, "events", number)
            times = _times(page, after)
            latest = max(after, max(times) // _MILLISECOND * _MILLISECOND)
            if any(later < earlier - _MILLISECOND for earlier, later in pairwise([after, *times])):
                raise SourceUnreadable(
                    f"{self._server.url}: its events do not come in the order of their times, so that none may be missed",
                    "export its table lineage_events to a file and give that",
                )
            if latest > after:
                after, limit = latest, _PAGE
                seen = {_digest(one) for one, time in zip(page, times, strict=True) if time >= latest - _MILLISECOND}
            elif len(page) >= limit and limit < _LARGEST_PAGE:
                limit *= 2  # all of this page is at one time: only a larger one can go beyond it
            elif not fresh:
                after, capped, limit = after + _MILLISECOND, len(page) >= _PAGE, _PAGE

    def runs(self, job: dict[str, Any]) -> Iterator[Event]:
        """A job's runs as a START and an end each."""
        self._note("runs", 0, "runs are read instead of events: retries under one run id are one attempt here")
        identity = _identity(job)
        where = f"runs of {identity['namespace']}/{identity['name']}"
        try:
            for number, run in enumerate(self.pages("runs", "namespaces", identity["namespace"], "jobs", identity["name"]), 1):
                for raw in self._as_events(identity, run):
                    yield from self._event(raw, where, number)
        except Absent as error:
            self._problems.skipped.append(Skipped(where, 0, f"not found at {error}, though it was listed"))

    def _as_events(self, job: dict[str, str], run: dict[str, Any]) -> Iterator[dict[str, Any]]:
        identity = _text(run.get("id"))
        facets = dict(self._facets(run, identity))
        if run.get("nominalStartTime"):
            nominal = {"nominalStartTime": run["nominalStartTime"], "nominalEndTime": run.get("nominalEndTime")}
            facets.setdefault("nominalTime", nominal)
        common = {
            "run": {"runId": identity, "facets": facets},
            "job": job,
            "inputs": [_version(one, "inputFacets") for one in _either(run, "inputDatasetVersions", "inputVersions")],
            "outputs": [_version(one, "outputFacets") for one in _either(run, "outputDatasetVersions", "outputVersions")],
        }
        state = _text(run.get("state")).upper()
        begun = run.get("startedAt") or (None if state in _TERMINAL else run.get("createdAt"))
        ended = run.get("endedAt") or run.get("updatedAt")
        if begun or state not in _TERMINAL:
            yield {"eventType": "OTHER" if state == "NEW" else "START", "eventTime": begun, **common}
        if state in _TERMINAL:
            yield {"eventType": _TERMINAL[state], "eventTime": ended, **common}

    def _facets(self, run: dict[str, Any], identity: str) -> dict[str, Any]:
        """The run's facets, asked for where the listing leaves them out."""
        found = run.get("facets")
        if found is None and identity:
            try:
                answer = self._server.get("api", "v1", "jobs", "runs", identity, "facets", parameters={"type": "run"})
            except Absent:
                return {}
            found = answer.get("facets") if isinstance(answer, dict) else None
        return found if isinstance(found, dict) else {}

    def _event(self, raw: Any, where: str, number: int) -> Iterator[Event]:
        name = f"{self._server.url} {where}"
        try:
            made = event(raw)
        except Unusable as error:
            self._problems.skipped.append(Skipped(name, number, str(error)))
            return
        self._problems.noted.extend(Skipped(name, number, note) for note in made.notes)
        if self._tap is not None:
            self._tap(raw, made)
        yield replace(made, said_by="marquez")

    def _list(self, answer: Any, key: str) -> list[Any]:
        found = answer.get(key) if isinstance(answer, dict) else None
        if not isinstance(found, list):
            raise SourceUnreadable(f"{self._server.url} answers without {key}: not Marquez's API", "check the address")
        return found

    def _note(self, where: str, number: int, reason: str) -> None:
        if reason not in self._notes:
            self._notes.add(reason)
            self._problems.noted.append(Skipped(f"{self._server.url} {where}", number, reason))


def _identity(one: dict[str, Any]) -> dict[str, str]:
    """Namespace and name of a job or dataset, or of one version of it."""
    inner = one.get("id")
    named = inner if isinstance(inner, dict) else one
    return {key: _text(named.get(key)) or _text(one.get(key)) for key in ("namespace", "name")}


def _version(one: Any, facets: str) -> dict[str, Any]:
    """A dataset version of a run: ``{datasetVersionId, facets}``, or in older versions of Marquez the bare id."""
    found = one if isinstance(one, dict) else {}
    inner = found.get("datasetVersionId")
    return {**_identity(inner if isinstance(inner, dict) else found), facets: found.get("facets") or {}}


def _either(run: dict[str, Any], key: str, older: str) -> list[Any]:
    found = run.get(key) or run.get(older)
    return found if isinstance(found, list) else []


def _when(one: dict[str, Any]) -> str:
    return _text(one.get("updatedAt")) or _text(one.get("createdAt")) or "1970-01-01T00:00:00Z"


def _times(page: list[Any], time: int) -> list[int]:
    """The times of events in their order; one that cannot be read counts as the one before."""
    times = []
    for one in page:
        with contextlib.suppress(TypeError, KeyError, ValueError, AttributeError, OverflowError):
            time = parse(one["eventTime"])
        times.append(time)
    return times


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _digest(one: Any) -> bytes:
    return hashlib.sha256(json.dumps(one, sort_keys=True).encode()).digest()
