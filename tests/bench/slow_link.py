"""A link that is far away: a TCP proxy on the loopback that holds every byte back by 15 ms each way, and counts requests.

``slow_link(endpoint)`` runs it as a process of its own while the block lasts. ``python -m tests.bench.slow_link HOST PORT DELAY``
is that process; it prints its port, and for each line that it reads a JSON object of the requests counted since the line before.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

ONE_WAY = 0.015
"""Seconds."""

_REQUEST = re.compile(rb"(GET|PUT|POST|DELETE|HEAD) (\S+) HTTP/1\.1\r\n")
_KINDS = {
    "versions": "list versions",
    "list-type": "list objects",
    "delete": "delete batch",
    "versioning": "versioning",
    "lifecycle": "lifecycle",
}


@dataclass(frozen=True)
class SlowLink:
    """A running proxy."""

    endpoint: str
    process: subprocess.Popen[str]

    def counts(self) -> dict[str, int]:
        """The requests since the last call, by what they ask for."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found: dict[str, int] = json.loads(self.process.stdout.readline())
        return found


@contextmanager
def slow_link(endpoint: str, one_way: float = ONE_WAY) -> Iterator[SlowLink]:
    """A link to the server at ``endpoint``."""
    parts = urlsplit(endpoint)
    command = [sys.executable, "-m", "tests.bench.slow_link", str(parts.hostname), str(parts.port), str(one_way)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield SlowLink(f"http://127.0.0.1:{int(process.stdout.readline())}", process)
        finally:
            process.terminate()


def kind(method: str, path: str) -> str:
    """What a request asks for."""
    query = path.partition("?")[2]
    for part in query.split("&"):
        if (known := _KINDS.get(part.partition("=")[0])) is not None:
            return known
    return {"PUT": "copy or put", "DELETE": "delete one"}.get(method, f"{method.lower()} other")


class _Link:
    """One connection. What begins with a request line after an answer is a new request: nobody pipelines here."""

    def __init__(self, counter: Counter[str], one_way: float) -> None:
        self._counter, self._one_way = counter, one_way

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, outward: bool) -> None:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await queue.get()
                if (left := due - loop.time()) > 0:
                    await asyncio.sleep(left)
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            writer.close()

        delivery = asyncio.create_task(deliver())
        try:
            while data := await reader.read(1 << 18):
                if outward and (match := _REQUEST.match(data)):
                    self._counter[kind(match[1].decode(), match[2].decode("latin-1"))] += 1
                queue.put_nowait((loop.time() + self._one_way, data))
        except OSError:
            pass
        queue.put_nowait((loop.time() + self._one_way, b""))
        with suppress(OSError):
            await delivery


async def _serve(host: str, port: int, one_way: float) -> None:
    counter: Counter[str] = Counter()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(counter, one_way)
        there = await asyncio.open_connection(host, port)
        await asyncio.gather(
            link.carry(reader, there[1], outward=True), link.carry(there[0], writer, outward=False), return_exceptions=True
        )

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        sys.stdout.write(json.dumps(counter) + "\n")
        sys.stdout.flush()
        counter.clear()


def main(arguments: Sequence[str]) -> None:
    asyncio.run(_serve(arguments[0], int(arguments[1]), float(arguments[2])))


if __name__ == "__main__":
    main(sys.argv[1:])
