"""The requests of a safe purge or restore and nothing else: what the server alone makes everybody wait for.

``python -m tests.bench.storage_floor purge|apply|restore ENDPOINT BUCKET DAYS EACH`` sends them over open connections, unsigned,
from a few threads, reads no more of the answers than the next request needs, and keeps no plan and no journal. A purge lists the
versions; looks at what is current, deletes on the condition of the ETag and lists what came of it. ``apply`` is that without the
first listing. A restore lists, asks what each copy has to keep, looks, copies, and looks again.
"""

from __future__ import annotations

import hashlib
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import quote, urlsplit

from tests.bench.storage_lake import day

CHUNK = 1_000
_ENTRY = re.compile(rb"<Key>([^<]*)</Key><VersionId>([^<]*)</VersionId>")
_NEXT = re.compile(rb"<NextKeyMarker>([^<]*)</NextKeyMarker><NextVersionIdMarker>([^<]*)</NextVersionIdMarker>")
_ETAG = hashlib.md5(b"bad!!", usedforsecurity=False).hexdigest()


class Server:
    """One connection for each thread."""

    def __init__(self, endpoint: str, bucket: str) -> None:
        parts = urlsplit(endpoint)
        self._host, self._port, self._bucket = str(parts.hostname), parts.port, bucket
        self._here = threading.local()

    def send(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        if not hasattr(self._here, "connection"):
            self._here.connection = HTTPConnection(self._host, self._port)
        connection: HTTPConnection = self._here.connection
        connection.request(method, f"/{self._bucket}{path}", body, headers or {})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {said[:200]!r}")
        return said

    def versions(self, prefix: str, after: str = "", upto: str = "~") -> Iterator[tuple[str, str]]:
        """Key and version id of what lies there, page by page until the last key that is wanted."""
        key, version = after, ""
        while True:
            marked = f"&key-marker={quote(key, safe='')}" + (f"&version-id-marker={version}" if version else "")
            page = self.send("GET", f"?versions&prefix={quote(prefix, safe='')}{marked if key else ''}")
            found = [(one.decode(), two.decode()) for one, two in _ENTRY.findall(page)]
            yield from found
            following = _NEXT.search(page)
            if following is None or sum(one[0] == upto for one in found) > 1:
                return
            key, version = following[1].decode(), following[2].decode()


Part = tuple[str, str, list[str]]


def chunks(days: int, each: int) -> list[Part]:
    """Prefix, the key before, and the keys of each chunk."""
    found: list[Part] = []
    for number in range(days):
        prefix = f"clean/orders/dt={day(number)}/"
        keys = [f"{prefix}part-{part:05}.parquet" for part in range(each)]
        found += [(prefix, keys[at - 1] if at else "", keys[at : at + CHUNK]) for at in range(0, each, CHUNK)]
    return found


def purge(server: Server, parts: Sequence[Part], pool: ThreadPoolExecutor, *, listing: bool) -> None:
    if listing:
        list(pool.map(lambda prefix: list(server.versions(prefix)), dict.fromkeys(part[0] for part in parts)))

    def mark(part: Part) -> None:
        prefix, after, keys = part
        server.send("GET", f"?list-type=2&prefix={quote(prefix, safe='')}&start-after={quote(after, safe='')}")
        objects = "".join(f"<Object><Key>{key}</Key><ETag>{_ETAG}</ETag></Object>" for key in keys)
        server.send("POST", "?delete", f"<Delete><Quiet>false</Quiet>{objects}</Delete>".encode())
        list(server.versions(prefix, after, keys[-1]))

    list(pool.map(mark, parts))


def restore(server: Server, parts: Sequence[Part], pool: ThreadPoolExecutor) -> None:
    def path(key: str) -> str:
        return "/" + quote(key, safe="/")

    def look(part: Part) -> list[tuple[str, str]]:
        prefix, after, keys = part
        return list(server.versions(prefix, after, keys[-1]))

    def copy(key: str, version: str) -> None:
        source = f"{server._bucket}{path(key)}?versionId={version}"
        server.send("PUT", path(key), b"", {"x-amz-copy-source": source, "x-amz-storage-class": "STANDARD"})

    good: dict[str, str] = {}
    for found in pool.map(look, parts):
        good |= dict(found)  # the last one of a key is the oldest
    list(pool.map(lambda one: server.send("HEAD", f"{path(one[0])}?versionId={one[1]}"), good.items()))
    list(pool.map(look, parts))
    list(pool.map(lambda one: copy(*one), good.items()))
    list(pool.map(look, parts))


def main(arguments: Sequence[str]) -> None:
    what, endpoint, bucket, days, each = arguments
    server, parts = Server(endpoint, bucket), chunks(int(days), int(each))
    with ThreadPoolExecutor(32 if what == "restore" else 8) as pool:
        if what == "restore":
            restore(server, parts, pool)
        else:
            purge(server, parts, pool, listing=what == "purge")


if __name__ == "__main__":
    main(sys.argv[1:])
