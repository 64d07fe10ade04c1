"""Requests without a body, sent with a fraction of what botocore spends on each.

A client checks, routes and hooks every request anew, for some 2 ms of CPU; a restore sends two for each object. The first request
to a bucket goes botocore's way and is the example: those after it have the same host, way of addressing, region and agent. What
decides over right and wrong stays botocore's: the model that says where a parameter goes and what a header means, the credentials,
the connections and their errors, and the reading of refusals. Each request is sent exactly once.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import ParseError

from incident.storage.s3_reading import Reading
from incident.storage.s3_signature import Signer
from incident.storage.s3_wire import Answer, Request, Wire

_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^ ]+/\d{8}/([a-z0-9-]+)/s3/aws4_request,")
_PLAIN = re.compile(r"[!-~]([ -~]*[!-~])?")
"""Values of headers that mean one thing to everybody who canonicalises them, but for runs of blanks."""
_SAFE = "/~"
_ELSEWHERE = frozenset({301, 302, 307, 308})


@dataclass(frozen=True, slots=True)
class _Example:
    """What is the same for all requests to a bucket. ``base``: the URL before a key; ``bucket``: that of the bucket itself."""

    base: str
    bucket: str
    region: str
    agent: str


class ShortWay:
    """Of one client, which goes on to serve whatever cannot go this way. ``pays``: say that we pay for each request."""

    def __init__(self, client: Any, *, pays: bool = False) -> None:
        self._client, self._pays = client, pays
        self._examples: dict[str, _Example] = {}
        self._last = threading.local()
        self._wire = Wire(client._endpoint.http_session)  # noqa: SLF001
        self._signer = Signer()
        self._parser: Any = None
        self._readings: dict[str, Reading] = {}
        client.meta.events.register_last("before-send.s3", self._noticed)

    def _noticed(self, request: Any, **_rest: object) -> None:
        self._last.request = request

    @contextmanager
    def example(self, bucket: str, key: str | None = None) -> Iterator[None]:
        """Learn from the request about this key, or the bucket, that the client is about to send from this thread."""
        self._last.request = None
        yield
        if bucket not in self._examples and (found := _example(self._last.request, key)) is not None:
            self._examples[bucket] = found

    def send(self, operation: str, bucket: str, key: str, said: dict[str, Any]) -> Any:
        """The answer, as the client would give it; None where the client must be asked, and then nothing has happened yet.

        ``said``: the parameters besides bucket and key, by their names in S3's API. Raises botocore's errors.
        """
        request = self._request(operation, bucket, key, said)
        if request is None:
            return None
        model = self._client.meta.service_model.operation_model(operation)
        answer = self._wire.send(request)
        if answer.status in _ELSEWHERE:
            self._examples.pop(bucket, None)  # the bucket moved, and nothing was done
            return None
        if "Expires" in model.output_shape.members and answer.header("expires") is not None:
            return None  # a read, and botocore keeps the text of what may be no date
        return self._read(model, operation, answer)

    def _request(self, operation: str, bucket: str, key: str | None, said: dict[str, Any]) -> Request | None:
        """Signed and ready to be sent; None where the client must be asked. ``key`` None: it is about the bucket."""
        example = self._examples.get(bucket)
        credentials = self._client._request_signer._credentials  # noqa: SLF001  # they renew themselves
        if example is None or credentials is None:
            return None
        model = self._client.meta.service_model.operation_model(operation)
        written = _written(model, said, pays=self._pays and "RequestPayer" in model.input_shape.members)
        if written is None:
            return None
        headers, query = written
        headers["User-Agent"] = example.agent
        where = example.bucket if key is None else example.base + quote(key, safe=_SAFE)
        method, url = model.http["method"], where + query
        return Request(method, url, self._signer.signed(method, url, headers, credentials.get_frozen_credentials(), example.region))

    def ask(self, operation: str, bucket: str, said: dict[str, Any]) -> Answer | None:
        """The answer to a question about a bucket as it came; None where there is none that can be read: ask the client."""
        from botocore.exceptions import BotoCoreError

        request = self._request(operation, bucket, None, said)
        if request is None:
            return None
        try:
            answer = self._wire.send(request)
        except BotoCoreError:
            return None  # the client asks again, as often as it does, and finds the words
        if answer.status in _ELSEWHERE:
            self._examples.pop(bucket, None)
        return answer if answer.status == 200 and b"<Error" not in answer.body[:300] else None

    def _read(self, model: Any, operation: str, answer: Answer) -> Any:
        from botocore.awsrequest import HeadersDict
        from botocore.exceptions import ClientError
        from botocore.parsers import create_parser

        body, status = answer.body, answer.status
        payload = model.output_shape.serialization.get("payload")
        if status == 200 and payload is not None and f"<{payload}".encode() not in body:
            status = 500  # an error that came with the status of success, or the answer broke off
        if status < 300:
            try:
                return self._reading(model).read(answer)
            except (ValueError, ParseError):
                pass  # botocore says what is wrong with it
        if self._parser is None:
            self._parser = create_parser("rest-xml")
        raw = {"headers": HeadersDict(answer.headers), "status_code": status, "body": body}
        found = self._parser.parse(raw, model.output_shape)
        if status >= 300:
            raise ClientError(found, operation)
        return found

    def _reading(self, model: Any) -> Reading:
        if model.name not in self._readings:
            self._readings[model.name] = Reading.of(model.output_shape)
        return self._readings[model.name]


def short_way(client: Any, *, pays: bool) -> ShortWay | None:
    """None where a later botocore keeps elsewhere what we need; then everything goes its own way."""
    kept = hasattr(client, "_request_signer") and hasattr(getattr(client, "_endpoint", None), "http_session")
    return ShortWay(client, pays=pays) if kept else None


def _example(request: Any, key: str | None) -> _Example | None:
    """None where the request is signed otherwise than we would, or says where the key is in another way."""
    if request is None:
        return None
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    scope = _SCOPE.match(headers.get("authorization", ""))
    whole, _, _ = request.url.partition("?")
    path = quote(key, safe=_SAFE) if key is not None else ""
    if key is None and not whole.endswith("/"):
        whole += "/"
    if scope is None or "x-amz-s3session-token" in headers or not whole.endswith(f"/{path}"):
        return None
    base = whole.removesuffix(path)
    root = urlsplit(base).path == "/"  # the host names the bucket
    return _Example(base, base if root else base.removesuffix("/"), scope.group(1), headers.get("user-agent", ""))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _written(model: Any, said: dict[str, Any], *, pays: bool) -> tuple[dict[str, str], str] | None:
    """Headers and query; None where a parameter is not of the plain kind that goes into them."""
    headers: dict[str, str] = {"x-amz-request-payer": "requester"} if pays else {}
    _, _, chosen = model.http["requestUri"].partition("?")
    query: list[str] = [chosen] if chosen else []
    for name, value in said.items():
        where = model.input_shape.members[name].serialization
        text = _source(value) if name == "CopySource" else _said(value)
        if text is None:
            return None
        if where.get("location") == "header":
            if not _PLAIN.fullmatch(text):
                return None
            headers[where["name"]] = text
        elif where.get("location") == "querystring":
            query.append(f"{where['name']}={quote(text, safe='~')}")
        else:
            return None
    return headers, f"?{'&'.join(sorted(query))}" if query else ""


def _said(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else None


def _source(value: Any) -> str | None:
    if ":" in value["Bucket"]:
        return None  # an access point, which is written otherwise
    version = value.get("VersionId")
    return quote(f"{value['Bucket']}/{value['Key']}", safe=_SAFE) + (f"?versionId={version}" if version else "")
