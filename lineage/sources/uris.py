"""Datasets named by a URI, as orchestrators name them, spelled as OpenLineage's producers spell the same place.

Source: https://openlineage.io/docs/spec/naming and the ``assets`` modules of Airflow's provider packages.
"""

from __future__ import annotations

from lineage.datasets import DatasetId, normalise
from lineage.events import DatasetRef
from lineage.partitions import split_name

_TABLES = {"postgres": "postgres", "postgresql": "postgres", "mysql": "mysql", "mssql": "mssql", "trino": "trino"}
"""Where host and port are the namespace, and the path is database.schema.table."""


def reference(uri: str, namespace: str = "") -> DatasetRef | None:
    """The dataset of a URI, and the partition at its end if it names one; None for an empty one.

    A name that is no URI belongs to ``namespace``, if there is one.
    """
    scheme, separator, rest = uri.strip().partition("://")
    scheme = scheme.lower()
    host, _, path = rest.partition("/")
    if not separator:
        if not namespace or not scheme:
            return None
        return _split(DatasetId(namespace, uri.strip()))
    if scheme in _TABLES:
        return DatasetRef(DatasetId(f"{_TABLES[scheme]}://{host}", path.strip("/").replace("/", "."))) if path.strip("/") else None
    if scheme == "bigquery":
        return DatasetRef(DatasetId("bigquery", rest.strip("/").replace("/", "."))) if rest.strip("/") else None
    if not host and not path:
        return None
    return _split(normalise(f"{scheme}://{host}", path or "/"))


def _split(full: DatasetId) -> DatasetRef:
    name, found = split_name(full.name)
    return DatasetRef(DatasetId(full.namespace, name), (found,) if found else ())
