"""One request over a connection that is already open, and its answer as it came.

Botocore's connections are kept by urllib3's pool, which spends more on each request than the network does. Who has to connect
first (and so to know of proxies, certificates and time-outs) is botocore's session; a connection that it left open in the pool is
used as the standard library does. What breaks on the way is told by botocore's errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers``: pairs, in the order and writing of the server."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """``name`` in small letters."""
        return next((value for one, value in self.headers if one.lower() == name), None)


@dataclass(frozen=True, slots=True)
class Request:
    """Without a body, signed."""

    method: str
    url: str
    headers: dict[str, str]


class Wire:
    """To the servers that one of botocore's sessions reaches."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._pools: dict[str, Any] = {}

    def send(self, request: Request) -> Answer:
        """Send it exactly once. Raises botocore's errors."""
        pool = self._pool(request.url)
        found = _open(pool) if pool is not None else None
        if found is None:
            from botocore.awsrequest import AWSRequest

            answer = self._session.send(AWSRequest(request.method, request.url, headers=request.headers).prepare())
            return Answer(answer.status_code, tuple(answer.headers.items()), answer.content)
        try:
            return _sent(found, request)
        finally:
            pool._put_conn(found)  # noqa: SLF001  # closed by now, if anything went wrong with it

    def _pool(self, url: str) -> Any:
        """The connections to a server; None where botocore goes by a proxy, or keeps them otherwise than we know."""
        server = url[: url.find("/", 8)]
        if server not in self._pools:
            proxies, manager = getattr(self._session, "_proxy_config", None), getattr(self._session, "_manager", None)
            pool = None
            if manager is not None and proxies is not None and proxies.proxy_url_for(url) is None:
                pool = manager.connection_from_url(url)
            known = hasattr(pool, "_get_conn") and hasattr(pool, "_put_conn")
            self._pools[server] = pool if known else None
        return self._pools[server]


def _open(pool: Any) -> Any:
    """A connection that is open, with the time-out for answers that its first request left; None where there is none."""
    found = pool._get_conn()  # noqa: SLF001  # one that the server has dropped comes back closed
    socket = getattr(found, "sock", None)
    if socket is not None and socket.gettimeout() is not None and isinstance(found, HTTPConnection):
        return found
    pool._put_conn(found)  # noqa: SLF001
    return None


def _sent(connection: HTTPConnection, request: Request) -> Answer:
    from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

    target = request.url[request.url.index("/", 8) :]
    try:
        # Past what urllib3 makes of both: the plain methods of the class that it extends.
        HTTPConnection.request(connection, request.method, target, None, request.headers)
        answer = HTTPConnection.getresponse(connection)
        return Answer(answer.status, tuple(answer.headers.raw_items()), answer.read())
    except TimeoutError as error:
        connection.close()
        raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
    except (OSError, HTTPException) as error:
        connection.close()
        raise ConnectionClosedError(error=error, endpoint_url=request.url) from error
    except BaseException:
        connection.close()
        raise
