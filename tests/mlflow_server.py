"""A model registry as MLflow 3.17 answers, for the requests that we send; or a real one, by MLFLOW_TEST_SERVER=http://HOST:PORT."""

from __future__ import annotations

import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Models:
    """Somebody else at the registry. ``address`` of the server; each use of it has models of its own."""

    address: str
    model: str = "churn"

    def send(self, what: str, **body: str) -> None:
        request = urllib.request.Request(  # noqa: S310 - our own loopback server
            f"{self.address}/api/2.0/mlflow/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310

    def create(self, *sources: str) -> None:
        with suppress(urllib.error.HTTPError):  # it is there already
            self.send("registered-models/create", name=self.model)
        for source in sources:
            self.send("model-versions/create", name=self.model, source=source)

    def point(self, alias: str, version: str) -> None:
        self.send("registered-models/alias", name=self.model, alias=alias, version=version)


@dataclass
class Registry:
    versions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    aliases: dict[str, dict[str, str]] = field(default_factory=dict)

    def answer(self, what: str, asked: dict[str, str]) -> tuple[int, dict[str, Any]]:
        name = asked.get("name") or asked.get("filter", "").partition("=")[2].strip("'\"")
        if what == "registered-models/create":
            self.versions.setdefault(name, [])
            self.aliases.setdefault(name, {})
            return 200, {}
        if name not in self.versions:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"Registered Model with name={name} not found"}
        made = self.versions[name]
        version = asked.get("version")
        if version is not None and version not in {one["version"] for one in made}:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"Model Version (version={version}) not found"}
        match what:
            case "model-versions/create":
                made.append({"name": name, "version": str(len(made) + 1), "source": asked["source"]})
            case "model-versions/get":
                return 200, {"model_version": next(one for one in made if one["version"] == version)}
            case "model-versions/search":
                return 200, {"model_versions": made}
            case "registered-models/alias":
                self.aliases[name][asked["alias"]] = asked["version"]
            case "registered-models/get":
                aliases = [{"alias": alias, "version": at} for alias, at in self.aliases[name].items()]
                return 200, {"registered_model": {"name": name, **({"aliases": aliases} if aliases else {})}}
            case _:
                return 404, {}
        return 200, {}


@contextmanager
def registry() -> Iterator[Models]:
    """A registry while the block runs."""
    if real := os.environ.get("MLFLOW_TEST_SERVER"):
        yield Models(real, f"churn-{os.urandom(4).hex()}")
        return
    kept = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, asked: dict[str, str]) -> None:
            status, body = kept.answer(urlsplit(self.path).path.removeprefix("/api/2.0/mlflow/"), asked)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Models(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
