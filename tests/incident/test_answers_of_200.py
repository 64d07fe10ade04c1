"""Errors that come with status 200, as S3 now and then sends them, are errors in listings and batches that we read ourselves."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest

from incident.errors import StorageUnreachable
from incident.storage.s3 import S3Store

BROKEN = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code><Message>again</Message></Error>'


class _Server(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append(self.command)
        self.send_response(200)
        self.send_header("Content-Length", str(len(BROKEN)))
        self.end_headers()
        self.wfile.write(BROKEN)

    do_GET = do_POST = _answer  # noqa: N815  # the library's names

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Store]:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    _Server.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    Thread(target=server.serve_forever, daemon=True).start()
    yield S3Store(f"http://127.0.0.1:{server.server_port}", region="us-east-1")
    server.shutdown()
    server.server_close()


def test_a_batch_that_is_an_error_is_in_doubt_and_sent_once(store: S3Store) -> None:
    with pytest.raises(StorageUnreachable):
        store.put_markers("bkt", {"a": '"1"', "b": '"2"'})
    assert _Server.asked == ["POST"]


def test_a_listing_that_is_an_error_is_asked_for_again(store: S3Store) -> None:
    with pytest.raises(StorageUnreachable):
        list(store.histories("bkt", "p/"))
    assert len(_Server.asked) > 1
