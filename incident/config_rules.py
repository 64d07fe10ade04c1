"""What single entries of ``incident.toml`` say about doing things; what they say about lineage is in ``lineage.declarations``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StorageRule:
    """One ``[[storage]]``: how to reach a bucket, or a prefix of one. ``prefix`` is empty or ends at a ``/``."""

    url: str
    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    profile: str | None = None
    region: str | None = None
    requester_pays: bool = False
    probe: bool = True
    """Whether scratch objects may be written to find out what the server honours."""
    batch_role: str | None = None
    batch_function: str | None = None
    """ARNs of what S3 Batch Operations run as, and of the Lambda function that they invoke."""

    def covers(self, bucket: str, prefix: str) -> bool:
        return bucket == self.bucket and (prefix.rstrip("/") + "/").startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class CatalogRule:
    """One ``[[catalog]]``: how pyiceberg reaches an Iceberg catalog; its own configuration says the rest."""

    name: str
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class OrchestratorRule:
    """One ``[[orchestrator]]``: who makes the cells of the jobs that match."""

    jobs: str
    kind: str
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """Caps per operation, and what needs a second person. Sizes in bytes."""

    max_objects: int = 100_000
    max_bytes: int = 1 << 40
    approvals: int = 0
    quarantine: str | None = None
