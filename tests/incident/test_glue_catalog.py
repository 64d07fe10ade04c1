"""The catalogue's adapter where ministack serves nothing: versions of tables and partitions, as moto describes them.

moto knows no condition, so that nothing here is about one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from incident.errors import CredentialsMissing, ObjectMissing, PreconditionFailed, StorageUnreachable
from incident.pointers.glue import GluePartition, GlueTable
from incident.pointers.port import PointerUnreadable
from incident.storage.glue import GlueCatalog
from runbooks.actions import Requirement, SwapPointer
from tests.pointer_world import table

MARK = "revert-0123456789ab/0"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with mock_aws():
        client: Any = boto3.client("glue", region_name="us-east-1")
        client.create_database(DatabaseInput={"Name": "shop"})
        client.create_table(DatabaseName="shop", TableInput=table("s3://lake/t/v=41/"))
        client.update_table(DatabaseName="shop", TableInput=table("s3://lake/t/v=42/"))
        daily = {**table("s3://lake/daily/"), "Name": "daily", "PartitionKeys": [{"Name": "dt", "Type": "string"}]}
        client.create_table(DatabaseName="shop", TableInput=daily)
        made = {"Values": ["2026-11-17"], "StorageDescriptor": {"Location": "s3://lake/daily/bad/"}}
        client.create_partition(DatabaseName="shop", TableName="daily", PartitionInput=made)
        iceberg = {**table("s3://lake/ice/"), "Name": "ice", "Parameters": {"table_type": "ICEBERG"}}
        client.create_table(DatabaseName="shop", TableInput=iceberg)
        yield client


@pytest.fixture
def catalog(client: Any) -> GlueCatalog:
    del client
    return GlueCatalog(None, None, "us-east-1")


def test_a_tables_past_is_read_newest_first(catalog: GlueCatalog) -> None:
    pointer = GlueTable(catalog, "shop", "features", "glue://shop/features")
    assert pointer.now().value == "s3://lake/t/v=42/"
    past, ordered = pointer.past(0)
    assert ([one.value for one in past], ordered) == (["s3://lake/t/v=41/"], True)


def test_a_partition_is_moved_and_keeps_its_values(catalog: GlueCatalog, client: Any) -> None:
    pointer = GluePartition(catalog, "shop", "daily", {"dt": "2026-11-17"}, "glue://shop/daily/dt=2026-11-17")
    now = pointer.now()
    requires = Requirement(now.version_id, now.etag)
    action = SwapPointer("glue", "url", requires, now.value, "s3://lake/daily/good/", "a@b", writers_stopped=True)
    made = pointer.swap(action, MARK)
    assert pointer.verify(action, MARK, made).status == "done"
    found = client.get_partition(DatabaseName="shop", TableName="daily", PartitionValues=["2026-11-17"])["Partition"]
    assert (found["Values"], found["StorageDescriptor"]["Location"]) == (["2026-11-17"], "s3://lake/daily/good/")


def test_what_has_no_location_of_its_own_is_refused(catalog: GlueCatalog) -> None:
    for name, why in (("daily", "has partitions"), ("ice", "iceberg")):
        with pytest.raises(PointerUnreadable, match=why):
            GlueTable(catalog, "shop", name, f"glue://shop/{name}").now()
    with pytest.raises(PointerUnreadable, match="keys: dt"):
        GluePartition(catalog, "shop", "daily", {"day": "1"}, "glue://shop/daily/day=1").now()
    with pytest.raises(ObjectMissing):
        catalog.table("shop", "nowhere")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ConcurrentModificationException", PreconditionFailed),
        ("VersionMismatchException", PreconditionFailed),
        ("EntityNotFoundException", ObjectMissing),
        ("AccessDeniedException", CredentialsMissing),
        ("InternalServiceException", StorageUnreachable),
        ("OperationTimeoutException", StorageUnreachable),
    ],
)
def test_an_update_names_the_version_and_its_refusals_mean_what_they_say(
    catalog: GlueCatalog, code: str, error: type[Exception]
) -> None:
    with Stubber(catalog._writes) as stub:
        asked = {"DatabaseName": "shop", "TableInput": table("s3://lake/t/"), "VersionId": "7"}
        stub.add_client_error("update_table", code, http_status_code=400, expected_params=asked)
        with pytest.raises(error):
            catalog.update_table("shop", {**table("s3://lake/t/"), "VersionId": "7", "CreatedBy": "x", "Owner": ""}, "7")
