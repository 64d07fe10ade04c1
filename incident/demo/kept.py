"""What ``--keep`` leaves beside the lake: how to serve it again, the credentials, and where everything is."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from incident.demo.environment import CREDENTIALS
from incident.demo.server import LocalServer
from incident.errors import UsageError

_README = """\
# The lake of `incident demo`

Serve it again (Ctrl-C stops the server; the objects and all their versions stay in `s3/`):

    sh serve.sh

In another terminal, here:

    . ./env.sh
    incident list
    incident --incident {incident} timeline
    incident --incident {incident} blast

- `incident.toml`: what was declared about the lake; `lake.json`, `deployed.json`: the pipeline's own settings
- `events/`: the OpenLineage events of every run; `incidents/`: the incident's timeline, plans and journals
- `post-mortem.md`: what `incident export` wrote

The pipeline runs by hand too: `python -m incident.demo.lake --lake lake.json --help`.
The port {port} and this folder's path are part of `incident.toml`: change them there when the port is taken or the folder moves.
"""


def new_folder(text: str) -> Path:
    """The folder to keep everything in; made if absent. Raises UsageError unless it is new or empty."""
    folder = Path(text).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = next(folder.iterdir(), None) is not None
    except OSError as error:
        raise UsageError(f"{folder} cannot be used: {error.strerror or error}", "name another folder with --keep DIR") from error
    if occupied:
        raise UsageError(f"{folder} is not empty, and the demo overwrites nothing", "name a new folder with --keep DIR")
    return folder


def write_hints(folder: Path, server: LocalServer, incident: str) -> None:
    """Write README.md, serve.sh and env.sh."""
    lines = ["#!/bin/sh", "# Serves the kept lake again.", 'cd "$(dirname "$0")" || exit 1']
    for name, value in server.settings().items():
        inside = Path(value).relative_to(folder) if value.startswith(f"{folder}/") else None
        lines.append(f'export {name}="$PWD/{inside}"' if inside else f"export {name}={shlex.quote(value)}")
    lines.append(f"exec {shlex.quote(sys.executable)} -m {server.module}")
    (folder / "serve.sh").write_text("\n".join(lines) + "\n", encoding="utf-8")
    exports = [f"export {name}={shlex.quote(value)}" for name, value in CREDENTIALS.items()]
    (folder / "env.sh").write_text(
        "\n".join(["unset AWS_PROFILE AWS_ENDPOINT_URL AWS_SESSION_TOKEN", *exports]) + "\n", encoding="utf-8"
    )
    text = _README.format(incident=incident, port=server.port)
    (folder / "README.md").write_text(text, encoding="utf-8")
