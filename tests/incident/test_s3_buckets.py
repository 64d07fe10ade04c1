"""What is known of a bucket before anything in it is changed, and what a plan says of it."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest
from botocore.exceptions import ClientError

from incident.errors import CredentialsMissing
from incident.storage.s3 import S3Store
from incident.storage.s3_bucket import bucket_state
from lineage.timestamps import SECOND
from runbooks.cautions import COPYING, COVERING, cautions
from runbooks.guarantees import EVERYTHING, Guarantees
from runbooks.survey import BucketState, Expiry
from tests.s3_server import LiveBucket


class Told:
    """A server that answers each question as told, and says of the rest that there is no such thing."""

    def __init__(self, **answers: Any) -> None:
        self._answers = {"get_bucket_versioning": {"Status": "Enabled"}, **answers}

    def __getattr__(self, name: str) -> Any:
        def ask(**_said: Any) -> Any:
            answer = self._answers.get(name, "NotImplemented")
            if isinstance(answer, str):
                raise ClientError({"Error": {"Code": answer, "Message": "said so"}}, name)
            return answer

        return ask


def state(**answers: Any) -> BucketState:
    return bucket_state(Told(**answers), "lake", "http://server")  # type: ignore[arg-type] # it quacks


def lifecycle(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"get_bucket_lifecycle_configuration": {"Rules": [{"Status": "Enabled", **rule} for rule in rules]}}


def test_lifecycle_rules_are_read_with_their_prefix_and_rather_wider_than_too_narrow() -> None:
    covered = {"NoncurrentVersionExpiration": {"NoncurrentDays": 7, "NewerNoncurrentVersions": 5}}
    found = state(
        **lifecycle(
            {**covered, "Filter": {"Prefix": "a/"}},
            {**covered, "Filter": {"And": {"Prefix": "b/", "Tags": [], "ObjectSizeGreaterThan": 5}}},
            {**covered, "Filter": {"Tag": {"Key": "k", "Value": "v"}}},
            {**covered, "Prefix": "old/"},
            {**covered, "Status": "Disabled", "Filter": {}},
            {"NoncurrentVersionExpiration": {"NewerNoncurrentVersions": 1}, "Filter": {"Prefix": "now/"}},
        )
    )
    assert [(one.prefix, one.days) for one in found.expiries] == [("a/", 7), ("b/", 7), ("", 7), ("old/", 7), ("now/", 0)]


def test_a_rule_that_only_takes_lonely_markers_away_expires_nothing_of_ours() -> None:
    found = state(
        **lifecycle(
            {"Expiration": {"ExpiredObjectDeleteMarker": True}, "Filter": {}},
            {"Expiration": {"Days": 3}, "Filter": {"Prefix": "kept/"}},
            {"Expiration": {"Date": "2030-01-01"}, "Filter": {"Prefix": "dated/"}},
        )
    )
    assert found.expirations == (Expiry("kept/", 3), Expiry("dated/", 0))
    assert found.expiries == ()


def test_covered_versions_that_go_into_an_archive_are_told() -> None:
    moves = [{"NoncurrentDays": 1, "StorageClass": "STANDARD_IA"}, {"NoncurrentDays": 9, "StorageClass": "DEEP_ARCHIVE"}]
    found = state(**lifecycle({"NoncurrentVersionTransitions": moves, "Filter": {"Prefix": "a/"}}))
    assert found.archives == (Expiry("a/", 9),)
    assert any("after 9 days" in one for one in cautions(found, COVERING))


def test_what_we_may_not_read_is_unknown_and_not_absent() -> None:
    denied = dict.fromkeys(
        (
            "get_bucket_lifecycle_configuration",
            "get_object_lock_configuration",
            "get_bucket_replication",
            "get_bucket_request_payment",
            "get_bucket_ownership_controls",
            "get_bucket_encryption",
        ),
        "AccessDenied",
    )
    found = state(**denied)
    assert not found.lifecycle_known
    assert found.hidden == ("object lock", "replication", "requester pays", "default encryption")
    assert found.acls == "unknown"
    assert dict(found.terms.told)["replication"] == "unknown"
    assert dict(found.terms.facts)["expiry of covered versions"] == "unknown"


def test_expired_credentials_are_not_taken_for_a_bucket_that_has_nothing() -> None:
    with pytest.raises(CredentialsMissing):
        state(get_bucket_replication="ExpiredToken")


def test_a_bucket_with_everything_is_told_in_full() -> None:
    found = state(
        get_bucket_versioning={"Status": "Enabled", "MFADelete": "Enabled"},
        get_object_lock_configuration={
            "ObjectLockConfiguration": {
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}},
            }
        },
        get_bucket_replication={
            "ReplicationConfiguration": {
                "Rules": [{"Status": "Enabled", "Filter": {"Prefix": "clean/"}}, {"Status": "Disabled", "Prefix": ""}]
            }
        },
        get_bucket_request_payment={"Payer": "Requester"},
        get_bucket_ownership_controls={"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}},
        get_bucket_encryption={
            "ServerSideEncryptionConfiguration": {
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "key-1"}}]
            }
        },
    )
    assert (found.mfa_delete, found.lock, found.retains) == (True, True, "30 days (GOVERNANCE)")
    assert (found.replicated, found.requester_pays, found.acls) == (("clean/",), True, "on")
    assert found.encryption == "aws:kms key-1"
    told = " ".join(cautions(found, COVERING | COPYING))
    for word in ("retains every new version", "is replicated", "requester_pays = true"):
        assert word in told


@pytest.mark.parametrize(
    ("code", "expected"), [("OwnershipControlsNotFoundError", "on"), ("NotImplemented", "off"), ("AccessDenied", "unknown")]
)
def test_a_bucket_without_ownership_controls_has_acls_and_a_server_without_them_has_none(code: str, expected: str) -> None:
    assert state(get_bucket_ownership_controls=code).acls == expected


def test_what_a_plan_tells_of_a_bucket_makes_no_plan_stale() -> None:
    one, other = state(), state(get_bucket_replication="AccessDenied", get_bucket_request_payment={"Payer": "Requester"})
    assert one.terms.told != other.terms.told
    assert one.terms == other.terms
    assert one.terms.difference(other.terms) == ""


def test_only_guarantees_that_a_plan_relies_on_are_warned_of() -> None:
    server = Guarantees(
        tuple(one for one in EVERYTHING.honoured if one not in {"copy-if-absent", "put-if-match"}), ("copy-if-absent",), asked=1
    )
    found = BucketState("lake", "Enabled", guarantees=server)
    assert cautions(found, COVERING) == ()
    [first, second] = cautions(found, COVERING | COPYING)
    assert "does not honour copy-if-absent" in first
    assert "taken back" in second


def test_a_bucket_that_was_never_asked_relies_on_nothing() -> None:
    [told] = cautions(BucketState("lake", "Off"), COVERING)
    assert "none is relied upon" in told


@pytest.mark.parametrize(
    ("endpoint", "same"),
    [
        ("https://s3.eu-west-1.amazonaws.com", True),
        ("https://s3.dualstack.us-east-1.amazonaws.com/", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", False),
        ("https://s3.amazonaws.com.evil.example", False),
        ("http://127.0.0.1:9000", False),
    ],
)
def test_a_bucket_is_known_by_its_server_and_aws_is_one(endpoint: str, same: bool) -> None:
    server = S3Store(endpoint, region="us-east-1").server
    assert (server == S3Store("https://s3.amazonaws.com", region="us-east-1").server) is same


@pytest.mark.parametrize(("off", "skew", "told"), [(3_600, 0, "behind"), (-3_600, 0, "ahead of"), (2, 0, ""), (3_600, 3_600, "")])
def test_a_clock_that_is_not_the_storage_s_is_told(off: int, skew: int, told: str) -> None:
    date = formatdate(time.time() + off, usegmt=True)
    versioning = {"Status": "Enabled", "ResponseMetadata": {"HTTPHeaders": {"date": date}, "HTTPStatusCode": 200}}
    said = state(get_bucket_versioning=versioning).off(time.time_ns(), skew * SECOND)
    assert (told in said) if told else not said


def test_a_brief_look_sees_the_versioning_and_keeps_the_rest(bucket: LiveBucket) -> None:
    store = S3Store(bucket.endpoint)
    whole = store.state(bucket.name, brief=True)
    assert whole.versioning == "Enabled"
    store.remember(bucket.name, EVERYTHING)
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Suspended"})
    brief = store.state(bucket.name, brief=True)
    assert (brief.versioning, brief.encryption, brief.guarantees) == ("Suspended", whole.encryption, EVERYTHING)
