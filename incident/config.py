"""``incident.toml``: what the files say together. Every message about them names the file, the line and the key.

Found upwards from the working directory, over ``$XDG_CONFIG_HOME/dataops-incident/incident.toml`` as the lower layer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from incident.config_file import ConfigFile
from incident.config_rules import CatalogRule, OrchestratorRule, Policy, StorageRule
from incident.config_serving import ServingRule
from lineage.datasets import JobId
from lineage.declarations import Declarations

__all__ = ["NAME", "CatalogRule", "Config", "OrchestratorRule", "Policy", "StorageRule", "find", "load", "user_file"]

NAME = "incident.toml"


@dataclass(frozen=True)
class Config:
    """The merged configuration. ``path`` is the project's file; None when there is none."""

    path: Path | None = None
    declarations: Declarations = field(default_factory=Declarations)
    sources: tuple[str, ...] = ()
    storages: tuple[StorageRule, ...] = ()
    orchestrators: tuple[OrchestratorRule, ...] = ()
    catalogs: tuple[CatalogRule, ...] = ()
    serving: tuple[ServingRule, ...] = ()
    policy: Policy = field(default_factory=Policy)
    home_url: str | None = None

    def storage_for(self, bucket: str, prefix: str = "") -> StorageRule | None:
        """The first rule that covers a prefix of a bucket."""
        return next((rule for rule in self.storages if rule.covers(bucket, prefix)), None)

    def catalog(self, name: str) -> CatalogRule | None:
        """The catalog of that name; the project's file comes before the user's."""
        return next((rule for rule in self.catalogs if rule.name == name), None)

    def orchestrator_for(self, job: JobId) -> OrchestratorRule | None:
        """The first rule whose glob matches NAMESPACE/NAME."""
        return next((rule for rule in self.orchestrators if fnmatchcase(str(job), rule.jobs)), None)


def load(explicit: str | None = None) -> Config:
    """The file named, else the one found upwards, over the user's. Raises ConfigError."""
    path = Path(explicit).expanduser().absolute() if explicit else find(Path.cwd())
    lower = user_file()
    layers = [ConfigFile(lower)] if lower is not None and lower.is_file() and lower != path else []
    if path is not None:
        layers.append(ConfigFile(path))
    return _merge(path, layers)


def find(folder: Path) -> Path | None:
    """The nearest ``incident.toml`` in a folder or above it."""
    return next((place / NAME for place in (folder, *folder.parents) if (place / NAME).is_file()), None)


def user_file() -> Path | None:
    """The user's own file; None for a user without a home directory (a container's arbitrary uid)."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        return (Path(base) if base.startswith("/") else Path("~/.config").expanduser()) / "dataops-incident" / NAME
    except RuntimeError:
        return None


def _merge(path: Path | None, layers: list[ConfigFile]) -> Config:
    """Lists where the first match wins begin with the project's; those where the last does end with them."""
    strongest = list(reversed(layers))
    policy: dict[str, Any] = {}
    for layer in layers:
        policy |= layer.policy
    return Config(
        path=path,
        declarations=Declarations(
            datasets=tuple(rule for layer in layers for rule in (*layer.datasets, *(one.declares for one in layer.serving))),
            edges=tuple(rule for layer in layers for rule in layer.edges),
            skew=next((layer.skew for layer in strongest if layer.skew is not None), 0),
            lost_after=next((layer.lost_after for layer in strongest if layer.lost_after is not None), None),
        ),
        sources=next((layer.sources for layer in strongest if layer.sources is not None), ()),
        storages=tuple(rule for layer in strongest for rule in layer.storages),
        orchestrators=tuple(rule for layer in strongest for rule in layer.orchestrators),
        catalogs=tuple(rule for layer in strongest for rule in layer.catalogs),
        serving=tuple(rule for layer in strongest for rule in layer.serving),
        policy=Policy(**policy),
        home_url=next((layer.home_url for layer in strongest if layer.home_url is not None), None),
    )
