"""A Marquez server for tests: answers in the shapes of its API, over HTTP, from lists that a test fills.

Shapes after spec/openapi.yml and JobResource, NamespaceResource and OpenLineageResource of MarquezProject/marquez. As there, events
at one time come in no fixed order, ``after`` is included and ``before`` is not, and what is unknown answers 404.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from lineage.declarations import Declarations
from lineage.events import Event
from lineage.history import History, build
from lineage.sources import Problems, read
from lineage.timestamps import parse

JSON = dict[str, Any]


@dataclass
class Marquez:
    """What the server knows. ``failures``: statuses to answer before it answers properly, one a request, by the path's end."""

    namespaces: list[str] = field(default_factory=list)
    jobs: dict[str, list[JSON]] = field(default_factory=dict)
    datasets: dict[str, list[JSON]] = field(default_factory=dict)
    runs: dict[tuple[str, str], list[JSON]] = field(default_factory=dict)
    run_facets: dict[str, JSON] = field(default_factory=dict)
    events: list[Any] | None = None
    knows_offset: bool = True
    knows_order: bool = True
    largest_page: int = 1_000_000
    failures: dict[str, list[int]] = field(default_factory=dict)
    body: bytes | None = None
    asked: Counter[str] = field(default_factory=Counter)
    authorizations: set[str | None] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)
    url: str = ""

    def answer(self, path: list[str], query: dict[str, str]) -> JSON | None:
        limit = min(int(query.get("limit", "100")), self.largest_page)
        offset = int(query.get("offset", "0"))

        def page(key: str, found: list[Any], *, counted: bool = True) -> JSON:
            return {key: found[offset : offset + limit]} | ({"totalCount": len(found)} if counted else {})

        match path:
            case ["namespaces"]:
                times: JSON = {"createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z"}
                named = [{"name": name, "ownerName": "anonymous", "description": None} | times for name in self.namespaces]
                return page("namespaces", named, counted=False)
            case ["namespaces", namespace, "jobs"] if namespace in self.namespaces:
                return page("jobs", self.jobs.get(namespace, []))
            case ["namespaces", namespace, "datasets"] if namespace in self.namespaces:
                return page("datasets", self.datasets.get(namespace, []))
            case ["namespaces", namespace, "jobs", job, "runs"] if (namespace, job) in self.runs:
                return page("runs", self.runs[namespace, job])
            case ["jobs", "runs", run, "facets"] if run in self.run_facets and query["type"] == "run":
                return {"runId": run, "facets": self.run_facets[run]}
            case ["events", "lineage"] if self.events is not None:
                after, before = parse(query["after"]), parse(query["before"])
                descending = not self.knows_order or query.get("sortDirection", "desc") == "desc"
                shuffled = random.sample(self.events, len(self.events))
                found = sorted(shuffled, key=_stored, reverse=descending)
                found = [one for one in found if after <= _stored(one) < before]
                offset = offset if self.knows_offset else 0
                return page("events", found, counted=self.knows_offset)
            case _:
                return None


def _stored(event: Any) -> int:
    """The time as the database keeps it: rounded to microseconds."""
    try:
        return (parse(event["eventTime"]) + 500) // 1000 * 1000
    except (TypeError, KeyError, ValueError):
        return 0


@contextmanager
def serving(marquez: Marquez) -> Iterator[Marquez]:
    """The server, listening at ``marquez.url`` until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            path = [unquote(segment) for segment in parts.path.strip("/").split("/")]
            query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            marquez.asked[parts.path] += 1
            marquez.authorizations.add(self.headers["Authorization"])
            marquez.methods.add(self.command)
            statuses = next((found for end, found in marquez.failures.items() if parts.path.endswith(end) and found), None)
            if statuses:
                self._say(statuses.pop(0), b'{"code": 500, "message": "There was an error processing your request."}')
            elif marquez.body is not None:
                self._say(200, marquez.body)
            elif path[:2] == ["api", "v1"] and (found := marquez.answer(path[2:], query)) is not None:
                self._say(200, json.dumps(found).encode())
            else:
                self._say(404, b'{"code": 404, "message": "HTTP 404 Not Found"}')

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        marquez.url = f"marquez+http://127.0.0.1:{server.server_port}"
        try:
            yield marquez
        finally:
            server.shutdown()
            thread.join()


def told(source: str) -> tuple[list[Event], Problems]:
    problems = Problems()
    return list(read([source], problems)), problems


def history(events: list[Event]) -> History:
    return build(events, Declarations())


def ran(time: str, run: str = "r1", kind: str = "COMPLETE", job: str = "daily") -> JSON:
    return {
        "eventType": kind,
        "eventTime": time,
        "run": {"runId": run},
        "job": {"namespace": "prod", "name": job},
        "inputs": [{"namespace": "s3://lake", "name": "raw"}],
        "outputs": [{"namespace": "s3://lake", "name": "clean"}],
    }


def job(name: str, namespace: str = "prod", **more: Any) -> JSON:
    """A job in the shape of ``GET /namespaces/{namespace}/jobs``, nulls included."""
    return {
        "id": {"namespace": namespace, "name": name},
        "type": "BATCH",
        "name": name,
        "simpleName": name,
        "parentJobName": None,
        "createdAt": "2026-11-01T00:00:00Z",
        "updatedAt": "2026-11-18T00:00:00Z",
        "namespace": namespace,
        "inputs": [],
        "outputs": [],
        "location": None,
        "description": None,
        "latestRun": None,
        "facets": {},
        "currentVersion": None,
    } | more


def run(identity: str, state: str = "COMPLETED", **more: Any) -> JSON:
    """A run in the shape of ``GET /namespaces/{namespace}/jobs/{job}/runs``."""
    return {
        "id": identity,
        "createdAt": "2026-11-18T01:00:00Z",
        "updatedAt": "2026-11-18T01:20:00Z",
        "nominalStartTime": None,
        "nominalEndTime": None,
        "state": state,
        "startedAt": "2026-11-18T01:05:00Z",
        "endedAt": "2026-11-18T01:15:00Z",
        "durationMs": 600000,
        "args": {},
        "jobVersion": {"namespace": "prod", "name": "daily", "version": "0ba5b13b-350e-40f3-ba3f-cc00a4e92d11"},
        "inputDatasetVersions": [version("raw")],
        "outputDatasetVersions": [version("clean")],
        "facets": {},
    } | more


def version(name: str, **facets: Any) -> JSON:
    identity = {"namespace": "s3://lake", "name": name, "version": "d224dac0-35d7-4d9b-bbbe-6fff1a8485ad"}
    return {"datasetVersionId": identity, "facets": facets}


def old(marquez: Marquez, *runs: JSON) -> Marquez:
    """A server from before ``/events/lineage``."""
    marquez.namespaces = ["prod"]
    marquez.jobs["prod"] = [job("daily")]
    marquez.runs["prod", "daily"] = list(runs)
    return marquez
