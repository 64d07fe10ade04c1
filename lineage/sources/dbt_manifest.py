"""What a dbt manifest says: which datasets there are, who makes each from what, who owns it and who is served.

Read as plain JSON and tolerantly, so that every manifest version since v7 is the same to us. Names are those that
openlineage-dbt gives in its default mode, so that both tell of the same jobs and datasets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lineage.datasets import DatasetId, JobId, normalise
from lineage.events import DatasetRef
from lineage.partitions import split_name
from lineage.periods import Grain

_PARTS = ("nodes", "sources", "exposures", "metrics", "semantic_models", "saved_queries", "functions")
_MADE = ("model", "seed", "snapshot")
_SCHEMES = {
    "sqlserver": "mssql",
    "athena": "awsathena",
    "fabric": "fabric-warehouse",
    "watsonx_presto": "presto",
}
_SUFFIXES = {
    "model": {"build": ".build.run"},
    "snapshot": {"build": ".build.snapshot"},
    "seed": {"build": ".build.seed"},
}
_BATCHES = {"hour": Grain.HOUR, "day": Grain.DAY, "month": Grain.MONTH, "year": Grain.YEAR}

_REPLACING = frozenset({"bigquery", "databricks", "duckdb", "redshift", "snowflake", "spark"})
"""The adapters whose microbatch strategy replaces the batch."""


@dataclass(frozen=True, slots=True)
class Producer:
    """A model, seed or snapshot that dbt makes: what it writes and what it reads, ephemeral models seen through."""

    unique_id: str
    output: DatasetRef
    inputs: tuple[DatasetRef, ...]
    relation: str | None
    batch: Grain | None
    """How long the batches of a microbatch model are; None for everything else."""
    replaces: bool
    """Whether dbt deletes what a batch held before it writes it; some adapters merge it by a unique key."""
    full_refresh: bool | None
    """What the model's configuration says of ``--full-refresh``; None where it leaves that to the command."""
    _job: JobId

    def job(self, command: str | None) -> JobId:
        """The job as openlineage-dbt names it, which depends on the command that ran it."""
        kind = self.unique_id.partition(".")[0]
        plain = "" if kind == "model" else f".{kind}"
        return self._job._replace(name=self._job.name + _SUFFIXES[kind].get(command or "", plain))


