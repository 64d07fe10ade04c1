"""The AWS Glue Data Catalog: tables with the versions it keeps of them, and partitions.

``UpdateTable`` with a ``VersionId`` is a compare-and-swap; ``UpdatePartition`` knows no condition. As for buckets, a request with
an effect is sent once, and an answer that does not say whether it was performed is raised as ``StorageUnreachable``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Protocol

from incident.errors import CredentialsMissing, ObjectMissing, PreconditionFailed, StorageError, StorageUnreachable
from incident.storage.s3_client import S3Connection, translated, unthrottled

_MISSING = frozenset({"EntityNotFoundException"})
_CHANGED = frozenset({"ConcurrentModificationException", "VersionMismatchException"})
_DENIED = frozenset({"AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"})
_UNCERTAIN = frozenset({"InternalServiceException", "OperationTimeoutException", "InternalFailure"})
_NONE = frozenset({"InvalidAction", "UnknownOperationException", "NotImplemented", "UnsupportedOperation"})

TABLE_INPUT = (
    *("Name", "Description", "Owner", "LastAccessTime", "LastAnalyzedTime", "Retention", "StorageDescriptor", "PartitionKeys"),
    *("ViewOriginalText", "ViewExpandedText", "TableType", "Parameters", "TargetTable", "ViewDefinition"),
)
"""The fields of a table that can be written; the others are the catalogue's own."""
PARTITION_INPUT = ("Values", "LastAccessTime", "StorageDescriptor", "Parameters", "LastAnalyzedTime")

_UNSAID = (None, "")
"""What an answer may say of a field that nobody ever filled, and a request must not."""

Raw = Mapping[str, Any]


class Catalog(Protocol):
    """What is asked of a catalogue. Tables and partitions are as ``GetTable`` and ``GetPartition`` describe them."""

    def table(self, database: str, name: str) -> Raw:
        """Raises ObjectMissing."""

    def versions(self, database: str, name: str) -> Sequence[Raw] | None:
        """The versions of a table that are kept, newest first; None where the server keeps none."""

    def update_table(self, database: str, table: Raw, version_id: str) -> None:
        """Write a table over exactly this version. Raises PreconditionFailed, ObjectMissing."""

    def partition(self, database: str, table: str, values: Sequence[str]) -> Raw:
        """Raises ObjectMissing."""

    def update_partition(self, database: str, table: str, partition: Raw) -> None:
        """Write a partition over whatever it is now. Raises ObjectMissing."""


class GlueCatalog(S3Connection):
    """The catalogue that one ``[[storage]]`` entry with ``url = "glue://…"`` reaches; else that of boto3's usual chain."""

    @cached_property
    def _glue(self) -> Any:
        return self._client("glue", attempts=6)

    @cached_property
    def _writes(self) -> Any:
        return self._client("glue", attempts=1)

    def table(self, database: str, name: str) -> Raw:
        with _said(f"glue://{database}/{name}"):
            found: Raw = self._glue.get_table(DatabaseName=database, Name=name)["Table"]
        return found

    def versions(self, database: str, name: str) -> Sequence[Raw] | None:
        found: list[Raw] = []
        try:
            with _said(f"glue://{database}/{name}"):
                pages = self._glue.get_paginator("get_table_versions").paginate(DatabaseName=database, TableName=name)
                found = [{**one["Table"], "VersionId": one["VersionId"]} for page in pages for one in page["TableVersions"]]
        except _Unserved:
            return None
        return sorted(found, key=lambda one: int(one["VersionId"]), reverse=True)

    def update_table(self, database: str, table: Raw, version_id: str) -> None:
        made = {key: table[key] for key in TABLE_INPUT if table.get(key) not in _UNSAID}
        with _said(f"glue://{database}/{made['Name']}"):
            unthrottled(lambda: self._writes.update_table(DatabaseName=database, TableInput=made, VersionId=version_id))

    def partition(self, database: str, table: str, values: Sequence[str]) -> Raw:
        with _said(f"glue://{database}/{table}/{'/'.join(values)}"):
            found: Raw = self._glue.get_partition(DatabaseName=database, TableName=table, PartitionValues=list(values))["Partition"]
        return found

    def update_partition(self, database: str, table: str, partition: Raw) -> None:
        made = {key: partition[key] for key in PARTITION_INPUT if partition.get(key) not in _UNSAID}
        with _said(f"glue://{database}/{table}/{'/'.join(made['Values'])}"):
            unthrottled(
                lambda: self._writes.update_partition(
                    DatabaseName=database, TableName=table, PartitionValueList=made["Values"], PartitionInput=made
                )
            )


class _Unserved(StorageError):
    """An answer within this module: the server does not know the request."""


@contextmanager
def _said(place: str) -> Iterator[None]:
    """Glue's errors as ours; those of the connection are told as for buckets."""
    from botocore.exceptions import ClientError

    try:
        with translated(place, keep=tuple(_MISSING | _CHANGED | _DENIED | _UNCERTAIN | _NONE)):
            yield
    except ClientError as error:
        said = error.response.get("Error", {})
        code, message = str(said.get("Code", "")), said.get("Message", "")
        if code in _MISSING:
            raise ObjectMissing(f"there is no {place} in the catalogue: {message}", "check the pointer in incident.toml") from error
        if code in _CHANGED:
            raise PreconditionFailed(f"{place} is no longer what it was; nothing was changed", "plan again") from error
        if code in _DENIED:
            raise CredentialsMissing(
                f"these credentials may not do this to {place}: {message}", "ask for the permission"
            ) from error
        if code in _NONE:
            raise _Unserved(f"the catalogue does not know this request: {message}") from error
        raise StorageUnreachable(f"the catalogue answered {code} about {place}: {message}", "run it again in a while") from error
