"""A local S3 server as a child process on a free loopback port: ministack, or moto's server where only that is installed."""

from __future__ import annotations

import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from incident.errors import IncidentError

START_SECONDS = 30.0
STOP_SECONDS = 10.0
HOST = "127.0.0.1"
_ATTEMPTS = 3
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "SYSTEMROOT", "LD_LIBRARY_PATH")


class ServerMissing(IncidentError):
    """No S3 server that the demo could start is installed."""

    code = "no-server"


class ServerFailed(IncidentError):
    """The local S3 server did not come up."""

    code = "server"


def available() -> str | None:
    """The server module that this environment has: ministack before moto, because it keeps its promises better."""
    if importlib.util.find_spec("ministack"):
        return "ministack"
    if importlib.util.find_spec("moto") and importlib.util.find_spec("flask"):
        return "moto.server"
    return None


@dataclass(slots=True)
class LocalServer:
    """A context manager. The server is ready inside it and gone after it, whatever ended it.

    ``keep``: a folder where the objects, their versions and the buckets' settings survive the server (ministack only).
    """

    folder: Path
    keep: Path | None = None
    port: int = 0
    module: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def whole_seconds(self) -> bool:
        """Whether the server cuts the times of objects to seconds."""
        return self.module != "ministack"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def settings(self) -> dict[str, str]:
        """The environment that makes ministack serve S3 only, on loopback only, over the kept folder if there is one."""
        settings = {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "SERVICES": "s3",
            "SFTP_ENABLED": "0",  # these two would listen on ports of their own
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
        }
        if self.keep is not None:
            settings |= {
                "S3_PERSIST": "1",
                "S3_DATA_DIR": str(self.keep / "objects"),
                "PERSIST_STATE": "1",  # the bucket's versioning state is written when the server ends
                "STATE_DIR": str(self.keep / "state"),
            }
        return settings

    def __enter__(self) -> Self:
        module = available()
        if module is None:
            raise ServerMissing("no local S3 server is installed", "pip install 'dataops-incident[demo]'")
        if self.keep is not None and module != "ministack":
            raise ServerMissing(
                "the installed S3 server (moto) cannot keep its objects", "pip install 'dataops-incident[demo]' to use --keep"
            )
        self.module = module
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(_ATTEMPTS):
            self.port = _free_port()
            try:
                self._start()
            except BaseException:
                self.stop()
                raise
            if self._ready():
                return self
            self.stop()  # another process took the port between our look and the server's
        last = self.log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise ServerFailed(f"the local S3 server ({module}) did not start: {last[0]}", "try again: incident demo")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    def _start(self) -> None:
        arguments = [] if self.module == "ministack" else ["-H", HOST, "-p", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "incident.demo.guard", self.module, *arguments],
                stdin=subprocess.PIPE,  # held open for the guard, never written to
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(os.environ, self.folder) | self.settings(),
                start_new_session=True,  # Ctrl-C is ours to handle; the server ends after us, not with us
            )

    def _ready(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=2)  # never goes through a proxy
            try:
                connection.request("GET", "/_ministack/ready" if self.module == "ministack" else "/moto-api/")
                if connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR:
                    return self._process.poll() is None
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(0.03)
        return False

    def stop(self) -> None:
        """End the server and wait for it. Does nothing where it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.terminate()
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.stdin is not None:
                process.stdin.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(inherited: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Only what Python needs: a profile, an endpoint, a proxy or a Docker socket of the person's must not reach the server."""
    root = str(Path(__file__).resolve().parents[2])
    kept = {name: value for name, value in inherited.items() if name in _KEPT}
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (root, inherited.get("PYTHONPATH", ""))))
    return kept | {"TMPDIR": str(folder), "DOCKER_HOST": f"unix://{folder / 'no-docker.sock'}"}
