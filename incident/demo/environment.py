"""The environment of the demo's commands: the throw-away server's credentials, and nothing of the person's own accounts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from incident.demo.settings import ACCESS_KEY, REGION, SECRET_KEY

_DROPPED = ("AWS_", "INCIDENT_", "BOTO_", "XDG_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",  # no search for credentials over the network
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}


def isolated(inherited: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What the demo's commands get: a profile, an endpoint, a proxy or a home that the person has set would lead them elsewhere."""
    kept = {name: value for name, value in inherited.items() if not name.startswith(_DROPPED) and name.upper() not in _PROXIES}
    root = str(Path(__file__).resolve().parents[2])
    private = folder / ".private"
    return kept | {
        **CREDENTIALS,
        "AWS_CONFIG_FILE": str(private / "no-aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(private / "no-aws-credentials"),
        "XDG_CONFIG_HOME": str(private),
        "XDG_STATE_HOME": str(private),
        "INCIDENT_ACTOR": "on-call",
        "PYTHONPATH": os.pathsep.join(filter(None, (root, inherited.get("PYTHONPATH", "")))),
    }
