"""A bad connection to a server that speaks S3: an HTTP proxy on the loopback that does to a request what a fault says.

Everything goes over the wire, so that the client's own retries, parsers and time-outs are part of what is tested.
"""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO
from urllib.parse import urlsplit

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}
_SUMS = ("content-md5", "x-amz-checksum-", "x-amz-sdk-checksum-")


class Reset(Exception):
    """The connection breaks."""


@dataclass
class Asked:
    """A request. Its body is read when it is looked at."""

    method: str
    path: str
    headers: dict[str, str]
    stream: BinaryIO
    upstream: tuple[str, int]

    @cached_property
    def body(self) -> bytes:
        return self.stream.read(self.length)

    @property
    def length(self) -> int:
        return int(self.headers.get("Content-Length", "0"))

    @property
    def is_batch(self) -> bool:
        return self.method == "POST" and re.search(r"[?&]delete(=|&|$)", self.path) is not None

    @property
    def has_effect(self) -> bool:
        return self.method in {"PUT", "DELETE"} or self.is_batch

    def forward(self, body: bytes | None = None) -> Given:
        """What the server says to it, or to another body in its place."""
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        if body is not None:
            headers = {name: value for name, value in headers.items() if not name.lower().startswith(_SUMS)}
        connection = http.client.HTTPConnection(*self.upstream)
        try:
            connection.putrequest(self.method, self.path, skip_host=True, skip_accept_encoding=True)
            whole = self.body if body is None else body
            for name, value in {**headers, "Content-Length": str(len(whole))}.items():
                connection.putheader(name, value)
            connection.endheaders(whole)
            answer = connection.getresponse()
            told = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            data = answer.read()
            length = int(answer.headers.get("Content-Length", "0")) if self.method == "HEAD" else len(data)
            return Given(answer.status, told, data, length)
        finally:
            connection.close()


@dataclass
class Given:
    """An answer. ``length``: what it says of its body. ``cut``: so much of the body is sent before the connection breaks."""

    status: int
    headers: dict[str, str]
    body: bytes
    length: int
    cut: int | None = None


Fault = Callable[[Asked], Given]


@dataclass
class FaultyLink:
    """``trouble`` chooses which requests meet a fault; without one all pass."""

    endpoint: str
    upstream: tuple[str, int]
    met: int = 0
    _chosen: tuple[Callable[[Asked], bool], Fault, int, int] | None = None
    _seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def trouble(
        self, fault: Fault, *, first: int = 0, count: int | None = None, on: Callable[[Asked], bool] = lambda one: one.has_effect
    ) -> Iterator[None]:
        """``first`` of the requests that ``on`` accepts and the ``count`` from it on (None: all) meet the fault in this block."""
        self.met = self._seen = 0
        self._chosen = on, fault, first, first + (1 << 60 if count is None else count)
        try:
            yield
        finally:
            self._chosen = None

    def answer(self, asked: Asked) -> Given:
        with self._lock:
            act: Fault = Asked.forward
            if self._chosen is not None and self._chosen[0](asked):
                _, fault, first, end = self._chosen
                if first <= self._seen < end:
                    act, self.met = fault, self.met + 1
                self._seen += 1
        return act(asked)


@contextmanager
def faulty_link(endpoint: str) -> Iterator[FaultyLink]:
    """A link to the server at ``endpoint`` while the block lasts."""
    parts = urlsplit(endpoint)
    upstream = str(parts.hostname), int(parts.port or 80)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _pass(self) -> None:
            asked = Asked(self.command, self.path, dict(self.headers.items()), self.rfile, upstream)  # type: ignore[arg-type]
            try:
                given = link.answer(asked)
            except Reset:
                self._break()
                return
            self.send_response_only(given.status)
            for name, value in given.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(given.length))
            self.end_headers()
            self.wfile.write(given.body if given.cut is None else given.body[: given.cut])
            if given.cut is not None:
                self.wfile.flush()
                self._break()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815 - the names that http.server calls

        def _break(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

        def log_message(self, *arguments: Any) -> None:
            """Tests are quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def shutdown_request(self, request: Any) -> None:
            self.close_request(request)  # no orderly end, so that a broken connection is a broken one

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients hang up on slow answers."""

    with Server(("127.0.0.1", 0), Handler) as server:
        link = FaultyLink(f"http://127.0.0.1:{server.server_address[1]}", upstream)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield link
        finally:
            server.shutdown()
            thread.join()
