"""How deltalake reaches a table's storage: as the fitting [[storage]] entry says, and as whom our own requests are made."""

from __future__ import annotations

import os

from incident.config import Config
from incident.errors import ConfigError
from incident.storage.s3_identity import identity


def storage_options(config: Config, url: str) -> dict[str, str]:
    """Options for a table's URL. On S3 every commit is a conditional put, so that no two commits make the same version."""
    if not url.startswith("s3://"):
        return {}
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    entry = config.storage_for(bucket, prefix)
    if entry is None:
        raise ConfigError(
            f"no [[storage]] entry covers {url}", f'add to incident.toml: [[storage]] url = "s3://{bucket}"', code="no-storage"
        )
    found = {"AWS_ENDPOINT_URL": entry.endpoint, "AWS_REGION": entry.region}
    if (who := identity(entry.profile)) is not None:
        found |= {"AWS_ACCESS_KEY_ID": who.key, "AWS_SECRET_ACCESS_KEY": who.secret, "AWS_SESSION_TOKEN": who.token}
    options = {key: value for key, value in found.items() if value}
    if entry.endpoint is not None and entry.endpoint.startswith("http://"):
        options["AWS_ALLOW_HTTP"] = "true"
    if "AWS_S3_LOCKING_PROVIDER" not in os.environ:
        options["aws_conditional_put"] = "etag"  # else its writers agree over a table of locks, which is theirs to name
    return options
