"""Where a cell lies in storage: a bucket and a prefix that ends at a ``/``, or why nobody can say.

Absence is never permission: an unknown partition, a missing layout or an empty prefix is refused, never read as "everything".
The ``/`` at the end is what keeps ``dt=2026-11-1`` away from ``dt=2026-11-10``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from lineage.attempts import Cell
from lineage.datasets import DatasetId
from lineage.declarations import Declarations
from lineage.errors import PartitionError
from runbooks.plan import Refusal
from runbooks.survey import LOCAL, Target

TABLE_FORMATS = ("iceberg", "delta", "hudi")
_S3 = re.compile(r"s3[an]?://([^/]+)(?:/(.*))?", re.IGNORECASE | re.DOTALL)
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")
_URL = 'location = "file:///path/to/it"'


@dataclass(frozen=True, slots=True)
class Location:
    """A dataset's root: ``prefix`` is empty for a bucket's root, else ends at a ``/``."""

    bucket: str
    prefix: str


def location(dataset: DatasetId, declarations: Declarations) -> Location | Refusal:
    """A dataset's root in storage: as declared, else its own name where that is an s3:// URL or a local path."""
    declared = declarations.dataset(dataset).location
    if declared is None and dataset.namespace == "file":
        return _named_folder(dataset)
    text = declared if declared is not None else str(dataset)
    if text.lower().startswith("file:"):
        return _declared_folder(dataset, text)
    match = _S3.fullmatch(text)
    if match is None:
        what = f"location {text!r} is not an s3:// URL" if declared is not None else "no storage mapping"
        return Refusal(str(dataset), f'{what}; add location = "s3://BUCKET/PREFIX" to its [[dataset]]', "no-mapping")
    key = match[2] or ""
    return Location(match[1], key if not key or key.endswith("/") else key + "/")


def _named_folder(dataset: DatasetId) -> Location | Refusal:
    """A dataset whose name is a path, as most producers write it, and some escape it: a name that could be either is refused."""
    if _ESCAPED.search(dataset.name):
        why = f"its name {dataset.name!r} may be escaped or not; declare location, escaped as a URL is ({_URL})"
        return Refusal(str(dataset), why, "no-mapping")
    return _folder(dataset, dataset.name)


def _declared_folder(dataset: DatasetId, text: str) -> Location | Refusal:
    """A declared location is a URL (RFC 8089): an absolute path on this machine, with ``%XX`` for what a URL cannot hold."""
    rest = text[len(LOCAL) :]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() not in {"", "localhost"}:
            why = f"location {text!r} names the machine or folder {host!r}; only absolute paths on this one are reached: {_URL}"
            return Refusal(str(dataset), why, "no-mapping")
        rest = slash + path
    if not rest.startswith("/"):
        return Refusal(str(dataset), f"location {text!r} is a relative path; write an absolute one: {_URL}", "no-mapping")
    try:
        return _folder(dataset, unquote(rest, errors="strict"))
    except UnicodeDecodeError:
        return Refusal(str(dataset), f"location {text!r} is escaped from something else than UTF-8", "no-mapping")


def _folder(dataset: DatasetId, path: str) -> Location | Refusal:
    parts = [part for part in path.split("/") if part]
    if {".", ".."} & set(parts) or "\0" in path:
        return Refusal(str(dataset), f"the path {path!r} is not plain; write it without '.' and '..'", "no-mapping")
    return Location(LOCAL, "".join(f"{part}/" for part in parts))


def locate(cell: Cell, declarations: Declarations, *, deleting: bool = True) -> Target | Refusal:
    """Where a cell lies, or why it is refused. ``deleting``: something there will be deleted, which protection forbids."""
    rule = declarations.dataset(cell.dataset)
    if deleting and rule.protected:
        return Refusal(str(cell), "is protected: it is never deleted from", "protected")
    if rule.format is not None and rule.format.lower() in TABLE_FORMATS:
        return Refusal(str(cell), f"is a table of format {rule.format}; its files are never touched one by one", "table-format")
    root = location(cell.dataset, declarations)
    if isinstance(root, Refusal):
        return Refusal(str(cell), root.why, root.code)
    if not cell.partition:
        if rule.partition:
            why = f"its partition is not known, and the dataset has the layout {rule.partition.template}"
            return Refusal(str(cell), why, "unknown-partition")
        if rule.partition is None and not cell.known:
            why = "its partition is not known; if the dataset has none, declare partition = false"
            return Refusal(str(cell), why, "unknown-partition")
        if not root.prefix:
            whole = "this machine's file system" if root.bucket == LOCAL else f"the bucket {root.bucket}"
            return Refusal(str(cell), f"would be all of {whole}", "bucket-root")
        return Target(root.bucket, root.prefix)
    if rule.partition is None:
        return Refusal(str(cell), 'no partition layout is declared; add for example partition = "dt=%Y-%m-%d"', "no-mapping")
    if rule.partition is False:
        return Refusal(str(cell), "names a partition, but the dataset is declared as having none", "unknown-partition")
    try:
        path = rule.partition.render(cell.partition)
    except PartitionError as error:
        return Refusal(str(cell), error.message, "unknown-partition")
    if root.bucket == LOCAL and not all(part not in {"", ".", ".."} for part in path.split("/")):
        return Refusal(str(cell), f"its folder {path!r} is not a plain path", "unknown-partition")
    return Target(root.bucket, f"{root.prefix}{path}/")


def inside(outer: Target, bucket: str, prefix: str) -> bool:
    """Whether a place lies at or below a target."""
    return bucket == outer.bucket and (prefix if prefix.endswith("/") else prefix + "/").startswith(outer.prefix)


_ICEBERG = re.compile(r"(?:^|/)metadata/(?:version-hint\.text|snap-[^/]*\.avro|[^/]*\.metadata\.json(?:\.gz)?)$")


def table_format(keys: Iterable[str]) -> str | None:
    """The table format that files with these keys betray, or None."""
    for key in keys:
        if "_log/" not in key and ".hoodie/" not in key and "_lakefs/" not in key and "metadata/" not in key:
            continue  # as nearly all are
        path = f"/{key}"
        if "/_delta_log/" in path:
            return "delta"
        if "/.hoodie/" in path:
            return "hudi"
        if "/_lakefs/" in path:
            return "lakefs"
        if "metadata/" in key and _ICEBERG.search(key):
            return "iceberg"
    return None


def in_table(form: str) -> str:
    """Why files of a table are left alone, whatever the configuration says; and what helps where we know the format."""
    why = f"belongs to a table of format {form}; its files are never touched one by one"
    return f'{why}; declare format = "{form}" in its [[dataset]]' if form in {"iceberg", "delta"} else why