class Manifest:
    """A decoded ``manifest.json``. ``notes``: what of it could not be used, found while reading."""

    def __init__(self, raw: dict[str, Any], *, namespace: str | None, jobs: str) -> None:
        self.notes: list[str] = []
        self._raw = raw
        self._all: dict[str, dict[str, Any]] = {
            unique_id: node for part in _PARTS for unique_id, node in table(raw.get(part)).items() if isinstance(node, dict)
        }
        metadata = table(raw.get("metadata"))
        self._adapter = text(metadata.get("adapter_type"))
        self.generated_at = text(metadata.get("generated_at"))
        self.version = text(metadata.get("dbt_schema_version")).rpartition("/")[2].removesuffix(".json")
        if not re.fullmatch(r"v([7-9]|1[0-2])", self.version):
            self.notes.append(f"manifest version {self.version or 'unknown'} is not one of v7 to v12: read as if it were")
        self.namespace = namespace or self._derived_namespace(metadata)
        self._jobs = jobs
        self._real_names = self._names()
        served = self._served()
        self.datasets = {
            unique_id: self._reference(unique_id, node, served.get(unique_id))
            for unique_id, node in self._all.items()
            if _holds_data(unique_id, node)
        }

    def producers(self) -> Iterator[Producer]:
        """Everything that dbt makes."""
        for unique_id, output in self.datasets.items():
            kind, _, rest = unique_id.partition(".")
            if kind not in _MADE:
                continue
            node = self._all[unique_id]
            config = table(node.get("config"))
            refresh = config.get("full_refresh")
            yield Producer(
                unique_id,
                output,
                inputs=tuple(self.datasets[one] for one in self._reads(unique_id)),
                relation=text(node.get("relation_name")) or None,
                batch=_BATCHES.get(text(config.get("batch_size"))) if output.strategy == "microbatch" else None,
                replaces=self._adapter in _REPLACING,
                full_refresh=refresh if isinstance(refresh, bool) else None,
                _job=JobId(self._jobs, _joined(node, rest)),
            )

    def served(self) -> Iterator[DatasetRef]:
        """The datasets that an exposure shows to people or services."""
        return (reference for reference in self.datasets.values() if reference.exposed)

    def _served(self) -> dict[str, list[str]]:
        """What exposures depend on, with the exposures' owners: they must know as much as the dataset's own."""
        found: dict[str, list[str]] = {}
        for unique_id, node in table(self._raw.get("exposures")).items():
            for one in self._reads(unique_id):
                found.setdefault(one, []).extend(owners(table(node).get("owner")))
        return found

    def _reads(self, reader: str) -> list[str]:
        """The datasets that a node reads, straight or through nodes that hold no data of their own."""
        found: dict[str, None] = {}
        waiting = self._parents(reader)
        visited = set(waiting)
        while waiting:
            one = waiting.pop(0)
            node = self._all.get(one)
            if node is None:
                self.notes.append(f"{reader} depends on {one}, which the manifest does not hold")
            elif _holds_data(one, node):
                found[one] = None
            else:
                more = [above for above in self._parents(one) if above not in visited]
                visited.update(more)
                waiting += more
        return list(found)

    def _parents(self, unique_id: str) -> list[str]:
        named = table(self._all.get(unique_id, {}).get("depends_on")).get("nodes")
        if not isinstance(named, list):
            named = table(self._raw.get("parent_map")).get(unique_id)
        parents = [one for one in named if isinstance(one, str)] if isinstance(named, list) else []
        return list(dict.fromkeys(one for one in parents if not one.startswith("macro.")))

    def _reference(self, unique_id: str, node: dict[str, Any], served: list[str] | None) -> DatasetRef:
        config = table(node.get("config"))
        source = unique_id.startswith("source.")
        name = text(node.get("name")) if source else text(node.get("alias")) or text(node.get("name"))
        dataset = self._dataset(node, name)
        real = text(node.get("identifier")) if source else ""
        symlinks = (self._dataset(node, real),) if real and real != name else ()
        if symlinks and self._real_names.get(dataset, unique_id) != unique_id:
            dataset, symlinks = symlinks[0], ()  # openlineage-dbt's name for it is another table's real one
        strategy = text(config.get("incremental_strategy")) if config.get("materialized") == "incremental" else ""
        return DatasetRef(
            dataset,
            materialized=None if source else text(config.get("materialized")) or None,
            strategy=strategy or None,
            exposed=served is not None,
            symlinks=symlinks,
            owners=tuple(dict.fromkeys([*self._owners(node, config), *(served or [])])),
        )

    def _names(self) -> dict[DatasetId, str]:
        """Where each dataset really lies, and which node it is."""
        return {
            self._dataset(node, text(node.get("identifier")) or text(node.get("alias")) or text(node.get("name"))): unique_id
            for unique_id, node in self._all.items()
            if _holds_data(unique_id, node)
        }

    def _dataset(self, node: dict[str, Any], name: str) -> DatasetId:
        full = normalise(self.namespace, _joined(node, name))
        return full._replace(name=split_name(full.name)[0])

    def _owners(self, node: dict[str, Any], config: dict[str, Any]) -> list[str]:
        named = [*owners(table(config.get("meta")).get("owner")), *owners(table(node.get("meta")).get("owner"))]
        group = text(config.get("group")) or text(node.get("group"))
        for one in map(table, table(self._raw.get("groups")).values()) if group else ():
            package = text(one.get("package_name"))
            if text(one.get("name")) == group and (not package or package == text(node.get("package_name"))):
                named += owners(one.get("owner")) or [group]
        return named

    def _derived_namespace(self, metadata: dict[str, Any]) -> str:
        adapter = text(metadata.get("adapter_type")) or "dbt"
        if adapter == "bigquery":
            return adapter  # the one adapter whose namespace is the same everywhere
        project = text(metadata.get("project_name"))
        if not project:  # older manifests do not say; their packages do
            packages = [text(node.get("package_name")) for node in table(self._raw.get("nodes")).values() if isinstance(node, dict)]
            project = max(sorted(set(packages)), key=packages.count, default="") or "project"
        derived = f"{_SCHEMES.get(adapter, adapter)}://{project}"
        self.notes.append(
            f"dbt's artifacts do not say where the data lies: its namespace is taken to be {derived}; if other sources tell of the"
            " same datasets, name theirs with dbt:TARGET?namespace=…"
        )
        return derived


def owners(value: Any) -> list[str]:
    """Names from what people write as an owner: a text, a list, or ``{name, email}``."""
    match value:
        case str():
            return [value.strip()] if value.strip() else []
        case list():
            return [name for one in value for name in owners(one)]
        case dict():
            return owners(value.get("name")) or owners(value.get("email"))
        case _:
            return []


def table(value: Any) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """Text without lone surrogates; "" for anything else."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _holds_data(unique_id: str, node: dict[str, Any]) -> bool:
    kind = unique_id.partition(".")[0]
    return kind == "source" or (kind in _MADE and table(node.get("config")).get("materialized") != "ephemeral")


def _joined(node: dict[str, Any], name: str) -> str:
    return ".".join(part for part in (text(node.get("database")), text(node.get("schema")), name) if part)
