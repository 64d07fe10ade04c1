"""A server asked over HTTP: GET only, JSON only, with retries, and errors that a person can act on."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from lineage.errors import SourceUnreadable

_SECONDS = 30.0
_WAITS = (0.5, 1.0, 2.0)
_LONGEST = 512 * 1024 * 1024
_PASSING = frozenset({429, 500, 502, 503, 504})


class Absent(Exception):
    """The server answered that there is no such thing (404)."""


class Server:
    """One server below a base URL. Read-only: it can do nothing but GET.

    ``token`` goes as a bearer token to this server alone, never to where it redirects.
    """

    def __init__(self, source: str, base: str, *, token: str = "", hint: str = "") -> None:
        parts = _split(base)
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise SourceUnreadable(f"lineage source {source}: not the address of a server", "write it as …+http://host:port")
        if parts.username is not None or parts.password is not None:
            raise SourceUnreadable(
                f"lineage source at {parts.hostname}: credentials do not belong into its address",
                hint or "leave them out of the address",
            )
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._source = source
        self._token = token
        self._hint = hint

    def get(self, *segments: str, parameters: Mapping[str, str | int] | None = None) -> Any:
        """The JSON at a path, whose segments may hold any character. Raises Absent for 404, SourceUnreadable for the rest."""
        url = "/".join([self.url, *(quote(segment, safe="") for segment in segments)])
        if parameters:
            url += f"?{urlencode(parameters)}"
        for wait in (*_WAITS, None):
            try:
                body = self._body(url)
                break
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == http.client.NOT_FOUND:
                    raise Absent(url) from None
                if error.code not in _PASSING or wait is None:
                    raise self._refused(url, error.code, error.reason) from None
            except (OSError, http.client.HTTPException) as error:
                if wait is None:
                    reason = getattr(error, "reason", None) or error
                    raise SourceUnreadable(
                        f"lineage source {self._source}: {url} cannot be reached: {reason}", "check the address and the network"
                    ) from None
            time.sleep(wait)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise SourceUnreadable(
                f"lineage source {self._source}: {url} answers with something else than JSON: {body[:60]!r}",
                "check the address: it is the server's API that is asked, not its web pages",
            ) from None

    def _body(self, url: str) -> bytes:
        request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - http or https, checked above
        if self._token:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
            body: bytes = answer.read(_LONGEST + 1)
        if len(body) > _LONGEST:
            raise SourceUnreadable(f"lineage source {self._source}: {url} answers with more than {_LONGEST} bytes", "")
        return body

    def _refused(self, url: str, code: int, reason: str) -> SourceUnreadable:
        said = f"lineage source {self._source}: {url} answers {code} {reason}".rstrip()
        match code:
            case 401 | 403:
                return SourceUnreadable(said, self._hint or "check the credentials")
            case _ if code in _PASSING:
                return SourceUnreadable(f"{said}, {len(_WAITS) + 1} times", "look at the server's own log, then try again")
            case _:
                return SourceUnreadable(said, "check the address and the server's version")


def _split(base: str) -> Any:
    try:
        parts = urlsplit(base)
        _ = parts.port  # raises when it is no number
    except ValueError:
        return None
    return parts
