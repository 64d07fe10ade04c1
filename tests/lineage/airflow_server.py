"""An Airflow API server made of recorded answers (``data/airflow_api``): it pages, and asks who is there, as the real one does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

DATA = Path(__file__).parent / "data" / "airflow_api"
USER, PASSWORD, TOKEN = "admin", "secret", "token-of-admin"

JSON = dict[str, Any]


class Recorded:
    """What the server says. Tests change ``answers`` (path → whole answer), ``status`` (path → code) or ``page``."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        for path in sorted(DATA.glob("*.json")):
            self.answers |= json.loads(path.read_text())
        self.status: dict[str, int] = {}
        self.location = ""
        self.page = 100
        self.token = TOKEN
        self.asked: list[str] = []
        self.address = ""

    def items(self, path: str) -> list[JSON]:
        """The items of a list, to be changed in place."""
        answer = self.answers[f"/api/v2{path}"]
        return next(value for value in answer.values() if isinstance(value, list))

    def source(self, query: str = "?namespace=airflow") -> str:
        return f"airflow+{self.address}{query}"

    def answer(self, method: str, target: str, token: str, body: JSON) -> tuple[int, Any]:
        self.asked.append(f"{method} {target}")
        parts = urlsplit(target)
        if parts.path in self.status:
            return self.status[parts.path], {"detail": "as the test wants it"}
        if method == "POST" and parts.path == "/auth/token":
            known = body == {"username": USER, "password": PASSWORD}
            return (201, {"access_token": self.token}) if known else (401, {"detail": "Invalid credentials"})
        if method != "GET":
            return 405, {"detail": "Method Not Allowed"}
        if token != f"Bearer {TOKEN}":
            return (403, {"detail": "Invalid JWT token"}) if token else (401, {"detail": "Not authenticated"})
        if parts.path not in self.answers:
            return 404, {"detail": "not found"}
        return 200, self._paged(self.answers[parts.path], {key: values[0] for key, values in parse_qs(parts.query).items()})

    def _paged(self, answer: Any, query: dict[str, str]) -> Any:
        if not isinstance(answer, dict) or "limit" not in query:
            return answer
        first = int(query["offset"])
        last = first + min(int(query["limit"]), self.page)
        items = {key: value[first:last] for key, value in answer.items() if isinstance(value, list)}
        total = max((len(value) for value in answer.values() if isinstance(value, list)), default=0)
        return {"total_entries": total} | answer | items


@contextmanager
def serving(recorded: Recorded) -> Iterator[Recorded]:
    """The recorded answers on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            status, answer = recorded.answer(self.command, self.path, self.headers.get("Authorization") or "", body)
            raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", recorded.location)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            pass  # nothing on stderr

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        recorded.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield recorded
        finally:
            server.shutdown()
            thread.join()
