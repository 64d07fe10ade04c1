"""Which names mean one dataset.

Union-find over normalised (namespace, name): lower-case scheme and host, ``s3a``/``s3n`` → ``s3``, no trailing slash, keys
never lower-cased; joined by symlinks and RENAME. Every merge keeps its evidence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(.*)", re.DOTALL)
_ROOTED = frozenset({"hdfs", "webhdfs", "viewfs", "file", "dbfs", "abfs", "abfss", "wasb", "wasbs"})
"""File systems, whose paths begin with a slash by OpenLineage's naming; keys of object stores do not."""

_STORAGE = ("s3://", "gs://", "abfss://", "hdfs://", "file:", "wasbs://")


class JobId(NamedTuple):
    """A job's namespace and name, as its producer writes them."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class DatasetId(NamedTuple):
    """A dataset's normalised namespace and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace.rstrip('/')}/{self.name.lstrip('/')}"


def normalise(namespace: str, name: str) -> DatasetId:
    """One spelling for one place. A name that is itself a URL keeps its namespace out of the way."""
    if (match := _SCHEME.fullmatch(name)) and (len(match[3]) > 1 or match[2]):
        name_scheme, host, path = match.groups()
        return normalise(f"{name_scheme}://{host}", path.lstrip("/") or "/")
    namespace = namespace.strip()
    if namespace.lower() in {"file", "file:", "file://"}:  # producers write all three of one local file
        return DatasetId("file", f"/{name.strip('/')}")
    if match := _SCHEME.fullmatch(namespace):
        scheme, host, path = match.groups()
        scheme = {"s3a": "s3", "s3n": "s3"}.get(scheme.lower(), scheme.lower())
        namespace = f"{scheme}://{host.lower()}{path}".rstrip("/")
        name = f"/{name.lstrip('/')}" if scheme in _ROOTED else name.lstrip("/")
    stripped = name.rstrip("/")
    return DatasetId(namespace, stripped or name)


def split_url(text: str) -> DatasetId:
    """The dataset meant by ``NAMESPACE/NAME`` written as one string."""
    if match := _SCHEME.fullmatch(text):
        return normalise(f"{match[1]}://{match[2]}", match[3].lstrip("/"))
    namespace, _, name = text.partition("/")
    return normalise(namespace, name)


@dataclass(frozen=True, slots=True)
class Merge:
    """Two names that are one dataset, and who said so."""

    left: DatasetId
    right: DatasetId
    evidence: str


class Identities:
    """Union-find whose representative does not depend on the order of the merges.

    The representative is the name that lies in storage, if one does, else the least.
    """

    def __init__(self) -> None:
        self._parent: dict[DatasetId, DatasetId] = {}
        self.merges: list[Merge] = []

    def find(self, name: DatasetId) -> DatasetId:
        root = name
        while (above := self._parent.get(root, root)) != root:
            root = above
        while (above := self._parent.get(name, name)) != root:
            self._parent[name] = root
            name = above
        return root

    def merge(self, left: DatasetId, right: DatasetId, evidence: str) -> None:
        one, other = self.find(left), self.find(right)
        if one == other:
            return
        best, rest = sorted((one, other), key=_rank)
        self._parent[rest] = best
        self.merges.append(Merge(left, right, evidence))

    def names(self, dataset: DatasetId) -> frozenset[DatasetId]:
        """Every name known for the dataset, itself included."""
        root = self.find(dataset)
        return frozenset({root, *(name for name in self._parent if self.find(name) == root)})


def _rank(name: DatasetId) -> tuple[bool, DatasetId]:
    return not name.namespace.startswith(_STORAGE), name
